"""Classic release definitions: their fields in a rule, and the request that starts a release."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from model_trigger.targets.fields import (
    Fields,
    IdOrName,
    NonEmpty,
    OrganizationUrlField,
    ProjectField,
    TemplateField,
)
from model_trigger.targets.kind import Kind
from model_trigger.targets.request import Definition, StartRequest, TargetError
from model_trigger.targets.values import Placeholder, Template, Values, fill_all
from model_trigger.text import quoted

DEFAULT_VARIABLES = {
    "modelName": Template.parse("{model_name}"),
    "modelVersion": Template.parse("{model_version}"),
    "modelUri": Template.parse("{model_uri}"),
    "workspaceName": Template.parse("{workspace}"),
    "resourceGroup": Template.parse("{resource_group}"),
    "subscriptionId": Template.parse("{subscription_id}"),
}
_DEFAULT_DESCRIPTION = Template.parse("{model_name} {model_version} registered in {workspace}")


class ReleaseFields(Fields):
    """A classic release definition, and what its releases receive."""

    definition: IdOrName = Field(
        description="Id or name of the release definition; a name may include its path: "
        "\\ml\\Deploy."
    )
    project: ProjectField = None
    organization_url: OrganizationUrlField = None
    variables: Mapping[NonEmpty, TemplateField] = Field(
        default={},
        description="Release variables and their values, besides those that every release gets: "
        "modelName, modelVersion, modelUri, workspaceName, resourceGroup, subscriptionId, each "
        "where the definition declares it settable at release time.",
    )
    artifacts: Mapping[NonEmpty, TemplateField] = Field(
        default={}, description="Artifact alias and the version it gets."
    )
    description: TemplateField | None = Field(
        default=None, description="Text of the release's description."
    )


@dataclass(frozen=True, slots=True)
class ReleaseDefinition(Definition):
    """A release definition.

    `variables` maps each variable to whether it is settable at release time; `artifacts` maps each
    artifact's alias to its AzureML model, or None. `triggers` are the aliases of AzureML artifacts
    whose new versions start a release without the app.
    """

    variables: Mapping[str, bool] = field(default_factory=dict[str, bool])
    artifacts: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    triggers: tuple[str, ...] = ()

    def doubled(self, concerns: Callable[[str], bool] = lambda _: True) -> str:
        """Return a warning if it also starts on its own, otherwise "".

        A trigger counts unless it belongs to a model that does not matter to `concerns`.
        """
        models = [self.artifacts.get(alias) for alias in self.triggers]
        if not any(model is None or concerns(model) for model in models):
            return ""
        return (
            f"release definition {quoted(self.name)} ({self.id}) also starts on its own, so every "
            "version is released twice: turn off the continuous deployment trigger of its artifact "
            f"{', '.join(map(quoted, self.triggers))}"
        )

    def declared(self, variable: str) -> str | None:
        """Return the definition's spelling of a variable, or None if it does not declare it.

        Azure DevOps ignores case in variable names: `src/Agent.Worker/Variables.cs`
        in https://github.com/microsoft/azure-pipelines-agent.
        """
        if variable in self.variables:
            return variable
        return next((name for name in self.variables if name.lower() == variable.lower()), None)

    def check_settable(self, variables: Iterable[str]) -> None:
        """Raise TargetError unless each of these variables is settable at release time."""
        states = [
            f"variable {quoted(name)} {'does not exist' if declared is None else 'is not settable'}"
            for name in variables
            for declared in [self.declared(name)]
            if declared is None or not self.variables[declared]
        ]
        if states:
            msg = (
                f"in release definition {quoted(self.name)} ({self.id}) {' and '.join(states)}: "
                "add what is missing at scope Release, and tick Settable at release time"
            )
            raise TargetError(msg)


class ReleaseKind(Kind[ReleaseFields, ReleaseDefinition]):
    """A release is identified by the key at the end of its description."""

    name: ClassVar[str] = "release"
    what: ClassVar[str] = "release definition"
    about: ClassVar[str] = "A classic release definition."
    fields: ClassVar[type[BaseModel]] = ReleaseFields
    example: ClassVar[str] = '{"definition": 12}'
    examples: ClassVar[Mapping[str, str]] = {
        "variables": '{"stage": "{tag.stage}"}',
        "artifacts": '{"_churn": "{model_version}"}',
    }

    def named(self, fields: ReleaseFields) -> int | str:
        """Return the id or name of the release definition."""
        return fields.definition

    def templates(self, fields: ReleaseFields) -> Iterable[Template]:
        """Return the values of variables and the versions of artifacts."""
        return (*fields.variables.values(), *fields.artifacts.values())

    def body(
        self, fields: ReleaseFields, definition: ReleaseDefinition, values: Values, key: str
    ) -> Mapping[str, Any]:
        """Return the JSON of a ReleaseStartMetadata.

        Raises UnsafeValueError, and TargetError for variables that are not settable.
        """
        description = values.describe(fields.description or _DEFAULT_DESCRIPTION)
        variables = _variables(fields, definition, values)
        versions = {
            alias: values.safe(Placeholder("model_version"))
            for alias, model in definition.artifacts.items()
            if model == values.registration.model
        }
        versions |= fill_all(fields.artifacts, values)
        return {
            "definitionId": definition.id,
            "description": f"{description} {key_mark(key)}".lstrip(),
            "variables": {name: {"value": value} for name, value in variables.items()},
            "artifacts": [
                {"alias": alias, "instanceReference": {"id": version, "name": version}}
                for alias, version in versions.items()
            ],
        }

    def accepting(self, fields: ReleaseFields) -> ReleaseDefinition:
        """Return a definition in which all variables of the rule are settable."""
        return ReleaseDefinition(0, "", dict.fromkeys(fields.variables, True))

    def looks_alike(
        self,
        body: Mapping[str, Any],  # noqa: ARG002 - the key is enough
        other: Mapping[str, Any],  # noqa: ARG002
    ) -> bool:
        """Return False: releases have different keys."""
        return False

    def problem(self, request: StartRequest, definition: ReleaseDefinition) -> str | None:
        """Return a problem if a release receives nothing that names the model to deploy."""
        if request.body["variables"] or request.body["artifacts"]:
            return None
        return (
            f"release definition {quoted(definition.name)} ({definition.id}) receives nothing that "
            "identifies the model: add the variables modelName and modelVersion at scope Release "
            "and tick Settable at release time, or set variables or artifacts in the rule"
        )


def key_mark(key: str) -> str:
    """Return the text for a key at the end of a release's description."""
    return f"[model-trigger:{key}]"


def last_key_mark(description: str) -> str:
    """Return the last key in a description, or "". Only the last one is written by the app."""
    marks = re.findall(r"\[model-trigger:[^\]]*\]", description)
    return marks[-1] if marks else ""


def _variables(
    fields: ReleaseFields, definition: ReleaseDefinition, values: Values
) -> Mapping[str, str]:
    """Return the defaults that the definition accepts, overridden by the rule's variables."""
    definition.check_settable(fields.variables)
    given = {definition.declared(name) or name: one for name, one in fields.variables.items()}
    defaults = {definition.declared(name) or name: one for name, one in DEFAULT_VARIABLES.items()}
    settable = {name: one for name, one in defaults.items() if definition.variables.get(name)}
    return fill_all(settable | given, values)
