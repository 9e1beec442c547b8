"""Events that cannot be read: every message, and whatever else may come."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.registrations.event_grid import EVENT_TYPE, parse_event
from model_trigger.registrations.registration import RejectedEventError
from tests.support.build import event
from tests.support.drawn import json_values, relaxed
from tests.support.events import changed, payload, with_data


def rejection(text: str) -> str:
    with pytest.raises(RejectedEventError) as caught:
        parse_event(text)
    return str(caught.value)


TYPE_EXPECTED = (
    'expected "Microsoft.MachineLearningServices.ModelRegistered": '
    "limit the event subscription to this type"
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
        "data.modelName is null, expected text here or in the subject",
        id="no-model",
    ),
    pytest.param(
        changed(subject="models/churn", data={}),
        "data.modelName is null, expected text here or in the subject",
        id="subject-without-version",
    ),
    pytest.param(
        changed(subject="models/:7", data={}),
        "data.modelName is null, expected text here or in the subject",
        id="subject-without-a-name",
    ),
    pytest.param(
        changed(subject="endpoints/churn:7", data={}),
        "data.modelName is null, expected text here or in the subject",
        id="subject-of-something-else",
    ),
    pytest.param(
        with_data(ModelName=5),
        "data.modelName is 5, expected text here or in the subject",
        id="model-number",
    ),
    pytest.param(
        with_data(ModelName=False),
        "data.modelName is false, expected text here or in the subject",
        id="model-false",
    ),
    pytest.param(
        with_data(ModelVersion=1.5),
        "data.modelVersion is 1.5, expected text here or in the subject",
        id="version-fraction",
    ),
    pytest.param(
        with_data(ModelVersion=True),
        "data.modelVersion is true, expected text here or in the subject",
        id="version-true",
    ),
    pytest.param(
        changed(subject="models/churn:", data={"modelName": "churn", "modelVersion": ""}),
        'data.modelVersion is "", expected text here or in the subject',
        id="version-nowhere",
    ),
    pytest.param(
        with_data(ModelVersion="1" * 10_001),
        "data.modelVersion has 10,001 characters; the limit is 10,000",
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
        "data.modelTags has 100,012 characters as JSON; the limit is 100,000",
        id="tags-long",
    ),
    pytest.param(
        with_data(ModelTags={f"t{number}": "x" * 1_000 for number in range(700)}),
        "data.modelTags has 708,290 characters as JSON; the limit is 100,000",
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
        "the registration has 290,311 characters as JSON; the limit is 250,000",
        id="long-altogether",
    ),
]


@pytest.mark.parametrize(("text", "message"), REJECTED)
def test_an_invalid_event_is_rejected_with_the_reason(text, message):
    # Python 3.11 does not include the number.
    assert message.replace(": nan)", ")") == rejection(text).replace(": nan)", ")")


def test_a_truncated_event_is_rejected_with_its_text():
    message = rejection(payload("truncated"))

    assert message.startswith("the event is not JSON (Unterminated string starting at: line ")
    assert message.endswith("…")
    assert message.isprintable()


def test_an_event_that_is_nested_too_deeply_is_described_as_such():
    assert "the event is nested too deeply" == rejection("[" * 300_000 + "]" * 300_000)


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


@pytest.mark.parametrize("digits", [4_300, 5_000, 100_000])
def test_a_huge_number_is_parsed_or_rejected(digits):
    text = changed(data={}, id="HERE", eventTime="HERE").replace('"HERE"', "9" * digits)
    try:
        assert "" == parse_event(text).event_id
    except RejectedEventError as error:
        assert str(error).startswith("the event is not JSON (")  # noqa: PT017 - either is fine


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
