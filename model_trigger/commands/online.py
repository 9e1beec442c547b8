"""Check rules against what is really there: targets, permissions, workspaces; starts nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from model_trigger.deadline import Deadline
from model_trigger.matching.conditions import Condition, has_wildcard
from model_trigger.ports import AzureDevOpsError, AzureMLError, WorkspaceAccessError
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.fields import ReleaseFields
from model_trigger.rules.rule import Rule
from model_trigger.targets.request import (
    KEY_PARAMETER,
    Definition,
    StartRequest,
    TargetAddress,
    TargetError,
    TargetKind,
    address_of,
    request_for,
)
from model_trigger.targets.values import Placeholder, Template, UnsafeValueError
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


class Targets(Protocol):
    """What this module asks of Azure DevOps.

    The errors are TargetError (a person must act) and AzureDevOpsError (may pass).
    """

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read what is known of a target."""
        ...

    def rehearse(self, request: StartRequest, deadline: Deadline) -> str:
        """Do all of a start but the starting; give what could not be verified."""
        ...


def check_rules(
    rules: Iterable[Rule],
    targets: Targets,
    organization_url: str | None,
    project: str | None,
    new_deadline: Callable[[], Deadline],
) -> Iterator[Finding]:
    """Check of each rule whether its target is there, takes what it is given, may be started.

    `organization_url` and `project` are those of rules that name none.
    """
    for rule in rules:
        try:
            address = address_of(rule, organization_url, project)
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
    targets: Targets
    deadline: Deadline

    def finding(self) -> Finding:
        """Ask, and say in one sentence what was found. Raises TargetError when it is not there."""
        try:
            definition = self.targets.definition(self.address, self.deadline)
            found, refused = self._rehearsed(definition)
        except AzureDevOpsError as error:
            return Finding(self.rule.name, ok=False, sentence=self._unreachable(error))
        problems = [*self._doubled(definition), *refused]
        return Finding(self.rule.name, ok=not problems, sentence="; ".join(problems) or found)

    def _unreachable(self, error: AzureDevOpsError) -> str:
        return (
            f"{error}. Check the address {self.address.organization_url}, and whether it can be "
            "reached from here"
        )

    def _doubled(self, definition: Definition) -> Iterator[str]:
        """Yield the problem of a definition that the rule's models start by themselves."""
        models = [definition.artifacts.get(alias) for alias in definition.triggers]
        if any(model is None or self.rule.fits_model(model) for model in models):
            yield definition.doubled

    def _rehearsed(self, definition: Definition) -> tuple[str, Sequence[str]]:
        """Do all of a start but the starting, with a registration that the rule could be about.

        Gives what was found, and the problems. Raises AzureDevOpsError.
        """
        sample, told = sample_registration(self.rule), _called(self.address, definition)
        try:
            request = request_for(self.rule, sample, self.address, definition, "check")
            unverified = self.targets.rehearse(request, self.deadline)
        except (TargetError, UnsafeValueError) as error:
            return told, [str(error)]
        if _says_nothing(request):
            return told, [_untold(definition)]
        told = f"{told} takes what the rule gives it"
        if unverified:
            return f"{told}; not verified: {unverified}", []
        return f"{told}, and the app's identity may start it{_hint(request, definition)}", []


def sample_registration(rule: Rule) -> Registration:
    """Return a registration that the rule could be about, with every tag that it hands over."""
    fields = rule.fields
    labels = [one.label for one in _placeholders(rule) if one.label]
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


def _placeholders(rule: Rule) -> Iterator[Placeholder]:
    """Yield the placeholders in everything that the rule hands over."""
    target = rule.target
    templates: list[Template] = [*target.variables.values()]
    if isinstance(target, ReleaseFields):
        templates += target.artifacts.values()
    else:
        templates += (target.parameters or {}).values()
    for template in templates:
        yield from template.placeholders


def _says_nothing(request: StartRequest) -> bool:
    """Whether a release is handed nothing that could say which model it is about.

    A pipeline is always handed something, unless the rule says that it is not.
    """
    is_release = request.kind is TargetKind.RELEASE
    return is_release and not (request.body["variables"] or request.body["artifacts"])


def _untold(definition: Definition) -> str:
    return (
        f"release definition {quoted(definition.name)} ({definition.id}) is not told which model "
        "to deploy: add the variables modelName and modelVersion at scope Release and tick "
        "Settable at release time, or give it variables or artifacts in the rule"
    )


def _called(address: TargetAddress, definition: Definition) -> str:
    what = "release definition" if address.kind is TargetKind.RELEASE else "pipeline"
    named = f"{quoted(definition.name)} ({definition.id})"
    shown = named if definition.name != str(definition.id) else str(definition.id)
    return f"{what} {shown} of project {quoted(address.project)}"


def _hint(request: StartRequest, definition: Definition) -> str:
    if request.kind is TargetKind.RELEASE or definition.takes_key:
        return ""
    return (
        f" (it does not declare the parameter {KEY_PARAMETER}: when the answer to a start is lost, "
        "its run is told by what it was given)"
    )
