"""YAML pipelines: their fields in a rule, and the request that starts a run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
from model_trigger.targets.request import Definition, StartRequest
from model_trigger.targets.values import Template, Values, fill_all

_DEFAULT_PARAMETERS = {
    "modelName": Template.parse("{model_name}"),
    "modelVersion": Template.parse("{model_version}"),
}
KEY_PARAMETER = "modelTriggerKey"


class PipelineFields(Fields):
    """A YAML pipeline, and what its runs receive."""

    id: IdOrName = Field(description="Id or name of the pipeline; a name may include its folder.")
    project: ProjectField = None
    organization_url: OrganizationUrlField = None
    branch: NonEmpty | None = Field(
        default=None, description="Branch to run; the pipeline's default branch when absent."
    )
    parameters: Mapping[NonEmpty, TemplateField] | None = Field(
        default=None,
        description="Runtime parameters and their values. When absent: modelName and modelVersion.",
    )
    variables: Mapping[NonEmpty, TemplateField] = Field(
        default={}, description="Variables (settable at queue time) and their values."
    )
    stages_to_skip: tuple[NonEmpty, ...] = Field(default=(), description="Stages not to run.")


@dataclass(frozen=True, slots=True)
class PipelineDefinition(Definition):
    """A pipeline; `takes_key` is whether it declares the parameter for the key."""

    takes_key: bool = False


class PipelineKind(Kind[PipelineFields, PipelineDefinition]):
    """A run is identified by its key, if the pipeline declares the parameter for it."""

    name: ClassVar[str] = "pipeline"
    what: ClassVar[str] = "pipeline"
    about: ClassVar[str] = "A YAML pipeline."
    fields: ClassVar[type[BaseModel]] = PipelineFields
    example: ClassVar[str] = '{"id": 12}'
    examples: ClassVar[Mapping[str, str]] = {
        "parameters": '{"stage": "{tag.stage}"}',
        "variables": '{"stage": "{tag.stage}"}',
        "stages_to_skip": '["test"]',
    }

    def named(self, fields: PipelineFields) -> int | str:
        """Return the id or name of the pipeline."""
        return fields.id

    def branch(self, fields: PipelineFields) -> str | None:
        """Return the branch to run; None for the pipeline's default branch."""
        return fields.branch

    def templates(self, fields: PipelineFields) -> Iterable[Template]:
        """Return the values of variables and parameters."""
        return (*fields.variables.values(), *(fields.parameters or {}).values())

    def body(
        self, fields: PipelineFields, definition: PipelineDefinition, values: Values, key: str
    ) -> Mapping[str, Any]:
        """Return the JSON of RunPipelineParameters. Raises UnsafeValueError."""
        templates = _DEFAULT_PARAMETERS if fields.parameters is None else fields.parameters
        parameters = fill_all(templates, values)
        if definition.takes_key:
            parameters[KEY_PARAMETER] = key
        body: dict[str, Any] = {"templateParameters": parameters}
        if fields.variables:
            filled = fill_all(fields.variables, values)
            body["variables"] = {name: {"value": value} for name, value in filled.items()}
        body |= resources(fields.branch)
        if fields.stages_to_skip:
            body["stagesToSkip"] = list(fields.stages_to_skip)
        return body

    def accepting(self, fields: PipelineFields) -> PipelineDefinition:  # noqa: ARG002
        """Return a pipeline: the parameters that it accepts are known only when it runs."""
        return PipelineDefinition(0, "")

    def looks_alike(self, body: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether a run of one body may be a run of the other, judged by what both send.

        A run with a key is identified by the key alone. What only this body sends may equal the
        defaults of the other's run.
        """
        mine, others = Inputs.of_body(body), Inputs.of_body(other)
        if mine.key and mine.key != others.key:
            return False
        return others.fits(mine.narrowed_to(others)) is not False

    def hint(self, definition: PipelineDefinition) -> str | None:
        """Return how a run is identified if it receives no key."""
        if definition.takes_key:
            return None
        return (
            f"it does not declare the parameter {KEY_PARAMETER}: if the response to a start is "
            "lost, its run is identified by its branch, parameters and variables"
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run received: a branch, parameters and variables; None where that is unknown.

    Names and boolean values are in lower case, since the service ignores case in names and writes
    `True` for a boolean that was sent as `true`.
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
    ) -> "Inputs":
        """Normalize names and values for comparison."""
        return cls(branch, _comparable(parameters), _comparable(variables))

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> "Inputs":
        """Read what the body of a request sends; without a branch, the default branch is run."""
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

    def has_key(self, key: str) -> bool | None:
        """Whether the run received this key; None if its parameters are unknown."""
        return None if self.parameters is None else self.key == key

    def fits(self, sent: "Inputs") -> bool | None:
        """Whether a run that received this may be the run of a request that sends `sent`.

        None if that is unknown. The run may have received more, such as defaults.
        """
        verdicts = (
            None if sent.branch and self.branch is None else sent.branch in {None, self.branch},
            _holds(self.parameters, sent.parameters),
            _holds(self.variables, sent.variables),
        )
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def narrowed_to(self, other: "Inputs") -> "Inputs":
        """Return only the names and the branch that the other one has too."""
        return Inputs(
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


def key_of(request: StartRequest) -> str | None:
    """Return the key that the request of a pipeline sends, or None."""
    return request.body.get("templateParameters", {}).get(KEY_PARAMETER)


def with_key(request: StartRequest, key: str) -> StartRequest:
    """Return the request of a pipeline with the key added."""
    parameters = {**request.body.get("templateParameters", {}), KEY_PARAMETER: key}
    return replace(request, body={**request.body, "templateParameters": parameters})


def without_key(request: StartRequest) -> StartRequest:
    """Return the request of a pipeline without the key."""
    parameters = dict(request.body.get("templateParameters", {}))
    parameters.pop(KEY_PARAMETER, None)
    return replace(request, body={**request.body, "templateParameters": parameters})


def resources(branch: str | None) -> dict[str, Any]:
    """Return the part of the body that selects the branch to run."""
    if not branch:
        return {}
    ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
    return {"resources": {"repositories": {"self": {"refName": ref}}}}
