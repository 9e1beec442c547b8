"""Write an explanation for a terminal: the answer first, then the rules it comes from.

Fits into 80 columns, without colours. Values are never cut: a table that is too wide is
printed one value per line.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
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
    Expected.UNREADABLE: "would wait until someone fixes",
}
# Lines break at white space only, so that values stay whole.
_wrap = partial(fill, width=_WIDTH, break_long_words=False, break_on_hyphens=False)


def render(explanation: Explanation) -> str:
    """Write the answer, each rule that is about the model, and the names of all others."""
    shown: list[Verdict] = []
    others: list[str] = []
    for verdict in explanation.verdicts:
        if verdict.concerns or verdict.rule == explanation.closest:
            shown.append(verdict)
        else:
            others.append(verdict.rule)
    shown.sort(key=lambda one: (_ORDER.index(one.outcome), sum(not row.met for row in one.clauses)))
    registration = explanation.registration
    subject = f"{one_line(registration.model)} {one_line(registration.version)}"
    blocks = [_wrap(f"{subject} {'; '.join(answer(explanation))}.")]
    for verdict in shown:
        title = f"{verdict.rule}: {verdict.outcome.replace('_', ' ')}"
        reason = _wrap(one_line(verdict.reason), initial_indent="  ", subsequent_indent="  ")
        blocks.append("\n".join([title, reason, *table(verdict.clauses)]))
    if others:
        rest = len(others) - _MOST_NAMES
        names = ", ".join(others[:_MOST_NAMES]) + (f" and {rest:,} more" if rest > 0 else "")
        blocks.append(_wrap(f"About other models: {names}."))
    return "\n\n".join(blocks)


def answer(explanation: Explanation) -> Iterator[str]:
    """Yield the parts of the sentence about the model that sums up what would happen."""
    by_outcome: dict[Expected, list[Verdict]] = defaultdict(list)
    for verdict in explanation.verdicts:
        if verdict.outcome.matched or verdict.concerns:
            by_outcome[verdict.outcome].append(verdict)
    if not any(outcome.matched for outcome in by_outcome):
        yield "would start nothing"
    for outcome, phrase in _PHRASES.items():
        if outcome in by_outcome:
            verdicts = (
                f"{verdict.target} (rule {verdict.rule})"
                if verdict.target
                else f"rule {verdict.rule}"
                for verdict in by_outcome[outcome]
            )
            yield f"{phrase} {' and '.join(verdicts)}"
    if explanation.closest:
        yield f"closest is rule {explanation.closest}"
    elif not by_outcome:
        yield "no rule is about this model" if explanation.verdicts else "there are no rules"


def table(clauses: Sequence[Clause]) -> list[str]:
    """Return the lines of a table of clauses, or of a list where the table would be too wide."""
    if not clauses:
        return []
    rows = [("", "clause", "expected", "actual")]
    for clause in clauses:
        expected, actual = (one_line(text) or '""' for text in (clause.expected, clause.actual))
        rows.append(("ok" if clause.met else "NO", clause.clause, expected, actual))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if max(map(len, lines)) > _WIDTH - 2:
        lines = [
            line
            for met, name, expected, actual in rows[1:]
            for line in (
                f"{met}  {name}",
                f"      expected  {expected}",
                f"      actual    {actual}",
            )
        ]
    return [f"  {line}" for line in lines]
