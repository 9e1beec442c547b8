"""An explanation as shown on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.registrations.registration import Registration
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.explain import ANY_WORKSPACE, explain
from model_trigger.rules.explain_text import render

RELEASE = {"release": {"definition": 1, "project": "ml"}}
RULES = {
    "churn": {"model": "churn*", "version": ">=10", "tags": {"stage": "prod"}, **RELEASE},
    "fraud": {"model": "fraud-*", "pipeline": {"id": "deploy-fraud"}},
}


def text(rules=RULES, model="churn", version="17", **tags):
    book = RuleBook.read({name: RuleSource(fields) for name, fields in rules.items()})
    return render(explain(book, Registration(ANY_WORKSPACE, model, version, tags)))


def test_a_match_is_shown_with_every_clause():
    expected = """\
churn 17 would start release 1 in ml (rule churn).

churn: would start
  starts release 1 in ml, provided that 17 is newer than every version of the
  model that the rule claimed before
      clause      expected  actual
  ok  model       churn*    churn
  ok  version     >=10      17
  ok  tags.stage  prod      prod

About other models: fraud."""

    assert expected == text(stage="prod")


def test_the_closest_rule_is_shown_if_none_matches():
    expected = """\
churn 9 would start nothing; closest is rule churn.

churn: not matched
  version 9 is not in >=10
      clause      expected  actual
  ok  model       churn*    churn
  NO  version     >=10      9
  ok  tags.stage  prod      prod

About other models: fraud."""

    assert expected == text(version="9", stage="prod")


def test_a_rule_for_a_model_with_a_similar_name_is_shown():
    reported, _, others = text(model="Fraud-eu").rpartition("\n\n")

    assert reported.startswith(
        "Fraud-eu 17 would start nothing; closest is rule fraud.\n\nfraud: not"
    )
    assert "About other models: churn." == others


OBSERVE, FAIL = {"mode": "observe"}, {"pipeline": {"id": 7, "variables": {"x": "{tag.x}"}}}
BROKEN = {"model": "churn", "release": {}}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(
            {"a": RELEASE, "b": {"pipeline": {"id": "deploy"}}},
            'would start release 1 in ml (rule a) and pipeline "deploy" (rule b).',
            id="two-starts",
        ),
        pytest.param(
            {"a": RELEASE | OBSERVE},
            "would not start, only observe release 1 in ml (rule a).",
            id="an-observing-rule",
        ),
        pytest.param({"a": FAIL}, "would fail to start pipeline 7 (rule a).", id="a-failure"),
        pytest.param(
            {"a": BROKEN},
            "would start nothing; would wait until someone fixes rule a.",
            id="a-broken-rule",
        ),
        pytest.param(
            {"a": BROKEN, "b": RELEASE | {"version": "<5"}, "c": BROKEN},
            "would start nothing; would wait until someone fixes rule a and rule c; "
            "closest is rule b.",
            id="broken-rules-and-a-closest",
        ),
        pytest.param(
            {"a": FAIL, "b": RELEASE | OBSERVE, "c": RELEASE},
            "would start release 1 in ml (rule c); "
            "would not start, only observe release 1 in ml (rule b); "
            "would fail to start pipeline 7 (rule a).",
            id="the-start-first",
        ),
        pytest.param(
            {"a": {"model": "xyz"} | RELEASE},
            "would start nothing; no rule is about this model.",
            id="other-models-only",
        ),
        pytest.param({}, "would start nothing; there are no rules.", id="no-rules"),
    ],
)
def test_the_first_paragraph_is_the_answer(rules, expected):
    found = text({name: {"model": "churn"} | fields for name, fields in rules.items()})

    assert f"churn 17 {expected}" == found.partition("\n\n")[0].replace("\n", " ")


def test_matching_rules_come_first_then_the_closest():
    rules = {
        "far": {"model": "churn", "version": "<5", "tags": {"stage": "x"}, **RELEASE},
        "broken": BROKEN,
        "near": {"model": "churn", "version": "<5", **RELEASE},
        "observing": {"model": "churn", **OBSERVE, **RELEASE},
        "starting": {"model": "churn", **RELEASE},
    }
    titles = [block.partition(":")[0] for block in text(rules).split("\n\n")[1:]]

    assert ["starting", "observing", "near", "far", "broken"] == titles


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        pytest.param(20, ", r18, r19, r20.", id="few"),
        pytest.param(21, ", r19, r20 and 1 more.", id="one-more"),
        pytest.param(1_222, ", r19, r20 and 1,202 more.", id="many"),
    ],
)
def test_the_names_of_other_rules_are_counted_when_there_are_many(number, ending):
    rules = {f"r{place}": {"model": f"x{place}", **RELEASE} for place in range(1, number + 1)}
    last = text(rules).rpartition("\n\n")[2].replace("\n", " ")

    assert last.startswith("About other models: r1, r2, r3,")
    assert last.endswith(ending)


@pytest.mark.parametrize(
    ("length", "columns"),
    [pytest.param(30, 80, id="a-table-of-80-columns"), pytest.param(31, 49, id="below-each-other")],
)
def test_a_table_takes_80_columns_at_most(length, columns):
    rules = {"churn": {"model": "churn", "tags": {"stage": "x" * 30}, **RELEASE}}
    table = text(rules, stage="y" * length).partition("  model")[2]

    assert columns == max(map(len, table.splitlines()))


LONG = "a-value-that-is-longer-than-half-of-a-line-" + "x" * 40


def test_long_values_are_shown_in_full_below_each_other():
    rules = {"churn": {"model": "churn", "tags": {"data": LONG, "empty": ""}, **RELEASE}}
    found = text(rules, data=f"{LONG}!")

    expected = f"""
  ok  model
        expected  churn
        actual    churn
  ok  version
        expected  *
        actual    17
  NO  tags.data
        expected  {LONG}
        actual    {LONG}!
  NO  tags.empty
        expected  ""
        actual    absent"""
    assert expected in found


def test_a_long_name_is_not_broken():
    answer, _, _ = text(model=f"the-{LONG}").partition("\n\n")

    assert [f"the-{LONG}", "17 would start nothing; no rule is about this model."] == (
        answer.splitlines()
    )


@given(st.text(max_size=99), st.text(min_size=1, max_size=50))
def test_lines_fit_in_80_columns_unless_a_value_is_longer(value, model):
    lines = text(model=model, stage=value).split("\n")
    longest_value = max(len(ascii(value)), len(ascii(model)))

    assert max(map(len, lines)) <= max(80, longest_value + len("        expected  "))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("\x1b[2J", "\\x1b[2J", id="terminal-command"),
        pytest.param("one\ntwo", "one\\ntwo", id="two-lines"),
        pytest.param("größe", "größe", id="letters"),
    ],
)
def test_terminal_control_characters_are_escaped(value, expected):
    rules = {"churn": {"model": "churn*", "tags": {"stage": "prod"}, **RELEASE}}
    found = text(rules, model=f"churn{value}", stage=value)

    assert 4 == found.count(expected)
    assert found.replace("\n", "").isprintable()
