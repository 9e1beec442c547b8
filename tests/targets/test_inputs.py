"""The parameters of a run: whether it may be the wanted one, and whose run it could be."""

from dataclasses import replace

import pytest

from model_trigger.targets.kinds import may_be_mistaken
from model_trigger.targets.pipeline import Inputs, with_key, without_key
from model_trigger.targets.request import StartRequest

URL = "https://dev.azure.com/fabrikam"
SENT = {
    "templateParameters": {"dryRun": "true", "n": "1"},
    "variables": {"colour": {"value": "red"}},
    "resources": {"repositories": {"self": {"refName": "refs/heads/main"}}},
}
SHOWN = {
    "branch": "refs/heads/main",
    "parameters": {"dryRun": "true", "n": "1", "other": "x"},
    "variables": {"colour": "red", "shape": "round"},
}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        pytest.param({}, True, id="the same, and more"),
        pytest.param({"parameters": {"DRYRUN": "True", "N": "1"}}, True, id="spelled differently"),
        pytest.param({"parameters": {"dryRun": True, "n": "1"}}, True, id="a boolean"),
        pytest.param({"parameters": {"dryRun": "false", "n": "1"}}, False, id="another value"),
        pytest.param({"parameters": {"dryRun": "true"}}, False, id="one missing"),
        pytest.param({"parameters": {}}, False, id="none"),
        pytest.param({"parameters": None}, None, id="parameters not shown"),
        pytest.param({"variables": {"colour": "blue"}}, False, id="another variable"),
        pytest.param({"variables": None}, None, id="variables not shown"),
        pytest.param({"branch": "refs/heads/next"}, False, id="another branch"),
        pytest.param({"branch": None}, None, id="branch not shown"),
        pytest.param({"branch": None, "parameters": {}}, False, id="one value is enough"),
    ],
)
def test_a_run_matches_unless_its_parameters_differ(change, fits):
    assert fits is Inputs.of(**{**SHOWN, **change}).fits(Inputs.of_body(SENT))


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"templateParameters": {}}, id="no parameters"),
    ],
)
def test_if_nothing_was_sent_every_run_matches(sent):
    assert Inputs.of(None, None, None).fits(Inputs.of_body(sent))


def run(parameters, branch=None, variables=None, definition=5):
    body = {"templateParameters": parameters}
    if branch:
        body["resources"] = {"repositories": {"self": {"refName": branch}}}
    if variables:
        body["variables"] = {name: {"value": value} for name, value in variables.items()}
    return StartRequest("pipeline", URL, "ml", definition, body)


@pytest.mark.parametrize(
    ("other", "mistaken"),
    [
        pytest.param(run({"v": "17", "dry": "true"}), True, id="equal"),
        pytest.param(run({"V": "17", "dry": "True"}), True, id="spelled differently"),
        pytest.param(run({"v": "17", "dry": "true", "x": "1"}), True, id="more"),
        pytest.param(run({"v": "17"}), True, id="less, which may have this default"),
        pytest.param(run({"v": "18", "dry": "true"}), False, id="another version"),
        pytest.param(run({"v": "17", "dry": "true"}, "refs/heads/next"), True, id="some branch"),
        pytest.param(run({"v": "17"}, variables={"a": "b"}), True, id="some variables"),
        pytest.param(run({"v": "17", "dry": "true"}, definition=6), False, id="another pipeline"),
    ],
)
def test_a_run_is_ambiguous_unless_something_distinguishes_it(other, mistaken):
    assert mistaken is may_be_mistaken(run({"v": "17", "dry": "true"}), other)


def test_a_branch_distinguishes_runs_if_both_specify_one():
    main, following = (run({}, f"refs/heads/{name}") for name in ("main", "next"))

    assert not may_be_mistaken(main, following)
    assert may_be_mistaken(main, run({}))


def test_a_run_with_a_key_is_never_ambiguous():
    plain = run({"v": "17"})

    assert not may_be_mistaken(with_key(plain, "a"), plain)
    assert not may_be_mistaken(with_key(plain, "a"), with_key(plain, "b"))
    assert may_be_mistaken(plain, with_key(plain, "b"))


def test_a_release_is_never_ambiguous():
    release = replace(run({}), kind="release", body={"definitionId": 5})

    assert not may_be_mistaken(release, release)


def test_a_key_is_added_and_removed_without_changing_the_request():
    plain = run({"v": "17"}, variables={"a": "b"})
    keyed = with_key(plain, "a")

    assert {"v": "17", "modelTriggerKey": "a"} == keyed.body["templateParameters"]
    assert plain == without_key(keyed) == without_key(plain)
