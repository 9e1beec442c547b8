"""One odd response of Azure ML never hides the others: what is valid is listed, the rest named.

Through the real client, over TLS, from the stand-in.
"""

import json
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from model_trigger.registrations.listing import ModelSummary
from model_trigger.registrations.registration import Registration
from tests.support.listing import FABRIKAM, NOON

EMOJI = "\N{GRINNING FACE}"


def with_property(name, value):
    """Return a change of a document that sets one of the model's or version's properties."""
    return lambda document: document["properties"].update({name: value})


def with_times(**times):
    return lambda document: document["systemData"].update(times)


def without_times(document):
    document["systemData"].clear()


# How a document is changed, and the result: what differs from the unchanged registration, or the
# reason for skipping it.
READABLE_VERSIONS = {
    "tags null": (with_property("tags", None), {}),
    "no properties at all": (lambda document: document.pop("properties"), {}),
    "properties null": (lambda document: document.update(properties=None), {}),
    "a tag that is null": (with_property("tags", {"a": None}), {"tags": {"a": ""}}),
    "a tag that is a number": (
        with_property("tags", {"a": 0.9, "b": 10**4200}),
        {"tags": {"a": "0.9", "b": str(10**4200)}},
    ),
    "a tag that is an object": (
        with_property("tags", {"a": {"b": [True]}}),
        {"tags": {"a": '{"b": [true]}'}},
    ),
    "many tags": (
        with_property("properties", {"a": EMOJI * 8_000}),
        {"properties": {"a": EMOJI * 8_000}},
    ),
    "an odd stage": (with_property("stage", 5), {}),
    "odd flavors": (with_property("flavors", {"a": None}), {}),
    "an odd template": (with_property("defaultDeploymentTemplate", "x"), {}),
    "no id": (lambda document: document.pop("id"), {}),
    "systemData null": (lambda document: document.update(systemData=None), {"registered_at": None}),
    "systemData is text": (
        lambda document: document.update(systemData="x"),
        {"registered_at": None},
    ),
    "no date": (without_times, {"registered_at": None}),
    "an invalid date": (with_times(createdAt="yesterday"), {"registered_at": None}),
    "a date that is a number": (with_times(createdAt=17), {"registered_at": None}),
    "year 1": (with_times(createdAt="0001-01-01T00:00:00+00:00"), {"registered_at": None}),
    "year 1 in the east": (
        with_times(createdAt="0001-01-01T00:00:00+14:00"),
        {"registered_at": None},
    ),
    "year 9999": (
        with_times(createdAt="9999-12-31T23:59:59.9999999-12:00"),
        {"registered_at": None},
    ),
    "a number for a version": (lambda document: document.update(name=17), {"version": "17"}),
    "a line break in the version": (
        lambda document: document.update(name='1\ndecision {"outcome": "x"}'),
        {"version": '1\ndecision {"outcome": "x"}'},
    ),
}
LEFT_OUT_VERSIONS = {
    "version null": (lambda document: document.update(name=None), "version null", "name is null"),
    "no version": (lambda document: document.pop("name"), "version null", "name is null"),
    "an empty version": (lambda document: document.update(name=""), "version ''", 'name is ""'),
    "a version that is an object": (
        lambda document: document.update(name={"a": 1}),
        'version {"a": "1"}',
        "name is {",
    ),
    "100,000 digits": (
        lambda document: document.update(name="9" * 100_000),
        f"version '{'9' * 200}…'",
        "name has 100,000 characters",
    ),
    "an unpaired surrogate in the version": (
        lambda document: document.update(name="1\ud800"),
        r"version '1\ud800'",
        "name contains an unpaired surrogate",
    ),
    "an unpaired surrogate in a tag": (
        with_property("tags", {"a": "\ud800"}),
        "version '1'",
        "tags contains an unpaired surrogate",
    ),
    "an unpaired surrogate in a key": (
        with_property("properties", {"\udfff": "a"}),
        "version '1'",
        "properties contains an unpaired surrogate",
    ),
    "2 MB of tags": (
        with_property("tags", {f"k{number}": "v" * 200 for number in range(10_000)}),
        "version '1'",
        "tags has 2,",
    ),
    "tags that are a list": (with_property("tags", ["a"]), "version '1'", 'tags is ["a"]'),
    "tags that are text": (with_property("tags", "a"), "version '1'", 'tags is "a"'),
    "nothing at all": ("null", "version null", "name is null"),
    "a number": ("17", "version null", "name is null"),
    "a list": ("[]", "version null", "name is null"),
}


@pytest.mark.parametrize(("change", "differs"), READABLE_VERSIONS.values(), ids=READABLE_VERSIONS)
def test_the_valid_part_of_an_odd_version_is_listed(trial, change, differs):
    trial.register("evil")
    trial.change_version(change)
    plain = Registration(FABRIKAM, "evil", "1", registered_at=NOON, source="reconcile")

    assert [replace(plain, **differs)] == list(trial.versions())
    assert ([], []) == (trial.lines, trial.pauses)


@pytest.mark.parametrize(
    ("change", "named", "reason"), LEFT_OUT_VERSIONS.values(), ids=LEFT_OUT_VERSIONS
)
def test_an_invalid_version_is_named_and_skipped(trial, change, named, reason):
    for _ in range(5):
        trial.register("evil")
    trial.change_version(change)

    assert ["2", "3", "4", "5"] == sorted(one.version for one in trial.versions())
    (line,) = trial.lines
    assert line.startswith(f"{named} of model 'evil' in workspace {FABRIKAM.id} is skipped: ")
    assert reason in line
    assert line.isprintable()
    assert [] == trial.pauses


ODD_MODELS = {
    "an odd date": (with_times(lastModifiedAt="0001-01-01T00:00:00Z"), ("evil", "1", None)),
    "no dates": (without_times, ("evil", "1", None)),
    "latest version null": (with_property("latestVersion", None), ("evil", None, NOON)),
    "latest version long": (
        with_property("latestVersion", "9" * 100_000),
        ("evil", "9" * 999 + "…", NOON),
    ),
    "latest version with an unpaired surrogate": (
        with_property("latestVersion", "1\ud800"),
        ("evil", "1\ufffd", NOON),
    ),
    "latest version a list": (with_property("latestVersion", [1]), ("evil", None, NOON)),
    "properties null": (lambda document: document.update(properties=None), ("evil", None, NOON)),
    "no id": (lambda document: document.pop("id"), ("evil", "1", NOON)),
}
LEFT_OUT_MODELS = {
    "name null": (lambda document: document.update(name=None), "model null"),
    "name empty": (lambda document: document.update(name=""), "model ''"),
    "name long": (lambda document: document.update(name="x" * 10_001), f"model '{'x' * 200}…'"),
    "name with an unpaired surrogate": (
        lambda document: document.update(name="a\ud800"),
        r"model 'a\ud800'",
    ),
    "nothing": ("null", "model null"),
    "text": ('"x"', "model null"),
}


@pytest.mark.parametrize(("change", "expected"), ODD_MODELS.values(), ids=ODD_MODELS)
def test_the_valid_part_of_an_odd_model_is_listed(trial, change, expected):
    for model in ("churn", "evil", "fraud"):
        trial.register(model)
    trial.change_model(change)

    plain = {model: ModelSummary(model, "1", NOON) for model in ("churn", "fraud")}
    listed = {model.name: model for model in trial.models()}
    assert {**plain, "evil": ModelSummary(*expected)} == listed
    assert [] == trial.lines


@pytest.mark.parametrize(("change", "named"), LEFT_OUT_MODELS.values(), ids=LEFT_OUT_MODELS)
def test_an_invalid_model_is_named_and_skipped(trial, change, named):
    for model in ("churn", "evil", "fraud"):
        trial.register(model)
    trial.change_model(change)

    assert ["churn", "fraud"] == sorted(model.name for model in trial.models())
    (line,) = trial.lines
    assert line.startswith(f"{named} in workspace {FABRIKAM.id} is skipped: name ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(), values, max_size=2),
    max_leaves=4,
)
documents = json_values | st.fixed_dictionaries(
    {"name": json_values | st.just("7")},
    optional={
        "id": json_values,
        "properties": json_values
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(("tags", "properties", "latestVersion", "flavors"), json_values),
        ),
        "systemData": json_values
        | st.fixed_dictionaries({"createdAt": json_values, "lastModifiedAt": json_values}),
    },
)


@hypothesis.settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(documents, documents)
def test_the_others_are_listed_whatever_one_document_contains(trial, model, version):
    for number in range(3):
        trial.register("churn", str(number))
    for name in ("a", "evil", "z"):
        trial.register(name)
    with pytest.MonkeyPatch.context() as patched:
        trial.monkeypatch = patched
        trial.change_model(json.dumps(model))
        trial.change_version(json.dumps(version))
        models = {one.name for one in trial.models()}
        versions = {one.version for one in trial.versions("churn")}

    assert {"churn", "a", "z"} <= models
    assert {"0", "2"} <= versions
