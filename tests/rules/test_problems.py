"""Every way to write a rule wrong, and the full text of what is said about it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.fields import rule_fields
from model_trigger.rules.problems import GivenTwice, Problem, problem
from model_trigger.targets.pipeline import PipelineFields
from model_trigger.targets.release import ReleaseFields

relaxed = settings(deadline=None)
RULE_FIELDS = (
    "model, workspace, scheme, version, version_from, start, tags, properties, mode, allow_unsafe, "
    "release, pipeline"
)
NO_RANGE = "is empty; write a range such as >=10, or * for any version"
RELEASE_FIELDS = "definition, project, organization_url, variables, artifacts, description"
PIPELINE_FIELDS = "id, project, organization_url, branch, parameters, variables, stages_to_skip"
PLACEHOLDERS = (
    "allowed: model_name, model_version, model_uri, workspace, resource_group, subscription_id, "
    "registered_at, rule, tag.<key>, property.<key>"
)
INTEGER_RANGES = "allowed are `7`, `>=10`, `>=10 <20`, `10 - 20`, `7 || >=10`, `*`"
GLOBS = "expected a glob such as churn or churn-*, or a list of globs"
CONDITIONS = "expected one such as prod, prod-*, >=0.9, !dev or *"
ID = "is neither an id, the number in the address of its page, nor a name"
EMPTY = "is empty; write a text, or leave the field out"
ADDRESS = "is not the address of an organisation, such as https://dev.azure.com/contoso"
NO_TARGET = 'churn: has no target; add release or pipeline, such as "release": {"definition": 12}'


def told(fields: object, **origins: str) -> list[str]:
    source = RuleSource(fields, {path.replace("__", "."): name for path, name in origins.items()})
    return [str(one) for one in RuleBook.read({"churn": source}).problems]


def rule(**fields: object) -> dict[str, object]:
    return {"model": "churn", "release": {"definition": 1}} | fields


def release(**fields: object) -> dict[str, object]:
    return rule(release={"definition": 1} | fields)


def pipeline(**fields: object) -> dict[str, object]:
    return rule(release=None, pipeline={"id": 1} | fields)


def wrong(name: str, fields: object, *expected: str):
    return pytest.param(fields, list(expected), id=name)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # The rule as a whole.
        wrong("text", "x", f'churn: "x" is not a JSON object with the fields {RULE_FIELDS}'),
        wrong("list", [1], f"churn: [1] is not a JSON object with the fields {RULE_FIELDS}"),
        wrong("null", None, f"churn: null is not a JSON object with the fields {RULE_FIELDS}"),
        wrong("rule-twice", GivenTwice(), "churn: is given twice; keep one of the two"),
        wrong(
            "no-target",
            {"model": "churn", "pipeline": None},
            NO_TARGET,
        ),
        wrong(
            "two-targets",
            rule(pipeline={"id": 1}),
            "churn: has two targets, release and pipeline; keep one of the two",
        ),
        wrong(
            "unknown-field",
            rule(versoin=">=10"),
            f"churn.versoin: is not a field; allowed: {RULE_FIELDS}; did you mean 'version'?",
        ),
        wrong(
            "unknown-field-like-none",
            rule(zzz=1),
            f"churn.zzz: is not a field; allowed: {RULE_FIELDS}",
        ),
        # model
        wrong(
            "no-model",
            {"release": {"definition": 1}},
            "churn.model: is missing; expected the glob on the model's name, or a list of globs; "
            "a leading ! excludes",
        ),
        wrong("model-null", rule(model=None), "churn.model: null is not text"),
        wrong("model-map", rule(model={"a": 1}), 'churn.model: {"a": 1} is not text'),
        wrong(
            "model-map-with-a-name-twice",
            rule(model={"a": GivenTwice()}),
            'churn.model: {"a": "given twice"} is not text',
        ),
        wrong("model-number", rule(model=5), 'churn.model: 5 is not text; write it in quotes: "5"'),
        wrong("model-empty", rule(model=""), f'churn.model: "" has an empty glob; {GLOBS}'),
        wrong("model-no-glob", rule(model=[]), f"churn.model: [] has no glob; {GLOBS}"),
        wrong(
            "model-excludes-nothing",
            rule(model=["churn", "!"]),
            f'churn.model: ["churn", "!"] has an empty glob; {GLOBS}',
        ),
        wrong(
            "model-list-of-numbers",
            rule(model=["churn", 5]),
            'churn.model: ["churn", 5] is not a list of texts; write each in quotes',
        ),
        wrong(
            "model-twice",
            rule(model=GivenTwice()),
            "churn.model: is given twice; keep one of the two",
        ),
        # workspace
        wrong("workspace-empty", rule(workspace=""), f'churn.workspace: "" {EMPTY}'),
        wrong(
            "workspace-number",
            rule(workspace=5),
            'churn.workspace: 5 is not text; write it in quotes: "5"',
        ),
        wrong("workspace-list", rule(workspace=["a"]), 'churn.workspace: ["a"] is not text'),
        # scheme, version, version_from
        wrong(
            "scheme",
            rule(scheme="semvr"),
            "churn.scheme: \"semvr\" is not one of integer, semver; did you mean 'semver'?",
        ),
        wrong("scheme-null", rule(scheme=None), "churn.scheme: null is not one of integer, semver"),
        wrong(
            "version-number",
            rule(version=10),
            'churn.version: 10 is not text; write it in quotes: "10"',
        ),
        wrong(
            "version-fraction",
            rule(version=1.1),
            'churn.version: 1.1 is not text; write it in quotes: "1.1"',
        ),
        wrong("version-empty", rule(version=""), f'churn.version: "" {NO_RANGE}'),
        wrong("version-blank", rule(version=" "), f'churn.version: " " {NO_RANGE}'),
        wrong("version-null", rule(version=None), "churn.version: null is not text"),
        wrong(
            "version-needs-semver",
            rule(version="^1.4"),
            'churn.version: "^1.4" is not right: `^1.4` cannot be read as a range of scheme '
            "integer: `^` needs scheme: semver; the nearest valid spelling is `>=1 <2`; "
            + INTEGER_RANGES,
        ),
        wrong(
            "version-operator",
            rule(version="=>10"),
            'churn.version: "=>10" is not right: `=>10` cannot be read as a range of scheme '
            "integer: `=>` is not an operator; the nearest valid spelling is `>=10`; "
            + INTEGER_RANGES,
        ),
        wrong(
            "version-of-a-broken-scheme-is-not-judged",
            rule(version="^1.4", scheme="sem"),
            "churn.scheme: \"sem\" is not one of integer, semver; did you mean 'semver'?",
        ),
        wrong(
            "version_from",
            rule(version_from="tags:semver"),
            'churn.version_from: "tags:semver" is not version, tag:<key> or property:<key>; '
            "did you mean 'tag:semver'?",
        ),
        wrong(
            "version_from-misspelled",
            rule(version_from="versoin"),
            'churn.version_from: "versoin" is not version, tag:<key> or property:<key>; '
            "did you mean 'version'?",
        ),
        wrong(
            "version_from-of-a-property",
            rule(version_from="prop:a:b"),
            'churn.version_from: "prop:a:b" is not version, tag:<key> or property:<key>; '
            "did you mean 'property:a:b'?",
        ),
        wrong(
            "version_from-no-key",
            rule(version_from="tag:"),
            'churn.version_from: "tag:" is not version, tag:<key> or property:<key>',
        ),
        wrong(
            "version_from-number",
            rule(version_from=3),
            "churn.version_from: 3 is not version, tag:<key> or property:<key>",
        ),
        # start, mode
        wrong(
            "start",
            rule(start="newst"),
            "churn.start: \"newst\" is not one of newer, latest, every; did you mean 'newer'?",
        ),
        wrong("start-number", rule(start=5), "churn.start: 5 is not one of newer, latest, every"),
        wrong(
            "mode-in-other-case",
            rule(mode="Live"),
            "churn.mode: \"Live\" is not one of live, observe, off; did you mean 'live'?",
        ),
        wrong(
            "mode-as-a-switch",
            rule(mode=False),
            "churn.mode: false is not one of live, observe, off",
        ),
        # tags and properties
        wrong(
            "tags-list",
            rule(tags=["stage"]),
            'churn.tags: ["stage"] is not a JSON object, such as {"name": "value"}',
        ),
        wrong(
            "tag-number",
            rule(tags={"auc": 0.9}),
            'churn.tags.auc: 0.9 is not text; write it in quotes: "0.9"',
        ),
        wrong(
            "tag-true",
            rule(tags={"approved": True}),
            'churn.tags.approved: true is not text; write it in quotes: "true"',
        ),
        wrong("tag-null", rule(tags={"stage": None}), "churn.tags.stage: null is not text"),
        wrong(
            "tag-map", rule(tags={"stage": {"a": "b"}}), 'churn.tags.stage: {"a": "b"} is not text'
        ),
        wrong(
            "tag-list-of-numbers",
            rule(tags={"stage": ["prod", 1]}),
            'churn.tags.stage: ["prod", 1] is not a list of texts; write each in quotes',
        ),
        wrong(
            "tag-no-condition",
            rule(tags={"stage": []}),
            f"churn.tags.stage: [] has no condition; {CONDITIONS}",
        ),
        wrong(
            "tag-no-name",
            rule(tags={"": "x"}),
            "churn.tags: has an entry without a proper name; name it or remove it",
        ),
        wrong(
            "property-no-number",
            rule(properties={"auc": ["gold", ">=high"]}),
            'churn.properties.auc: ["gold", ">=high"] has no number after >=; '
            "expected one, as in >=0.9",
        ),
        wrong(
            "tag-twice",
            rule(tags={"stage": GivenTwice()}),
            "churn.tags.stage: is given twice; keep one of the two",
        ),
        # allow_unsafe
        wrong(
            "allow_unsafe-text",
            rule(allow_unsafe="tag.notes"),
            'churn.allow_unsafe: "tag.notes" is not a list; write ["tag.notes"]',
        ),
        wrong(
            "allow_unsafe-text-of-any-language",
            rule(allow_unsafe="tag.größe"),
            'churn.allow_unsafe: "tag.größe" is not a list; write ["tag.größe"]',
        ),
        wrong(
            "allow_unsafe-text-that-is-cut-off",
            rule(allow_unsafe="x" * 201),
            f'churn.allow_unsafe: "{"x" * 199}… is not a list; write it in [ ]',
        ),
        wrong(
            "allow_unsafe-text-with-a-password",
            rule(allow_unsafe="https://me:secret@x"),
            'churn.allow_unsafe: "https://***@x" is not a list; write ["https://***@x"]',
        ),
        wrong(
            "allow_unsafe-map",
            rule(allow_unsafe={"tag.notes": True}),
            'churn.allow_unsafe: {"tag.notes": true} is not a list of texts',
        ),
        wrong(
            "allow_unsafe-number",
            rule(allow_unsafe=[5]),
            'churn.allow_unsafe.0: 5 is not text; write it in quotes: "5"',
        ),
        wrong(
            "allow_unsafe-unknown",
            rule(allow_unsafe=["tag.notes", "model_nme"]),
            f'churn.allow_unsafe.1: "model_nme" is not a placeholder; {PLACEHOLDERS}; '
            "did you mean 'model_name'?",
        ),
        wrong(
            "allow_unsafe-in-braces",
            rule(allow_unsafe=["{tag.notes}"]),
            f'churn.allow_unsafe.0: "{{tag.notes}}" is not a placeholder; {PLACEHOLDERS}; '
            "did you mean 'tag.notes'?",
        ),
        # release
        wrong(
            "release-text",
            rule(release="Deploy"),
            f'churn.release: "Deploy" is not a JSON object with the fields {RELEASE_FIELDS}',
        ),
        wrong(
            "release-no-definition",
            rule(release={}),
            "churn.release.definition: is missing; expected the id or name of the release "
            r"definition; a name may carry its path: \ml\Deploy",
        ),
        wrong("release-definition", release(definition=0), f"churn.release.definition: 0 {ID}"),
        wrong(
            "release-unknown-field",
            release(desciption="x"),
            f"churn.release.desciption: is not a field; allowed: {RELEASE_FIELDS}; "
            "did you mean 'description'?",
        ),
        wrong("release-project", release(project=""), f'churn.release.project: "" {EMPTY}'),
        wrong(
            "release-project-half-a-character",
            release(project="\ud800"),
            'churn.release.project: "\\ud800" has half a character, which no text can hold',
        ),
        wrong(
            "release-variables",
            release(variables="x"),
            'churn.release.variables: "x" is not a JSON object, such as {"name": "value"}',
        ),
        wrong(
            "release-variable-number",
            release(variables={"retries": 3}),
            'churn.release.variables.retries: 3 is not text; write it in quotes: "3"',
        ),
        wrong(
            "release-variable-list",
            release(variables={"stages": ["a"]}),
            'churn.release.variables.stages: ["a"] is not text',
        ),
        wrong(
            "release-variable-placeholder",
            release(variables={"stage": "{model_nme}"}),
            'churn.release.variables.stage: "{model_nme}" has {model_nme}, which is not a '
            f"placeholder; {PLACEHOLDERS}; did you mean 'model_name'?",
        ),
        wrong(
            "release-artifact-brace",
            release(artifacts={"_churn": "{model_version"}),
            'churn.release.artifacts._churn: "{model_version" has a brace without its '
            "counterpart; a brace that stands for itself is doubled",
        ),
        wrong(
            "release-description-brace",
            release(description="model_name}"),
            'churn.release.description: "model_name}" has a brace without its counterpart; '
            "a brace that stands for itself is doubled",
        ),
        # pipeline
        wrong(
            "pipeline-number",
            rule(release=None, pipeline=5),
            f"churn.pipeline: 5 is not a JSON object with the fields {PIPELINE_FIELDS}",
        ),
        wrong(
            "pipeline-no-id",
            rule(release=None, pipeline={}),
            "churn.pipeline.id: is missing; expected the id or name of the pipeline; "
            "a name may carry its folder",
        ),
        wrong("pipeline-id", pipeline(id=True), f"churn.pipeline.id: true {ID}"),
        wrong(
            "pipeline-unknown-field",
            pipeline(definition=5),
            f"churn.pipeline.definition: is not a field; allowed: {PIPELINE_FIELDS}",
        ),
        wrong("pipeline-branch", pipeline(branch=""), f'churn.pipeline.branch: "" {EMPTY}'),
        wrong(
            "pipeline-parameter",
            pipeline(parameters={"retries": 3}),
            'churn.pipeline.parameters.retries: 3 is not text; write it in quotes: "3"',
        ),
        wrong(
            "pipeline-stages",
            pipeline(stages_to_skip="test"),
            'churn.pipeline.stages_to_skip: "test" is not a list; write ["test"]',
        ),
        # organization_url
        wrong(
            "address-without-scheme",
            release(organization_url="dev.azure.com/contoso"),
            f'churn.release.organization_url: "dev.azure.com/contoso" {ADDRESS}; '
            "did you mean 'https://dev.azure.com/contoso'?",
        ),
        wrong(
            "address-of-a-page",
            pipeline(organization_url="https://dev.azure.com/contoso/ml/_build?a=b"),
            'churn.pipeline.organization_url: "https://dev.azure.com/contoso/ml/_build?a=b" '
            f"{ADDRESS}; it has a query or a fragment; "
            "did you mean 'https://dev.azure.com/contoso'?",
        ),
        wrong(
            "address-without-encryption",
            release(organization_url="http://dev.azure.com/contoso"),
            f'churn.release.organization_url: "http://dev.azure.com/contoso" {ADDRESS}; '
            "over plain http, anyone on the way could read the credential; "
            "did you mean 'https://dev.azure.com/contoso'?",
        ),
        wrong(
            "address-with-a-password",
            release(organization_url="https://me:secret@dev.azure.com/contoso"),
            f'churn.release.organization_url: "https://***@dev.azure.com/contoso" {ADDRESS}; '
            "it names more than the organisation; "
            "did you mean 'https://dev.azure.com/contoso'?",
        ),
        wrong(
            "address-of-a-server-with-a-password",
            release(organization_url="https://secret@tfs.contoso.com/tfs"),
            f'churn.release.organization_url: "https://***@tfs.contoso.com/tfs" {ADDRESS}',
        ),
        wrong(
            "address-name-only",
            release(organization_url="contoso"),
            f'churn.release.organization_url: "contoso" {ADDRESS}',
        ),
        wrong(
            "address-number",
            release(organization_url=5),
            f"churn.release.organization_url: 5 {ADDRESS}",
        ),
    ],
)
def test_a_mistake_is_told_with_path_value_what_is_allowed_and_the_nearest_spelling(
    fields, expected
):
    assert expected == told(fields)


def test_all_mistakes_of_a_rule_are_told_at_once():
    fields = {
        "version": 10,
        "start": "newst",
        "tags": {"auc": 0.9, "stage": []},
        "release": {"variables": {"x": "{"}},
        "pipeline": {},
        "other": 1,
    }

    assert [
        "churn",
        "churn.model",
        "churn.version",
        "churn.start",
        "churn.tags.auc",
        "churn.tags.stage",
        "churn.release.definition",
        "churn.release.variables.x",
        "churn.pipeline.id",
        "churn.other",
    ] == [line.partition(":")[0] for line in told(fields)]


@pytest.mark.parametrize(
    ("fields", "origins", "path"),
    [
        ({"version": 1}, {"version": "RULES__churn__version"}, "RULES__churn__version"),
        (
            {"tags": {"auc": 1}},
            {"tags": "RULES__churn__tags"},
            "RULES__churn__tags.auc",
        ),
        (
            {"release": {"definition": 0}},
            {"release__definition": "RULES__churn__release__definition"},
            "RULES__churn__release__definition",
        ),
        (
            {"release": {"definition": 0}},
            {"release": "RULES__churn__release", "release__project": "other"},
            "RULES__churn__release.definition",
        ),
        ({"tags": {"": "x"}}, {"tags": "RULES__churn__tags"}, "RULES__churn__tags"),
        ({"tags": {"a": 1}}, {"version": "RULES__churn__version"}, "churn.tags.a"),
    ],
    ids=["field", "inside", "one-level-deeper", "in-a-target", "name-of-an-entry", "other-field"],
)
def test_what_a_setting_gave_is_named_by_the_setting(fields, origins, path):
    assert [path] == [line.partition(":")[0] for line in told(rule(**fields), **origins)]


def test_a_long_value_is_cut_and_stays_on_one_line():
    (line,) = told(rule(start="x\n" * 500))

    assert line.isprintable()
    assert len(line) < 300


def test_a_path_with_anything_in_it_stays_on_one_line():
    (line,) = told(rule(tags={"a\nb\u2028": 5}))

    assert 'churn.tags.a\\nb\\u2028: 5 is not text; write it in quotes: "5"' == line


def test_a_problem_without_a_value_shows_none():
    assert Problem("a.b", "", "is missing") == problem("a.b", "is missing")
    assert Problem("a.b", "null", "is wrong") == problem("a.b", "is wrong", None)


FIELDS = [
    *rule_fields().model_fields,
    *(f"release.{name}" for name in ReleaseFields.model_fields),
    *(f"pipeline.{name}" for name in PipelineFields.model_fields),
]
characters = st.text(st.characters(codec=None) | st.characters(categories=["Cs"]), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | characters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3),
    max_leaves=8,
)


@relaxed
@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3), json_values)
def test_whatever_a_rule_holds_it_is_valid_or_told_in_our_own_words(changes, whole):
    nested: dict = {"release": {"definition": 1}}
    for path, value in changes.items():
        owner, _, name = path.rpartition(".")
        inner = nested.setdefault(owner, {}) if owner else nested
        if isinstance(inner, dict):
            inner[name] = value
    for line in [*told(rule(**nested)), *told(whole)]:
        assert line.isprintable()
        assert "Input should be" not in line
