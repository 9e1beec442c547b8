"""Events as documented, as delivered on the wire, and everything else.

The documented ones are from github.com/Azure/azure-rest-api-specs,
specification/eventgrid/data-plane/Microsoft.MachineLearningServices/stable/2018-01-01/examples,
with the id of a workspace filled in.
"""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_trigger.registrations.event_grid import EVENT_TYPE, parse_event
from model_trigger.registrations.registration import (
    Registration,
    RejectedEventError,
    Workspace,
    lookup,
)
from tests.support.build import WORKSPACE, WORKSPACE_ID, event, registration

PAYLOADS = Path(__file__).parents[1] / "payloads"
MLW_PROD = (
    "/subscriptions/5a4c1f2e-7c0b-4b0e-9f3d-2d6c8a1b7e90/resourceGroups/rg-ml-prod"
    "/providers/Microsoft.MachineLearningServices/workspaces/mlw-prod"
)
REGRESSION = {
    "model": "sklearn_regression_model",
    "version": "20",
    "tags": {"area": "diabetes", "type": "regression"},
    "properties": {"type": "test"},
    "registered_at": datetime(2017, 6, 26, 18, 41, 0, 958410, UTC),
    "event_id": "831e1650-001e-001b-66ab-eeb76e069631",
}
relaxed = settings(deadline=None)


def payload(name: str) -> str:
    return (PAYLOADS / f"{name}.json").read_text("utf-8")


def changed(**fields) -> str:
    return json.dumps(event() | fields)


def with_data(**data) -> str:
    return changed(data=event()["data"] | data)


def rejection(text: str) -> str:
    with pytest.raises(RejectedEventError) as caught:
        parse_event(text)
    return str(caught.value)


@pytest.mark.parametrize("name", ["event_grid", "cloud_event"])
def test_the_documented_event_of_either_schema_is_parsed(name):
    read = parse_event(payload(name))

    documented = json.loads(payload(name))
    workspace = Workspace.parse(documented.get("topic") or documented["source"])
    assert Registration(workspace, **REGRESSION) == read
    assert "11111111-2222-3333-4444-555555555555" == read.workspace.subscription_id
    assert "ml" == read.workspace.resource_group
    assert "event" == read.source


WIRE = {
    "wire_text_version": {
        "version": "3",
        "tags": {"stage": "prod", "buildId": "4711"},
        "registered_at": datetime(2026, 11, 21, 6, 41, 9, 258410, UTC),
        "event_id": "0d1f7f3e-6f0a-4a53-8a1c-0f5f6d0f1c11",
    },
    "wire_number_version": {
        "version": "4",
        "tags": {"stage": "prod", "auc": "0.93", "approved": "true", "note": ""},
        "properties": {"runId": "churn_1637"},
        "registered_at": datetime(2026, 11, 21, 7, 2, 44, 10000, UTC),
    },
    "null_tags": {"version": "5", "tags": {}, "properties": {}},
    "missing_tags": {"version": "6", "tags": {}, "properties": {}},
    "subject_only": {"version": "7", "tags": {}, "properties": {}},
    "upper_case_ids": {"version": "8", "tags": {"STAGE": "prod"}},
    "cloud_event_wire": {
        "version": "9",
        "tags": {"stage": "prod"},
        "registered_at": datetime(2026, 11, 21, 8, 15, 30, 740000, UTC),
    },
    "cloud_event_array": {"version": "10", "tags": {}},
}


@pytest.mark.parametrize(
    ("name", "expected"), [pytest.param(*row, id=row[0]) for row in WIRE.items()]
)
def test_an_event_is_parsed_in_every_shape_on_the_wire(name, expected):
    read = parse_event(payload(name))

    assert "churn" == read.model
    assert Workspace.parse(MLW_PROD).key == read.workspace.key
    assert expected == {field: getattr(read, field) for field in expected}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param("models/churn:7", ("churn", "7"), id="plain"),
        pytest.param("MODELS/churn:7", ("churn", "7"), id="other-case"),
        pytest.param("models/team:churn:7", ("team:churn", "7"), id="name-with-a-colon"),
    ],
)
@pytest.mark.parametrize("data", [{}, None, {"modelName": "", "modelVersion": None}], ids=repr)
def test_fields_missing_from_the_data_are_read_from_the_subject(subject, expected, data):
    read = parse_event(changed(subject=subject, data=data))

    assert expected == (read.model, read.version)


def test_of_two_spellings_of_a_field_the_one_with_a_value_counts():
    data = {"ModelName": None, "modelName": "fraud", "MODELVERSION": 3}
    read = parse_event(changed(data=data))

    assert ("fraud", "3") == (read.model, read.version)


def test_the_data_takes_precedence_over_the_subject():
    read = parse_event(changed(subject="models/other:99"))

    assert ("churn", "17") == (read.model, read.version)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        pytest.param(0, "0", id="zero"),
        pytest.param(10**400, "1" + "0" * 400, id="large"),
        pytest.param("007", "007", id="text-is-unchanged"),
        pytest.param(" 3 ", " 3 ", id="white-space-is-kept"),
    ],
)
def test_a_version_becomes_text_unchanged(version, expected):
    assert expected == parse_event(with_data(ModelVersion=version)).version


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(
            "2026-01-02T03:04:05.1234567+02:00",
            datetime(2026, 1, 2, 1, 4, 5, 123456, UTC),
            id="another-zone",
        ),
        pytest.param(
            "2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), id="no-zone"
        ),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before-the-first-year"),
        pytest.param("yesterday", None, id="no-time"),
        pytest.param(1764000000, None, id="number"),
        pytest.param(None, None, id="null"),
    ],
)
def test_the_time_is_in_utc_and_may_be_missing(moment, expected):
    assert expected == parse_event(changed(eventTime=moment)).registered_at


@pytest.mark.parametrize(
    ("event_id", "expected"),
    [("a", "a"), (None, ""), (7, ""), ("x" * 20_000, "x" * 10_000)],
    ids=["text", "null", "number", "long"],
)
def test_the_event_id_is_reported_but_not_required(event_id, expected):
    assert expected == parse_event(changed(id=event_id)).event_id


TYPE_EXPECTED = (
    'expected "Microsoft.MachineLearningServices.ModelRegistered": '
    "let the event subscription include this type only"
)
ID_EXPECTED = (
    "is not the resource id of a workspace; expected /subscriptions/<id>/resourceGroups/<group>"
    "/providers/Microsoft.MachineLearningServices/workspaces/<name>"
)
REJECTED = [
    pytest.param(
        "", 'the event is not JSON (Expecting value: line 1 column 1 (char 0)): ""', id="nothing"
    ),
    pytest.param(
        "model churn",
        'the event is not JSON (Expecting value: line 1 column 1 (char 0)): "model churn"',
        id="not-json",
    ),
    pytest.param(
        '{"a": NaN}',
        "the event is not JSON (Out of range float values are not JSON compliant: nan): "
        '"{\\"a\\": NaN}"',
        id="not-a-number",
    ),
    pytest.param(
        '"\\ud800"',
        "the event is not JSON ('utf-8' codec can't encode character '\\ud800' in position 1: "
        'surrogates not allowed): "\\"\\\\ud800\\""',
        id="unpaired-surrogate",
    ),
    pytest.param('"churn"', 'the event is "churn", expected a JSON object', id="text"),
    pytest.param(
        "[]",
        "the delivery holds 0 events, expected one: "
        "set maxEventsPerBatch of the event subscription to 1",
        id="not-an-event",
    ),
    pytest.param(
        payload("two_events"),
        "the delivery holds 2 events, expected one: "
        "set maxEventsPerBatch of the event subscription to 1",
        id="two-events",
    ),
    pytest.param("[[]]", "the event is [], expected a JSON object", id="nested-list"),
    pytest.param(
        payload("not_an_event"), f"the event's type is null, {TYPE_EXPECTED}", id="no-type"
    ),
    pytest.param(
        payload("run_completed"),
        'the event\'s type is "Microsoft.MachineLearningServices.RunCompleted", ' + TYPE_EXPECTED,
        id="other-type",
    ),
    pytest.param(
        changed(eventType=5), f"the event's type is 5, {TYPE_EXPECTED}", id="type-not-text"
    ),
    pytest.param(
        changed(topic=None),
        "the event's topic is null, expected the resource id of a workspace",
        id="no-workspace",
    ),
    pytest.param(
        changed(topic="/subscriptions/1/resourceGroups/g"),
        f'the event\'s topic "/subscriptions/1/resourceGroups/g" {ID_EXPECTED}',
        id="other-resource",
    ),
    pytest.param(changed(data=[1]), "data is [1], expected a JSON object", id="data-not-an-object"),
    pytest.param(
        changed(subject=None, data={}),
        "data.modelName is null, expected text; nor does the subject give it",
        id="no-model",
    ),
    pytest.param(
        changed(subject="models/churn", data={}),
        "data.modelName is null, expected text; nor does the subject give it",
        id="subject-without-version",
    ),
    pytest.param(
        changed(subject="models/:7", data={}),
        "data.modelName is null, expected text; nor does the subject give it",
        id="subject-without-a-name",
    ),
    pytest.param(
        changed(subject="endpoints/churn:7", data={}),
        "data.modelName is null, expected text; nor does the subject give it",
        id="subject-of-something-else",
    ),
    pytest.param(
        with_data(ModelName=5),
        "data.modelName is 5, expected text; nor does the subject give it",
        id="model-number",
    ),
    pytest.param(
        with_data(ModelName=False),
        "data.modelName is false, expected text; nor does the subject give it",
        id="model-false",
    ),
    pytest.param(
        with_data(ModelVersion=1.5),
        "data.modelVersion is 1.5, expected text; nor does the subject give it",
        id="version-fraction",
    ),
    pytest.param(
        with_data(ModelVersion=True),
        "data.modelVersion is true, expected text; nor does the subject give it",
        id="version-true",
    ),
    pytest.param(
        changed(subject="models/churn:", data={"modelName": "churn", "modelVersion": ""}),
        'data.modelVersion is "", expected text; nor does the subject give it',
        id="version-nowhere",
    ),
    pytest.param(
        with_data(ModelVersion="1" * 10_001),
        "data.modelVersion has 10,001 characters, at most 10,000 are read",
        id="version-long",
    ),
    pytest.param(
        with_data(ModelTags=["a"]),
        'data.modelTags is ["a"], expected a JSON object',
        id="tags-list",
    ),
    pytest.param(
        with_data(ModelProperties="a"),
        'data.modelProperties is "a", expected a JSON object',
        id="properties-text",
    ),
    pytest.param(
        with_data(ModelTags={"note": "x" * 100_000}),
        "data.modelTags has 100,012 characters as JSON, at most 100,000 are read",
        id="tags-long",
    ),
    pytest.param(
        with_data(ModelTags={f"t{number}": "x" * 1_000 for number in range(700)}),
        "data.modelTags has 708,290 characters as JSON, at most 100,000 are read",
        id="many-tags",
    ),
    pytest.param(
        changed(
            id="\N{GRINNING FACE}" * 10_000,
            data={
                "modelName": "\N{GRINNING FACE}" * 10_000,
                "modelVersion": 1,
                "modelTags": {"a": "x" * 50_000},
            },
        ),
        "the registration has 290,311 characters as JSON, at most 250,000 are read",
        id="long-altogether",
    ),
]


@pytest.mark.parametrize(("text", "message"), REJECTED)
def test_an_invalid_event_is_rejected_with_the_reason(text, message):
    # Python 3.11 does not include the number.
    assert message.replace(": nan)", ")") == rejection(text).replace(": nan)", ")")


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00Z",
        "1600-12-31T23:59:59Z",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59.9999999-12:00",
        "0001-01-01T00:00:00+14:00",
        "2026-02-30T00:00:00Z",
        "yesterday",
        "",
        17,
        None,
    ],
)
def test_a_time_that_is_invalid_or_out_of_range_for_storage_is_unknown(time):
    assert parse_event(changed(eventTime=time)).registered_at is None


def test_only_ascii_letters_spell_the_provider_of_a_workspace():
    with pytest.raises(ValueError, match="is not the resource id of a workspace"):
        Workspace.parse(WORKSPACE_ID.replace("workspaces", "wor\N{KELVIN SIGN}spaces"))


def test_a_truncated_event_is_rejected_with_its_text():
    message = rejection(payload("truncated"))

    assert message.startswith("the event is not JSON (Unterminated string starting at: line ")
    assert message.endswith("…")
    assert message.isprintable()


def test_an_event_that_is_nested_too_deeply_is_described_as_such():
    assert "the event is nested too deeply to be read" == rejection("[" * 300_000 + "]" * 300_000)


@pytest.mark.parametrize("depth", [50, 300, 900, 3_000, 30_000])
@pytest.mark.parametrize(
    "nested",
    ["{}", '{{"eventType": {}}}', '{{"eventType": "' + EVENT_TYPE + '", "topic": {}}}'],
    ids=["event", "type", "topic"],
)
def test_deep_nesting_is_rejected_whatever_the_depth(depth, nested):
    rejection(nested.format("[" * depth + "]" * depth))


@pytest.mark.parametrize("depth", [50, 300, 900, 3_000, 30_000])
def test_a_deep_tag_is_parsed_or_rejected(depth):
    deep = '{"a":' * depth + "1" + "}" * depth
    text = with_data(ModelTags={"deep": "HERE"}).replace('"HERE"', deep)
    try:
        read = parse_event(text)
    except RejectedEventError:
        return
    assert json.loads(deep) == json.loads(read.tags["deep"])


def test_values_up_to_the_storage_limit_are_accepted():
    text = "x" * 10_000
    tags = {"note": "x" * (100_000 - len('{"note": ""}'))}
    read = parse_event(with_data(ModelName=text, ModelVersion=text, ModelTags=tags))

    assert (text, text, tags) == (read.model, read.version, read.tags)


@pytest.mark.parametrize("digits", [4_300, 5_000, 100_000])
def test_a_huge_number_is_parsed_or_rejected(digits):
    text = changed(data={}, id="HERE", eventTime="HERE").replace('"HERE"', "9" * digits)
    try:
        assert "" == parse_event(text).event_id
    except RejectedEventError as error:
        assert str(error).startswith("the event is not JSON (")  # noqa: PT017 - either is fine


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OUTER = ("topic", "source", "subject", "eventType", "type", "eventTime", "time", "id", "data")
INNER = ("modelName", "modelVersion", "modelTags", "modelProperties")


def read_or_rejected(text: str) -> None:
    try:
        read = parse_event(text)
    except RejectedEventError as error:
        assert str(error).isprintable()  # noqa: PT017 - either is fine
        return
    read.to_json().encode()
    assert read.model
    assert read.version


@relaxed
@given(st.text())
def test_any_text_is_parsed_or_rejected(text):
    read_or_rejected(text)


@relaxed
@given(json_values)
def test_any_json_is_parsed_or_rejected(value):
    read_or_rejected(json.dumps(value))


@relaxed
@given(
    st.dictionaries(st.sampled_from(OUTER), json_values),
    st.dictionaries(st.sampled_from(INNER), json_values),
)
def test_an_event_with_arbitrary_fields_is_parsed_or_rejected(outer, inner):
    data = {"modelName": "churn", "modelVersion": 17}
    read_or_rejected(json.dumps(event() | {"data": data | inner} | outer))


def test_a_tag_that_is_a_list_or_a_map_becomes_its_json():
    read = parse_event(with_data(ModelTags={"teams": ["ü", 1], "owner": {"a": None}}))

    assert {"teams": '["ü", 1]', "owner": '{"a": null}'} == read.tags


@relaxed
@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_tags_become_text_that_preserves_their_values(tags):
    text = with_data(ModelTags=tags)
    try:
        read = parse_event(text).tags
    except RejectedEventError:
        return
    shown = {key: "" if value is None else value for key, value in tags.items()}
    assert shown == {
        key: text if isinstance(shown[key], str) else json.loads(text) for key, text in read.items()
    }


@pytest.mark.parametrize(
    "resource_id",
    [
        WORKSPACE_ID,
        f"{WORKSPACE_ID}/",
        WORKSPACE_ID.upper(),
        WORKSPACE_ID.replace("resourceGroups", "resourcegroups"),
    ],
    ids=["as-documented", "trailing-slash", "upper-case", "lower-case-word"],
)
def test_all_spellings_of_a_workspace_id_have_one_key(resource_id):
    assert WORKSPACE.key == Workspace.parse(resource_id).key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mlw-prod",
        WORKSPACE_ID.lstrip("/"),
        WORKSPACE_ID + "/models/churn",
        WORKSPACE_ID + " x",
        WORKSPACE_ID + "x" * 260,
        "https://management.azure.com" + WORKSPACE_ID,
    ],
    ids=["empty", "name", "no-slash", "longer", "space", "long-name", "address"],
)
def test_an_invalid_workspace_id_is_reported(text):
    with pytest.raises(ValueError, match="is not the resource id of a workspace; expected /sub"):
        Workspace.parse(text)


def test_the_key_of_a_workspace_is_its_id_in_lower_case():
    assert WORKSPACE_ID.lower() == Workspace.parse(f"{WORKSPACE_ID}/").key
    assert WORKSPACE_ID == Workspace.parse(f"{WORKSPACE_ID}/").id


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param("Stage", "exact", id="exact-spelling-first"),
        pytest.param("STAGE", "lower", id="any-case"),
        pytest.param("GITHUB_REPOSITORY", "churn", id="camel-cased-on-the-wire"),
        pytest.param("stages", None, id="absent"),
    ],
)
def test_keys_are_case_insensitive(key, expected):
    tags = {"stage": "lower", "Stage": "exact", "githuB_REPOSITORY": "churn"}

    assert expected == lookup(tags, key)


def test_the_uri_is_the_short_form():
    assert "azureml:churn:17" == registration().uri


texts = st.text(max_size=20)
tags = st.dictionaries(texts, texts, max_size=3)
zones = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))
registrations = st.builds(
    Registration,
    workspace=st.just(WORKSPACE),
    model=texts,
    version=texts,
    tags=tags,
    properties=tags,
    registered_at=st.none()
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=zones),  # noqa: DTZ001 - zones are drawn
    event_id=texts,
    source=st.sampled_from(["event", "reconcile"]),
)


@relaxed
@given(registrations)
def test_a_registration_round_trips(written):
    assert written == Registration.from_json(written.to_json())
