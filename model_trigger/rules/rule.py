"""Match a registration with a rule, clause by clause, and explain why and why not."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Self

from model_trigger.matching.conditions import Condition, fits
from model_trigger.matching.ranges import Range
from model_trigger.matching.versions import Version, VersionError, parse_version
from model_trigger.registrations.registration import LABELS, Label, Registration, Workspace
from model_trigger.rules.fields import Mode, RuleFields, Start
from model_trigger.targets.fields import TargetFields
from model_trigger.targets.kind import Kind
from model_trigger.targets.kinds import KINDS
from model_trigger.targets.request import Definition, StartRequest, TargetAddress, TargetDefaults
from model_trigger.targets.values import Values
from model_trigger.text import excerpt, quoted

# Every other field selects, except those of the targets.
_SELECT_NOTHING = ("allow_unsafe",)
_FIRST_SELECTING = (
    "model",
    "workspace",
    "scheme",
    "version",
    "version_from",
    "start",
    "tags",
    "properties",
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition that a rule checks: the comparison, and a sentence about it."""

    clause: str
    expected: str
    actual: str
    met: bool
    sentence: str

    @classmethod
    def of(cls, name: str, expected: str, actual: str | None, sentence: str, *, met: bool) -> Self:
        """Cut what is long, because every clause is stored, logged and shown."""
        shown = "absent" if actual is None else actual
        return cls(name, excerpt(expected), excerpt(shown), met, sentence)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The clauses of one rule for one registration.

    `version` is the version that the rule compares; None when it is absent or invalid.
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
        """The sentences of the failed clauses; those of all clauses when none failed."""
        return "; ".join(clause.sentence for clause in self.failed or self.clauses)


@dataclass(frozen=True)
class Rule:
    """A valid rule; `mode` is the stricter of its own and the app's."""

    name: str
    fields: RuleFields
    mode: Mode

    @property
    def start(self) -> Start:
        """Which of the matching versions start the target."""
        return self.fields.start

    @cached_property
    def kind(self) -> Kind[Any, Any]:
        """The kind of target that the rule starts; a valid rule has one target."""
        return next(kind for kind in KINDS.values() if getattr(self.fields, kind.name) is not None)

    @property
    def target(self) -> TargetFields:
        """The target: fields of its kind."""
        return getattr(self.fields, self.kind.name)

    def address(self, defaults: TargetDefaults) -> TargetAddress:
        """Complete the target with the organization and project of the app. Raises TargetError."""
        return self.kind.address(self.target, self.name, defaults)

    def request(
        self, registration: Registration, address: TargetAddress, definition: Definition, key: str
    ) -> StartRequest:
        """Fill in the target from a registration; `key` identifies what was started.

        Raises UnsafeValueError for a value that must not be passed on, and TargetError when the
        definition does not accept what the rule sets.
        """
        values = Values(registration, self.name, self.fields.allow_unsafe)
        return self.kind.request(self.target, values, address, definition, key)

    @property
    def ordering(self) -> str:
        """How the rule parses and orders versions; a mark made under another ordering is void."""
        return f"{self.fields.scheme} {self.fields.version_from}"

    @cached_property
    def selectors(self) -> str:
        """A digest of the fields that select registrations; it changes whenever one of them does.

        The effective mode is one of them, so that going live starts nothing that was registered
        earlier.
        """
        # A field that came later counts only where it is set: no other rule changes with it.
        fields = {
            name: value
            for name, field in RuleFields.model_fields.items()
            if name not in _SELECT_NOTHING
            for value in [getattr(self.fields, name)]
            if name in _FIRST_SELECTING or value != field.default
        } | {"mode": self.mode}
        text = json.dumps(fields, sort_keys=True, default=attrgetter("canonical"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def range(self) -> Range:
        """The versions that the rule matches."""
        return Range.parse(self.fields.version, self.fields.scheme)

    def fits_model(self, model: str) -> bool:
        """Whether the rule is about this model, whatever its other fields say."""
        return self.fields.model.fit(model)

    def read_version(self, registration: Registration) -> Version:
        """Parse the version that the rule compares, from where `version_from` points.

        Raises VersionError when it is absent or invalid under the rule's scheme.
        """
        source = self.fields.version_from
        text = source.of(registration)
        if text is None:
            msg = f"the version is read from {source.label}, which is absent"
            raise VersionError(msg)
        try:
            return parse_version(text, self.fields.scheme)
        except VersionError as error:
            msg = f"in {source.label}, {error}" if source.label else str(error)
            raise VersionError(msg) from error

    def evaluate(self, registration: Registration) -> Evaluation:
        """Check the registration against every clause."""
        version, version_clause = self._check_version(registration)
        clauses = [self._check_model(registration.model)]
        if self.fields.workspace is not None:
            clauses.append(_check_workspace(self.fields.workspace, registration.workspace))
        clauses.append(version_clause)
        for label, condition in self.fields.labels:
            clauses.append(_check_label(label, condition, label.of(registration)))
        if self.mode is Mode.OFF:
            sentence = "the app is switched off by its setting MODE"
            if self.fields.mode is Mode.OFF:
                sentence = "the rule is switched off"
            clauses.append(Clause.of("mode", "live or observe", "off", sentence, met=False))
        return Evaluation(self, tuple(clauses), version)

    def _check_model(self, model: str) -> Clause:
        globs = self.fields.model
        met, excluding = globs.fit(model), globs.excluding(model)
        outcome = f"{'matches' if met else 'does not match'} {quoted(str(globs))}"
        if excluding is not None:
            outcome = f"is excluded by {quoted('!' + excluding)}"
        return Clause.of("model", str(globs), model, f"model {quoted(model)} {outcome}", met=met)

    def _check_version(self, registration: Registration) -> tuple[Version | None, Clause]:
        wanted, source = self.fields.version.strip() or "*", self.fields.version_from
        try:
            version = self.read_version(registration)
        except VersionError as error:
            actual = source.of(registration)
            return None, Clause.of("version", wanted, actual, str(error), met=False)
        met = self.range.admits(version)
        origin = f" from {source.label}" if source.label else ""
        verb = "is in" if met else "is not in"
        sentence = f"version {excerpt(version.text)}{origin} {verb} {excerpt(wanted)}"
        surprise = None if met else self.range.explain(version)
        sentence = f"{sentence}: {surprise}" if surprise else sentence
        return version, Clause.of("version", wanted, version.text, sentence, met=met)


def _check_workspace(pattern: str, workspace: Workspace) -> Clause:
    met = fits_workspace(pattern, workspace)
    actual = workspace.id if pattern.startswith("/") else workspace.name
    verb = "matches" if met else "does not match"
    sentence = f"workspace {quoted(actual)} {verb} {quoted(pattern)}"
    return Clause.of("workspace", pattern, actual, sentence, met=met)


def _check_label(label: Label, condition: Condition, value: str | None) -> Clause:
    met = condition.holds(value)
    found = f"{label} is {'absent' if value is None else quoted(value)}"
    if not met and condition.wants_number(value):
        found = f"{found}, which is not a number"
    sentence = f"{found}, {'which meets' if met else 'expected'} {excerpt(str(condition))}"
    name = f"{LABELS[label.kind]}.{label.key}"
    return Clause.of(name, str(condition), value, sentence, met=met)


def fits_workspace(pattern: str, workspace: Workspace) -> bool:
    """Whether a glob on names, or on ids when it begins with a slash, matches; case is ignored."""
    actual = workspace.id if pattern.startswith("/") else workspace.name
    return fits(pattern.rstrip("/").lower(), actual.lower())
