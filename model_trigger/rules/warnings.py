"""Refuse rules whose target may not receive the credential; warn about probable mistakes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from model_trigger.matching.conditions import has_wildcard, literal_prefix
from model_trigger.matching.ranges import Range
from model_trigger.matching.versions import Scheme
from model_trigger.registrations.registration import LABELS, Label
from model_trigger.rules.book import BrokenRule, RuleBook, RuleSource
from model_trigger.rules.fields import Mode
from model_trigger.rules.overlap import common_globs, covers
from model_trigger.rules.problems import Problem, path_to, problem
from model_trigger.rules.rule import Rule
from model_trigger.targets.hosts import Recipients
from model_trigger.text import shown

# Rules with one target are compared two by two only where their globs begin alike. Where even that
# is too much, as in thousands of rules for one model, it ends here, after a second or two.
_MOST_PAIRS = 30_000


def warnings(book: RuleBook) -> tuple[Problem, ...]:
    """Return what is probably a mistake: rule by rule, then between rules.

    What `mode` says is taken as meant. A rule that starts what an earlier one starts is reported
    once, with one of those; more may come to light when these two no longer overlap.
    """
    of_each = (one for rule in book.rules.values() for one in _of_rule(rule))
    return (*of_each, *_started_twice(book.rules.values()))


def refuse(book: RuleBook, sources: Mapping[str, RuleSource], recipients: Recipients) -> RuleBook:
    """Return the rules with those broken whose organization may not receive the credential.

    The app itself keeps such a rule, and each start of it fails before anything is sent.
    """
    refused = dict(_refused(book, sources, recipients))
    rules = {name: rule for name, rule in book.rules.items() if name not in refused}
    return RuleBook(rules, {**book.broken, **refused})


def _refused(
    book: RuleBook, sources: Mapping[str, RuleSource], recipients: Recipients
) -> Iterator[tuple[str, BrokenRule]]:
    for name, rule in book.rules.items():
        url = rule.target.organization_url
        refusal = recipients.refusal(url) if url else ""
        if refusal:
            path = path_to(name, (rule.kind.name, "organization_url"), sources[name].origins)
            yield name, BrokenRule(name, (problem(path, refusal, url),), rule.fields.model)


def _of_rule(rule: Rule) -> Iterator[Problem]:
    yield from _never(rule)
    yield from _excluded(rule)
    yield from _spelled_in_two_ways(rule)


def _never(rule: Rule) -> Iterator[Problem]:
    """Warn when no registration can match.

    A model in a workspace has a positive integer as its version:
    https://github.com/Azure/azureml-examples/issues/2725
    """
    fields = rule.fields
    never = Range.parse(fields.version, fields.scheme).never
    if never:
        message = f"{never}; change the range, or switch the rule off with mode: off"
        yield Problem(f"{rule.name}.version", "", message)
    if fields.scheme is Scheme.SEMVER and not fields.version_from.label:
        message = (
            "matches no version: Azure ML numbers the versions of a model 1, 2, 3, which are not "
            "semantic versions; say where those stand with version_from: tag:<key> or "
            "property:<key>, or remove scheme"
        )
        yield Problem(f"{rule.name}.scheme", shown(fields.scheme), message)


def _excluded(rule: Rule) -> Iterator[Problem]:
    globs = rule.fields.model
    for glob in globs.included:
        excluding = next((other for other in globs.excluded if covers(other, glob)), None)
        if excluding:
            message = f"fits no model, since {shown(f'!{excluding}')} excludes it: remove one"
            yield Problem(f"{rule.name}.model", shown(glob), message)


def _spelled_in_two_ways(rule: Rule) -> Iterator[Problem]:
    """Warn of one key in two spellings: keys are compared without case, but an exact one first."""
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
                f"names the {label.kind} {shown(label.key)}, which {other_place} spells "
                f"{shown(other.key)}: both find it in either spelling, but apart where a model has "
                "both; spell it alike"
            )
            yield Problem(f"{rule.name}.{place}", "", message)


def _started_twice(rules: Iterable[Rule]) -> Iterator[Problem]:
    by_target: dict[tuple[object, ...], list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.mode is Mode.LIVE:
            by_target[_target_key(rule)].append(rule)
    budget = iter(range(_MOST_PAIRS))
    for same in by_target.values():
        yield from _same_models(same, budget)


def _target_key(rule: Rule) -> tuple[object, ...]:
    """Return what identifies a target; Azure DevOps compares names without case."""
    kind, target = rule.kind, rule.target
    named = (target.organization_url or "", target.project or "", kind.named(target))
    return kind.name, *(part.lower() if isinstance(part, str) else part for part in named)


def _same_models(rules: list[Rule], budget: Iterator[int]) -> Iterator[Problem]:
    index = _Index.of(rules)
    place = {rule.name: number for number, rule in enumerate(rules)}
    warned: set[str] = set()
    for rule in rules:
        if rule.name in warned:
            continue
        for other, _ in zip(index.near(rule), budget, strict=False):
            earlier, later = sorted((rule, other), key=lambda one: place[one.name])
            globs = None if later.name in warned else common_globs(later, earlier)
            if globs:
                warned.add(later.name)
                yield _twice(later, earlier, *globs)


def _twice(rule: Rule, other: Rule, glob: str, other_glob: str) -> Problem:
    target = rule.kind.describe(rule.target)
    message = (
        f"is also wanted by rule {other.name} ({shown(other_glob)}), and both start "
        f"{target}: it starts twice for a version that both match; tell them "
        "apart by model, version, workspace, tags or properties, unless two starts are meant"
    )
    return Problem(f"{rule.name}.model", shown(glob), message)


@dataclass(frozen=True, slots=True)
class _Index:
    """Rules by the names, and by the literal prefixes, of their model globs."""

    by_name: dict[str, list[Rule]] = field(default_factory=lambda: defaultdict(list))
    by_prefix: dict[str, list[Rule]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "_Index":
        index = cls()
        for rule in rules:
            for glob in rule.fields.model.included:
                table = index.by_prefix if has_wildcard(glob) else index.by_name
                table[literal_prefix(glob)].append(rule)
        return index

    def near(self, rule: Rule) -> Iterator[Rule]:
        """Yield the other rules whose names are the same, or whose globs begin no longer."""
        for glob in rule.fields.model.included:
            prefix = literal_prefix(glob)
            if not has_wildcard(glob):
                yield from _others(self.by_name.get(prefix, ()), rule)
            for length in range(len(prefix) + 1):
                yield from _others(self.by_prefix.get(prefix[:length], ()), rule)


def _others(rules: Iterable[Rule], rule: Rule) -> Iterator[Rule]:
    return (other for other in rules if other is not rule)
