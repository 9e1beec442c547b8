"""Match a registration with a rule, clause by clause, and say why and why not."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from model_trigger.conditions import Condition, fits
from model_trigger.events import Registration, Workspace, lookup
from model_trigger.grammar import Mode, PipelineFields, ReleaseFields, RuleFields, Start
from model_trigger.versions import Range, Version, VersionError, parse_version

_SELECTORS = {
    "model",
    "workspace",
    "scheme",
    "version",
    "version_from",
    "start",
    "tags",
    "properties",
}


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
    """A valid rule under its name, ready to match."""

    name: str
    fields: RuleFields
    mode: Mode

    @property
    def start(self) -> Start:
        """Which of the matching versions start the target."""
        return self.fields.start

    @property
    def target(self) -> ReleaseFields | PipelineFields:
        """What the rule starts."""
        target = self.fields.release or self.fields.pipeline
        assert target is not None, "a valid rule has one target"  # noqa: S101
        return target

    @property
    def ordering(self) -> str:
        """How the rule reads and orders versions; marks made under another ordering are void."""
        return f"{self.fields.scheme} {self.fields.version_from}"

    @cached_property
    def selectors(self) -> str:
        """A digest of all fields that select registrations: it changes when one of them does."""
        fields = {name: str(getattr(self.fields, name)) for name in sorted(_SELECTORS)}
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]

    @cached_property
    def _range(self) -> Range:
        return Range.parse(self.fields.version, self.fields.scheme)

    def fits_model(self, model: str) -> bool:
        """Tell whether the rule is about this model at all."""
        return self.fields.model.fit(model)

    def read_version(self, registration: Registration) -> Version:
        """Read the version that the rule compares, from where `version_from` says.

        Raises VersionError when it is absent or cannot be read under the rule's scheme.
        """
        source = self.fields.version_from
        kind, _, key = source.partition(":")
        if kind == "version":
            return parse_version(registration.version, self.fields.scheme)
        texts = registration.tags if kind == "tag" else registration.properties
        text = lookup(texts, key)
        if text is None:
            msg = f"the model has no {kind} {key!r}, from which the rule reads the version"
            raise VersionError(msg)
        return parse_version(text, self.fields.scheme)

    def evaluate(self, registration: Registration) -> Evaluation:
        """Hold the registration against every clause."""
        version_clause, version = self._version(registration)
        clauses = (
            self._model(registration.model),
            *self._workspace(registration.workspace),
            version_clause,
            *self._texts(registration),
            *self._mode(),
        )
        return Evaluation(self, clauses, version)

    def _model(self, model: str) -> Clause:
        met, globs = self.fits_model(model), self.fields.model
        verb = "fits" if met else "does not fit"
        return Clause("model", str(globs), model, met, f"model {model!r} {verb} {str(globs)!r}")

    def _workspace(self, workspace: Workspace) -> Iterator[Clause]:
        pattern = self.fields.workspace
        if pattern is None:
            return
        by_id = pattern.startswith("/")
        actual = workspace.id if by_id else workspace.name
        met = fits(pattern.rstrip("/").lower(), actual.lower())
        verb = "fits" if met else "does not fit"
        yield Clause("workspace", pattern, actual, met, f"workspace {actual!r} {verb} {pattern!r}")

    def _version(self, registration: Registration) -> tuple[Clause, Version | None]:
        wanted = self.fields.version or "*"
        try:
            version = self.read_version(registration)
        except VersionError as error:
            return Clause(
                "version", wanted, _actual(registration, self), met=False, sentence=str(error)
            ), None
        met = self._range.admits(version)
        where = _where(self.fields.version_from)
        sentence = f"{where} {version.text} is {'' if met else 'not '}in {wanted}"
        surprise = None if met else self._range.explain(version)
        if surprise:
            sentence = f"{sentence}: {surprise}"
        return Clause("version", wanted, version.text, met, sentence), version

    def _texts(self, registration: Registration) -> Iterator[Clause]:
        for key, condition in self.fields.tags.items():
            yield _text_clause("tag", key, condition, lookup(registration.tags, key))
        for key, condition in self.fields.properties.items():
            yield _text_clause("property", key, condition, lookup(registration.properties, key))

    def _mode(self) -> Iterator[Clause]:
        if self.mode is Mode.OFF:
            yield Clause(
                "mode", "live or observe", "off", met=False, sentence="the rule is switched off"
            )


def _actual(registration: Registration, rule: Rule) -> str:
    kind, _, key = rule.fields.version_from.partition(":")
    if kind == "version":
        return registration.version
    texts = registration.tags if kind == "tag" else registration.properties
    return lookup(texts, key) or "absent"


def _where(version_from: str) -> str:
    kind, _, key = version_from.partition(":")
    return f"the version in {kind} {key!r}," if key else "version"


def _text_clause(kind: str, key: str, condition: Condition, value: str | None) -> Clause:
    met = condition.holds(value)
    plural = {"tag": "tags", "property": "properties"}[kind]
    actual = "absent" if value is None else value
    stated = f"{kind} {key!r} is {'absent' if value is None else repr(value)}"
    if not met and condition.wants_number(value):
        sentence = f"{stated}, not a number, expected {condition}"
    else:
        sentence = f"{stated}, {'as' if met else 'not as'} expected: {condition}"
    return Clause(f"{plural}.{key}", str(condition), actual, met, sentence)
