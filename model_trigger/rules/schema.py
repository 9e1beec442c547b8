"""Write the JSON Schema of a rules file, with which editors complete and check rules."""

import json
from typing import Any, cast

from model_trigger.rules import names
from model_trigger.rules.fields import rule_fields
from model_trigger.targets.kinds import KINDS

Schema = dict[str, Any]


def rules_schema() -> Schema:
    """Return the schema of a JSON object of rules by name, which may also have `$schema`.

    Whatever the app accepts is valid. Some of what it refuses is valid too, such as a range of the
    other scheme: `python -m model_trigger check` reports it.
    """
    rule = tidy(rule_fields().model_json_schema())
    parts = rule.pop("$defs")
    # Exactly one target; null is the same as absent.
    one_of = [{"required": [kind], "properties": {kind: {"type": "object"}}} for kind in KINDS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of Model Trigger",
        "description": "Rule name and rule: which registered models start which target.",
        "type": "object",
        "properties": {
            "$schema": {"description": "Address of this schema, for editors.", "type": "string"}
        },
        "propertyNames": {"pattern": rf"^(\$schema|{names.PATTERN})$", "maxLength": names.LONGEST},
        "additionalProperties": {"$ref": "#/$defs/Rule"},
        "$defs": {"Rule": rule | {"oneOf": one_of}, **parts},
    }


def schema_text() -> str:
    """Write the schema as the text of a file."""
    return json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"


def tidy(value: Any) -> Any:  # noqa: ANN401 - a schema holds any JSON value
    """Remove what pydantic adds: titles made of names, and null as a default or an alternative."""
    if isinstance(value, list):
        return [tidy(one) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    schema = {
        key: tidy(item)
        for key, item in cast("Schema", value).items()
        if not (key == "title" and isinstance(item, str)) and (key, item) != ("default", None)
    }
    match schema:
        case {"anyOf": [{"type": str(kind)}, {"type": "null"}]}:
            first, _ = schema.pop("anyOf")
            return schema | first | {"type": [kind, "null"]}
        case _:
            return schema
