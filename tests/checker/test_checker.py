"""The exactly-once protocol holds in every schedule of small scenarios and in random large ones.

`python -m tests.checker --help` searches further, with new seeds and for longer.
"""

from dataclasses import replace

import pytest

from tests.checker import walks
from tests.checker.beginning import begun
from tests.checker.exhaustive import SCENARIOS, explore
from tests.checker.moves import Move
from tests.checker.mutations import MUTATIONS
from tests.checker.processes import simulated
from tests.checker.scenario import Delivery, Scenario
from tests.checker.schedule import lines

# The seeds are fixed: a test that draws its own could fail by chance.
FIRST_SEED, GROUPS, WALKS = 1, 4, 75


@pytest.fixture(autouse=True)
def _simulated():
    with simulated():
        yield


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_schedule_breaks_the_protocol(name, record_property):
    result = explore(SCENARIOS[name])

    record_property(f"every schedule of {name}", str(result))
    assert {} == result.violations
    assert result.is_complete


@pytest.mark.parametrize("group", range(GROUPS))
def test_no_random_schedule_breaks_the_protocol(group, record_property):
    first = FIRST_SEED + group * WALKS
    walked = {seed: walks.walk(seed) for seed in range(first, first + WALKS)}

    record_property("walks", f"seeds {first} to {first + WALKS - 1}, {_steps(walked)} steps")
    assert {} == {seed: one.problems for seed, one in walked.items() if one.problems}


def _steps(walked):
    return sum(len(one.moves) for one in walked.values())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_fault_injected_into_the_app_is_found(mutation, record_property):
    with mutation.applied():
        found = explore(mutation.scenario, first_only=True)
    without = explore(mutation.scenario, most_states=min(found.states, 5_000))

    record_property(f"found after {found.states} states", mutation.name)
    assert mutation.found_as in {walks.kind_of(problem) for problem in found.violations}
    assert {} == without.violations


@pytest.mark.parametrize("fault", walks.ALL_FAULTS)
def test_walks_meet_every_kind_of_fault(fault):
    assert any(fault in walks.walk(seed, only(fault, seed)).met for seed in range(50))


def only(fault, seed):
    """Return the plan of a walk that injects one kind of fault wherever it can."""
    plan = walks.planned(seed)
    scenario = replace(plan.scenario, faults=(fault,), most_faults=9)
    return replace(plan, scenario=scenario, fault=1.0)


def test_a_seed_reproduces_its_walk():
    assert walks.walk(7).moves == walks.walk(7).moves
    assert walks.walk(7).moves != walks.walk(8).moves


def test_the_shortest_schedule_is_shown_step_by_step():
    scenario = Scenario(deliveries=(Delivery("17"),), most_faults=1, most_crashes=0, most_jumps=0)
    replayed = next(one for one in MUTATIONS if one.name == "a POST is replayed")
    with replayed.applied():
        found = explore(scenario, first_only=True)
        with begun(scenario) as (stepper, state):
            shown = [*lines(stepper, state, found.violations["started twice: 17"])]

    assert [
        "D17.1 starts",
        "D17.1 storage query pk eq 'churn|ml-prod-ws|churn' and rk eq 'mark'",
        "D17.1 azure_devops definition",
        "D17.1 storage transaction",
        "D17.1 azure_devops start 17 << 500 after",
        "====== release 1 of 17",
        "D17.1 azure_devops start 17",
        "====== release 2 of 17",
    ] == [_short(line) for line in shown if "comes to" not in line]


def _short(line):
    words = " ".join(line.split()[1:])
    for end in (" exists", ";", " create", ", late"):
        words = words.partition(end)[0]
    return words


def test_a_failing_walk_is_shortened_to_the_steps_that_matter():
    plan = walks.Plan(
        Scenario(deliveries=(Delivery("17"), Delivery("17"), Delivery("18")), most_faults=4),
        fault=0.3,
    )
    waits = next(one for one in MUTATIONS if one.name.startswith("a POST without a response"))
    with waits.applied():
        found = next(one for seed in range(1000) if (one := walks.walk(seed, plan)).problems)
        shorter = walks.shortened(found, found.kinds[0])

    assert found.kinds[0] in shorter.kinds
    assert shorter.length <= found.length
    assert not [one for one in shorter.moves if one == Move("time")]
