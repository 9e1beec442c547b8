"""One rule and one registration: each clause met and not met, in words, and the result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.matching.versions import VersionError
from model_trigger.rules import rule as rule_module
from model_trigger.rules.fields import Mode, RuleFields, rule_fields
from model_trigger.rules.rule import Clause
from model_trigger.targets.kinds import KINDS
from tests.rules.clauses import CLAUSES, INTEGER, SEMVER_TAG
from tests.support.build import registration, rule, rulebook
from tests.support.drawn import relaxed


def clauses(fields, **described) -> dict[str, Clause]:
    found = rule(**fields).evaluate(registration(**described)).clauses
    return {clause.clause: clause for clause in found}


@pytest.mark.parametrize(("fields", "described", "expected"), CLAUSES)
def test_each_clause_states_whether_it_is_met_and_why(fields, described, expected):
    assert expected == clauses(fields, **described)[expected.clause]


def test_the_mode_of_the_app_is_distinguished_from_that_of_the_rule():
    book = rulebook(Mode.OFF, quiet={}, off={"mode": "off"})
    reported = {one.rule.name: one.reason for one in book.evaluate(registration())}

    expected = {
        "quiet": "the app is switched off by its setting MODE",
        "off": "the rule is switched off",
    }
    assert expected == reported


@pytest.mark.parametrize("mode", ["live", "observe"])
def test_only_the_fields_of_a_rule_become_clauses(mode):
    assert ["model", "version"] == list(clauses({"mode": mode}))
    everything = {
        "workspace": "*",
        "tags": {"a": "*", "b": "!x"},
        "properties": {"a": "*"},
        "mode": "off",
    }
    assert ["model", "workspace", "version", "tags.a", "tags.b", "properties.a", "mode"] == list(
        clauses(everything)
    )


def test_a_rule_matches_if_every_clause_is_met_and_states_all_of_them():
    evaluation = rule(version=">=10", tags={"stage": "prod"}).evaluate(
        registration("17", tags={"stage": "prod"})
    )

    assert evaluation.matched
    assert () == evaluation.failed
    assert (
        "model 'churn' matches 'churn'; version 17 is in >=10; "
        "tag 'stage' is 'prod', which meets prod"
    ) == evaluation.reason


def test_a_rule_that_does_not_match_states_only_the_failed_clauses():
    evaluation = rule(version=">=10", tags={"stage": "prod", "owner": "*"}).evaluate(
        registration("9", tags={"owner": "ml"})
    )

    assert not evaluation.matched
    assert ["version", "tags.stage"] == [clause.clause for clause in evaluation.failed]
    expected = "version 9 is not in >=10; tag 'stage' is absent, expected prod"
    assert expected == evaluation.reason


NO_INTEGERS = {
    "007": "`007` {}: it has a leading zero",
    "1_000": "`1_000` {}: only the digits 0 to 9 are allowed",
    " 3 ": "` 3 ` {}: it has white space around it",
    "-1": "`-1` {}: it has a sign",
    "+1": "`+1` {}: it has a sign",
    "٣": "`٣` {}: only the digits 0 to 9 are allowed",
    "": "an empty text {}: it is empty",
    "1.0": "`1.0` {}: more than one number needs scheme: semver",
    "1e3": "`1e3` {}: only the digits 0 to 9 are allowed",
    "3\n": "`3\\n` {}: it has white space around it",
}


@pytest.mark.parametrize(
    ("version", "reported"), [pytest.param(*row, id=ascii(row[0])) for row in NO_INTEGERS.items()]
)
def test_a_version_that_is_not_an_integer_affects_only_rules_that_need_one(version, reported):
    book = rulebook(
        integer={}, bounded={"version": ">=1"}, semver={**SEMVER_TAG}, other={"model": "fraud"}
    )
    described = registration(version, tags={"semver": "1.4.0"})
    integer, bounded, semver = book.evaluate(described)

    expected = f"{reported.format('is not a version under scheme integer')}; {INTEGER}"
    assert (False, None, expected) == (integer.matched, integer.version, integer.reason)
    assert expected == bounded.reason
    assert semver.matched


@pytest.mark.parametrize(
    ("fields", "text"),
    [({}, "17"), (SEMVER_TAG, "1.4.0"), ({"version_from": "property:n"}, "3")],
    ids=["version", "tag", "property"],
)
def test_the_compared_version_comes_from_where_the_rule_specifies(fields, text):
    described = registration(tags={"semver": "1.4.0"}, properties={"n": "3"})
    evaluation = rule(**fields).evaluate(described)

    assert text == evaluation.version.text
    assert evaluation.version == rule(**fields).read_version(described)


def test_an_absent_version_is_invalid():
    with pytest.raises(VersionError) as caught:
        rule(**SEMVER_TAG).read_version(registration())
    assert "the version is read from tag 'SemVer', which is absent" == str(caught.value)


def test_long_values_are_cut_in_every_clause():
    long = "x" * 5_000
    fields = {
        "version": ">=1 " * 500,
        "model": ["*", f"!{long}*"],
        "tags": {"note": [long + "a", "b"]},
        "properties": {"note": f"!{long}"},
        "workspace": long,
    }
    described = registration(
        "1" * 5_000, long, tags={"note": long}, properties={"note": long + "\n"}
    )
    for clause in rule(**fields).evaluate(described).clauses:
        assert len(clause.expected) <= 201
        assert len(clause.actual) <= 201
        assert len(clause.sentence) <= 450


@relaxed
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_registration_is_explained_in_one_line_sentences(model, version, tags):
    fields = {
        "model": ["*", "!\n"],
        "workspace": "\n",
        "tags": {"a\n": "x\n", "b": ">\n1"},
        "version_from": "tag:\n",
        "version": ">1\n<3",
    }
    for each in (rule(**fields), rule(), rule(scheme="semver")):
        evaluation = each.evaluate(registration(version, model, tags=tags))
        assert evaluation.reason.isprintable()
        assert evaluation.matched == (not evaluation.failed)


SELECTORS = {
    "model": ["churn-*", "!a"],
    "workspace": "ml-*",
    "scheme": "semver",
    "version": "^1.4",
    "version_from": "tag:semver",
    "start": "every",
    "tags": {"stage": ["prod", "test"], "owner": "*"},
    "properties": {"auc": ">=0.9"},
    "mode": "observe",
}


@pytest.mark.parametrize("field", SELECTORS)
def test_a_change_of_what_a_rule_selects_changes_its_digest(field):
    needed = {"scheme": "semver"} if field == "version" else {}
    changed = rule(**needed | {field: SELECTORS[field]})

    assert rule(**needed).selectors != changed.selectors


def test_a_field_selects_unless_it_is_known_not_to():
    """Whoever adds a field decides here whether rules count as changed that change it."""
    select_nothing = {"allow_unsafe"}

    assert {*SELECTORS, *select_nothing} == {*RuleFields.model_fields}
    assert {*RuleFields.model_fields, *KINDS} == {*rule_fields().model_fields}


@pytest.mark.parametrize(
    ("fields", "ordering", "selectors"),
    [
        pytest.param({}, "integer version", "ac4cd1708c12f840", id="defaults"),
        pytest.param(
            {
                "model": ["churn-*", "!a"],
                "workspace": "ml-*",
                "scheme": "semver",
                "version": "^1.4",
                "version_from": "TAG:SemVer",
                "start": "latest",
                "tags": {"stage": ["prod", "test"], "owner": "*"},
                "properties": {"auc": ">=0.9"},
                "mode": "observe",
                "allow_unsafe": ["tag.a"],
            },
            "semver tag:SemVer",
            "3e1ad5ab11145a60",
            id="every field",
        ),
        pytest.param(
            {
                "version_from": "property:a:b",
                "start": "every",
                "release": None,
                "pipeline": {"id": 5},
            },
            "integer property:a:b",
            "fcc4501bc617ec99",
            id="pipeline",
        ),
    ],
)
def test_what_ledgers_hold_of_a_rule_still_fits_it(fields, ordering, selectors):
    made = rule(**fields)

    assert (ordering, selectors) == (made.ordering, made.selectors)
    assert "34138fbfed9b7a2d" == rulebook(Mode.OFF, churn={}).rules["churn"].selectors


def test_a_field_that_came_later_changes_no_rule_that_leaves_it_out(monkeypatch):
    before = rule(workspace="ml-*").selectors, rule(tags={"a": "b"}).selectors
    first = tuple(each for each in rule_module._FIRST_SELECTING if each != "workspace")  # noqa: SLF001
    monkeypatch.setattr(rule_module, "_FIRST_SELECTING", first)

    assert before[0] == rule(workspace="ml-*").selectors
    assert before[1] != rule(tags={"a": "b"}).selectors


@pytest.mark.parametrize(
    "changes",
    [
        {"release": {"definition": 2, "variables": {"a": "b"}}},
        {"allow_unsafe": ["tag.a"]},
        {"tags": {"owner": "*", "stage": ["test", "prod"]}},
        {"model": ["!a", "churn-*"]},
    ],
    ids=["target", "allow_unsafe", "order-of-tags", "order-of-globs"],
)
def test_fields_that_do_not_select_leave_the_digest_unchanged(changes):
    assert rule(**SELECTORS).selectors == rule(**SELECTORS | changes).selectors


def test_the_mode_of_the_app_is_part_of_the_digest():
    live, observed = (rulebook(mode, churn={}).rules["churn"] for mode in (Mode.LIVE, Mode.OBSERVE))

    assert live.selectors != observed.selectors


@pytest.mark.parametrize("start", ["newer", "latest", "every"])
def test_a_rule_knows_what_it_starts_and_when(start):
    release, pipeline = rule(start=start), rule(start=start, release=None, pipeline={"id": 5})

    assert (start, 1) == (release.start, release.target.definition)
    assert (start, 5) == (pipeline.start, pipeline.target.id)


def test_marks_are_void_if_versions_are_parsed_or_ordered_differently():
    orderings = {
        rule(**fields).ordering
        for fields in (
            {},
            {"scheme": "semver"},
            {"version_from": "tag:a"},
            {"version_from": "tag:b"},
            {"version_from": "property:a"},
        )
    }
    assert 5 == len(orderings)
    assert rule().ordering == rule(version=">=10", start="every").ordering
