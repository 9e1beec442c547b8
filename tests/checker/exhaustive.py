"""Explore every schedule of a small scenario, breadth-first: the shortest failure comes first."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter

from tests.checker import verdict
from tests.checker.beginning import begun
from tests.checker.moves import Move, State, Stepper
from tests.checker.scenario import Delivery, Scenario

# The worst fault of each kind of call; the others lead to the same states.
_WORST = (
    "storage read: outage",
    "storage write: lost after",
    "storage write: outage",
    "storage write: outage after",
    "azure_devops definition: 503",
    "azure_devops definition: 404",
    "azure_devops start: 500 after, late",
    "azure_devops start: at last, late",
    "azure_devops start: 500",
    "azure_devops start: refused",
    "azure_devops start: 429",
    "azure_devops find: 503",
)
_ONE, _OTHER = Delivery("17"), Delivery("18")
_PAST_LEASE_AND_LAG = (242_000,)

# One fault and one crash each, unless specified otherwise: the tests run these in half a minute.
SCENARIOS: Mapping[str, Scenario] = {
    "two versions, any fault": Scenario(deliveries=(_ONE, _OTHER), most_jumps=0),
    "two versions under every": Scenario(
        rule={"start": "every"}, deliveries=(_ONE, _OTHER), most_jumps=0, faults=_WORST
    ),
    "two versions under latest": Scenario(
        rule={"start": "latest"}, deliveries=(_ONE, _OTHER), most_jumps=0, faults=_WORST
    ),
    "one version twice, time passes": Scenario(
        deliveries=(_ONE, _ONE), faults=_WORST, jumps=_PAST_LEASE_AND_LAG
    ),
    "one version twice and a newer one, no fault": Scenario(
        deliveries=(_ONE, _ONE, _OTHER), most_faults=0, most_jumps=0
    ),
    "one version and a pass": Scenario(deliveries=(_ONE,), passes=1, most_jumps=0, faults=_WORST),
    "one version and the first pass of all": Scenario(
        deliveries=(_ONE,), passes=1, settled=False, most_jumps=0, faults=_WORST
    ),
}
# The command line runs these as well, for as long as they take.
LARGER: Mapping[str, Scenario] = {
    "two versions, time passes, any fault": Scenario(
        deliveries=(_ONE, _OTHER), jumps=_PAST_LEASE_AND_LAG
    ),
    "one version twice and a newer one": Scenario(
        deliveries=(_ONE, _ONE, _OTHER), most_jumps=0, faults=_WORST
    ),
    "two versions twice": Scenario(
        deliveries=(_ONE, _ONE, _OTHER, _OTHER), most_jumps=0, faults=_WORST
    ),
    "two passes": Scenario(
        deliveries=(), versions=("17", "18"), passes=2, most_jumps=0, faults=_WORST
    ),
    "one version three times, one process freezes and another one loses its response": Scenario(
        deliveries=(_ONE, _ONE, _ONE),
        faults=("frozen", "500 after, late"),
        most_faults=2,
        most_crashes=0,
        most_jumps=1,
        jumps=(242_000,),
    ),
}


@dataclass
class Result:
    """The number of states and steps, and each problem with the schedule that leads to it."""

    states: int = 0
    steps: int = 0
    ends: int = 0
    most_passes: int = 0
    seconds: float = 0.0
    is_complete: bool = True
    violations: dict[str, list[Move]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the result in one line."""
        complete = "all" if self.is_complete else "NOT all"
        return (
            f"{complete} schedules: {self.states} states, {self.steps} steps, {self.ends} ends, "
            f"{self.most_passes} passes at most, {len(self.violations)} violations, "
            f"{self.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A state, and how it was reached."""

    state: State
    before: "_Seen | None" = None
    move: Move | None = None

    @property
    def path(self) -> list[Move]:
        return [one.move for one in [*self._back()][::-1] if one.move]

    def _back(self) -> Iterator["_Seen"]:
        one: _Seen | None = self
        while one:
            yield one
            one = one.before


def explore(
    scenario: Scenario, *, first_only: bool = False, most_states: int | None = None
) -> Result:
    """Take every step from every reachable state, visiting equal states once."""
    began, result = perf_counter(), Result()
    with begun(scenario) as (stepper, start):
        ends, seen, waiting = set[int](), {hash(start.key)}, deque([_Seen(start)])
        while waiting:
            one = waiting.popleft()
            result.states += 1
            for problem in _of_an_end(stepper, one.state, ends, result):
                result.violations.setdefault(problem, one.path)
            for reached in _reached(stepper, one, result):
                key = hash(reached.state.key)
                if key not in seen:
                    seen.add(key)
                    waiting.append(reached)
            if (first_only and result.violations) or result.states == most_states:
                result.is_complete = not waiting
                break
    result.seconds = perf_counter() - began
    return result


def _reached(stepper: Stepper, one: _Seen, result: Result) -> Iterator[_Seen]:
    """Take every step from a state, and yield the resulting states without problems."""
    for move in stepper.moves(one.state):
        after = _Seen(stepper.take(one.state, move), one, move)
        result.steps += 1
        problems = list(verdict.of_a_step(stepper.scenario, one.state, after.state))
        for problem in problems:
            result.violations.setdefault(problem, after.path)
        if not problems:
            yield after


def _of_an_end(stepper: Stepper, state: State, ends: set[int], result: Result) -> tuple[str, ...]:
    """Check the end state when nothing more fails; equal ends are checked once."""
    if not state.is_over:
        return ()
    key = hash((state.world.key, tuple(verdict.undelivered(state))))
    if key in ends:
        return ()
    ends.add(key)
    settled = verdict.settle(stepper, state)
    result.ends += 1
    result.most_passes = max(result.most_passes, settled.passes)
    return settled.problems
