"""Match a registration with a rule, clause by clause, and say why and why not."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from model_trigger.matching.conditions import Condition, Globs, fits
from model_trigger.matching.ranges import Range
from model_trigger.matching.versions import Version, VersionError, parse_version
from model_trigger.registrations.registration import LABELS, Label, Registration, Workspace
from model_trigger.rules.fields import (
    Mode,
    RuleFields,
    Start,
    VersionSource,
)
from model_trigger.targets.fields import TargetFields
from model_trigger.targets.kind import Kind
from model_trigger.targets.kinds import KINDS
from model_trigger.targets.request import Definition, StartRequest, TargetAddress, TargetDefaults
from model_trigger.targets.values import Values
from model_trigger.text import excerpt, quoted

# Every other field selects, except those of the targets.
_SELECT_NOTHING = ("allow_unsafe",)


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a rule asks of a registration.

    `expected` and `actual` stand side by side for comparison; `sentence` says it in words.
    """

    clause: str
    expected: str
    actual: str
    met: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one rule makes of one registration.

    `version` is the version that the rule compares; None when there is none that it can read.
    """

    rule: "Rule"
    clauses: tuple[Clause, ...]
    version: Version | None

    @property
    def matched(self) -> bool:
        """Whether every clause is met."""
        return all(clause.met for clause in self.clauses)

    @property
    def failed(self) -> tuple[Clause, ...]:
        """The clauses that are not met."""
        return tuple(clause for clause in self.clauses if not clause.met)

    @property
    def reason(self) -> str:
        """The sentences that decide: of the failed clauses, or of all when every one is met."""
        return "; ".join(clause.sentence for clause in self.failed or self.clauses)


@dataclass(frozen=True)
class Rule:
    """A valid rule under its name, ready to match; `mode` is the stricter of its and the app's."""

    name: str
    fields: RuleFields
    mode: Mode

    @property
    def start(self) -> Start:
        """Which of the matching versions start the target."""
        return self.fields.start

    @cached_property
    def kind(self) -> Kind[Any, Any]:
        """The kind of target that the rule starts: a valid rule has one target."""
        return next(kind for kind in KINDS.values() if getattr(self.fields, kind.name) is not None)

    @property
    def target(self) -> TargetFields:
        """What the rule starts: fields of its kind."""
        return getattr(self.fields, self.kind.name)

    def address(self, defaults: TargetDefaults) -> TargetAddress:
        """Complete the target with the organization and project of the app. Raises TargetError."""
        return self.kind.address(self.target, self.name, defaults)

    def request(
        self, registration: Registration, address: TargetAddress, definition: Definition, key: str
    ) -> StartRequest:
        """Fill the target from a registration; `key` finds again what was started.

        Raises UnsafeValueError for a value that may not be handed over, and TargetError where the
        definition does not take what the rule says.
        """
        values = Values(registration, self.name, self.fields.allow_unsafe)
        return self.kind.request(self.target, values, address, definition, key)

    @property
    def ordering(self) -> str:
        """How the rule reads and orders versions; marks made under another ordering are void."""
        return f"{self.fields.scheme} {self.fields.version_from}"

    @cached_property
    def selectors(self) -> str:
        """A digest of all that selects registrations: it changes when a field of these does.

        The mode that counts is one of them, so that going live starts nothing that was registered
        earlier.
        """
        selecting = [name for name in RuleFields.model_fields if name not in _SELECT_NOTHING]
        fields = {name: _plain(getattr(self.fields, name)) for name in selecting}
        text = json.dumps({**fields, "mode": self.mode}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def _range(self) -> Range:
        return Range.parse(self.fields.version, self.fields.scheme)

    def fits_model(self, model: str) -> bool:
        """Whether the rule is about this model at all."""
        return self.fields.model.fit(model)

    def read_version(self, registration: Registration) -> Version:
        """Read the version that the rule compares, from where `version_from` says.

        Raises VersionError when it is absent or cannot be read under the rule's scheme.
        """
        source = self.fields.version_from
        text = source.of(registration)
        if text is None:
            msg = f"the version stands in {source.label}, which is absent"
            raise VersionError(msg)
        try:
            return parse_version(text, self.fields.scheme)
        except VersionError as error:
            msg = f"in {source.label}, {error}" if source.label else str(error)
            raise VersionError(msg) from error

    def evaluate(self, registration: Registration) -> Evaluation:
        """Check the registration against every clause."""
        version_clause, version = self._version(registration)
        clauses = (
            self._model(registration.model),
            *self._workspace(registration.workspace),
            version_clause,
            *self._labels(registration),
            *self._mode(),
        )
        return Evaluation(self, clauses, version)

    def _model(self, model: str) -> Clause:
        globs = self.fields.model
        met, excluding = globs.fit(model), globs.excluding(model)
        verb = "fits" if met else "does not fit"
        told = f"{verb} {quoted(str(globs))}"
        if excluding is not None:
            told = f"is excluded by {quoted('!' + excluding)}"
        return _clause("model", str(globs), model, f"model {quoted(model)} {told}", met=met)

    def _workspace(self, workspace: Workspace) -> Iterator[Clause]:
        pattern = self.fields.workspace
        if pattern is None:
            return
        actual = workspace.id if pattern.startswith("/") else workspace.name
        met = fits(pattern.rstrip("/").lower(), actual.lower())
        verb = "fits" if met else "does not fit"
        told = f"workspace {quoted(actual)} {verb} {quoted(pattern)}"
        yield _clause("workspace", pattern, actual, told, met=met)

    def _version(self, registration: Registration) -> tuple[Clause, Version | None]:
        wanted, source = self.fields.version.strip() or "*", self.fields.version_from
        try:
            version = self.read_version(registration)
        except VersionError as error:
            actual = source.of(registration)
            actual = "absent" if actual is None else actual
            return _clause("version", wanted, actual, str(error), met=False), None
        met = self._range.admits(version)
        place = f" from {source.label}" if source.label else ""
        verb = "is in" if met else "is not in"
        told = f"version {excerpt(version.text)}{place} {verb} {excerpt(wanted)}"
        surprise = None if met else self._range.explain(version)
        told = f"{told}: {surprise}" if surprise else told
        return _clause("version", wanted, version.text, told, met=met), version

    def _labels(self, registration: Registration) -> Iterator[Clause]:
        for label, condition in self.fields.labels:
            yield _label_clause(label, condition, label.of(registration))

    def _mode(self) -> Iterator[Clause]:
        if self.mode is Mode.OFF:
            app, rule = "the app is switched off by its setting MODE", "the rule is switched off"
            told = rule if self.fields.mode is Mode.OFF else app
            yield _clause("mode", "live or observe", "off", told, met=False)


def _plain(value: object) -> object:
    """Write a selector as JSON can, without an order that says nothing."""
    match value:
        case Mapping():
            conditions = cast("Mapping[str, Condition]", value)
            return {key: sorted(condition.tests) for key, condition in conditions.items()}
        case Globs():
            return [sorted(value.included), sorted(value.excluded)]
        case VersionSource():
            return str(value)
        case _:
            return value


def _clause(name: str, expected: str, actual: str, sentence: str, *, met: bool) -> Clause:
    """Make a clause; what is long is cut, since every clause is kept, logged and shown."""
    return Clause(name, excerpt(expected), excerpt(actual), met, sentence)


def _label_clause(label: Label, condition: Condition, value: str | None) -> Clause:
    met = condition.holds(value)
    stated = f"{label} is {'absent' if value is None else quoted(value)}"
    if not met and condition.wants_number(value):
        stated = f"{stated}, which is not a number"
    told = f"{stated}, {'which meets' if met else 'expected'} {excerpt(str(condition))}"
    actual = "absent" if value is None else value
    return _clause(f"{LABELS[label.kind]}.{label.key}", str(condition), actual, told, met=met)
