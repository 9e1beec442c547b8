"""What a target is asked to start, and what it may answer: values shared by core and adapters."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from model_trigger.registrations.registration import Registration
from model_trigger.rules.fields import PipelineFields, ReleaseFields
from model_trigger.rules.rule import Rule
from model_trigger.targets.hosts import organization_of
from model_trigger.targets.values import Placeholder, Template, Values
from model_trigger.text import quoted

DEFAULT_VARIABLES = {
    "modelName": "model_name",
    "modelVersion": "model_version",
    "modelUri": "model_uri",
    "workspaceName": "workspace",
    "resourceGroup": "resource_group",
    "subscriptionId": "subscription_id",
}
DEFAULT_PARAMETERS = {"modelName": "model_name", "modelVersion": "model_version"}
KEY_PARAMETER = "modelTriggerKey"
# A request is kept with its registration, in an entity of at most 1 MiB:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_LONGEST_REQUEST = 200_000
_DEFAULT_DESCRIPTION = Template.parse("{model_name} {model_version} registered in {workspace}")


class TargetError(ValueError):
    """The target cannot be started as the rule says; a person must change one of the two."""


class TargetKind(StrEnum):
    """What Azure DevOps calls the thing that is started."""

    RELEASE = "release"
    PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """Where a target is: `definition` is its id or its name, which may stand after its folder.

    `branch` is the one whose YAML a pipeline runs; None for the pipeline's default branch.
    """

    kind: TargetKind
    organization_url: str
    project: str
    definition: int | str
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What is known of a target before it is started.

    `variables` maps each variable of a release definition to whether it is settable at release
    time; `artifacts` maps each artifact's alias to the AzureML model it stands for, or None.
    `triggers` are the aliases of AzureML artifacts whose new versions start the definition by
    itself. `takes_key` is whether a pipeline declares the parameter `modelTriggerKey`.
    """

    id: int
    name: str
    variables: Mapping[str, bool] = field(default_factory=dict[str, bool])
    artifacts: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    triggers: tuple[str, ...] = ()
    takes_key: bool = False

    @property
    def doubled(self) -> str:
        """What a person is told when the definition starts by itself, besides being started."""
        aliases = ", ".join(map(quoted, self.triggers))
        return (
            f"release definition {quoted(self.name)} ({self.id}) also starts by itself, so that "
            f"every version is released twice: switch off the continuous deployment trigger of its "
            f"artifact {aliases}"
        )

    def declared(self, variable: str) -> str | None:
        """Give the definition's spelling of a variable; None when it declares no such one.

        Azure DevOps compares the names of variables without case: `src/Agent.Worker/Variables.cs`
        in https://github.com/microsoft/azure-pipelines-agent.
        """
        if variable in self.variables:
            return variable
        return next((name for name in self.variables if name.lower() == variable.lower()), None)


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One POST, complete: a look-up after an unknown outcome uses it, never the present rule."""

    kind: TargetKind
    organization_url: str
    project: str
    definition: int
    body: Mapping[str, Any]

    @property
    def target(self) -> tuple[str, str, int]:
        """What it starts, however the rule spells it: an id is unique within an organization."""
        return self.kind, organization_key(self.organization_url), self.definition

    def may_be_mistaken_for(self, other: "StartRequest") -> bool:
        """Whether a run that `other` started may look like one that this request started.

        A release, and a run with a key, is identified by its key alone. What only this request
        sends may be what the run of the other one has by default.
        """
        if self.kind is TargetKind.RELEASE or self.target != other.target:
            return False
        mine, others = Given.by(self.body), Given.by(other.body)
        if mine.key and mine.key != others.key:
            return False
        return others.fits(mine.narrowed_to(others)) is not False

    def with_key(self, key: str) -> "StartRequest":
        """Return the request of a pipeline with the parameter for the key."""
        parameters = {**self.body.get("templateParameters", {}), KEY_PARAMETER: key}
        return replace(self, body={**self.body, "templateParameters": parameters})

    def without_key(self) -> "StartRequest":
        """Return the request of a pipeline without the parameter for the key."""
        parameters = dict(self.body.get("templateParameters", {}))
        parameters.pop(KEY_PARAMETER, None)
        return replace(self, body={**self.body, "templateParameters": parameters})

    def to_json(self) -> str:
        """Write the request as JSON text, as the ledger keeps it."""
        return json.dumps(
            {
                "kind": self.kind,
                "organization_url": self.organization_url,
                "project": self.project,
                "definition": self.definition,
                "body": self.body,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "StartRequest":
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        kind = TargetKind(fields.pop("kind"))
        return cls(kind=kind, **fields)


@dataclass(frozen=True, slots=True)
class Given:
    """What a run was given: a branch, parameters and variables; None where that is not said.

    Names and the values of booleans are kept in lower case, since the service compares names
    without case and writes `True` for a boolean that was sent as `true`.
    """

    branch: str | None
    parameters: Mapping[str, str] | None
    variables: Mapping[str, str] | None

    @classmethod
    def of(
        cls,
        branch: str | None,
        parameters: Mapping[str, object] | None,
        variables: Mapping[str, object] | None,
    ) -> "Given":
        """Make it comparable."""
        return cls(branch, _comparable(parameters), _comparable(variables))

    @classmethod
    def by(cls, body: Mapping[str, Any]) -> "Given":
        """Read what the body of a request hands over; without a branch, the default one is run."""
        repositories = body.get("resources", {}).get("repositories", {})
        variables = body.get("variables", {})
        return cls.of(
            repositories.get("self", {}).get("refName"),
            body.get("templateParameters", {}),
            {name: one.get("value") for name, one in variables.items()},
        )

    @property
    def key(self) -> str | None:
        """The value of the parameter for the key."""
        return (self.parameters or {}).get(KEY_PARAMETER.lower())

    def fits(self, sent: "Given") -> bool | None:
        """Whether a run that was given this may be the one that was sent that.

        None where it does not say. It may have been given more, such as defaults.
        """
        verdicts = (
            None if sent.branch and self.branch is None else sent.branch in {None, self.branch},
            _holds(self.parameters, sent.parameters),
            _holds(self.variables, sent.variables),
        )
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def narrowed_to(self, other: "Given") -> "Given":
        """Return what both were given something for."""
        return Given(
            self.branch if other.branch else None,
            _shared(self.parameters, other.parameters),
            _shared(self.variables, other.variables),
        )


def _comparable(values: Mapping[str, object] | None) -> Mapping[str, str] | None:
    if values is None:
        return None
    texts = {name.lower(): str(value) for name, value in values.items()}
    booleans = {"true", "false"}
    return {name: low if (low := one.lower()) in booleans else one for name, one in texts.items()}


def _holds(held: Mapping[str, str] | None, sent: Mapping[str, str] | None) -> bool | None:
    if held is None and sent:
        return None
    return all((held or {}).get(name) == value for name, value in (sent or {}).items())


def _shared(
    these: Mapping[str, str] | None, those: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    return these and {name: value for name, value in these.items() if name in (those or {})}


@dataclass(frozen=True, slots=True)
class Release:
    """A started release or run: its id and the address of its page."""

    id: int
    url: str


@dataclass(frozen=True, slots=True)
class Started:
    """The release exists."""

    release: Release


@dataclass(frozen=True, slots=True)
class Refused:
    """Azure DevOps refused, so nothing was started; a person must act.

    Where it refused because of the parameter for our key, nobody has to act: `corrected` is the
    request with or without it, which may be sent in its place.
    """

    reason: str
    corrected: StartRequest | None = None


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Nothing was started, for certain; it may be retried after `retry_after` seconds.

    `answered` is whether the organization answered at all.
    """

    reason: str
    retry_after: float = 0
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """The release may or may not have been started: it must be looked up.

    `answered` is whether the organization answered at all.
    """

    reason: str
    answered: bool = True


StartResult = Started | Refused | NotStarted | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """The release that a POST started, identified by its key.

    `second` is another one with the same key: a process that was frozen meanwhile has started it.
    """

    release: Release
    second: Release | None = None

    @classmethod
    def of(cls, releases: Sequence[Release]) -> "Found":
        """Make it from all that have the key, of which there is at least one."""
        return cls(*releases[:2])


@dataclass(frozen=True, slots=True)
class Absent:
    """Proof, as far as the list goes: it was read to its last page, and nothing in it can be it."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Runs without a key of ours, one of which may be the one in question.

    `fitting` were given what the request sends; `silent` do not say what they were given, neither
    in the list nor by themselves, so as long as nobody else claims them they may be it too.
    """

    fitting: tuple[Release, ...]
    silent: tuple[Release, ...] = ()


Sighting = Found | Absent | Candidates


def address_of(rule: Rule, organization_url: str | None, project: str | None) -> TargetAddress:
    """Complete a rule's target with the app's organisation and project.

    Raises TargetError when one of them is missing in both.
    """
    target = rule.target
    is_release = isinstance(target, ReleaseFields)
    organization_url = target.organization_url or organization_url
    project = target.project or project
    if not organization_url or not project:
        setting = "AZURE_DEVOPS_PROJECT" if organization_url else "AZURE_DEVOPS_ORG_URL"
        wanted = "project" if organization_url else "organization_url"
        field_path = f"{rule.name}.{'release' if is_release else 'pipeline'}.{wanted}"
        msg = f"no {wanted} is configured: set the app setting {setting}, or {field_path}"
        raise TargetError(msg)
    kind = TargetKind.RELEASE if is_release else TargetKind.PIPELINE
    definition, branch = (
        (target.definition, None)
        if isinstance(target, ReleaseFields)
        else (target.id, target.branch)
    )
    return TargetAddress(kind, organization_url.rstrip("/"), project, definition, branch)


def request_for(
    rule: Rule, registration: Registration, address: TargetAddress, definition: Definition, key: str
) -> StartRequest:
    """Fill a rule's target from a registration.

    `key` finds again what was started. Raises UnsafeValueError for a value that may not be handed
    over, and TargetError for variables that the definition does not let anyone set, or for more
    than can be kept.
    """
    values = Values(registration, rule.name, rule.fields.allow_unsafe)
    target = rule.target
    body = (
        _release_body(target, definition, values, key)
        if isinstance(target, ReleaseFields)
        else _run_body(target, definition, values, key)
    )
    request = StartRequest(
        address.kind, address.organization_url, address.project, definition.id, body
    )
    length = len(request.to_json())
    if length > _LONGEST_REQUEST:
        msg = (
            f"what rule {rule.name!r} hands over has {length:,} characters, "
            f"at most {_LONGEST_REQUEST:,} can be kept: hand over less of the tags and properties"
        )
        raise TargetError(msg)
    return request


def organization_key(url: str) -> str:
    """Return one spelling of the addresses of an organization, to compare them."""
    organization = organization_of(url)
    return f"https://dev.azure.com/{organization}" if organization else url.rstrip("/").lower()


def key_mark(key: str) -> str:
    """Write the key as it ends a release's description."""
    return f"[model-trigger:{key}]"


def resources(branch: str | None) -> dict[str, Any]:
    """Write the branch that a pipeline runs as the part of the body that names it."""
    if not branch:
        return {}
    ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
    return {"resources": {"repositories": {"self": {"refName": ref}}}}


def _release_body(
    target: ReleaseFields, definition: Definition, values: Values, key: str
) -> dict[str, Any]:
    description = values.describe(target.description or _DEFAULT_DESCRIPTION)
    variables = _variables(target, definition, values)
    return {
        "definitionId": definition.id,
        "description": f"{description} {key_mark(key)}".lstrip(),
        "variables": {name: {"value": value} for name, value in variables.items()},
        "artifacts": _artifacts(target, definition, values),
    }


def _variables(target: ReleaseFields, definition: Definition, values: Values) -> Mapping[str, str]:
    """Give what the definition takes by default, and over it what the rule says."""
    _check_settable(target.variables, definition)
    given = {definition.declared(name) or name: one for name, one in target.variables.items()}
    defaults = {definition.declared(name) or name: one for name, one in DEFAULT_VARIABLES.items()}
    variables = {
        name: values.safe(Placeholder(placeholder))
        for name, placeholder in defaults.items()
        if definition.variables.get(name) and name not in given
    }
    return variables | _filled(given, values)


def _artifacts(
    target: ReleaseFields, definition: Definition, values: Values
) -> Sequence[dict[str, Any]]:
    model = values.registration.model
    versions = {
        alias: values.safe(Placeholder("model_version"))
        for alias, of_model in definition.artifacts.items()
        if of_model == model
    }
    versions |= _filled(target.artifacts, values)
    return [
        {"alias": alias, "instanceReference": {"id": version, "name": version}}
        for alias, version in versions.items()
    ]


def _run_body(
    target: PipelineFields, definition: Definition, values: Values, key: str
) -> dict[str, Any]:
    body: dict[str, Any] = {"templateParameters": _parameters(target, values)}
    if definition.takes_key:
        body["templateParameters"][KEY_PARAMETER] = key
    if target.variables:
        filled = _filled(target.variables, values)
        body["variables"] = {name: {"value": value} for name, value in filled.items()}
    body |= resources(target.branch)
    if target.stages_to_skip:
        body["stagesToSkip"] = list(target.stages_to_skip)
    return body


def _parameters(target: PipelineFields, values: Values) -> dict[str, str]:
    if target.parameters is None:
        defaults = DEFAULT_PARAMETERS.items()
        return {name: values.safe(Placeholder(placeholder)) for name, placeholder in defaults}
    return _filled(target.parameters, values)


def _filled(templates: Mapping[str, Template], values: Values) -> dict[str, str]:
    return {name: values.fill(template) for name, template in templates.items()}


def _check_settable(variables: Iterable[str], definition: Definition) -> None:
    states = [
        f"variable {quoted(name)} {'does not exist' if declared is None else 'is not settable'}"
        for name in variables
        for declared in [definition.declared(name)]
        if declared is None or not definition.variables[declared]
    ]
    if states:
        msg = (
            f"in release definition {quoted(definition.name)} ({definition.id}) "
            f"{' and '.join(states)}: add what is missing at scope Release, and tick Settable at "
            "release time"
        )
        raise TargetError(msg)
