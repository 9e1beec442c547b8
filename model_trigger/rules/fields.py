"""The fields of a rule as people write them: their types, defaults and meaning.

The JSON Schema that completes rules in editors is made from these classes.
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
    """Where the version to compare stands: in a label, or else it is the registered version."""

    label: Label | None = None

    @classmethod
    def parse(cls, text: str) -> "VersionSource":
        """Read `version`, `tag:<key>` or `property:<key>`.

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

    def __str__(self) -> str:
        return f"{self.label.kind}:{self.label.key}" if self.label else "version"


class Start(StrEnum):
    """Which of the matching versions start the target."""

    NEWER = "newer"
    LATEST = "latest"
    EVERY = "every"


class Mode(StrEnum):
    """How much a rule does; the later, the stricter."""

    LIVE = "live"
    OBSERVE = "observe"
    OFF = "off"

    def stricter(self, other: "Mode") -> "Mode":
        """Return the stricter of the two."""
        order = list(Mode)
        return max(self, other, key=order.index)


# The messages of the errors below continue a sentence that begins with the value.


def _texts(value: object) -> list[str]:
    """Read a text, or a list of texts."""
    if not isinstance(value, list):
        return [read_text(value)]
    items = cast("list[object]", value)
    if not all(isinstance(item, str) for item in items):
        msg = "is not a list of texts; write each in quotes"
        raise ValueError(msg)
    return cast("list[str]", items)


def read_globs(value: object) -> Globs:
    """Read the field `model`; raises ValueError, with a sentence for users."""
    return Globs.parse(_texts(value))


def _condition(value: object) -> Condition:
    return Condition.parse(_texts(value))


def _placeholder(name: str) -> str:
    return Placeholder.parse(name).name


def _version(value: str) -> str:
    if not value.strip():
        msg = "is empty; write a range such as >=10, or * for any version"
        raise ValueError(msg)
    return value


GlobsField = Annotated[Globs, PlainValidator(read_globs, json_schema_input_type=str | list[str])]
ConditionField = Annotated[
    Condition, PlainValidator(_condition, json_schema_input_type=str | list[str])
]
VersionSourceField = Annotated[
    VersionSource,
    PlainValidator(lambda value: VersionSource.parse(str(value)), json_schema_input_type=str),
]
VersionRange = Annotated[
    StrictStr, AfterValidator(_version), WithJsonSchema({"type": "string", "pattern": r"\S"})
]
PlaceholderName = Annotated[NonEmpty, AfterValidator(_placeholder)]


class RuleFields(Fields):
    """Which registrations start which target; RuleBook sees to it that there is exactly one."""

    model: GlobsField = Field(
        description="Glob on the model's name, or a list of globs; a leading ! excludes."
    )
    workspace: NonEmpty | None = Field(
        default=None, description="Glob on the workspace's name, or its full resource id."
    )
    scheme: Scheme = Field(default=Scheme.INTEGER, description="How versions are read and ordered.")
    version: VersionRange = Field(
        default="*", description="Which versions: a range such as >=10, 10 - 20 or ^1.4; * is any."
    )
    version_from: VersionSourceField = Field(
        default=VersionSource(),
        json_schema_extra={"default": str(VersionSource())},
        description="Where the version to compare stands: version, tag:<key>, property:<key>.",
    )
    start: Start = Field(
        default=Start.NEWER,
        description="newer: a version newer than the newest claimed; latest: moreover only if no "
        "newer matching one is registered; every: each once, in any order.",
    )
    tags: Mapping[NonEmpty, ConditionField] = Field(
        default={}, description="Tag and condition: text, glob, >=0.9, !x, *, or a list (any of)."
    )
    properties: Mapping[NonEmpty, ConditionField] = Field(
        default={}, description="Property and condition: text, glob, >=0.9, !x, *, or a list."
    )
    mode: Mode = Field(
        default=Mode.LIVE,
        description="live; observe: everything but the start; off: matches nothing.",
    )
    allow_unsafe: tuple[PlaceholderName, ...] = Field(
        default=(), description="Placeholders whose values may hold any character: tag.notes."
    )

    @property
    def labels(self) -> Iterator[tuple[Label, Condition]]:
        """The tags and properties that the rule asks for, each with its condition."""
        for kind, conditions in (("tag", self.tags), ("property", self.properties)):
            yield from ((Label(kind, key), condition) for key, condition in conditions.items())

    @field_validator("version")
    @classmethod
    def _range_fits_scheme(cls, version: str, info: ValidationInfo) -> str:
        """Refuse a range that its scheme cannot read; a broken scheme is reported by itself."""
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
