"""What check says about addresses that no credential may be sent to."""

import json

import pytest

from model_trigger import __main__ as commands
from tests.support.strangers import PAT, SERVICES, rules


@pytest.mark.parametrize("online", [[], ["--online"]], ids=["offline", "online"])
@pytest.mark.parametrize("from_file", [False, True], ids=["settings", "file"])
@pytest.mark.parametrize("setting", ["with_pat", "with_identity"])
def test_check_refuses_a_rule_for_an_unknown_host(  # noqa: PLR0913, PLR0917 - fixtures
    request, stranger, setting, from_file, online, tmp_path, capsys
):
    request.getfixturevalue(setting)(stranger)
    (tmp_path / "rules.json").write_text(rules(stranger.url))
    file = [str(tmp_path / "rules.json")] if from_file else []

    assert 1 == commands.main(["check", *online, "--json", *file])
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [
        ("churn.release.organization_url", json.dumps(stranger.url)),
        ("fraud.pipeline.organization_url", json.dumps(stranger.url)),
    ] == [(one["path"], one["value"]) for one in problems]
    assert all(" sent " in one["message"] for one in problems)


def test_check_names_the_setting_that_holds_the_address(configure, capsys):
    url = "https://tfs.contoso.com/tfs"
    configure(
        RULES=rules(None),
        RULES__churn__release__organization_url=url,
        RULES__fraud__pipeline=json.dumps({"id": 1, "organization_url": url}),
    )
    commands.main(["check", "--json"])

    assert [
        "RULES__churn__release__organization_url",
        "RULES__fraud__pipeline.organization_url",
    ] == [one["path"] for one in json.loads(capsys.readouterr().out)["problems"]]


def test_check_refuses_a_server_without_a_pat(configure, capsys):
    configure(RULES=rules(None), AZURE_DEVOPS_ORG_URL="https://tfs.contoso.com/tfs")

    assert 1 == commands.main(["check"])
    assert (
        'AZURE_DEVOPS_ORG_URL: "https://tfs.contoso.com/tfs" is not Azure DevOps Services over '
        "https, and the token of the app's identity is sent only to https://dev.azure.com/"
    ) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "pat"),
    [(SERVICES, ""), (SERVICES, PAT), ("https://tfs.contoso.com/tfs", PAT)],
    ids=["identity", "PAT", "PAT of a server"],
)
def test_check_accepts_a_rule_for_an_allowed_host(configure, capsys, url, pat):
    configure(RULES=rules(url), AZURE_DEVOPS_ORG_URL=url, AZURE_DEVOPS_PAT=pat)

    assert 0 == commands.main(["check"])
    assert "problem" not in capsys.readouterr().out


def test_check_reports_invalid_settings_along_with_the_rules(configure, capsys):
    configure(RULES='{"churn": {"model": "churn"}}', MODE="lvie", CLAIM_LEASE="PT1S")

    assert 1 == commands.main(["check", "--json"])
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert ["MODE", "CLAIM_LEASE", "churn"] == [one["path"] for one in problems]


def test_check_of_a_file_needs_no_other_setting(configure, tmp_path):
    configure(MODE="lvie")
    (tmp_path / "rules.json").write_text(rules(SERVICES))

    assert 0 == commands.main(["check", str(tmp_path / "rules.json")])
    assert 1 == commands.main(["check", "--online", str(tmp_path / "rules.json")])
