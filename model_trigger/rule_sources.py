"""Gather the rules as they were written: a file, over it RULES, over it a setting for one field.

A rule in RULES replaces the one of the same name in the file. `RULES__<rule>__<field>` replaces one
field: text stays the text it is, maps and lists are given as JSON, `null` removes the field.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from model_trigger.problems import Problem, problem
from model_trigger.rulebook import RuleSource

_PREFIX = "RULES__"
_TARGETS = ("release", "pipeline")
_AS_JSON = {
    "tags",
    "properties",
    "allow_unsafe",
    "release",
    "release.variables",
    "release.artifacts",
    "pipeline",
    "pipeline.parameters",
    "pipeline.variables",
    "pipeline.stages_to_skip",
}


class RulesUnreadableError(ValueError):
    """The rules as a whole cannot be read, so that nothing can be decided about any event."""


def gather(settings: Mapping[str, str], file: str, file_name: str) -> dict[str, RuleSource]:
    """Gather the rules from app settings (names without regard to case) and the text of a file.

    Raises RulesUnreadableError when RULES or the file is not a JSON object.
    """
    inline = next((value for name, value in settings.items() if name.upper() == "RULES"), "")
    rules = {**read_rules_text(file, file_name), **read_rules_text(inline, "RULES")}
    overrides = _overrides(settings)
    names = [*rules, *(name for name in overrides if name not in rules)]
    return {name: _override(rules.get(name), overrides.get(name, ())) for name in names}


def read_rules_text(text: str, origin: str) -> dict[str, object]:
    """Read a JSON object of rules by name; `$schema`, which editors use, is passed over.

    Raises RulesUnreadableError when it is anything else; `origin` says where it stands.
    """
    if not text.strip():
        return {}
    try:
        rules: object = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        msg = f"{origin} is not JSON ({error}), so that every event waits: mend it"
        raise RulesUnreadableError(msg) from error
    if not isinstance(rules, dict):
        msg = f"{origin} is not a JSON object of rule names and rules: mend it; events wait"
        raise RulesUnreadableError(msg)
    named = cast("dict[str, object]", rules)
    return {name: rule for name, rule in named.items() if name != "$schema"}


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        msg = f"{twice!r} is given twice"
        raise ValueError(msg)
    return found


@dataclass(frozen=True, slots=True)
class _Override:
    """One `RULES__<rule>__<field>`: `path` is `version`, or `release.definition`."""

    setting: str
    path: str
    text: str


def _overrides(environment: Mapping[str, str]) -> dict[str, list[_Override]]:
    """Find the settings that give fields, by rule; a whole target before a field of it."""
    found: dict[str, list[_Override]] = defaultdict(list)
    for setting in sorted(environment, key=lambda name: (name.count("__"), name)):
        if setting.upper().startswith(_PREFIX):
            rule, _, field = setting[len(_PREFIX) :].lower().partition("__")
            path = field.replace("__", ".")
            found[rule].append(_Override(setting, path, environment[setting]))
    return found


def _override(written: object, overrides: Sequence[_Override]) -> RuleSource:
    """Put the settings over what was written, field by field."""
    if not overrides or not isinstance(written, dict | None):
        return RuleSource(written)
    fields = dict(cast("dict[str, object]", written or {}))
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for override in overrides:
        try:
            _put(fields, override, origins)
        except ValueError as error:
            problems.append(problem(override.setting, str(error), override.text))
    return RuleSource(fields, origins, tuple(problems))


def _put(fields: dict[str, object], override: _Override, origins: dict[str, str]) -> None:
    """Put one field where it belongs. Raises ValueError, with a sentence for users."""
    if override.path in origins:
        msg = f"is {origins[override.path]} in another case: remove one of the two"
        raise ValueError(msg)
    origins[override.path] = override.setting
    owner, _, field = override.path.rpartition(".")
    if owner:
        fields = _owner_of(fields, owner)
    value = _value(override)
    if value is None:
        fields.pop(field, None)
    else:
        fields[field] = value


def _owner_of(fields: dict[str, object], owner: str) -> dict[str, object]:
    if owner not in _TARGETS:
        msg = "goes too deep: give maps and lists as JSON, in the setting of the field itself"
        raise ValueError(msg)
    inner = fields.get(owner)
    copied = dict(cast("dict[str, object]", inner)) if isinstance(inner, dict) else {}
    fields[owner] = copied
    return copied


def _value(override: _Override) -> object:
    """Read the text of a setting: text stays the text it is, maps and lists are JSON."""
    if not override.path:
        msg = "names no field: name it RULES__<rule>__<field>"
        raise ValueError(msg)
    text = override.text.strip()
    if text == "null":
        return None
    is_list = override.path == "model" and text.startswith("[")
    if not is_list and override.path not in _AS_JSON:
        return override.text
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        msg = f"is not JSON: {error}"
        raise ValueError(msg) from error
