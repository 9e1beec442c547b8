"""Report what is wrong with a rule: path, value, what is allowed and the nearest valid spelling."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model_trigger.matching.ranges import RangeError
from model_trigger.rules.fields import rule_fields
from model_trigger.targets.kinds import KINDS
from model_trigger.text import nearest, one_line, shown


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person must change in the rules.

    `path` leads to it (`churn.version`, or the app setting `RULES__churn__version`), `value` is its
    value as JSON (empty when there is none), `message` what is allowed.
    """

    path: str
    value: str
    message: str

    def __str__(self) -> str:
        return one_line(f"{self.path}: {f'{self.value} ' if self.value else ''}{self.message}")


@dataclass(frozen=True, slots=True)
class GivenTwice:
    """Stands in for the value of a name that is given twice in a JSON object."""

    def __str__(self) -> str:
        return "given twice"


_NO_VALUE = object()


def problem(path: str, message: str, value: object = _NO_VALUE) -> Problem:
    """Return a problem; the value, when there is one, is shown as JSON."""
    return Problem(path, "" if value is _NO_VALUE else shown(value), message)


def unresolved(text: str) -> str:
    """Return the problem of a setting that is still a Key Vault reference; "" when it is not.

    Azure leaves a reference as it is when it cannot resolve it:
    https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
    """
    if not text.strip().lower().startswith("@microsoft.keyvault("):
        return ""
    return (
        "is a Key Vault reference that Azure could not resolve: check that the secret exists, and "
        "that the app's identity has the role Key Vault Secrets User"
    )


def problems_in(error: ValidationError, rule: str, origins: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each error of a validation.

    `origins` maps a field to the app setting that gave it; such a field is named by its setting.
    """
    for detail in error.errors(include_url=False):
        path, value = path_to(rule, detail["loc"], origins), detail["input"]
        if isinstance(value, GivenTwice):
            yield problem(path, "is specified twice; keep one of the two")
        elif detail["loc"][-1:] == ("[key]",):
            yield problem(path, "has an entry without a valid name; name it or remove it")
        elif detail["type"] in ("missing", "extra_forbidden"):
            yield problem(path, wording(detail))
        else:
            yield problem(path, wording(detail), value)


def wording(detail: ErrorDetails) -> str:
    """Return what is wrong, continuing a sentence that begins with the value."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in ("missing", "extra_forbidden", "model_type"):
        return _wording_of_fields(detail)
    if kind == "enum":
        expected = context["expected"].replace(" or ", ", ")
        allowed = [word.strip("'") for word in expected.split(", ")]
        return f"is not one of {', '.join(allowed)}{nearest(str(value), allowed)}"
    if kind == "value_error":
        message = str(context["error"])
        return f"is invalid: {message}" if isinstance(context["error"], RangeError) else message
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'is not text; put it in quotes: "{json.dumps(value)}"'
    if kind == "tuple_type" and isinstance(value, str):
        # Not shortened: a suggestion that is cut off would be refused as well.
        whole = shown([value])
        return f"is not a list; write {'it in [ ]' if whole.endswith('…') else whole}"
    return _WORDS.get(kind, detail["msg"])


_WORDS = {
    "string_type": "is not text",
    "string_unicode": "contains an unpaired surrogate (invalid Unicode)",
    "string_too_short": "is empty; write a text, or leave the field out",
    "dict_type": 'is not a JSON object, such as {"name": "value"}',
    "tuple_type": "is not a list of strings",
}


def _wording_of_fields(detail: ErrorDetails) -> str:
    """Return what is wrong with the fields of a rule, or of the target of a kind."""
    loc = detail["loc"]
    kind = KINDS.get(str(loc[0])) if loc else None
    owner = kind.fields if kind else rule_fields()
    fields, name = list(owner.model_fields), str(loc[-1] if loc else "")
    if detail["type"] == "missing":
        what = str(owner.model_fields[name].description).rstrip(".")
        return f"is missing; expected the {what[0].lower()}{what[1:]}"
    if detail["type"] == "model_type":
        return f"is not a JSON object with the fields {', '.join(fields)}"
    return f"is not a field; allowed: {', '.join(fields)}{nearest(name, fields)}"


def path_to(rule: str, loc: tuple[int | str, ...], origins: Mapping[str, str]) -> str:
    """Return the path to a field, which starts at the app setting that gave it, or at the rule."""
    steps = [str(step) for step in loc]
    if steps[-1:] == ["[key]"]:
        steps = steps[:-2]
    for length in range(len(steps), 0, -1):
        origin = origins.get(".".join(steps[:length]))
        if origin:
            return ".".join([origin, *steps[length:]])
    return ".".join([rule, *steps])
