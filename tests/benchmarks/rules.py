"""Measure how long rules take to load, and a registration to match, by the number of rules."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import RuleBook
from model_trigger.settings import read_rules
from tests.benchmarks.rows import Row

_MANY, _FEW, _GLOBS = 10_000, 10, 1_000
_WORKSPACE = Workspace.parse(
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/prod"
)


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        names = {f"rule_{number}": _rule(f"model-{number}") for number in range(_MANY)}
        file = _write(folder, names)
        load, parse = _fastest(lambda: _load(file), lambda: json.loads(file.read_text()), turns=3)
        yield Row(f"load {_MANY:,} rules", load, "s", limit=2)
        yield Row.ratio(f"load {_MANY:,} rules / parse their JSON", load / parse)
        many, few = _load(file), _load(_write(folder, dict(list(names.items())[:_FEW])))
        # Without a literal prefix, a glob cannot be indexed: each one is tried.
        globs = {f"rule_{number}": _rule(f"*-{number}-*") for number in range(_GLOBS)}
        many_globs = _load(_write(folder, globs))

    def matching(book: RuleBook, model: str) -> Callable[[], object]:
        registration = Registration(_WORKSPACE, model, "17", tags={"stage": "prod"})
        assert [one.matched for one in book.evaluate(registration)] == [True]
        return lambda: book.evaluate(registration)

    fast, slow = _fastest(matching(few, "model-7"), matching(many, "model-7"), turns=2_000)
    yield Row.ratio(f"match among {_MANY:,} names / among {_FEW}", slow / fast, limit=2)
    (globbed,) = _fastest(matching(many_globs, "model-7-eu"), turns=2_000)
    yield Row(f"match among {_GLOBS:,} globs that begin with *", globbed * 1000, "ms", limit=1)
    stranger = Registration(_WORKSPACE, "modle-x", "17")
    (closest,) = _fastest(lambda: many.closest(stranger), turns=20)
    yield Row(f"name the closest of {_MANY:,} when none matches", closest * 1000, "ms")


def _rule(model: str) -> dict[str, object]:
    return {
        "model": model,
        "version": ">=10",
        "tags": {"stage": "prod"},
        "release": {"definition": 1, "project": "ml"},
    }


def _write(folder: str, rules: dict[str, dict[str, object]]) -> Path:
    file = Path(folder) / f"{len(rules)}.json"
    file.write_text(json.dumps(rules))
    return file


def _load(file: Path) -> RuleBook:
    with patch.dict(os.environ, {"RULES_FILE": str(file)}):
        book = RuleBook.read(read_rules())
    assert not book.broken
    return book


def _fastest(*tasks: Callable[[], object], turns: int) -> list[float]:
    """Return the best time of each task in seconds, alternating tasks to spread out noise."""
    best = [float("inf")] * len(tasks)
    for _ in range(turns):
        for place, task in enumerate(tasks):
            began = perf_counter()
            task()
            best[place] = min(best[place], perf_counter() - began)
    return best
