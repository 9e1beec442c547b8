"""`python -m tests.checker`: walk at random for some time, or see every schedule of a scenario."""

import argparse
import sys
from collections.abc import Iterator
from secrets import randbelow
from time import perf_counter

from tests.checker import exhaustive, schedule
from tests.checker.beginning import begin
from tests.checker.moves import Move
from tests.checker.processes import simulated
from tests.checker.scenario import Delivery, Scenario
from tests.checker.walks import Plan, Walk, shortened, walk


def main() -> int:
    """Run what the command line asks for; 1 when something is wrong."""
    options = _options()
    with simulated():
        if options.exhaustive:
            return _explore(options)
        return _walk(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to walk (60)")
    parser.add_argument("--seed", type=int, help="the first seed; by chance without it")
    parser.add_argument("--trials", type=int, help="how many walks at most")
    parser.add_argument("--exhaustive", action="store_true", help="every schedule instead")
    parser.add_argument("--deliveries", default="17,18", help="versions delivered (17,18)")
    parser.add_argument("--start", default="newer", help="newer, latest or every")
    parser.add_argument("--passes", type=int, default=0, help="passes of reconcile meanwhile (0)")
    parser.add_argument("--fresh", action="store_true", help="no pass was made before")
    parser.add_argument("--faults", type=int, default=1, help="how many faults at most (1)")
    parser.add_argument("--crashes", type=int, default=1, help="how many crashes at most (1)")
    parser.add_argument("--jumps", type=int, default=0, help="how many jumps of time at most (0)")
    parser.add_argument("--only", default="", help="kinds of faults, with commas; all without it")
    parser.add_argument("--states", type=int, help="how many states at most")
    return parser.parse_args()


def _explore(options: argparse.Namespace) -> int:
    scenario = Scenario(
        rule={"start": options.start},
        deliveries=tuple(map(Delivery, options.deliveries.split(","))),
        passes=options.passes,
        settled=not options.fresh,
        faults=tuple(filter(None, options.only.split(","))),
        most_faults=options.faults,
        most_crashes=options.crashes,
        most_jumps=options.jumps,
    )
    result = exhaustive.explore(scenario, most_states=options.states)
    print(result)
    for problem, moves in result.violations.items():
        print(f"\n{problem}")
        _show(scenario, moves)
    return bool(result.violations)


def _walk(options: argparse.Namespace) -> int:
    seed = randbelow(10**9) if options.seed is None else options.seed
    began, trials, steps = perf_counter(), 0, 0
    schedules, shown = set[int](), dict[str, int]()
    while perf_counter() - began < options.seconds and trials != options.trials:
        walked = walk(seed + trials)
        for kind in walked.kinds:
            shown[kind] = shown.get(kind, 0) + 1
            if shown[kind] == 1:
                _report(seed + trials, walked, kind)
        trials, steps = trials + 1, steps + len(walked.moves)
        schedules.add(hash(tuple(walked.moves)))
    print(
        f"{trials} walks from seed {seed} on, {len(schedules)} distinct schedules, {steps} steps, "
        f"{sum(shown.values())} violations {shown or ''}"
    )
    return bool(shown)


def _report(seed: int, walked: Walk, kind: str) -> None:
    shorter = shortened(walked, kind)
    print(f"\n{kind}: repeat it with --seed {seed} --trials 1")
    for problem in shorter.problems:
        print(f"  {problem}")
    print(f"  {_told(walked.plan)}")
    _show(walked.plan.scenario, shorter.moves)


def _told(plan: Plan) -> str:
    one = plan.scenario
    since = "known before" if one.settled else "not known before"
    return f"rule {dict(one.rule)}, {since}, key {'taken' if one.takes_key else 'not taken'}"


def _show(scenario: Scenario, moves: list[Move]) -> None:
    for line in _lines(scenario, moves):
        print(f"  {line}")


def _lines(scenario: Scenario, moves: list[Move]) -> Iterator[str]:
    stepper, state = begin(scenario)
    return schedule.lines(stepper, state, moves)


if __name__ == "__main__":
    sys.exit(main())
