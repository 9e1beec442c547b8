"""Write the JSON Schema of a rules file, which completes and checks rules in editors."""

import json
from typing import Any, cast

from model_trigger.rules.fields import rule_fields
from model_trigger.targets.kinds import KINDS

Schema = dict[str, Any]

_RULE_NAME = "[a-z](_?[a-z0-9])*"
_LONGEST_NAME = 24


def rules_schema() -> Schema:
    """Return the schema of a JSON object of rules by name; `$schema` is allowed beside them.

    What the app accepts is valid. Some of what it refuses is valid too, such as a range that its
    scheme cannot read: `python -m model_trigger check` reports it.
    """
    rule = _tidy(rule_fields().model_json_schema())
    parts = rule.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of Model Trigger",
        "description": "Rule name and rule: which registered models start which target.",
        "type": "object",
        "properties": {
            "$schema": {"description": "Address of this schema, for editors.", "type": "string"}
        },
        "propertyNames": {"pattern": rf"^(\$schema|{_RULE_NAME})$", "maxLength": _LONGEST_NAME},
        "additionalProperties": {"$ref": "#/$defs/Rule"},
        "$defs": {"Rule": rule | {"oneOf": [_only(kind) for kind in KINDS]}, **parts},
    }


def schema_text() -> str:
    """Write the schema as the text of a file."""
    return json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"


def _only(target: str) -> Schema:
    """Require one target; null is as good as absent."""
    return {"required": [target], "properties": {target: {"type": "object"}}}


def _tidy(schema: Schema) -> Schema:
    """Remove what pydantic adds: titles made of names, null as a default or as an alternative."""
    tidy = {
        key: _tidied(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and (key, value) != ("default", None)
    }
    match tidy:
        case {"anyOf": [{"type": str(kind)}, {"type": "null"}]}:
            first, _ = tidy.pop("anyOf")
            return tidy | first | {"type": [kind, "null"]}
        case _:
            return tidy


def _tidied(value: object) -> Any:  # noqa: ANN401 - any JSON value stands in a schema
    if isinstance(value, list):
        return [_tidied(one) for one in cast("list[object]", value)]
    return _tidy(cast("Schema", value)) if isinstance(value, dict) else value
