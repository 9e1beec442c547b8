"""Summarize in one line what a rule does."""

from collections.abc import Iterator

from model_trigger.matching.versions import Scheme
from model_trigger.registrations.registration import LABELS
from model_trigger.rules.fields import Mode, RuleFields
from model_trigger.rules.rule import Rule


def summarize(rule: Rule) -> str:
    """Summarize a rule: `churn*, versions >=10, newer → release 1 in ml`."""
    mode = "" if rule.mode is Mode.LIVE else f" (mode {rule.mode})"
    selects = ", ".join(_selectors(rule.fields))
    return f"{selects} → {rule.kind.describe(rule.target)}{mode}"


def _selectors(fields: RuleFields) -> Iterator[str]:
    yield str(fields.model)
    if fields.workspace:
        yield f"workspace {fields.workspace}"
    yield _versions(fields)
    for label, condition in fields.labels:
        yield f"{LABELS[label.kind]}.{label.key} {condition}"
    yield fields.start.value


def _versions(fields: RuleFields) -> str:
    scheme = "semver " if fields.scheme is Scheme.SEMVER else ""
    source = f" from {fields.version_from}" if fields.version_from.label else ""
    if fields.version.strip() in ("", "*"):
        return f"any {scheme}version{source}"
    return f"{scheme}versions {fields.version}{source}"
