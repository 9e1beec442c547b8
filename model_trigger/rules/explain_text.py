"""Write an explanation for a terminal: the answer first, then the rules it comes from.

Made for 80 columns, without colours. Values are never cut: a table that is too wide is written in
lines below each other.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from textwrap import fill

from model_trigger.rules.explain import Expected, Explanation, Verdict
from model_trigger.rules.rule import Clause
from model_trigger.text import one_line

_WIDTH = 80
_MOST_NAMES = 20
_ORDER = tuple(Expected)
_PHRASES = {
    Expected.WOULD_START: "would start",
    Expected.WOULD_OBSERVE: "would not start, only observe",
    Expected.WOULD_FAIL: "would fail to start",
    Expected.UNREADABLE: "would wait for someone to mend",
}


def render(explanation: Explanation) -> str:
    """Write the answer, each rule that has to do with it, and the names of all others."""
    told: list[Verdict] = []
    others: list[str] = []
    for verdict in explanation.verdicts:
        if verdict.concerns or verdict.rule == explanation.closest:
            told.append(verdict)
        else:
            others.append(verdict.rule)
    told.sort(key=lambda verdict: (_ORDER.index(verdict.outcome), _failed(verdict)))
    blocks = [_wrapped(_answer(explanation)), *map(_block, told)]
    if others:
        blocks.append(_wrapped(f"About other models: {_names(others)}."))
    return "\n\n".join(blocks)


def _failed(verdict: Verdict) -> int:
    return sum(not clause.met for clause in verdict.clauses)


def _answer(explanation: Explanation) -> str:
    registration = explanation.registration
    about = f"{one_line(registration.model)} {one_line(registration.version)}"
    return f"{about} {'; '.join(_parts(explanation))}."


def _parts(explanation: Explanation) -> Iterator[str]:
    by_outcome: dict[Expected, list[Verdict]] = defaultdict(list)
    for verdict in explanation.verdicts:
        if verdict.outcome.matched or verdict.concerns:
            by_outcome[verdict.outcome].append(verdict)
    if not any(outcome.matched for outcome in by_outcome):
        yield "would start nothing"
    for outcome, phrase in _PHRASES.items():
        if outcome in by_outcome:
            told = (_by_rule(verdict) for verdict in by_outcome[outcome])
            yield f"{phrase} {' and '.join(told)}"
    if explanation.closest:
        yield f"closest is rule {explanation.closest}"
    elif not by_outcome:
        yield "no rule is about such a model" if explanation.verdicts else "there are no rules"


def _by_rule(verdict: Verdict) -> str:
    return f"{verdict.target} (rule {verdict.rule})" if verdict.target else f"rule {verdict.rule}"


def _block(verdict: Verdict) -> str:
    title = f"{verdict.rule}: {verdict.outcome.replace('_', ' ')}"
    reason = _wrapped(one_line(verdict.reason), indent="  ")
    return "\n".join([title, reason, *_table(verdict.clauses)])


def _table(clauses: Sequence[Clause]) -> list[str]:
    if not clauses:
        return []
    rows = [("", "clause", "expected", "actual"), *map(_row, clauses)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if max(map(len, lines)) <= _WIDTH - 2:
        return [f"  {line}" for line in lines]
    return [line for row in rows[1:] for line in _stacked(*row)]


def _row(clause: Clause) -> tuple[str, str, str, str]:
    expected, actual = (one_line(text) or '""' for text in (clause.expected, clause.actual))
    return "ok" if clause.met else "NO", clause.clause, expected, actual


def _stacked(met: str, clause: str, expected: str, actual: str) -> Iterator[str]:
    yield f"  {met}  {clause}"
    yield f"        expected  {expected}"
    yield f"        actual    {actual}"


def _names(rules: Sequence[str]) -> str:
    rest = len(rules) - _MOST_NAMES
    return ", ".join(rules[:_MOST_NAMES]) + (f" and {rest:,} more" if rest > 0 else "")


def _wrapped(text: str, indent: str = "") -> str:
    """Break lines at white space only, so that values stay whole."""
    return fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
