"""Summarize in one line what a rule does."""

from model_trigger.matching.versions import Scheme
from model_trigger.registrations.registration import LABELS
from model_trigger.rules.fields import Mode
from model_trigger.rules.rule import Rule


def summarize(rule: Rule) -> str:
    """Summarize a rule: `churn*, versions >=10, newer → release 1 in ml`."""
    fields = rule.fields
    scheme = "semver " if fields.scheme is Scheme.SEMVER else ""
    is_any = fields.version.strip() in ("", "*")
    versions = f"any {scheme}version" if is_any else f"{scheme}versions {fields.version}"
    selectors = [
        str(fields.model),
        f"workspace {fields.workspace}" if fields.workspace else "",
        f"{versions} from {fields.version_from}" if fields.version_from.label else versions,
        *(f"{LABELS[label.kind]}.{label.key} {condition}" for label, condition in fields.labels),
        fields.start.value,
    ]
    mode = "" if rule.mode is Mode.LIVE else f" (mode {rule.mode})"
    return f"{', '.join(filter(None, selectors))} → {rule.kind.describe(rule.target)}{mode}"
