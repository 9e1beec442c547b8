"""Refuse rules whose target must not get the credential; warn about probable mistakes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from model_trigger.matching.conditions import covers
from model_trigger.matching.versions import Scheme
from model_trigger.registrations.registration import LABELS, Label
from model_trigger.rules.book import BrokenRule, Index, RuleBook, RuleSource
from model_trigger.rules.fields import Mode
from model_trigger.rules.overlap import find_common
from model_trigger.rules.problems import Problem, path_to, problem
from model_trigger.rules.rule import Rule
from model_trigger.targets.hosts import Recipients
from model_trigger.text import quoted, shown

# Rules that start the same target are compared in pairs, but only where their models begin alike.
# Thousands of rules for one model would still be too many: comparing ends here, after about 1 s.
_MOST_PAIRS = 10_000


def warnings(book: RuleBook) -> tuple[Problem, ...]:
    """Return what is valid but probably a mistake: rule by rule, then between rules.

    What `mode` says is taken as intended.
    """
    checks = (check_versions, check_models, check_spelling)
    of_each = (one for rule in book.rules.values() for check in checks for one in check(rule))
    return (*of_each, *check_overlap(book.rules.values()))


def refuse(book: RuleBook, sources: Mapping[str, RuleSource], recipients: Recipients) -> RuleBook:
    """Return the rules, counting those as broken whose organization must not get the credential.

    The app itself keeps such a rule, and each start of it fails before anything is sent.
    """
    rules, broken = dict(book.rules), dict(book.broken)
    for name, rule in book.rules.items():
        url = rule.target.organization_url
        refusal = recipients.refusal(url) if url else ""
        if refusal:
            path = path_to(name, (rule.kind.name, "organization_url"), sources[name].origins)
            del rules[name]
            broken[name] = BrokenRule(name, (problem(path, refusal, url),), rule.fields.model)
    return RuleBook(rules, broken)


def check_versions(rule: Rule) -> Iterator[Problem]:
    """Warn when no version can match.

    A model in a workspace has a positive integer as its version:
    https://github.com/Azure/azureml-examples/issues/2725
    """
    if never := rule.range.never:
        message = f"{never}; change the range, or switch the rule off with mode: off"
        yield Problem(f"{rule.name}.version", "", message)
    fields = rule.fields
    if fields.scheme is Scheme.SEMVER and not fields.version_from.label:
        message = (
            "matches no version: Azure ML numbers the versions of a model 1, 2, 3, which are not "
            "semantic versions; set version_from to the tag or property with the semantic "
            "version, as tag:<key> or property:<key>, or remove scheme"
        )
        yield Problem(f"{rule.name}.scheme", shown(fields.scheme), message)


def check_models(rule: Rule) -> Iterator[Problem]:
    """Warn about a model that is excluded as a whole."""
    globs = rule.fields.model
    for glob in globs.included:
        excluding = next((other for other in globs.excluded if covers(other, glob)), None)
        if excluding:
            message = f"matches no model, because {shown(f'!{excluding}')} excludes it; remove one"
            yield Problem(f"{rule.name}.model", shown(glob), message)


def check_spelling(rule: Rule) -> Iterator[Problem]:
    """Warn about a key in two spellings: keys ignore case, but an exact match is preferred."""
    places = [(f"{LABELS[label.kind]}.{label.key}", label) for label, _ in rule.fields.labels]
    source = rule.fields.version_from.label
    if source:
        places.append(("version_from", source))
    first: dict[Label, tuple[str, Label]] = {}
    for place, label in places:
        folded = Label(label.kind, label.key.lower())
        other_place, other = first.setdefault(folded, (place, label))
        if label != other:
            message = (
                f"refers to the {label.kind} {shown(label.key)}, which {other_place} spells "
                f"{shown(other.key)}: on a model that has both, these are two values; use one "
                "spelling"
            )
            yield Problem(f"{rule.name}.{place}", "", message)


def check_overlap(rules: Iterable[Rule]) -> Iterator[Problem]:
    """Warn about a rule that starts what an earlier one starts, for a registration that both match.

    Each rule is reported once, with one such other; fixing it may reveal more.
    """
    by_target: dict[tuple[object, ...], list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.mode is Mode.LIVE:
            target = rule.target
            # Azure DevOps compares names without case.
            named = (target.organization_url or "", target.project or "", rule.kind.named(target))
            folded = (part.lower() if isinstance(part, str) else part for part in named)
            by_target[rule.kind.name, *folded].append(rule)
    budget = iter(range(_MOST_PAIRS))
    for same in by_target.values():
        yield from _overlapping(same, budget)


def _overlapping(rules: list[Rule], budget: Iterator[int]) -> Iterator[Problem]:
    index = Index.of(rules)
    order = {rule.name: place for place, rule in enumerate(rules)}
    reported: set[str] = set()
    for rule in rules:
        models = () if rule.name in reported else rule.fields.model.examples
        near = (other for model in models for other in index.candidates(model))
        for _, other in zip(budget, near, strict=False):
            earlier, later = sorted((rule, other), key=lambda one: order[one.name])
            found = find_common(earlier, later) if earlier is not later else None
            if found and later.name not in reported:
                reported.add(later.name)
                message = (
                    f"overlaps rule {earlier.name}: a version of model {quoted(found.model)} can "
                    f"match both, which starts {later.kind.describe(later.target)} twice; make the "
                    "rules differ in model, version, workspace, tags or properties, unless two "
                    "starts are intended"
                )
                yield Problem(later.name, "", message)
