"""Report what is wrong with a rule: path, value, what is allowed and the nearest valid spelling."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from model_trigger.matching.ranges import RangeError
from model_trigger.rules.fields import rule_fields
from model_trigger.targets.kinds import KINDS
from model_trigger.text import nearest, one_line, shown


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person must change in the rules.

    `path` leads to it (`churn.version`, or the app setting `RULES__churn__version`), `value` is
    what stands there as JSON (empty when nothing does), `message` says what is allowed.
    """

    path: str
    value: str
    message: str

    def __str__(self) -> str:
        return one_line(f"{self.path}: {f'{self.value} ' if self.value else ''}{self.message}")


@dataclass(frozen=True, slots=True)
class GivenTwice:
    """Stands for the value of a name that is given twice in a JSON object: nothing is guessed."""

    def __str__(self) -> str:
        return "given twice"


_NO_VALUE = object()


def problem(path: str, message: str, value: object = _NO_VALUE) -> Problem:
    """Return a problem; the value, when there is one, is shown as JSON."""
    return Problem(path, "" if value is _NO_VALUE else shown(value), message)


def unresolved(text: str) -> str:
    """Return the problem of a setting that is a Key Vault reference still, "" if it is none.

    Azure hands a reference over as it is when it cannot resolve it:
    https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
    """
    if not text.strip().lower().startswith("@microsoft.keyvault("):
        return ""
    return (
        "is a Key Vault reference that Azure could not resolve: check that the secret exists, and "
        "that the app's identity has the role Key Vault Secrets User"
    )


def explain(error: ValidationError, rule: str, origins: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each complaint of the validation.

    `origins` maps a field to the app setting that gave it; such a field is named by its setting.
    """
    for complaint in error.errors(include_url=False):
        path, value = path_to(rule, complaint["loc"], origins), complaint["input"]
        if isinstance(value, GivenTwice):
            yield problem(path, "is given twice; keep one of the two")
        elif complaint["loc"][-1:] == ("[key]",):
            yield problem(path, "has an entry without a proper name; name it or remove it")
        elif complaint["type"] in _VALUELESS:
            yield problem(path, wording(complaint))
        else:
            yield problem(path, wording(complaint), value)


def wording(complaint: ErrorDetails) -> str:
    """Return what is wrong, continuing a sentence that begins with the value."""
    kind, value = complaint["type"], complaint["input"]
    if kind in _OWNER_MATTERS:
        return _about_fields(complaint)
    if kind == "enum":
        return _not_one_of(complaint)
    if kind == "value_error":
        error = complaint["ctx"]["error"] if "ctx" in complaint else ""
        return f"is not right: {error}" if isinstance(error, RangeError) else str(error)
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'is not text; write it in quotes: "{json.dumps(value)}"'
    if kind == "tuple_type" and isinstance(value, str):
        # Not shortened: a suggestion that is cut off would be refused as well.
        whole = shown([value])
        return f"is not a list; write {'it in [ ]' if whole.endswith('…') else whole}"
    return _WORDS.get(kind, complaint["msg"])


_VALUELESS = ("missing", "extra_forbidden")
_OWNER_MATTERS = ("missing", "extra_forbidden", "model_type")
_WORDS = {
    "string_type": "is not text",
    "string_unicode": "has half a character, which no text can hold",
    "string_too_short": "is empty; write a text, or leave the field out",
    "dict_type": 'is not a JSON object, such as {"name": "value"}',
    "tuple_type": "is not a list of texts",
}


def _about_fields(complaint: ErrorDetails) -> str:
    loc = complaint["loc"]
    owner = _owner(loc)
    fields, word = list(owner.model_fields), str(loc[-1] if loc else "")
    if complaint["type"] == "missing":
        what = str(owner.model_fields[word].description).rstrip(".")
        return f"is missing; expected the {what[0].lower()}{what[1:]}"
    if complaint["type"] == "model_type":
        return f"is not a JSON object with the fields {', '.join(fields)}"
    return f"is not a field; allowed: {', '.join(fields)}{nearest(word, fields)}"


def _owner(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """Find the class whose field a complaint is about."""
    kind = KINDS.get(str(loc[0])) if loc else None
    return kind.fields if kind else rule_fields()


def _not_one_of(complaint: ErrorDetails) -> str:
    expected = complaint["ctx"]["expected"] if "ctx" in complaint else ""
    allowed = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    return f"is not one of {', '.join(allowed)}{nearest(str(complaint['input']), allowed)}"


def path_to(rule: str, loc: tuple[int | str, ...], origins: Mapping[str, str]) -> str:
    """Return the path to a field: from the app setting that gave it, or from the rule."""
    steps = [str(step) for step in loc]
    if steps[-1:] == ["[key]"]:
        steps = steps[:-2]
    for length in range(len(steps), 0, -1):
        origin = origins.get(".".join(steps[:length]))
        if origin:
            return ".".join([origin, *steps[length:]])
    return ".".join([rule, *steps])
