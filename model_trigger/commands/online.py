"""Check targets, permissions and workspaces against live services, without starting anything."""

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

# Stands in for a value of a registration, as text or as a number.
_ANY = "1"
_SAMPLE_WORKSPACE = Workspace.parse(
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/sample"
    "/providers/Microsoft.MachineLearningServices/workspaces/sample"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a rule or a workspace; `ok` unless something has to be fixed."""

    subject: str
    ok: bool
    sentence: str


def check_rules(
    rules: Iterable[Rule],
    targets: TargetClient,
    defaults: TargetDefaults,
    new_deadline: Callable[[], Deadline],
) -> Iterator[Finding]:
    """Check for each rule that its target exists, accepts its values, and may be started."""
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
    """Check for each workspace that its models may be listed, by listing the first ones."""
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
        """Return what was found, in one sentence. Raises TargetError if there is no such target."""
        try:
            definition = self.targets.definition(self.address, self.deadline)
            found, problems = self.dry_run(definition)
        except AzureDevOpsError as error:
            sentence = (
                f"{error}. Check the address {self.address.organization_url}, and that it can be "
                "reached from here"
            )
            return Finding(self.rule.name, ok=False, sentence=sentence)
        doubled = definition.doubled(self.rule.fits_model)
        problems = [*([doubled] if doubled else []), *problems]
        return Finding(self.rule.name, ok=not problems, sentence="; ".join(problems) or found)

    def dry_run(self, definition: Definition) -> tuple[str, Sequence[str]]:
        """Do everything except start it, with a registration that the rule could match.

        Return what was found, and the problems. Raises AzureDevOpsError.
        """
        kind = self.rule.kind
        name, number = quoted(definition.name), str(definition.id)
        shown = number if definition.name == number else f"{name} ({number})"
        target = f"{kind.what} {shown} of project {quoted(self.address.project)}"
        try:
            sample = sample_registration(self.rule)
            request = self.rule.request(sample, self.address, definition, "check")
            unverified = self.targets.dry_run(request, self.deadline)
        except (TargetError, UnsafeValueError) as error:
            return target, [str(error)]
        problem, hint = kind.problem(request, definition), kind.hint(definition)
        if problem:
            return target, [problem]
        accepted = f"{target} accepts the rule's values"
        if unverified:
            return f"{accepted}; not verified: {unverified}", []
        hint = f" ({hint})" if hint else ""
        return f"{accepted}, and the app's identity may start it{hint}", []


def sample_registration(rule: Rule) -> Registration:
    """Return a registration that the rule could match, with every tag and property it passes on."""
    fields = rule.fields
    try:
        workspace = Workspace.parse(fields.workspace or "")
    except ValueError:
        workspace = _SAMPLE_WORKSPACE
    labels = [one.label for one in rule.kind.placeholders(rule.target) if one.label]
    return Registration(
        workspace=workspace,
        model=next((one for one in fields.model.included if not has_wildcard(one)), "model"),
        version=_ANY,
        tags=sample_texts((one.key for one in labels if one.kind == "tag"), fields.tags),
        properties=sample_texts(
            (one.key for one in labels if one.kind == "property"), fields.properties
        ),
    )


def sample_texts(keys: Iterable[str], conditions: Mapping[str, Condition]) -> Mapping[str, str]:
    """Return a value for each key, if possible one that its condition names literally."""
    wanted = {key.lower(): condition.tests for key, condition in conditions.items()}
    samples: dict[str, str] = {}
    for key in keys:
        plain = (test for test in wanted.get(key.lower(), ()) if test and test[0] not in "!<>")
        samples[key] = next((test for test in plain if not has_wildcard(test)), _ANY)
    return samples
