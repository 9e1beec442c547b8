"""Fill the values passed to a target from a registration, and refuse dangerous ones.

Names, versions and tags are written by anyone who can register a model, and end up in deployment
scripts: a substituted value contains only harmless characters, and neither begins an option nor
names a file, unless the rule allows its placeholder.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from model_trigger.registrations.registration import LABELS, Label, Registration
from model_trigger.text import nearest, quoted

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

_TOKEN = re.compile(r"(?P<literal>(?:[^{}]|\{\{|\}\})+)|\{(?P<name>[^{}]*)\}|(?P<lone>[{}])")
# After a space `-` begins an option of a command, and azure-cli reads `@path` and `key=@path` as
# the file of that path: `_expand_file_prefixed_files` in
# https://github.com/Azure/azure-cli, src/azure-cli-core/azure/cli/core/commands/__init__.py
_UNSAFE = re.compile(r"[^A-Za-z0-9 ._:/@+,=-]|^[-@ ]|[ =]@| -")
# The same where a value ends and the template's own text continues: an empty value, or one that
# ends with a space, must not turn that text into an option or a file. Quotes and line breaks in the
# template separate words as spaces do.
_UNSAFE_SEAM = re.compile(r"[^A-Za-z0-9._:/@+,=-]?[-@]|=@")
# Line breaks of every kind, and marks that change the writing direction.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# The last key in a description identifies a release, and only the app may write one.
_KEY_MARK = re.compile(r"\[(?=model-trigger:)", re.IGNORECASE)
_LONGEST_DESCRIPTION = 1000


class UnsafeValueError(ValueError):
    """A value may not be passed to the target; the message names placeholder and character."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The name in braces: `model_name`, or `tag.stage`, which is a `label`."""

    name: str
    label: Label | None = None

    @classmethod
    def parse(cls, name: str) -> "Placeholder":
        """Parse a placeholder.

        Raises ValueError for an unknown one; its message continues a sentence that begins with the
        name.
        """
        if name in PLACEHOLDERS:
            return cls(name)
        kind, _, key = name.partition(".")
        if kind in LABELS and key:
            return cls(name, Label(kind, key))
        allowed = ", ".join([*PLACEHOLDERS, *(f"{one}.<key>" for one in LABELS)])
        keyed = [f"{one}.{key.strip('{}') or '<key>'}" for one in LABELS]
        hint = nearest(name, [*PLACEHOLDERS, *keyed])
        msg = f"is not a placeholder; allowed: {allowed}{hint}"
        raise ValueError(msg)

    def refusal(self, what: str) -> UnsafeValueError:
        """Return the error for an unsafe value; `what` describes what is unsafe."""
        return UnsafeValueError(
            f"{{{self.name}}} {what}, which could change what a deployment script does: "
            f"change it, or add {quoted(self.name)} to the rule's allow_unsafe"
        )


@dataclass(frozen=True, slots=True)
class Template:
    """Text with placeholders in braces: `{model_name}`, `{tag.stage}`; `{{` is a literal brace."""

    text: str
    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> Iterator[Placeholder]:
        """The placeholders in order."""
        return (part for part in self.parts if isinstance(part, Placeholder))

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Parse a template.

        Raises ValueError for an unmatched brace or an unknown placeholder; its message continues a
        sentence that begins with the text.
        """
        parts: list[str | Placeholder] = []
        for token in _TOKEN.finditer(text):
            if token["lone"]:
                msg = "has an unmatched brace; write {{ or }} for a literal brace"
                raise ValueError(msg)
            name = token["name"]
            if name is None:
                parts.append(token["literal"].replace("{{", "{").replace("}}", "}"))
                continue
            try:
                parts.append(Placeholder.parse(name))
            except ValueError as error:
                msg = f"has {{{name}}}, which {error}"
                raise ValueError(msg) from error
        return cls(text, tuple(parts))


@dataclass(frozen=True, slots=True)
class Values:
    """The values of the placeholders for one registration and one rule."""

    registration: Registration
    rule: str
    allow_unsafe: Collection[str] = ()

    def fill(self, template: Template) -> str:
        """Substitute every placeholder.

        Raises UnsafeValueError when a value is absent or unsafe, on its own or together with the
        template's text after it.
        """
        filled = ""
        before = None
        for part in template.parts:
            if isinstance(part, Placeholder):
                filled, before = filled + self.safe(part), part
                continue
            # The last character before the literal text, if any, and the first one of it.
            seam = filled[-1:] + part[:1]
            if before and _UNSAFE_SEAM.fullmatch(seam) and not self.allows(before):
                where = "begins with" if len(seam) == 1 else "contains"
                what = f"together with the text after it {where} {seam!r}"
                raise before.refusal(what)
            filled, before = filled + part, None
        return filled

    def describe(self, template: Template) -> str:
        """Substitute every placeholder, with `_` in place of each unsafe character.

        Scripts receive the description too, as Release.ReleaseDescription, so `allow_unsafe` has no
        effect here. An absent tag or property becomes empty text, control characters of the
        template become spaces, and long text is cut. No template or value can produce the key of a
        release.
        """
        described = ""
        for place, part in enumerate(template.parts):
            if isinstance(part, Placeholder):
                # In ` -`, ` @` and `=@` only the second character is replaced.
                described += _UNSAFE.sub(lambda bad: f"{bad[0][:-1]}_", self.raw(part) or "")
                continue
            text = _CONTROL.sub(" ", part)
            if place and _UNSAFE_SEAM.fullmatch(described[-1:] + text[:1]):
                text = f"_{text[1:]}"
            described += text
        described = _KEY_MARK.sub("(", described)
        is_long = len(described) > _LONGEST_DESCRIPTION
        return f"{described[:_LONGEST_DESCRIPTION]}…" if is_long else described

    def safe(self, placeholder: Placeholder) -> str:
        """Return the value of a placeholder.

        Raises UnsafeValueError when it is absent or could change what a deployment script does.
        """
        value = self.raw(placeholder)
        if value is None:
            msg = f"{{{placeholder.name}}} has no value: the model has no {placeholder.label}"
            raise UnsafeValueError(msg)
        unsafe = _UNSAFE.search(value)
        if unsafe and not self.allows(placeholder):
            where = "begins with" if unsafe[0] in ("-", "@", " ") else "contains"
            what = f"{where} {unsafe[0]!r}"
            raise placeholder.refusal(what)
        return value

    def raw(self, placeholder: Placeholder) -> str | None:
        """Return the value of a placeholder as registered, or None if it is absent."""
        registration, workspace = self.registration, self.registration.workspace
        if placeholder.label:
            return placeholder.label.of(registration)
        moment = registration.registered_at
        plain = {
            "model_name": registration.model,
            "model_version": registration.version,
            "model_uri": registration.uri,
            "workspace": workspace.name,
            "resource_group": workspace.resource_group,
            "subscription_id": workspace.subscription_id,
            "registered_at": f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "",
            "rule": self.rule,
        }
        return plain[placeholder.name]

    def allows(self, placeholder: Placeholder) -> bool:
        """Whether the rule allows unsafe values of a placeholder; tag keys are case-insensitive."""
        return placeholder.name.lower() in {allowed.lower() for allowed in self.allow_unsafe}


def fill_all(templates: Mapping[str, Template], values: Values) -> dict[str, str]:
    """Fill every template and keep its name. Raises UnsafeValueError."""
    return {name: values.fill(template) for name, template in templates.items()}
