"""Read the rules as they were written: a file, over it RULES, over it a setting for one field.

A rule in RULES replaces the one of the same name in the file. `RULES__<rule>__<field>` replaces one
field: text stays the text it is, maps and lists are given as JSON, `null` removes the field.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from model_trigger.rules.book import RuleSource
from model_trigger.rules.problems import GivenTwice, Problem, problem, unresolved
from model_trigger.targets.kinds import KINDS
from model_trigger.text import nearest

_PREFIX = "RULES__"
# The fields that are given as JSON, each with an example, besides those of the targets.
_AS_JSON = {
    "tags": '{"stage": "prod"}',
    "properties": '{"accuracy": ">=0.9"}',
    "allow_unsafe": '["tag.notes"]',
}


class RulesUnreadableError(ValueError):
    """The rules as a whole cannot be read, so that nothing can be decided about any event."""


def gather(settings: Mapping[str, str], file: str, file_name: str) -> dict[str, RuleSource]:
    """Read the rules from app settings (names without regard to case) and the text of a file.

    Raises RulesUnreadableError when RULES or the file is not a JSON object.
    """
    inline = find_setting(settings, "RULES")
    rules = {**read_rules_text(file, file_name), **read_rules_text(inline, "RULES")}
    overrides = _overrides(settings)
    names = dict.fromkeys([*rules, *overrides])
    return {
        name: _override(rules[name], overrides.get(name, ()))
        if name in rules
        else _only_settings(name, overrides[name], rules)
        for name in names
    }


def find_setting(settings: Mapping[str, str], name: str) -> str:
    """Return the value of a setting, its name compared without case; empty when there is none.

    Raises RulesUnreadableError when two names differ only in case, or when Azure could not resolve
    the value.
    """
    found = sorted(setting for setting in settings if setting.upper() == name)
    if len(found) > 1:
        msg = f"{' and '.join(found)} differ only in case; remove one of the two"
        raise RulesUnreadableError(msg)
    value = settings[found[0]] if found else ""
    reference = unresolved(value)
    if reference:
        msg = f"{name} {reference}"
        raise RulesUnreadableError(msg)
    return value


def read_rules_text(text: str, origin: str) -> dict[str, object]:
    """Read a JSON object of rules by name; `$schema`, which editors use, is passed over.

    Raises RulesUnreadableError when it is anything else; `origin` says where it stands.
    """
    if not text.strip():
        return {}
    try:
        rules = _json(text)
    except ValueError as error:
        msg = f"{origin} is not JSON: {error}"
        raise RulesUnreadableError(msg) from error
    if not isinstance(rules, dict):
        msg = f'{origin} is not a JSON object of rules by name, such as {{"churn": {{...}}}}'
        raise RulesUnreadableError(msg)
    named = cast("dict[str, object]", rules)
    return {name: rule for name, rule in named.items() if name != "$schema"}


def _json(text: str) -> object:
    """Read JSON. Raises ValueError."""
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a name that is given twice has no value, so that only its rule breaks."""
    counts = Counter(name for name, _ in pairs)
    return {name: value if counts[name] == 1 else GivenTwice() for name, value in pairs}


@dataclass(frozen=True, slots=True)
class _Override:
    """One `RULES__<rule>__<field>`; the steps are `version`, or `release` and `definition`."""

    setting: str
    steps: tuple[str, ...]
    text: str

    @property
    def path(self) -> str:
        return ".".join(self.steps)

    @property
    def example(self) -> str | None:
        """An example of the field, where it is given as JSON."""
        kind = KINDS.get(self.steps[0])
        if kind is None:
            return _AS_JSON.get(self.path)
        return kind.examples.get(self.steps[1]) if self.steps[1:] else kind.example


def _overrides(settings: Mapping[str, str]) -> dict[str, list[_Override]]:
    """Find the settings that give fields, by rule; a whole target before a field of it."""
    found: dict[str, list[_Override]] = defaultdict(list)
    for setting in sorted(settings, key=lambda name: (name.count("__"), name)):
        if setting.upper().startswith(_PREFIX):
            rule, *steps = setting[len(_PREFIX) :].lower().split("__")
            found[rule].append(_Override(setting, tuple(steps), settings[setting]))
    return found


def _only_settings(name: str, overrides: Sequence[_Override], rules: Collection[str]) -> RuleSource:
    """Read a rule that stands in settings only: without a model, its name is a misspelling."""
    source = _override({}, overrides)
    if "model" in source.origins:
        return source
    setting = overrides[0].setting
    found = problem(
        setting, f"there is no rule {name!r} in RULES or RULES_FILE{nearest(name, rules)}"
    )
    return RuleSource(source.fields, source.origins, (found, *source.problems))


def _override(written: object, overrides: Sequence[_Override]) -> RuleSource:
    """Return what was written with the settings over it, field by field."""
    if not overrides or not isinstance(written, dict):
        return RuleSource(written)
    fields = dict(cast("dict[str, object]", written))
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for override in overrides:
        try:
            _put(fields, override, origins)
        except ValueError as error:
            problems.append(problem(override.setting, str(error), override.text))
    return RuleSource(fields, origins, tuple(problems))


def _put(fields: dict[str, object], override: _Override, origins: dict[str, str]) -> None:
    """Set one field where it belongs.

    Raises ValueError, whose message continues a sentence that begins with the setting's value.
    """
    _check_steps(override)
    if override.path in origins:
        msg = f"is also given by {origins[override.path]}, in other case; remove one of the two"
        raise ValueError(msg)
    origins[override.path] = override.setting
    *owners, field = override.steps
    value = _value(override)
    for owner in owners:
        if value is None and owner not in fields:
            return
        fields = _inner(fields, owner)
    if value is None:
        fields.pop(field, None)
    else:
        fields[field] = value


def _check_steps(override: _Override) -> None:
    if not override.steps or not all(override.steps):
        msg = f"is for no field; name the setting {_PREFIX}<rule>__<field>"
        raise ValueError(msg)
    deepest = 2 if override.steps[0] in KINDS else 1
    if len(override.steps) > deepest:
        setting = "__".join(override.setting.split("__")[: 2 + deepest])
        msg = (
            f"goes too deep; give all of {'.'.join(override.steps[:deepest])} as JSON in {setting}"
        )
        raise ValueError(msg)


def _inner(fields: dict[str, object], owner: str) -> dict[str, object]:
    """Return a copy of a target in its place; one that is not a map is left for validation."""
    inner = fields.get(owner, {})
    copied = dict(cast("dict[str, object]", inner)) if isinstance(inner, dict) else {}
    if isinstance(inner, dict):
        fields[owner] = copied
    return copied


def _value(override: _Override) -> object:
    """Read the text of a setting: text stays the text it is, maps and lists are JSON."""
    text, example = override.text.strip(), override.example
    wrong = _unquoted(override) or unresolved(text)
    if wrong:
        raise ValueError(wrong)
    if text == "null":
        return None
    if override.path == "model" and text.startswith("["):
        example = '["churn-*", "!churn-test"]'
    if example is None:
        return override.text
    try:
        return _json(text)
    except ValueError as error:
        msg = f"is not JSON such as {example}: {error}"
        raise ValueError(msg) from error


def _unquoted(override: _Override) -> str:
    """Return the problem of an empty range, which is what a shell leaves of `setting=>=11`."""
    if override.path != "version" or override.text.strip():
        return ""
    return (
        "is empty; write a range such as >=10, or * for any version; in a shell, quote the whole "
        f"setting, as in '{override.setting}=>=10', or it takes > for a redirection"
    )
