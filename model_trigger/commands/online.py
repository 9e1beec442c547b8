"""Check rules against what is really there: targets, permissions, workspaces; starts nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from model_trigger.deadline import Deadline
from model_trigger.matching.conditions import Condition, has_wildcard
from model_trigger.registrations.listing import AzureMLError, WorkspaceAccessError
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.rule import Rule
from model_trigger.targets.request import (
    AzureDevOpsError,
    Definition,
    TargetAddress,
    TargetClient,
    TargetDefaults,
    TargetError,
)
from model_trigger.targets.values import UnsafeValueError
from model_trigger.text import quoted

# Stands for what only a registration has; as text and as a number it is harmless.
_ANY = "1"
_SAMPLE_WORKSPACE = Workspace.parse(
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/sample"
    "/providers/Microsoft.MachineLearningServices/workspaces/sample"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one subject, a rule or a workspace; `ok` unless a person must act."""

    subject: str
    ok: bool
    sentence: str


def check_rules(
    rules: Iterable[Rule],
    targets: TargetClient,
    defaults: TargetDefaults,
    new_deadline: Callable[[], Deadline],
) -> Iterator[Finding]:
    """Check of each rule whether its target is there, takes what it is given, may be started."""
    for rule in rules:
        try:
            address = rule.address(defaults)
            yield _Check(rule, address, targets, new_deadline()).finding()
        except TargetError as error:
            yield Finding(rule.name, ok=False, sentence=str(error))


def check_workspaces(
    workspaces: Iterable[Workspace],
    models: Callable[[Workspace, Deadline], Iterator[object]],
    new_deadline: Callable[[], Deadline],
) -> Iterator[Finding]:
    """Check of each workspace whether its models may be listed, by listing the first ones."""
    for workspace in workspaces:
        try:
            next(models(workspace, new_deadline()), None)
        except (AzureMLError, WorkspaceAccessError) as error:
            yield Finding(workspace.id, ok=False, sentence=str(error))
        else:
            yield Finding(workspace.id, ok=True, sentence="its models can be listed")


@dataclass(frozen=True, slots=True)
class _Check:
    """One rule against its target."""

    rule: Rule
    address: TargetAddress
    targets: TargetClient
    deadline: Deadline

    def finding(self) -> Finding:
        """Ask, and put into one sentence what was found. Raises TargetError if it is not there."""
        try:
            definition = self.targets.definition(self.address, self.deadline)
            found, refused = self._tried(definition)
        except AzureDevOpsError as error:
            return Finding(self.rule.name, ok=False, sentence=self._unreachable(error))
        doubled = definition.doubled(self.rule.fits_model)
        problems = [*([doubled] if doubled else []), *refused]
        return Finding(self.rule.name, ok=not problems, sentence="; ".join(problems) or found)

    def _unreachable(self, error: AzureDevOpsError) -> str:
        return (
            f"{error}. Check the address {self.address.organization_url}, and whether it can be "
            "reached from here"
        )

    def _tried(self, definition: Definition) -> tuple[str, Sequence[str]]:
        """Do all of a start except starting, with a registration that the rule could be about.

        Return what was found, and the problems. Raises AzureDevOpsError.
        """
        kind, sample, called = (
            self.rule.kind,
            sample_registration(self.rule),
            self._called(definition),
        )
        try:
            request = self.rule.request(sample, self.address, definition, "check")
            unverified = self.targets.dry_run(request, self.deadline)
        except (TargetError, UnsafeValueError) as error:
            return called, [str(error)]
        problem, hint = kind.problem(request, definition), kind.hint(definition)
        if problem:
            return called, [problem]
        told = f"{called} takes what the rule gives it"
        if unverified:
            return f"{told}; not verified: {unverified}", []
        return f"{told}, and the app's identity may start it{f' ({hint})' if hint else ''}", []

    def _called(self, definition: Definition) -> str:
        named = f"{quoted(definition.name)} ({definition.id})"
        shown = named if definition.name != str(definition.id) else str(definition.id)
        return f"{self.rule.kind.what} {shown} of project {quoted(self.address.project)}"


def sample_registration(rule: Rule) -> Registration:
    """Return a registration that the rule could be about, with every tag that it hands over."""
    fields = rule.fields
    placeholders = rule.kind.placeholders(rule.target)
    labels = [one.label for one in placeholders if one.label]
    return Registration(
        workspace=_sample_workspace(fields.workspace),
        model=next((one for one in fields.model.included if not has_wildcard(one)), "model"),
        version=_ANY,
        tags=_sample_texts((one.key for one in labels if one.kind == "tag"), fields.tags),
        properties=_sample_texts(
            (one.key for one in labels if one.kind == "property"), fields.properties
        ),
    )


def _sample_workspace(pattern: str | None) -> Workspace:
    try:
        return Workspace.parse(pattern or "")
    except ValueError:
        return _SAMPLE_WORKSPACE


def _sample_texts(keys: Iterable[str], conditions: Mapping[str, Condition]) -> Mapping[str, str]:
    wanted = {key.lower(): condition for key, condition in conditions.items()}
    return {key: _sample_text(wanted.get(key.lower())) for key in keys}


def _sample_text(condition: Condition | None) -> str:
    """Return a text that a condition asks for word for word, where there is one."""
    plain = (test for test in (condition.tests if condition else ()) if test[:1] not in "!<>")
    return next((test for test in plain if test and not has_wildcard(test)), _ANY)
