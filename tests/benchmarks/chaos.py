"""Exactly once, for longer than a test may take: five times the work of the chaos test."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from secrets import randbelow

from tests.benchmarks.rows import Row
from tests.sandbox.chaos import Plan, Result, run

_MODELS, _VERSIONS = 25, 40


def measure() -> Iterator[Row]:
    plan = Plan(seed=randbelow(10**6), models=_MODELS, versions=_VERSIONS)
    result = run(plan)
    wanted = _MODELS * _VERSIONS
    yield Row(f"chaos (CHAOS_SEED={plan.seed}): registrations", wanted, "")
    yield Row("chaos: deaths of the app", result.deaths, "")
    yield Row("chaos: releases missing or duplicated", _wrong(result), "", limit=0)
    yield Row("chaos: steps back", _steps_back(result), "", limit=0)
    yield Row("chaos: seconds per registration", result.seconds / wanted, "s")


def _wrong(result: Result) -> int:
    """Return the number of missing and extra releases of the rule that starts every version."""
    wanted = Counter((f"model-{m}", v) for m in range(_MODELS) for v in range(1, _VERSIONS + 1))
    started = Counter(result.started(1))
    twice = Counter(result.started(2)).values()
    return ((wanted - started) + (started - wanted)).total() + sum(count - 1 for count in twice)


def _steps_back(result: Result) -> int:
    """Return how often the rule that starts newer versions started an older one."""
    by_model: dict[str, list[int]] = {}
    for model, version in result.started(2):
        by_model.setdefault(model, []).append(version)
    return sum(newer <= older for all_ in by_model.values() for older, newer in pairwise(all_))
