"""Types for the fields of targets, and the fields that every kind has.

The error messages here continue a sentence that begins with the value.
"""

import re
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StrictStr
from pydantic_core import PydanticKnownError

from model_trigger.targets.hosts import organization_problem
from model_trigger.targets.values import Template

_DIGITS = re.compile(r"[0-9]+")
# Ids are 32-bit integers in the REST API of Azure DevOps.
_HIGHEST_ID = 2**31 - 1
_MOST_DIGITS = 11


class Fields(BaseModel):
    """Immutable fields of a JSON object.

    Validators are built on first use: those of a nested object are never built on their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class TargetFields(Protocol):
    """The fields of every kind of target; the app settings are the default for both."""

    @property
    def project(self) -> str | None:
        """The project."""
        ...

    @property
    def organization_url(self) -> str | None:
        """The address of the organization."""
        ...


def read_text(value: object) -> str:
    """Return the value if it is a string; raise PydanticKnownError otherwise."""
    if not isinstance(value, str):
        kind = "string_type"
        raise PydanticKnownError(kind)
    return value


def _id_or_name(value: object) -> int | str:
    """Read an id or a name; digits alone are an id, since settings are text."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value[:_MOST_DIGITS])
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _HIGHEST_ID:
        return value
    msg = "is neither an id (the number in the address of its page) nor a name"
    raise ValueError(msg)


def _organization_url(value: object) -> str:
    url = value.rstrip("/") if isinstance(value, str) else ""
    problem = organization_problem(url)
    if problem:
        raise ValueError(problem)
    return url


NonEmpty = Annotated[StrictStr, Field(min_length=1)]
TemplateField = Annotated[
    Template,
    PlainValidator(lambda value: Template.parse(read_text(value)), json_schema_input_type=str),
]
IdOrName = Annotated[int | str, PlainValidator(_id_or_name, json_schema_input_type=int | str)]
ProjectField = Annotated[
    NonEmpty | None, Field(description="Project; AZURE_DEVOPS_PROJECT when absent.")
]
OrganizationUrl = Annotated[str, PlainValidator(_organization_url, json_schema_input_type=str)]
OrganizationUrlField = Annotated[
    OrganizationUrl | None, Field(description="Organization; AZURE_DEVOPS_ORG_URL when absent.")
]
