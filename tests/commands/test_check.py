"""Check: what each rule does, every problem, and every warning."""

import json

from tests.support.commands import CHURN, RULES, run

BROKEN = {"model": "lead", "version": 10, "start": "newset", "release": {"definition": 1}}


def test_check_prints_what_each_valid_rule_does(file):
    expected = """\
churn: churn*, versions >=10, newer → release 1 in ml
fraud: fraud, any version, tags.stage prod, newer → pipeline "deploy-fraud"

2 rules: 2 valid, 0 broken
"""

    assert (0, expected, "") == run("check", file(RULES))


def test_check_prints_every_problem_of_every_rule_and_fails(file):
    code, output, errors = run("check", file(RULES | {"lead": BROKEN, "Price": CHURN}))
    rules, problems, result = output.split("\n\n")
    title, *found = problems.splitlines()

    assert (1, "", "3 problems:") == (code, errors, title)
    assert ["churn", "fraud"] == [line.partition(":")[0] for line in rules.splitlines()]
    assert ["  lead.version", "  lead.start", "  Price"] == [
        line.partition(":")[0] for line in found
    ]
    assert "4 rules: 2 valid, 2 broken\n" == result


def test_check_warns_about_probable_mistakes_without_failing(file):
    code, output, _ = run("check", file({"churn": CHURN | {"version": "<0"}}))

    assert 0 == code
    assert "\n\n1 warning:\n  churn.version: `<0` matches no version: " in output


def test_check_reports_when_there_is_nothing_to_check():
    expected = "no rules, so nothing will start: set RULES or RULES_FILE, or name a file\n"

    assert (0, expected, "") == run("check")


def test_check_reads_rules_from_the_environment_and_applies_single_settings():
    code, output, _ = run("check", RULES=json.dumps(RULES), RULES__churn__version=">=20")

    assert 0 == code
    assert "churn: churn*, versions >=20, newer → release 1 in ml" in output


def test_a_problem_in_a_single_setting_names_the_setting():
    code, output, _ = run("check", RULES=json.dumps(RULES), RULES__churn__version="^1.4")

    assert 1 == code
    assert '\n  RULES__churn__version: "^1.4" is invalid: ' in output


def test_a_file_is_checked_without_the_rules_of_the_environment(file):
    settings = {"RULES": "{", "RULES__lead__model": "lead"}
    code, output, _ = run("check", file(RULES), **settings)

    assert 0 == code
    assert output.endswith("2 rules: 2 valid, 0 broken\n")


def test_the_file_in_rules_file_is_checked_with_the_settings_applied(file):
    _, output, _ = run("check", RULES_FILE=file(RULES), RULES__fraud__mode="off")

    assert "newer → release 1 in ml" in output
    assert '→ pipeline "deploy-fraud" (mode off)' in output


def test_check_as_json_has_rules_problems_and_warnings(file):
    rules = {"churn": CHURN | {"version": "<0"}, "lead": BROKEN}
    code, output, _ = run("check", file(rules), "--json")
    found = json.loads(output)

    assert (1, False) == (code, found["valid"])
    assert {"churn": "churn*, versions <0, newer → release 1 in ml"} == found["rules"]
    assert ["lead.version", "lead.start"] == [one["path"] for one in found["problems"]]
    assert ["churn.version"] == [one["path"] for one in found["warnings"]]
    assert [{"path", "value", "message"}] * 3 == [
        set(one) for one in found["problems"] + found["warnings"]
    ]


def test_json_is_the_same_in_every_encoding(file):
    rules = {"churn": CHURN | {"release": {"definition": "Größe \U0001f600"}}}
    file, command = file(rules), ("check", "--json")

    _, output, _ = run(*command, file)
    assert (0, output, "") == run(*command, file, PYTHONIOENCODING="ascii")
    assert {"churn": 'churn*, versions >=10, newer → release "Größe \U0001f600"'} == json.loads(
        output
    )["rules"]


def test_valid_rules_are_valid_as_json(file):
    code, output, _ = run("check", "--json", file(RULES))
    found = json.loads(output)

    assert (0, True, [], []) == (code, found["valid"], found["problems"], found["warnings"])


def test_invalid_rules_as_a_whole_are_a_problem_in_json(file):
    code, output, errors = run("check", "--json", file("{"))
    found = json.loads(output)

    assert (1, "") == (code, errors)
    assert (False, {}, []) == (found["valid"], found["rules"], found["warnings"])
    assert [True] == ["rules.json is not JSON" in one["message"] for one in found["problems"]]


def test_a_console_that_cannot_show_a_character_is_not_an_error(file):
    code, output, errors = run("check", file(RULES), PYTHONIOENCODING="ascii")

    assert (0, "") == (code, errors)
    assert "newer \\u2192 release 1 in ml" in output


def test_a_file_with_a_byte_order_mark_is_read(file):
    code, output, _ = run("check", file("\ufeff" + json.dumps(RULES)))

    assert (0, True) == (code, output.endswith("2 rules: 2 valid, 0 broken\n"))
