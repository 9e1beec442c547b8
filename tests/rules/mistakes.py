"""What can be wrong with a rule, and the full message about each."""

from model_trigger.rules.fields import rule_fields
from model_trigger.rules.problems import GivenTwice

RULE_FIELDS = ", ".join(rule_fields().model_fields)
NO_RANGE = "is empty; write a range such as >=10, or * for any version"
PLACEHOLDERS = (
    "allowed: model_name, model_version, model_uri, workspace, resource_group, subscription_id, "
    "registered_at, rule, tag.<key>, property.<key>"
)
INTEGER_RANGES = "allowed are `7`, `>=10`, `>=10 <20`, `10 - 20`, `7 || >=10`, `*`"
GLOBS = "expected a glob such as churn or churn-*, or a list of globs"
CONDITIONS = "expected one such as prod, prod-*, >=0.9, !dev or *"
EMPTY = "is empty; write a text, or leave the field out"
NO_TARGET = 'churn: has no target; add release or pipeline, such as "release": {"definition": 12}'


def rule(**fields: object) -> dict[str, object]:
    return {"model": "churn", "release": {"definition": 1}} | fields


# A name for the case: the fields, and the message.
MISTAKES = {
    # The rule as a whole.
    "text": ("x", f'churn: "x" is not a JSON object with the fields {RULE_FIELDS}'),
    "list": ([1], f"churn: [1] is not a JSON object with the fields {RULE_FIELDS}"),
    "null": (None, f"churn: null is not a JSON object with the fields {RULE_FIELDS}"),
    "rule-twice": (GivenTwice(), "churn: is specified twice; keep one of the two"),
    "no-target": ({"model": "churn", "pipeline": None}, NO_TARGET),
    "two-targets": (
        rule(pipeline={"id": 1}),
        "churn: has two targets, release and pipeline; keep one of the two",
    ),
    "unknown-field": (
        rule(versoin=">=10"),
        f"churn.versoin: is not a field; allowed: {RULE_FIELDS}; did you mean 'version'?",
    ),
    "unknown-field-like-none": (rule(zzz=1), f"churn.zzz: is not a field; allowed: {RULE_FIELDS}"),
    # model
    "no-model": (
        {"release": {"definition": 1}},
        (
            "churn.model: is missing; expected the glob for the model's name, or a list of globs; "
            "a leading ! excludes"
        ),
    ),
    "model-null": (rule(model=None), "churn.model: null is not text"),
    "model-map": (rule(model={"a": 1}), 'churn.model: {"a": 1} is not text'),
    "model-map-with-a-name-twice": (
        rule(model={"a": GivenTwice()}),
        'churn.model: {"a": "given twice"} is not text',
    ),
    "model-number": (rule(model=5), 'churn.model: 5 is not text; put it in quotes: "5"'),
    "model-empty": (rule(model=""), f'churn.model: "" has an empty glob; {GLOBS}'),
    "model-no-glob": (rule(model=[]), f"churn.model: [] has no glob; {GLOBS}"),
    "model-excludes-nothing": (
        rule(model=["churn", "!"]),
        f'churn.model: ["churn", "!"] has an empty glob; {GLOBS}',
    ),
    "model-list-of-numbers": (
        rule(model=["churn", 5]),
        'churn.model: ["churn", 5] is not a list of strings; put each in quotes',
    ),
    "model-twice": (
        rule(model=GivenTwice()),
        "churn.model: is specified twice; keep one of the two",
    ),
    # workspace
    "workspace-empty": (rule(workspace=""), f'churn.workspace: "" {EMPTY}'),
    "workspace-number": (
        rule(workspace=5),
        'churn.workspace: 5 is not text; put it in quotes: "5"',
    ),
    "workspace-list": (rule(workspace=["a"]), 'churn.workspace: ["a"] is not text'),
    # scheme, version, version_from
    "scheme": (
        rule(scheme="semvr"),
        "churn.scheme: \"semvr\" is not one of integer, semver; did you mean 'semver'?",
    ),
    "scheme-null": (rule(scheme=None), "churn.scheme: null is not one of integer, semver"),
    "version-number": (rule(version=10), 'churn.version: 10 is not text; put it in quotes: "10"'),
    "version-fraction": (
        rule(version=1.1),
        'churn.version: 1.1 is not text; put it in quotes: "1.1"',
    ),
    "version-empty": (rule(version=""), f'churn.version: "" {NO_RANGE}'),
    "version-blank": (rule(version=" "), f'churn.version: " " {NO_RANGE}'),
    "version-null": (rule(version=None), "churn.version: null is not text"),
    "version-needs-semver": (
        rule(version="^1.4"),
        (
            'churn.version: "^1.4" is invalid: `^1.4` cannot be read as a range of scheme '
            "integer: `^` needs scheme: semver; the nearest valid spelling is `>=1 <2`; "
            + INTEGER_RANGES
        ),
    ),
    "version-operator": (
        rule(version="=>10"),
        (
            'churn.version: "=>10" is invalid: `=>10` cannot be read as a range of scheme '
            "integer: `=>` is not an operator; the nearest valid spelling is `>=10`; "
            + INTEGER_RANGES
        ),
    ),
    "version-of-a-broken-scheme-is-not-judged": (
        rule(version="^1.4", scheme="sem"),
        "churn.scheme: \"sem\" is not one of integer, semver; did you mean 'semver'?",
    ),
    "version_from": (
        rule(version_from="tags:semver"),
        (
            'churn.version_from: "tags:semver" is not version, tag:<key> or property:<key>; '
            "did you mean 'tag:semver'?"
        ),
    ),
    "version_from-misspelled": (
        rule(version_from="versoin"),
        (
            'churn.version_from: "versoin" is not version, tag:<key> or property:<key>; '
            "did you mean 'version'?"
        ),
    ),
    "version_from-of-a-property": (
        rule(version_from="prop:a:b"),
        (
            'churn.version_from: "prop:a:b" is not version, tag:<key> or property:<key>; '
            "did you mean 'property:a:b'?"
        ),
    ),
    "version_from-no-key": (
        rule(version_from="tag:"),
        'churn.version_from: "tag:" is not version, tag:<key> or property:<key>',
    ),
    "version_from-number": (
        rule(version_from=3),
        "churn.version_from: 3 is not version, tag:<key> or property:<key>",
    ),
    # start, mode
    "start": (
        rule(start="newst"),
        "churn.start: \"newst\" is not one of newer, latest, every; did you mean 'newer'?",
    ),
    "start-number": (rule(start=5), "churn.start: 5 is not one of newer, latest, every"),
    "mode-in-other-case": (
        rule(mode="Live"),
        "churn.mode: \"Live\" is not one of live, observe, off; did you mean 'live'?",
    ),
    "mode-as-a-switch": (rule(mode=False), "churn.mode: false is not one of live, observe, off"),
    # tags and properties
    "tags-list": (
        rule(tags=["stage"]),
        'churn.tags: ["stage"] is not a JSON object, such as {"name": "value"}',
    ),
    "tag-number": (
        rule(tags={"auc": 0.9}),
        'churn.tags.auc: 0.9 is not text; put it in quotes: "0.9"',
    ),
    "tag-true": (
        rule(tags={"approved": True}),
        'churn.tags.approved: true is not text; put it in quotes: "true"',
    ),
    "tag-null": (rule(tags={"stage": None}), "churn.tags.stage: null is not text"),
    "tag-map": (rule(tags={"stage": {"a": "b"}}), 'churn.tags.stage: {"a": "b"} is not text'),
    "tag-list-of-numbers": (
        rule(tags={"stage": ["prod", 1]}),
        'churn.tags.stage: ["prod", 1] is not a list of strings; put each in quotes',
    ),
    "tag-no-condition": (
        rule(tags={"stage": []}),
        f"churn.tags.stage: [] has no condition; {CONDITIONS}",
    ),
    "tag-no-name": (
        rule(tags={"": "x"}),
        "churn.tags: has an entry without a valid name; name it or remove it",
    ),
    "property-no-number": (
        rule(properties={"auc": ["gold", ">=high"]}),
        (
            'churn.properties.auc: ["gold", ">=high"] has no number after >=; '
            "expected one, as in >=0.9"
        ),
    ),
    "tag-twice": (
        rule(tags={"stage": GivenTwice()}),
        "churn.tags.stage: is specified twice; keep one of the two",
    ),
    # allow_unsafe
    "allow_unsafe-text": (
        rule(allow_unsafe="tag.notes"),
        'churn.allow_unsafe: "tag.notes" is not a list; write ["tag.notes"]',
    ),
    "allow_unsafe-text-of-any-language": (
        rule(allow_unsafe="tag.größe"),
        'churn.allow_unsafe: "tag.größe" is not a list; write ["tag.größe"]',
    ),
    "allow_unsafe-text-that-is-cut-off": (
        rule(allow_unsafe="x" * 201),
        f'churn.allow_unsafe: "{"x" * 199}… is not a list; write it in [ ]',
    ),
    "allow_unsafe-text-with-a-password": (
        rule(allow_unsafe="https://me:secret@x"),
        'churn.allow_unsafe: "https://***@x" is not a list; write ["https://***@x"]',
    ),
    "allow_unsafe-map": (
        rule(allow_unsafe={"tag.notes": True}),
        'churn.allow_unsafe: {"tag.notes": true} is not a list of strings',
    ),
    "allow_unsafe-number": (
        rule(allow_unsafe=[5]),
        'churn.allow_unsafe.0: 5 is not text; put it in quotes: "5"',
    ),
    "allow_unsafe-unknown": (
        rule(allow_unsafe=["tag.notes", "model_nme"]),
        (
            f'churn.allow_unsafe.1: "model_nme" is not a placeholder; {PLACEHOLDERS}; '
            "did you mean 'model_name'?"
        ),
    ),
    "allow_unsafe-in-braces": (
        rule(allow_unsafe=["{tag.notes}"]),
        (
            f'churn.allow_unsafe.0: "{{tag.notes}}" is not a placeholder; {PLACEHOLDERS}; '
            "did you mean 'tag.notes'?"
        ),
    ),
}
