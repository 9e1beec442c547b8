"""All rules together: the valid found by model without trying each, the broken kept apart."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import cast

from pydantic import ValidationError

from model_trigger.conditions import Globs, has_wildcard, literal_prefix
from model_trigger.events import Registration
from model_trigger.grammar import Mode, RuleFields, read_globs
from model_trigger.problems import Problem, explain, problem
from model_trigger.rules import Evaluation, Rule

_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
_LONGEST_NAME = 24
_MOST_NAMES_COMPARED = 500


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule as it was written, before it is known to be valid.

    `origins` maps a field (`version`, `release.definition`) to the app setting that gave it;
    `problems` are those found while it was gathered, such as a setting that is not JSON.
    """

    fields: object
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that cannot be used until a person mends it.

    `globs` tells which models it is about, when at least that can be read.
    """

    name: str
    problems: tuple[Problem, ...]
    globs: Globs | None

    def may_want(self, registration: Registration) -> bool:
        """Tell whether the rule, once mended, might want this registration."""
        return self.globs is None or self.globs.fit(registration.model)

    @property
    def reason(self) -> str:
        """Why it cannot be used, in one line."""
        return f"rule unreadable: {'; '.join(str(one) for one in self.problems)}"


@dataclass(frozen=True)
class RuleBook:
    """The rules, indexed by the names and literal prefixes of their model globs."""

    rules: Mapping[str, Rule]
    broken: Mapping[str, BrokenRule]
    _by_name: Mapping[str, Sequence[Rule]]
    _by_prefix: Mapping[str, Sequence[Rule]]

    @classmethod
    def read(cls, sources: Mapping[str, RuleSource], mode: Mode = Mode.LIVE) -> "RuleBook":
        """Validate and index the rules; `mode` is the app's, and the stricter mode wins.

        A broken rule ends in `broken` with all its problems and harms no other.
        """
        rules: dict[str, Rule] = {}
        broken: dict[str, BrokenRule] = {}
        for name, source in sources.items():
            found = _read_rule(name, source, mode)
            if isinstance(found, Rule):
                rules[name] = found
            else:
                broken[name] = found
        by_name: dict[str, list[Rule]] = defaultdict(list)
        by_prefix: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules.values():
            for glob in rule.fields.model.included:
                index = by_prefix if has_wildcard(glob) else by_name
                _append_once(index[literal_prefix(glob)], rule)
        return cls(rules, broken, by_name, by_prefix)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems of all rules."""
        return tuple(one for rule in self.broken.values() for one in rule.problems)

    def evaluate(self, registration: Registration) -> tuple[Evaluation, ...]:
        """Hold the registration against every rule that is about its model."""
        fitting = {
            rule.name: rule
            for rule in self._candidates(registration.model)
            if rule.fits_model(registration.model)
        }
        return tuple(rule.evaluate(registration) for rule in fitting.values())

    def evaluate_all(self, registration: Registration) -> tuple[Evaluation, ...]:
        """Hold the registration against every rule, in the order they were written."""
        return tuple(rule.evaluate(registration) for rule in self.rules.values())

    def unreadable_for(self, registration: Registration) -> tuple[BrokenRule, ...]:
        """Give the broken rules that might want this registration."""
        return tuple(rule for rule in self.broken.values() if rule.may_want(registration))

    def closest(self, registration: Registration) -> Evaluation | None:
        """Find the rule that came closest to matching: the fewest failed clauses.

        When no rule is about the model, it is the one whose model is spelled most like it.
        """
        evaluations = self.evaluate(registration)
        if evaluations:
            return min(evaluations, key=lambda evaluation: len(evaluation.failed))
        similar = self._similar(registration.model)
        return similar.evaluate(registration) if similar else None

    def _candidates(self, model: str) -> Iterator[Rule]:
        yield from self._by_name.get(model, ())
        for length in range(len(model) + 1):
            yield from self._by_prefix.get(model[:length], ())

    def _similar(self, model: str) -> Rule | None:
        """Find a rule whose model is spelled nearly so; few are compared, for this takes time."""
        spelled = {
            name.lower(): rules[0]
            for index in (self._by_prefix, self._by_name)
            for name, rules in islice(index.items(), _MOST_NAMES_COMPARED)
            if name
        }
        found = get_close_matches(model.lower(), spelled, n=1, cutoff=0.7)
        return spelled[found[0]] if found else None


def _append_once(rules: list[Rule], rule: Rule) -> None:
    if not rules or rules[-1] is not rule:
        rules.append(rule)


def _read_rule(name: str, source: RuleSource, mode: Mode) -> Rule | BrokenRule:
    problems = [*_name_problems(name), *source.problems]
    try:
        fields = RuleFields.model_validate(source.fields)
    except ValidationError as error:
        problems += explain(error, name, source.origins)
    else:
        if not problems:
            return Rule(name, fields, fields.mode.stricter(mode))
    return BrokenRule(name, tuple(problems), _globs(source.fields))


def _name_problems(name: str) -> Iterable[Problem]:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        yield problem(
            name,
            f"is not a rule name: at most {_LONGEST_NAME} of a-z, 0-9 and single _, "
            "beginning with a letter and not ending in _",
        )


def _globs(fields: object) -> Globs | None:
    """Read which models a broken rule is about, when that much is right."""
    if not isinstance(fields, dict):
        return None
    try:
        return read_globs(cast("dict[str, object]", fields).get("model"))
    except ValueError:
        return None
