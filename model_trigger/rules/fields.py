"""The fields of a rule as people write them: their types, defaults, examples and meaning.

Validation, the JSON Schema for editors and the settings that override a field are made from these
classes. A field that selects registrations also needs a clause in `rule.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    field_validator,
)

from model_trigger.matching.conditions import Condition, Globs
from model_trigger.matching.ranges import Range
from model_trigger.matching.versions import Scheme
from model_trigger.registrations.registration import LABELS, Label, Registration
from model_trigger.targets.fields import Fields, NonEmpty, read_text
from model_trigger.targets.kinds import KINDS
from model_trigger.targets.values import Placeholder
from model_trigger.text import nearest


@dataclass(frozen=True, slots=True)
class VersionSource:
    """Where the version to compare is read from: a tag or property, or the registration itself."""

    label: Label | None = None

    @classmethod
    def parse(cls, text: str) -> "VersionSource":
        """Parse `version`, `tag:<key>` or `property:<key>`.

        Raises ValueError for anything else; its message continues a sentence that begins with it.
        """
        kind, _, key = text.partition(":")
        if kind.lower() in LABELS and key:
            return cls(Label(kind.lower(), key))
        if text.lower() == "version":
            return cls()
        near = ("version", *(f"{one}:{key}" for one in LABELS if key))
        msg = f"is not version, tag:<key> or property:<key>{nearest(text, near)}"
        raise ValueError(msg)

    def of(self, registration: Registration) -> str | None:
        """Return the version to compare, as text; None when the label is absent."""
        return self.label.of(registration) if self.label else registration.version

    @property
    def canonical(self) -> str:
        """The source as a JSON value."""
        return str(self)

    def __str__(self) -> str:
        return f"{self.label.kind}:{self.label.key}" if self.label else "version"


class Start(StrEnum):
    """Which of the matching versions start the target."""

    NEWER = "newer"
    LATEST = "latest"
    EVERY = "every"


class Mode(StrEnum):
    """How much a rule does, from the most to the least."""

    LIVE = "live"
    OBSERVE = "observe"
    OFF = "off"

    def stricter(self, other: "Mode") -> "Mode":
        """Return the stricter of the two."""
        order = list(Mode)
        return max(self, other, key=order.index)


# The messages of the errors below continue a sentence that begins with the value.


def read_texts(value: object) -> list[str]:
    """Read a text, or a list of texts. Raises ValueError."""
    if not isinstance(value, list):
        return [read_text(value)]
    items = cast("list[object]", value)
    if not all(isinstance(item, str) for item in items):
        msg = "is not a list of strings; put each in quotes"
        raise ValueError(msg)
    return cast("list[str]", items)


def read_globs(value: object) -> Globs:
    """Read the field `model`. Raises ValueError."""
    return Globs.parse(read_texts(value))


GlobsField = Annotated[Globs, PlainValidator(read_globs, json_schema_input_type=str | list[str])]
ConditionField = Annotated[
    Condition,
    PlainValidator(
        lambda value: Condition.parse(read_texts(value)), json_schema_input_type=str | list[str]
    ),
]
VersionSourceField = Annotated[
    VersionSource,
    PlainValidator(lambda value: VersionSource.parse(str(value)), json_schema_input_type=str),
]
PlaceholderName = Annotated[NonEmpty, AfterValidator(lambda name: Placeholder.parse(name).name)]


class RuleFields(Fields):
    """Which registrations start which target; a rule has exactly one target."""

    # A field with an example is set as JSON by an app setting, unless the example is a text.

    model: GlobsField = Field(
        description="Glob for the model's name, or a list of globs; a leading ! excludes.",
        examples=["churn", ["churn-*", "!churn-test"]],
    )
    workspace: NonEmpty | None = Field(
        default=None, description="Glob for the workspace's name, or its full resource id."
    )
    scheme: Scheme = Field(
        default=Scheme.INTEGER,
        description="integer or semver: how versions are parsed and ordered.",
    )
    version: Annotated[StrictStr, WithJsonSchema({"type": "string", "pattern": r"\S"})] = Field(
        default="*", description="Range of versions, such as >=10, 10 - 20 or ^1.4; * is any."
    )
    version_from: VersionSourceField = Field(
        default=VersionSource(),
        json_schema_extra={"default": str(VersionSource())},
        description="Where the version is read from: version, tag:<key> or property:<key>.",
    )
    start: Start = Field(
        default=Start.NEWER,
        description="newer: a version newer than every version claimed; latest: also only if no "
        "newer matching version is registered; every: each version once, in any order.",
    )
    tags: Mapping[NonEmpty, ConditionField] = Field(
        default={},
        description="Tag and condition: text, glob, >=0.9, !x, *, or a list (any of).",
        examples=[{"stage": "prod"}],
    )
    properties: Mapping[NonEmpty, ConditionField] = Field(
        default={},
        description="Property and condition: text, glob, >=0.9, !x, *, or a list (any of).",
        examples=[{"accuracy": ">=0.9"}],
    )
    mode: Mode = Field(
        default=Mode.LIVE,
        description="live; observe: do everything except the start; off: match nothing.",
    )
    allow_unsafe: tuple[PlaceholderName, ...] = Field(
        default=(),
        description="Placeholders whose values may contain any character.",
        examples=[["tag.notes"]],
    )

    @property
    def labels(self) -> Iterator[tuple[Label, Condition]]:
        """The tags and properties that the rule asks for, each with its condition."""
        for kind, conditions in (("tag", self.tags), ("property", self.properties)):
            yield from ((Label(kind, key), condition) for key, condition in conditions.items())

    @field_validator("version")
    @classmethod
    def check_version(cls, version: str, info: ValidationInfo) -> str:
        """Refuse what is not a range of the scheme; an invalid scheme is reported by itself."""
        if not version.strip():
            msg = "is empty; write a range such as >=10, or * for any version"
            raise ValueError(msg)
        if "scheme" in info.data:
            Range.parse(version, info.data["scheme"])
        return version


@cache
def rule_fields() -> type[RuleFields]:
    """Return the class of all fields of a rule, with one for the target of each kind."""
    targets: dict[str, Any] = {
        kind.name: (kind.fields | None, Field(default=None, description=kind.about))
        for kind in KINDS.values()
    }
    return create_model(
        "RuleFields",
        __base__=RuleFields,
        __doc__=RuleFields.__doc__,
        __cls_kwargs__={"defer_build": False},
        **targets,
    )
