"""Gather rules from a file, from RULES, which overrides it, and from settings for single fields.

A rule in RULES replaces the one of the same name in the file. `RULES__<rule>__<field>` replaces one
field: text is taken literally, maps and lists are given as JSON, and `null` removes the field.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from model_trigger.rules.book import RuleSource
from model_trigger.rules.fields import rule_fields
from model_trigger.rules.problems import GivenTwice, Problem, problem, unresolved
from model_trigger.targets.kinds import KINDS
from model_trigger.text import nearest

_PREFIX = "RULES__"


class RulesUnreadableError(ValueError):
    """RULES or the file is invalid as a whole, so that no event can be decided."""


def gather(settings: Mapping[str, str], file: str, file_name: str) -> dict[str, RuleSource]:
    """Gather the rules from app settings, whose names ignore case, and the text of a file.

    Raises RulesUnreadableError when RULES or the file is not a JSON object.
    """
    inline = find_setting(settings, "RULES")
    rules = {**read_rules_text(file, file_name), **read_rules_text(inline, "RULES")}
    overrides: dict[str, list[Override]] = defaultdict(list)
    # A whole target comes before a field of it.
    for setting in sorted(settings, key=lambda name: (name.count("__"), name)):
        if setting.upper().startswith(_PREFIX):
            rule, *steps = setting[len(_PREFIX) :].lower().split("__")
            overrides[rule].append(Override(setting, tuple(steps), settings[setting]))
    found: dict[str, RuleSource] = {}
    for name in dict.fromkeys([*rules, *overrides]):
        found[name] = source = override(rules.get(name, {}), overrides.get(name, ()))
        if name not in rules and "model" not in source.origins:
            # Without a model, its name must be a misspelling.
            hint = nearest(name, rules)
            message = f"there is no rule {name!r} in RULES or RULES_FILE{hint}"
            misspelled = problem(overrides[name][0].setting, message)
            found[name] = replace(source, problems=(misspelled, *source.problems))
    return found


def find_setting(settings: Mapping[str, str], name: str) -> str:
    """Return the value of a setting, whose name ignores case; empty when it is absent.

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
    """Read a JSON object of rules by name, without `$schema`, which is for editors.

    Raises RulesUnreadableError, naming the `origin`, when the text is anything else.
    """
    if not text.strip():
        return {}
    try:
        rules = read_json(text)
    except ValueError as error:
        msg = f"{origin} is not JSON: {error}"
        raise RulesUnreadableError(msg) from error
    if not isinstance(rules, dict):
        msg = f'{origin} is not a JSON object of rules by name, such as {{"churn": {{...}}}}'
        raise RulesUnreadableError(msg)
    named = cast("dict[str, object]", rules)
    return {name: rule for name, rule in named.items() if name != "$schema"}


def read_json(text: str) -> object:
    """Read JSON. Raises ValueError.

    A name that is given twice in an object has no value, so that only its rule breaks.
    """

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(name for name, _ in pairs)
        return {name: value if counts[name] == 1 else GivenTwice() for name, value in pairs}

    try:
        return json.loads(text, object_pairs_hook=distinct)
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error


@dataclass(frozen=True, slots=True)
class Override:
    """One `RULES__<rule>__<field>`; the steps are `version`, or `release` and `definition`."""

    setting: str
    steps: tuple[str, ...]
    text: str

    @property
    def path(self) -> str:
        """The field: `version`, or `release.definition`."""
        return ".".join(self.steps)

    @property
    def example(self) -> str | None:
        """An example of the value when it is given as JSON; None when it is text."""
        kind = KINDS.get(self.steps[0])
        if kind:
            return kind.examples.get(self.steps[1]) if self.steps[1:] else kind.example
        field = rule_fields().model_fields.get(self.path)
        examples = (field.examples if field else None) or []
        as_json = [json.dumps(one) for one in examples if not isinstance(one, str)]
        # A field with both kinds of examples takes a text, or a list.
        takes_text = len(as_json) < len(examples) and not self.text.strip().startswith("[")
        return as_json[0] if as_json and not takes_text else None

    def check(self, origins: Mapping[str, str]) -> None:
        """Raise ValueError when the setting names no field, or one that another has set.

        The message continues a sentence that begins with the value. `origins` maps each field that
        is set to its setting.
        """
        if not self.steps or not all(self.steps):
            msg = f"does not name a field; name the setting {_PREFIX}<rule>__<field>"
            raise ValueError(msg)
        deepest = 2 if self.steps[0] in KINDS else 1
        if len(self.steps) > deepest:
            owner = ".".join(self.steps[:deepest])
            setting = "__".join(self.setting.split("__")[: 2 + deepest])
            msg = f"is nested too deeply; set all of {owner} as JSON in {setting}"
            raise ValueError(msg)
        if self.path in origins:
            first = origins[self.path]
            msg = f"is also set by {first}, which differs only in case; remove one of the two"
            raise ValueError(msg)

    def value(self) -> object:
        """Read the value; text is taken literally. Raises ValueError like `check`."""
        text, example = self.text.strip(), self.example
        if self.path == "version" and not text:
            # This is what a shell leaves of `setting=>=11`.
            msg = (
                "is empty; write a range such as >=10, or * for any version; in a shell, quote the "
                f"whole setting, as in '{self.setting}=>=10', because > redirects output"
            )
            raise ValueError(msg)
        if reference := unresolved(text):
            raise ValueError(reference)
        if text == "null":
            return None
        if example is None:
            return self.text
        try:
            return read_json(text)
        except ValueError as error:
            msg = f"is not valid JSON, such as {example}: {error}"
            raise ValueError(msg) from error

    def put(self, fields: dict[str, object]) -> None:
        """Set the field, or remove it when the value is null. Raises ValueError like `check`."""
        value = self.value()
        *owners, field = self.steps
        for owner in owners:
            inner = fields.get(owner, None if value is None else {})
            if not isinstance(inner, dict):
                return  # Nothing to remove, or invalid: validation reports it.
            copied = dict(cast("dict[str, object]", inner))
            fields[owner] = copied
            fields = copied
        if value is None:
            fields.pop(field, None)
        else:
            fields[field] = value


def override(written: object, overrides: Sequence[Override]) -> RuleSource:
    """Return a rule as it was written, with the settings for its fields over it."""
    if not overrides or not isinstance(written, dict):
        return RuleSource(written)
    fields = dict(cast("dict[str, object]", written))
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    for one in overrides:
        try:
            one.check(origins)
            origins[one.path] = one.setting
            one.put(fields)
        except ValueError as error:
            problems.append(problem(one.setting, str(error), one.text))
    return RuleSource(fields, origins, tuple(problems))
