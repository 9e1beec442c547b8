"""Fill the values handed to a target from a registration, and refuse dangerous ones.

Names, versions and tags are written by whoever can register a model, and end up in deployment
scripts: a substituted value holds harmless characters only, unless the rule allows it by name.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import Formatter

from model_trigger.events import Registration, lookup

PLACEHOLDERS = (
    "model_name",
    "model_version",
    "model_uri",
    "workspace",
    "resource_group",
    "subscription_id",
    "registered_at",
    "rule",
)
KEYED_PLACEHOLDERS = ("tag", "property")

_UNSAFE = re.compile(r"[^A-Za-z0-9 ._:/@+,=-]|^-")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# The key that finds a release again is the last of its kind in the description, and ours alone.
_KEY_MARK = re.compile(r"\[(?=model-trigger:)", re.IGNORECASE)


class UnsafeValueError(ValueError):
    """A value may not be handed to the target; the message names placeholder and character."""


@dataclass(frozen=True, slots=True)
class Template:
    """Text with placeholders in braces: `{model_name}`, `{tag.stage}`; `{{` is a brace."""

    text: str
    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Read a template.

        Raises ValueError when a brace is not closed or a placeholder is unknown.
        """
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            msg = f"{error}: write {{{{ and }}}} for braces that stand for themselves"
            raise ValueError(msg) from error
        for _, name, spec, conversion in parsed:
            _check_placeholder(name, spec, conversion)
        return cls(text, tuple((literal, name) for literal, name, _, _ in parsed))


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders stand for in one registration and one rule."""

    registration: Registration
    rule: str
    allow_unsafe: Collection[str] = ()

    def fill(self, template: Template) -> str:
        """Substitute every placeholder.

        Raises UnsafeValueError when a value is absent or holds a character that is not allowed.
        """
        return "".join(
            literal if name is None else literal + self.safe(name)
            for literal, name in template.parts
        )

    def describe(self, template: Template) -> str:
        """Substitute every placeholder for people to read; control characters are removed.

        An absent tag or property becomes empty text. No value can yield the key of a release.
        """
        filled = "".join(
            literal if name is None else literal + (self.raw(name) or "")
            for literal, name in template.parts
        )
        return _KEY_MARK.sub("(", _CONTROL.sub(" ", filled))

    def safe(self, name: str) -> str:
        """Give the value of a placeholder, refused when it could harm a deployment script.

        Raises UnsafeValueError.
        """
        value = self.raw(name)
        if value is None:
            kind, _, key = name.partition(".")
            msg = f"{{{name}}} has no value: the model has no {kind} {key!r}"
            raise UnsafeValueError(msg)
        unsafe = _UNSAFE.search(value)
        if unsafe and name not in self.allow_unsafe:
            where = "begins with" if unsafe[0] == "-" else "holds"
            msg = (
                f"{{{name}}} {where} {unsafe[0]!r}, which could change what a deployment script "
                f"does: rename it, or add {name!r} to the rule's allow_unsafe"
            )
            raise UnsafeValueError(msg)
        return value

    def raw(self, name: str) -> str | None:
        """Give the value of a placeholder as it was registered; None when it is absent."""
        kind, _, key = name.partition(".")
        if kind == "tag":
            return lookup(self.registration.tags, key)
        if kind == "property":
            return lookup(self.registration.properties, key)
        return self._plain()[name]

    def _plain(self) -> Mapping[str, str]:
        registration, workspace = self.registration, self.registration.workspace
        moment = registration.registered_at
        return {
            "model_name": registration.model,
            "model_version": registration.version,
            "model_uri": registration.uri,
            "workspace": workspace.name,
            "resource_group": workspace.resource_group,
            "subscription_id": workspace.subscription_id,
            "registered_at": f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "",
            "rule": self.rule,
        }


def _check_placeholder(name: str | None, spec: str | None, conversion: str | None) -> None:
    if name is None:
        return
    kind, dot, key = name.partition(".")
    known = name in PLACEHOLDERS or (kind in KEYED_PLACEHOLDERS and bool(dot and key))
    if not known or spec or conversion:
        raise UnknownPlaceholderError(name)


class UnknownPlaceholderError(ValueError):
    """A template names a placeholder that there is not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{{{name}}} is not a placeholder")
        self.name = name
