"""A registration and its workspace: keys, spellings, and reading back what was written."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.registrations.registration import Registration, Workspace, lookup
from tests.support.build import WORKSPACE, WORKSPACE_ID, registration
from tests.support.drawn import relaxed


def test_only_ascii_letters_spell_the_provider_of_a_workspace():
    with pytest.raises(ValueError, match="is not the resource id of a workspace"):
        Workspace.parse(WORKSPACE_ID.replace("workspaces", "wor\N{KELVIN SIGN}spaces"))


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
def test_the_ids_of_one_workspace_have_one_key(resource_id):
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
def test_what_is_not_a_workspace_is_said_so(text):
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
        pytest.param("GITHUB_REPOSITORY", "churn", id="as-the-wire-camel-cases"),
        pytest.param("stages", None, id="absent"),
    ],
)
def test_a_key_is_found_without_case(key, expected):
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
def test_a_registration_is_read_back_as_it_was_written(written):
    assert written == Registration.from_json(written.to_json())
