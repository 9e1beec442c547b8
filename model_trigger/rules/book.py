"""All rules: the valid ones, found by model without trying each, and the broken ones."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from pydantic import ValidationError

from model_trigger.matching.conditions import Globs, has_wildcard, literal_prefix
from model_trigger.registrations.registration import Registration
from model_trigger.rules.fields import Mode, read_globs, rule_fields
from model_trigger.rules.names import check_name
from model_trigger.rules.problems import Problem, problem, problems_in
from model_trigger.rules.rule import Evaluation, Rule
from model_trigger.targets.kinds import KINDS
from model_trigger.text import shown

_NO_MODEL = Globs((), ())


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule as it was written, before it is known to be valid.

    `origins` maps a field (`version`, `release.definition`) to the app setting that gave it;
    `problems` are those found while it was gathered, such as a setting that is not JSON.
    """

    fields: object
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    problems: tuple[Problem, ...] = ()

    def read(self, name: str, mode: Mode) -> "Rule | BrokenRule":
        """Validate the rule; `mode` is the app's, and the stricter mode wins."""
        path = name if name.strip() else shown(name)
        problems = [*check_name(name, path), *self.problems, *self.check_target(path)]
        try:
            fields = rule_fields().model_validate(self.fields)
        except ValidationError as error:
            problems += problems_in(error, path, self.origins)
        else:
            if not problems:
                return Rule(name, fields, fields.mode.stricter(mode))
        return BrokenRule(name, tuple(problems), self.read_models(mode))

    def check_target(self, path: str) -> Iterator[Problem]:
        """Yield a problem unless there is exactly one target, whatever else is wrong."""
        if not isinstance(self.fields, dict):
            return
        named = cast("dict[str, object]", self.fields)
        given = [kind for kind in KINDS if named.get(kind) is not None]
        if not given:
            first = next(iter(KINDS.values()))
            example = f'"{first.name}": {first.example}'
            yield problem(path, f"has no target; add {' or '.join(KINDS)}, such as {example}")
        elif len(given) > 1:
            count = "two" if len(given) == 2 else str(len(given))  # noqa: PLR2004
            targets = " and ".join(given)
            yield problem(path, f"has {count} targets, {targets}; keep one of the {count}")

    def read_models(self, mode: Mode) -> Globs | None:
        """Return the models the rule is about: no model when it is off, None when invalid."""
        named = cast("dict[str, object]", self.fields) if isinstance(self.fields, dict) else {}
        if Mode.OFF in (mode, named.get("mode")):
            return _NO_MODEL
        try:
            return read_globs(named.get("model"))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that cannot be used until a person fixes it.

    `globs` are those of the models it is about; None when they are invalid, too.
    """

    name: str
    problems: tuple[Problem, ...]
    globs: Globs | None

    def may_want(self, registration: Registration) -> bool:
        """Whether the rule, once fixed, might want this registration."""
        return self.may_be_about(registration.model)

    def may_be_about(self, model: str) -> bool:
        """Whether the rule, once fixed, might be about this model."""
        return self.globs is None or self.globs.fit(model)

    @property
    def reason(self) -> str:
        """Why it cannot be used, in one line."""
        return f"invalid rule: {'; '.join(map(str, self.problems))}"


@dataclass(frozen=True)
class RuleBook:
    """The rules, indexed by the names and literal prefixes of their model globs."""

    rules: Mapping[str, Rule]
    broken: Mapping[str, BrokenRule]

    @classmethod
    def read(cls, sources: Mapping[str, RuleSource], mode: Mode = Mode.LIVE) -> "RuleBook":
        """Validate and index the rules; `mode` is the app's, and the stricter mode wins.

        A broken rule goes to `broken` with all its problems and affects no other.
        """
        rules: dict[str, Rule] = {}
        broken: dict[str, BrokenRule] = {}
        for name, source in sources.items():
            found = source.read(name, mode)
            if isinstance(found, Rule):
                rules[name] = found
            else:
                broken[name] = found
        return cls(rules, broken)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems of all rules."""
        return tuple(one for rule in self.broken.values() for one in rule.problems)

    def evaluate(self, registration: Registration) -> tuple[Evaluation, ...]:
        """Check the registration against every rule about its model, in the order of the rules."""
        return tuple(rule.evaluate(registration) for rule in self._fitting(registration.model))

    def evaluate_all(self, registration: Registration) -> tuple[Evaluation, ...]:
        """Check the registration against every rule, in the order of the rules."""
        return tuple(rule.evaluate(registration) for rule in self.rules.values())

    def about(self, model: str) -> tuple[Rule | BrokenRule, ...]:
        """Return the rules that are about a model, and the broken ones that may be."""
        broken = (rule for rule in self.broken.values() if rule.may_be_about(model))
        return (*self._fitting(model), *broken)

    def unreadable_for(self, registration: Registration) -> tuple[BrokenRule, ...]:
        """Return the broken rules that might want this registration."""
        return tuple(rule for rule in self.broken.values() if rule.may_want(registration))

    def closest(self, registration: Registration) -> Evaluation | None:
        """Return the evaluation that came closest to a match: that with the fewest failed clauses.

        When no rule is about the model, it is that of the rule whose model is spelled most like it.
        """
        evaluations = self.evaluate(registration)
        if evaluations:
            return min(evaluations, key=lambda evaluation: len(evaluation.failed))
        names = self._names
        from difflib import get_close_matches  # noqa: PLC0415 - only if no rule covers the model

        similar = get_close_matches(registration.model.lower(), names, n=1, cutoff=0.7)
        return names[similar[0]].evaluate(registration) if similar else None

    def _fitting(self, model: str) -> Iterator[Rule]:
        """Yield the rules that are about a model, in their order."""
        return (rule for rule in self._index.candidates(model) if rule.fits_model(model))

    @cached_property
    def _index(self) -> "Index":
        return Index.of(self.rules.values())

    @cached_property
    def _names(self) -> Mapping[str, Rule]:
        """The first rule for each name or literal prefix, in lower case."""
        names: dict[str, Rule] = {}
        for rule in self.rules.values():
            for glob in rule.fields.model.included:
                names.setdefault(literal_prefix(glob).lower(), rule)
        return names


@dataclass(frozen=True, slots=True)
class Index:
    """Rules in their order, found by the names and literal prefixes of their model globs."""

    rules: Sequence[Rule]
    by_name: Mapping[str, Sequence[int]]
    by_prefix: Mapping[str, Sequence[int]]
    lengths: Iterable[int]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Index":
        """Index rules."""
        ordered = tuple(rules)
        by_name: dict[str, list[int]] = defaultdict(list)
        by_prefix: dict[str, list[int]] = defaultdict(list)
        for place, rule in enumerate(ordered):
            for glob in rule.fields.model.included:
                table = by_prefix if has_wildcard(glob) else by_name
                table[literal_prefix(glob)].append(place)
        return cls(ordered, by_name, by_prefix, sorted(set(map(len, by_prefix))))

    def candidates(self, model: str) -> Iterator[Rule]:
        """Yield every rule that may be about the model, and few others, in their order."""
        places = {*self.by_name.get(model, ())}
        for length in self.lengths:
            if length <= len(model):
                places.update(self.by_prefix.get(model[:length], ()))
        return (self.rules[place] for place in sorted(places))
