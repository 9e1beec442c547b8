"""Find a registration that two rules both match, made of what the rules themselves ask for.

One that is found proves that the rules overlap. When none is found they still may: `churn-*` and
`*-eu` share names that neither of them spells out.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from model_trigger.matching.conditions import example
from model_trigger.registrations.registration import LABELS, Label, Registration, Workspace
from model_trigger.rules.rule import Rule, fits_workspace

_WORKSPACES = (
    "/subscriptions/x/resourceGroups/x/providers/Microsoft.MachineLearningServices/workspaces/"
)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a rule asks of one part of a registration, and examples of values to try."""

    part: Hashable
    accepts: Callable[[Any], bool]
    examples: Iterable[Any]


def demands(rule: Rule) -> Iterator[Demand]:
    """Yield what a rule asks for; a tag or property by its key in lower case."""
    fields, source = rule.fields, rule.fields.version_from.label
    yield Demand("model", fields.model.fit, fields.model.examples)
    if fields.workspace:
        pattern = fields.workspace
        yield Demand("workspace", lambda one: fits_workspace(pattern, one), _workspaces(pattern))
    part = Label(source.kind, source.key.lower()) if source else "version"
    yield Demand(part, rule.range.contains, (version.text for version in rule.range.examples))
    for label, condition in fields.labels:
        part = Label(label.kind, label.key.lower())
        yield Demand(part, condition.holds, condition.examples)


def _workspaces(pattern: str) -> Iterator[Workspace]:
    """Yield an example of a workspace, unless wildcards stand for whole parts of its id."""
    spelled = example(pattern)
    try:
        yield Workspace.parse(spelled if spelled.startswith("/") else _WORKSPACES + spelled)
    except ValueError:
        return


def find_common(one: Rule, other: Rule) -> Registration | None:
    """Return a registration that both rules match; None when none is found."""
    asked: dict[Hashable, list[Demand]] = defaultdict(list)
    for demand in chain(demands(one), demands(other)):
        asked[demand.part].append(demand)
    found: dict[Hashable, Any] = {"workspace": Workspace.parse(f"{_WORKSPACES}x"), "version": "1"}
    for part, both in asked.items():
        for value in chain.from_iterable(demand.examples for demand in both):
            if all(demand.accepts(value) for demand in both):
                found[part] = value
                break
        else:
            return None
    keyed = {kind: dict[str, str]() for kind in LABELS}
    for part, value in found.items():
        if isinstance(part, Label) and value is not None:
            keyed[part.kind][part.key] = value
    registration = Registration(
        found["workspace"], found["model"], found["version"], keyed["tag"], keyed["property"]
    )
    # The rules have the last word, so that a field unknown here causes no false warning.
    matched = all(rule.evaluate(registration).matched for rule in (one, other))
    return registration if matched else None
