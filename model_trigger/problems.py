"""Say what is wrong with a rule: path, value, what is allowed and the nearest valid spelling."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from model_trigger.grammar import PipelineFields, ReleaseFields, RuleFields
from model_trigger.templates import KEYED_PLACEHOLDERS, PLACEHOLDERS, UnknownPlaceholderError

_EXCERPT = 120
_NO_VALUE = object()


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
        return f"{self.path}: {f'{self.value} ' if self.value else ''}{self.message}"


def problem(path: str, message: str, value: object = _NO_VALUE) -> Problem:
    """Make a problem; the value, when there is one, is shown as JSON."""
    return Problem(path, "" if value is _NO_VALUE else _shown(value), message)


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Give the ending `; did you mean …?` when one of the allowed words is near, otherwise ""."""
    by_folded = {candidate.lower(): candidate for candidate in allowed}
    found = get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""


def explain(error: ValidationError, rule: str, origins: Mapping[str, str]) -> Iterator[Problem]:
    """Turn each complaint of the validation into a problem.

    `origins` maps a field to the app setting that gave it; such a field is named by its setting.
    """
    for complaint in error.errors(include_url=False):
        yield Problem(
            path=_path(rule, complaint["loc"], origins),
            value=_shown(complaint["input"]) if complaint["type"] not in _VALUELESS else "",
            message=_message(complaint),
        )


_VALUELESS = ("missing", "extra_forbidden")
_TYPES = {
    "string_type": 'is not text; write it in quotes, such as "10"',
    "string_too_short": "is empty; write a text or leave the field out",
    "dict_type": "is not a JSON object, such as {{}}",
    "mapping_type": "is not a JSON object, such as {{}}",
    "tuple_type": "is not a list of texts",
    "model_type": "is not a JSON object with the fields {fields}",
}


def _message(complaint: ErrorDetails) -> str:
    kind, word = complaint["type"], str(complaint["loc"][-1] if complaint["loc"] else "")
    fields = list(_owner(complaint["loc"]).model_fields)
    if kind == "missing":
        return (
            f"is missing; {RuleFields.model_fields['model'].description}"
            if word == "model"
            else "is missing"
        )
    if kind == "extra_forbidden":
        return f"is not a field; allowed: {', '.join(fields)}{nearest(word, fields)}"
    if kind == "enum":
        return _not_one_of(complaint)
    if kind == "value_error":
        return _own_words(complaint["ctx"]["error"] if "ctx" in complaint else None)
    return _TYPES.get(kind, complaint["msg"]).format(fields=", ".join(fields))


def _owner(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """Find the class whose field a complaint is about."""
    if loc[:1] == ("release",):
        return ReleaseFields
    return PipelineFields if loc[:1] == ("pipeline",) else RuleFields


def _not_one_of(complaint: ErrorDetails) -> str:
    expected = complaint["ctx"]["expected"] if "ctx" in complaint else ""
    allowed = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    return f"is not one of {', '.join(allowed)}{nearest(str(complaint['input']), allowed)}"


def _own_words(error: object) -> str:
    if isinstance(error, UnknownPlaceholderError):
        keyed = [f"{kind}.<key>" for kind in KEYED_PLACEHOLDERS]
        allowed = ", ".join(f"{{{name}}}" for name in [*PLACEHOLDERS, *keyed])
        return f"is not right: {error}; allowed: {allowed}{nearest(error.name, PLACEHOLDERS)}"
    return f"is not right: {error}"


def _path(rule: str, loc: tuple[int | str, ...], origins: Mapping[str, str]) -> str:
    steps = [str(step) for step in loc]
    for length in range(len(steps), 0, -1):
        origin = origins.get(".".join(steps[:length]))
        if origin:
            return ".".join([origin, *steps[length:]])
    return ".".join([rule, *steps])


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = repr(cast("Any", value))
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
