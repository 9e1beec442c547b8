"""Rules from app settings and from a file below the app."""

import pytest

from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.settings import read_rules

pytestmark = pytest.mark.usefixtures("nothing_set")


@pytest.mark.parametrize("name", ["RULES_FILE", "rules_file"])
def test_rules_come_from_the_environment_and_from_a_file_below_the_app(put, tmp_path, name):
    (tmp_path / "rules.json").write_text('{"churn": {"model": "ü"}}', encoding="utf-8-sig")
    put(**{name: "rules.json", "RULES": '{"fraud": {}}', "RULES__churn__version": ">=10"})

    found = {rule: source.fields for rule, source in read_rules(tmp_path).items()}
    assert {"churn": {"model": "ü", "version": ">=10"}, "fraud": {}} == found


def test_without_a_setting_for_rules_there_are_none():
    assert {} == read_rules()


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file or directory"), (b"\xff\xfe", "it is not UTF-8")],
    ids=["missing", "not-utf-8"],
)
def test_a_file_of_rules_that_cannot_be_read_is_told(put, tmp_path, content, why):
    if content:
        (tmp_path / "my rules.json").write_bytes(content)
    put(RULES_FILE="my rules.json")

    with pytest.raises(RulesUnreadableError) as caught:
        read_rules(tmp_path)
    assert f"RULES_FILE 'my rules.json' cannot be read in {tmp_path}: {why}" == str(caught.value)


def test_a_folder_is_not_a_file_of_rules(put, tmp_path):
    put(RULES_FILE=".")

    with pytest.raises(
        RulesUnreadableError, match=r"^RULES_FILE '\.' cannot be read in .*: Is a dir"
    ):
        read_rules(tmp_path)


def test_a_file_of_rules_that_is_not_json_is_named(put, tmp_path):
    (tmp_path / "rules.json").write_text("churn:")
    put(RULES_FILE="rules.json")

    with pytest.raises(RulesUnreadableError, match=r"^RULES_FILE rules\.json is not JSON: "):
        read_rules(tmp_path)


def test_two_files_of_rules_that_differ_only_in_case_are_not_guessed(put, tmp_path):
    put(RULES_FILE="a", Rules_File="b")

    with pytest.raises(RulesUnreadableError, match=r"^RULES_FILE and Rules_File differ"):
        read_rules(tmp_path)
