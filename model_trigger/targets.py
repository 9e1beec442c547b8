"""What a target is asked to start, and what it may answer: values shared by core and adapters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from model_trigger.events import Registration
from model_trigger.grammar import PipelineFields, ReleaseFields
from model_trigger.rules import Rule
from model_trigger.templates import Template, Values

DEFAULT_VARIABLES = {
    "modelName": "model_name",
    "modelVersion": "model_version",
    "modelUri": "model_uri",
    "workspaceName": "workspace",
    "resourceGroup": "resource_group",
    "subscriptionId": "subscription_id",
}
DEFAULT_PARAMETERS = {"modelName": "model_name", "modelVersion": "model_version"}
_DEFAULT_DESCRIPTION = Template.parse("{model_name} {model_version} registered in {workspace}")


class TargetError(ValueError):
    """The target cannot be started as the rule says; a person must change one of the two."""


class TargetKind(StrEnum):
    """What Azure DevOps calls the thing that is started."""

    RELEASE = "release"
    PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """Where a target is: `definition` is its id or its name."""

    kind: TargetKind
    organization_url: str
    project: str
    definition: int | str


@dataclass(frozen=True, slots=True)
class Definition:
    """What is known of a target before it is started.

    `variables` maps each variable of a release definition to whether it is settable at release
    time; `artifacts` maps each artifact's alias to the AzureML model it stands for, or None.
    """

    id: int
    name: str
    variables: Mapping[str, bool] = field(default_factory=dict[str, bool])
    artifacts: Mapping[str, str | None] = field(default_factory=dict[str, str | None])


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One POST, complete: a look-up after an unknown outcome uses it, never the present rule."""

    kind: TargetKind
    organization_url: str
    project: str
    definition: int
    body: Mapping[str, Any]

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
    """Azure DevOps refused; a person must act."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Surely nothing was started; it may be tried again after `retry_after` seconds."""

    reason: str
    retry_after: float = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """The release may or may not have been started: it must be looked up."""

    reason: str


StartResult = Started | Refused | NotStarted | Unknown


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
    definition = target.definition if isinstance(target, ReleaseFields) else target.id
    return TargetAddress(kind, organization_url.rstrip("/"), project, definition)


def request_for(
    rule: Rule, registration: Registration, address: TargetAddress, definition: Definition, key: str
) -> StartRequest:
    """Fill a rule's target from a registration.

    Raises UnsafeValueError for a value that may not be handed over, and TargetError for a variable
    that the definition does not let anyone set.
    """
    values = Values(registration, rule.name, rule.fields.allow_unsafe)
    target = rule.target
    body = (
        _release_body(target, definition, values, key)
        if isinstance(target, ReleaseFields)
        else _run_body(target, values)
    )
    return StartRequest(
        address.kind, address.organization_url, address.project, definition.id, body
    )


def key_mark(key: str) -> str:
    """Write the key as it ends a release's description."""
    return f"[model-trigger:{key}]"


def _release_body(
    target: ReleaseFields, definition: Definition, values: Values, key: str
) -> dict[str, Any]:
    variables = _defaults(DEFAULT_VARIABLES, values, definition.variables)
    variables |= _filled(target.variables, values)
    _check_settable(variables, definition)
    description = values.describe(target.description or _DEFAULT_DESCRIPTION)
    return {
        "definitionId": definition.id,
        "description": f"{description} {key_mark(key)}".lstrip(),
        "variables": {name: {"value": value} for name, value in variables.items()},
        "artifacts": _artifacts(target, definition, values),
    }


def _artifacts(
    target: ReleaseFields, definition: Definition, values: Values
) -> Sequence[dict[str, Any]]:
    model = values.registration.model
    versions = {
        alias: values.safe("model_version")
        for alias, of_model in definition.artifacts.items()
        if of_model == model
    }
    versions |= _filled(target.artifacts, values)
    return [
        {"alias": alias, "instanceReference": {"id": version, "name": version}}
        for alias, version in versions.items()
    ]


def _run_body(target: PipelineFields, values: Values) -> dict[str, Any]:
    everything = dict.fromkeys(DEFAULT_PARAMETERS, True)
    parameters = (
        _defaults(DEFAULT_PARAMETERS, values, everything)
        if target.parameters is None
        else _filled(target.parameters, values)
    )
    body: dict[str, Any] = {"templateParameters": parameters}
    if target.variables:
        filled = _filled(target.variables, values)
        body["variables"] = {name: {"value": value} for name, value in filled.items()}
    if target.branch:
        ref = target.branch if target.branch.startswith("refs/") else f"refs/heads/{target.branch}"
        body["resources"] = {"repositories": {"self": {"refName": ref}}}
    if target.stages_to_skip:
        body["stagesToSkip"] = list(target.stages_to_skip)
    return body


def _defaults(
    names: Mapping[str, str], values: Values, settable: Mapping[str, bool]
) -> dict[str, str]:
    return {
        name: values.safe(placeholder) for name, placeholder in names.items() if settable.get(name)
    }


def _filled(templates: Mapping[str, Template], values: Values) -> dict[str, str]:
    return {name: values.fill(template) for name, template in templates.items()}


def _check_settable(variables: Mapping[str, str], definition: Definition) -> None:
    for name in variables:
        if not definition.variables.get(name):
            state = "is not settable" if name in definition.variables else "does not exist"
            msg = (
                f"variable {name!r} {state} in release definition {definition.name!r} "
                f"({definition.id}): add it at scope Release and tick Settable at release time"
            )
            raise TargetError(msg)
