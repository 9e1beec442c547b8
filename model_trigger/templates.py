"""Fill the values handed to a target from a registration, and refuse dangerous ones.

Names, versions and tags are written by whoever can register a model, and end up in deployment
scripts: a substituted value holds harmless characters only, unless the rule allows it by name.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from model_trigger.events import Registration, lookup
from model_trigger.wording import nearest, quoted

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

_TOKEN = re.compile(r"(?P<literal>[^{}]+)|(?P<brace>\{\{|\}\})|\{(?P<name>[^{}]*)\}|(?P<lone>[{}])")
_UNSAFE = re.compile(r"[^A-Za-z0-9 ._:/@+,=-]|^-")
# Line breaks of every kind, and what changes the direction of writing.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# The key that finds a release again is the last of its kind in the description, and ours alone.
_KEY_MARK = re.compile(r"\[(?=model-trigger:)", re.IGNORECASE)
_LONGEST_DESCRIPTION = 1000


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

        Raises ValueError when a brace stands alone or a placeholder is unknown; its message
        continues a sentence that begins with the text.
        """
        return cls(text, tuple(_parts(text)))


def placeholder_problem(name: str) -> str | None:
    """Say why a name is not a placeholder, continuing a sentence that begins with it.

    None when it is one.
    """
    kind, _, key = name.partition(".")
    if name in PLACEHOLDERS or (kind in KEYED_PLACEHOLDERS and key):
        return None
    keyed = [f"{one}.{key.strip('{}') or '<key>'}" for one in KEYED_PLACEHOLDERS]
    allowed = ", ".join([*PLACEHOLDERS, *(f"{one}.<key>" for one in KEYED_PLACEHOLDERS)])
    hint = nearest(name, [*PLACEHOLDERS, *keyed])
    return f"is not a placeholder; allowed: {allowed}{hint}"


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
            literal if name is None else self.safe(name) for literal, name in template.parts
        )

    def describe(self, template: Template) -> str:
        """Substitute every placeholder for people to read; control characters are removed.

        An absent tag or property becomes empty text, and what is long is cut. No template and no
        value can yield the key of a release.
        """
        filled = "".join(
            literal if name is None else self.raw(name) or "" for literal, name in template.parts
        )
        described = _KEY_MARK.sub("(", _CONTROL.sub(" ", filled))
        is_long = len(described) > _LONGEST_DESCRIPTION
        return f"{described[:_LONGEST_DESCRIPTION]}…" if is_long else described

    def safe(self, name: str) -> str:
        """Give the value of a placeholder, refused when it could harm a deployment script.

        Raises UnsafeValueError.
        """
        value = self.raw(name)
        if value is None:
            kind, _, key = name.partition(".")
            msg = f"{{{name}}} has no value: the model has no {kind} {quoted(key)}"
            raise UnsafeValueError(msg)
        unsafe = _UNSAFE.search(value)
        if unsafe and not self._is_allowed(name):
            where = "begins with" if unsafe[0] == "-" else "holds"
            msg = (
                f"{{{name}}} {where} {unsafe[0]!r}, which could change what a deployment script "
                f"does: change it, or add {quoted(name)} to the rule's allow_unsafe"
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

    def _is_allowed(self, name: str) -> bool:
        """Tell whether the rule allows any value; the keys of tags are compared without case."""
        return name.lower() in {allowed.lower() for allowed in self.allow_unsafe}

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


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield texts as they are, and placeholders by their names."""
    for token in _TOKEN.finditer(text):
        name = token["name"]
        if token["lone"]:
            msg = "has a brace without its counterpart; a brace that stands for itself is doubled"
            raise ValueError(msg)
        if name is None:
            yield token["literal"] or token["brace"][0], None
            continue
        problem = placeholder_problem(name)
        if problem:
            msg = f"has {{{name}}}, which {problem}"
            raise ValueError(msg)
        yield "", name
