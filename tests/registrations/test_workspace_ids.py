"""A workspace is identified by its resource id, and no other id may pass for it."""

import pytest

from model_trigger.registrations.registration import Workspace
from tests.support.build import WORKSPACE_ID

KELVIN = "\u212a"  # becomes a plain k in lower case


def test_case_does_not_count():
    assert Workspace.parse(WORKSPACE_ID).key == Workspace.parse(WORKSPACE_ID.upper()).key


@pytest.mark.parametrize(
    ("plain", "forged"),
    [
        pytest.param("/subscriptions/", "/\u017fubscriptions/", id="subscriptions"),
        pytest.param("/resourceGroups/", "/re\u017fourceGroups/", id="resource groups"),
        pytest.param("/workspaces/", f"/wor{KELVIN}spaces/", id="workspaces"),
        pytest.param("ml-prod-ws", f"ban{KELVIN}-ws", id="the name of the workspace"),
        pytest.param("ml-prod/", f"ban{KELVIN}/", id="the name of the resource group"),
        pytest.param("ml-prod-ws", "ml-prod\x00-ws", id="a control character"),
        pytest.param("ml-prod-ws", "ml-prod\u200b-ws", id="an invisible character"),
    ],
)
def test_an_id_that_could_pass_for_another_one_is_refused(plain, forged):
    with pytest.raises(ValueError, match="is not the resource id of a workspace; expected /subs"):
        Workspace.parse(WORKSPACE_ID.replace(plain, forged))


def test_letters_of_other_languages_may_stand_in_a_resource_group():
    there = Workspace.parse(WORKSPACE_ID.replace("/ml-prod/", "/MÜNCHEN-東京/"))

    assert "MÜNCHEN-東京" == there.resource_group
    assert "münchen-東京" in there.key
