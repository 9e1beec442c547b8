"""Events as the documentation shows them, as the wire delivers them, and everything else.

The documented ones are those of github.com/Azure/azure-rest-api-specs,
specification/eventgrid/data-plane/Microsoft.MachineLearningServices/stable/2018-01-01/examples,
with a workspace's id filled in.
"""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.registrations.event_grid import parse_event
from model_trigger.registrations.registration import Registration, RejectedEventError, Workspace
from tests.support.drawn import json_values, relaxed
from tests.support.events import changed, payload, with_data

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


@pytest.mark.parametrize("name", ["event_grid", "cloud_event"])
def test_the_documented_event_of_either_schema_is_read(name):
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
def test_an_event_is_read_in_each_shape_that_the_wire_has(name, expected):
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
def test_what_the_data_leaves_out_is_read_from_the_subject(subject, expected, data):
    read = parse_event(changed(subject=subject, data=data))

    assert expected == (read.model, read.version)


def test_of_two_spellings_of_a_name_the_one_that_says_something_counts():
    data = {"ModelName": None, "modelName": "fraud", "MODELVERSION": 3}
    read = parse_event(changed(data=data))

    assert ("fraud", "3") == (read.model, read.version)


def test_the_data_counts_more_than_the_subject():
    read = parse_event(changed(subject="models/other:99"))

    assert ("churn", "17") == (read.model, read.version)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        pytest.param(0, "0", id="zero"),
        pytest.param(10**400, "1" + "0" * 400, id="large"),
        pytest.param("007", "007", id="text-stays-as-it-is"),
        pytest.param(" 3 ", " 3 ", id="white-space-stays"),
    ],
)
def test_a_version_becomes_text_and_nothing_else(version, expected):
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
def test_the_time_is_read_in_utc_and_may_be_missing(moment, expected):
    assert expected == parse_event(changed(eventTime=moment)).registered_at


@pytest.mark.parametrize(
    ("event_id", "expected"),
    [("a", "a"), (None, ""), (7, ""), ("x" * 20_000, "x" * 10_000)],
    ids=["text", "null", "number", "long"],
)
def test_the_event_id_is_told_but_never_needed(event_id, expected):
    assert expected == parse_event(changed(id=event_id)).event_id


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
def test_a_time_that_is_none_or_that_storage_does_not_keep_is_not_known(time):
    assert parse_event(changed(eventTime=time)).registered_at is None


def test_as_much_is_read_as_can_be_kept():
    text = "x" * 10_000
    tags = {"note": "x" * (100_000 - len('{"note": ""}'))}
    read = parse_event(with_data(ModelName=text, ModelVersion=text, ModelTags=tags))

    assert (text, text, tags) == (read.model, read.version, read.tags)


def test_a_tag_that_is_a_list_or_a_map_becomes_its_json():
    read = parse_event(with_data(ModelTags={"teams": ["ü", 1], "owner": {"a": None}}))

    assert {"teams": '["ü", 1]', "owner": '{"a": null}'} == read.tags


@relaxed
@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_tags_become_text_that_still_says_what_they_were(tags):
    text = with_data(ModelTags=tags)
    try:
        read = parse_event(text).tags
    except RejectedEventError:
        return
    shown = {key: "" if value is None else value for key, value in tags.items()}
    assert shown == {
        key: text if isinstance(shown[key], str) else json.loads(text) for key, text in read.items()
    }
