"""`python -m tests.checker`: walk at random for some time, or see every schedule of a scenario."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from secrets import randbelow
from time import perf_counter

from tests.checker import exhaustive, schedule
from tests.checker.beginning import begun
from tests.checker.moves import Move
from tests.checker.processes import simulated
from tests.checker.scenario import Delivery, Scenario
from tests.checker.walks import Plan, Walk, shortened, walk


def main() -> int:
    """Run what the command line asks for; 1 when something is wrong."""
    options = _options()
    with simulated():
        if not options.exhaustive:
            return _walk(options)
        scenarios = _scenarios(options)
        return max(_explore(name, one, options.states) for name, one in scenarios.items())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=60, help="how long to walk (60)")
    add("--seed", type=int, help="the first seed; by chance without it")
    add("--trials", type=int, help="how many walks at most")
    add("--exhaustive", action="store_true", help="every schedule instead: of what the tests see")
    add("--larger", action="store_true", help="every schedule of larger scenarios")
    add("--deliveries", help="or of a scenario: versions that are delivered, such as 17,17,18")
    add("--start", default="newer", help="newer, latest or every")
    add("--passes", type=int, default=0, help="passes of reconcile meanwhile (0)")
    add("--fresh", action="store_true", help="no pass was made before")
    add("--faults", type=int, default=1, help="how many faults at most (1)")
    add("--only", default="", help="kinds of faults, with commas; all without it")
    add("--crashes", type=int, default=1, help="how many crashes at most (1)")
    add("--jumps", default="", help="spans of time that may pass at once, in seconds, with commas")
    add("--states", type=int, help="how many states at most")
    options = parser.parse_args()
    if options.deliveries and not options.exhaustive:
        parser.error("--deliveries describes a scenario: it needs --exhaustive")
    return options


def _scenarios(options: argparse.Namespace) -> dict[str, Scenario]:
    if options.deliveries is None:
        return dict(exhaustive.LARGER if options.larger else exhaustive.SCENARIOS)
    spans = [round(float(one) * 1000) for one in options.jumps.split(",") if one]
    scenario = Scenario(
        rule={"start": options.start},
        deliveries=tuple(Delivery(one) for one in options.deliveries.split(",") if one),
        passes=options.passes,
        settled=not options.fresh,
        faults=tuple(one for one in options.only.split(",") if one),
        most_faults=options.faults,
        most_crashes=options.crashes,
        most_jumps=len(spans),
        jumps=tuple(spans),
    )
    return {options.deliveries: scenario}


def _explore(name: str, scenario: Scenario, most_states: int | None) -> int:
    result = exhaustive.explore(scenario, most_states=most_states)
    _write([f"{name}: {result}"])
    for problem, moves in result.violations.items():
        _write(["", problem, *_lines(scenario, moves)])
    return int(bool(result.violations))


def _walk(options: argparse.Namespace) -> int:
    seed = randbelow(10**9) if options.seed is None else options.seed
    began, trials, steps = perf_counter(), 0, 0
    schedules, found = set[int](), dict[str, int]()
    while perf_counter() - began < options.seconds and trials != options.trials:
        walked = walk(seed + trials)
        for kind in walked.kinds:
            found[kind] = found.get(kind, 0) + 1
            if found[kind] == 1:
                _write(_report(seed + trials, walked, kind))
        trials, steps = trials + 1, steps + len(walked.moves)
        schedules.add(hash(tuple(walked.moves)))
    summary = (
        f"{trials} walks from seed {seed} on, {len(schedules)} distinct schedules, {steps} steps"
    )
    _write([f"{summary}, {sum(found.values())} violations {found or ''}"])
    return int(bool(found))


def _report(seed: int, walked: Walk, kind: str) -> Iterator[str]:
    shorter = shortened(walked, kind)
    yield f"\n{kind}: repeat it with --seed {seed} --trials 1"
    yield from (f"  {problem}" for problem in shorter.problems)
    yield f"  {_described(walked.plan)}"
    yield from _lines(walked.plan.scenario, shorter.moves)


def _described(plan: Plan) -> str:
    one = plan.scenario
    since = "known before" if one.settled else "not known before"
    key = "taken" if one.takes_key else "not taken"
    return f"rule {dict(one.rule)}, {since}; the key is {key}; lease {one.lease}, lag {one.lag}"


def _lines(scenario: Scenario, moves: list[Move]) -> Iterator[str]:
    with begun(scenario) as (stepper, state):
        yield from (f"  {line}" for line in schedule.lines(stepper, state, moves))


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
