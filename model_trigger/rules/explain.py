"""Explain what each rule would do with a registration, and why: from the rules alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Self

from model_trigger.registrations.registration import LABELS, Registration, Workspace
from model_trigger.rules.book import BrokenRule, RuleBook
from model_trigger.rules.fields import Mode, Start
from model_trigger.rules.rule import Clause, Evaluation, Rule
from model_trigger.targets.request import TargetDefaults
from model_trigger.targets.values import UnsafeValueError

ANY_WORKSPACE = Workspace(id="", subscription_id="", resource_group="", name="")

_PARAMETERS = "model, version, workspace, tag.<key>, property.<key>"
# The last two are the function key and its name, which the Functions host reads:
# https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger
_PLAIN_PARAMETERS = {"model", "version", "workspace", "code", "clientId"}


class Expected(StrEnum):
    """What a rule would do."""

    WOULD_START = "would_start"
    WOULD_OBSERVE = "would_observe"
    WOULD_FAIL = "would_fail"
    NOT_MATCHED = "not_matched"
    UNREADABLE = "unreadable"

    @property
    def matched(self) -> bool:
        """Whether the rule wants the registration."""
        return self in {Expected.WOULD_START, Expected.WOULD_OBSERVE, Expected.WOULD_FAIL}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule would do with a registration, and why; `target` is what it would start."""

    rule: str
    outcome: Expected
    reason: str
    clauses: tuple[Clause, ...]
    target: str = ""

    @classmethod
    def of(cls, evaluation: Evaluation, registration: Registration) -> Self:
        """Return what a valid rule would do."""
        rule = evaluation.rule
        target = rule.kind.describe(rule.target)
        if not evaluation.matched:
            outcome, reason = Expected.NOT_MATCHED, evaluation.reason
        elif refusal := _refusal(rule, registration):
            outcome, reason = Expected.WOULD_FAIL, f"cannot start {target}: {refusal}"
        else:
            observes = rule.mode is Mode.OBSERVE
            outcome = Expected.WOULD_OBSERVE if observes else Expected.WOULD_START
            does = f"records that it would start {target}" if observes else f"starts {target}"
            reason = f"{does}, provided that {' and '.join(provisos(evaluation, registration))}"
        return cls(rule.name, outcome, reason, evaluation.clauses, target)

    @classmethod
    def of_broken(cls, rule: BrokenRule, registration: Registration) -> Self:
        """Return the verdict for a broken rule, and whether it is about the model if known."""
        clauses: tuple[Clause, ...] = ()
        if rule.globs:
            globs, met = str(rule.globs), rule.may_want(registration)
            clauses = (Clause("model", globs, registration.model, met, ""),)
        return cls(rule.name, Expected.UNREADABLE, rule.reason, clauses)

    @property
    def concerns(self) -> bool:
        """Whether the rule is about this model, as far as it can be read."""
        return all(clause.met for clause in self.clauses if clause.clause == "model")

    def to_dict(self) -> dict[str, object]:
        """Return the verdict as JSON values."""
        shown = ("clause", "expected", "actual", "met")
        clauses = [{name: getattr(clause, name) for name in shown} for clause in self.clauses]
        outcome = str(self.outcome)
        return {"rule": self.rule, "outcome": outcome, "reason": self.reason, "clauses": clauses}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What every rule would do; `closest` is the rule that came closest when none matched."""

    registration: Registration
    verdicts: tuple[Verdict, ...]
    closest: str | None

    def to_dict(self) -> dict[str, object]:
        """Return the explanation as JSON values; `workspace` is null when none was given."""
        registration = self.registration
        return {
            "registration": {
                "workspace": registration.workspace.id or None,
                "model": registration.model,
                "version": registration.version,
                "tags": dict(registration.tags),
                "properties": dict(registration.properties),
            },
            "decisions": [verdict.to_dict() for verdict in self.verdicts],
            "closest": self.closest,
        }


def explain(book: RuleBook, registration: Registration) -> Explanation:
    """Explain what every rule would do with the registration, the broken rules last.

    In ANY_WORKSPACE a condition on the workspace counts as met, and the reason names it.
    """
    evaluations = book.evaluate_all(registration)
    if registration.workspace is ANY_WORKSPACE:
        evaluations = tuple(map(without_workspace, evaluations))
    verdicts = (
        *(Verdict.of(evaluation, registration) for evaluation in evaluations),
        *(Verdict.of_broken(rule, registration) for rule in book.broken.values()),
    )
    if any(verdict.outcome.matched for verdict in verdicts):
        return Explanation(registration, verdicts, None)
    about = [one for one in evaluations if one.rule.fits_model(registration.model)]
    fewest = min(about, key=lambda one: len(one.failed), default=None)
    closest = fewest or book.closest(registration)
    return Explanation(registration, verdicts, closest.rule.name if closest else None)


def without_workspace(evaluation: Evaluation) -> Evaluation:
    """Count a condition on the workspace as met, because no workspace was given."""
    clauses = (
        replace(clause, actual="not given", met=True, sentence="no workspace was given")
        if clause.clause == "workspace"
        else clause
        for clause in evaluation.clauses
    )
    return replace(evaluation, clauses=tuple(clauses))


def provisos(evaluation: Evaluation, registration: Registration) -> Iterator[str]:
    """Yield what else must be true for a start, which the rules alone do not show."""
    rule = evaluation.rule
    if registration.workspace is ANY_WORKSPACE and rule.fields.workspace:
        yield f"the workspace matches {rule.fields.workspace!r}"
    if rule.start is Start.EVERY:
        yield "the rule has not started it before"
        return
    version = evaluation.version.text if evaluation.version else registration.version
    yield f"{version} is newer than every version of the model that the rule claimed before"
    if rule.start is Start.LATEST:
        yield "no newer version that matches is registered in the workspace"


def _refusal(rule: Rule, registration: Registration) -> str | None:
    """Return why a value must not be passed on; None when all may be."""
    # Only Azure DevOps knows the definition: assume one that accepts whatever the rule sets.
    definition = rule.kind.accepting(rule.target)
    try:
        address = rule.address(TargetDefaults("any", "any"))
        rule.request(registration, address, definition, key="")
    except UnsafeValueError as error:
        return str(error)
    return None


def explain_http(book: RuleBook, query: Mapping[str, str]) -> tuple[int, dict[str, object]]:
    """Answer an HTTP query with a status and JSON values: `{"error": sentence}` for a 400."""
    try:
        registration = read_query(query)
    except ValueError as error:
        return HTTPStatus.BAD_REQUEST, {"error": str(error)}
    return HTTPStatus.OK, explain(book, registration).to_dict()


def read_query(query: Mapping[str, str]) -> Registration:
    """Read a registration from the parameters of a query, of which `workspace` is optional.

    Raises ValueError with a sentence for the caller.
    """
    for name in ("model", "version"):
        if not query.get(name):
            msg = f"the parameter {name} is missing; expected ?model=<name>&version=<version>"
            raise ValueError(msg)
    keyed = {kind: dict[str, str]() for kind in LABELS}
    for name, value in query.items():
        kind, _, key = name.partition(".")
        if kind in keyed and key:
            keyed[kind][key] = value
        elif name not in _PLAIN_PARAMETERS:
            msg = f"{name!r} is not a parameter; allowed: {_PARAMETERS}"
            raise ValueError(msg)
    workspace = query.get("workspace")
    return Registration(
        workspace=Workspace.parse(workspace) if workspace else ANY_WORKSPACE,
        model=query["model"],
        version=query["version"],
        tags=keyed["tag"],
        properties=keyed["property"],
    )
