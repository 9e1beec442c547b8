"""Decisions: their log line, and the message when no rule matches a registration."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.decisions.decision import (
    Decision,
    Outcome,
    duplicate_line,
    not_matched,
    rejected,
)
from model_trigger.rules.rule import Clause
from model_trigger.targets.request import Release
from model_trigger.text import utf16_units, well_formed
from tests.support.build import WORKSPACE_ID, registration, rulebook
from tests.support.drawn import relaxed


def logged(decision: Decision, milliseconds: int = 42) -> dict[str, object]:
    line = decision.log_line(milliseconds)
    assert line.startswith("decision {")
    return json.loads(line.removeprefix("decision "))


def unwanted(book, **described) -> Decision:
    wanted = registration(**described)
    return not_matched(wanted, book.evaluate(wanted), book.closest(wanted))


def test_the_log_line_has_every_field_in_order():
    decision = Decision(
        Outcome.STARTED,
        "because",
        rule="churn",
        registration=registration(event_id="e1", source="reconcile"),
        release=Release(4711, "https://dev.azure.com/contoso/r"),
    )
    expected = {
        "outcome": "started",
        "rule": "churn",
        "model": "churn",
        "version": "17",
        "workspace": WORKSPACE_ID,
        "reason": "because",
        "release_id": 4711,
        "release_url": "https://dev.azure.com/contoso/r",
        "event_id": "e1",
        "source": "reconcile",
        "milliseconds": 42,
    }
    assert list(expected.items()) == list(logged(decision).items())


def test_unknown_fields_are_null_in_the_log_line():
    found = logged(rejected("no event", "x"))

    assert {"outcome": "rejected", "reason": "no event", "source": "event", "milliseconds": 42} == {
        name: value for name, value in found.items() if value is not None
    }


any_text = st.text(st.characters(codec=None)) | st.text(
    st.characters(categories=["Cc", "Cf", "Co", "Cs", "Zl", "Zp", "So"]), max_size=20
)
LONG = {
    "letters": "x" * 100_000,
    "emoji": "\N{GRINNING FACE}" * 50_000,
    "escaped emoji": "\U000e0001" * 50_000,
    "quotes": '"' * 100_000,
    "line breaks": "\r\n\u2028" * 30_000,
    "half characters": "\ud800" * 100_000,
    "a digit after many": "9" * 99_999 + "8",
}


def described(text: str) -> Decision:
    """Return a decision that has the text in every field."""
    about = registration(text, text, event_id=text, source=text)
    release = Release(10**400, text)
    return Decision(Outcome.FAILED, text, rule=text, registration=about, release=release)


@relaxed
@given(any_text, any_text, any_text)
def test_the_log_line_is_one_line_whatever_it_contains(reason, model, version):
    decision = Decision(Outcome.FAILED, reason, registration=registration(version, model))

    assert decision.log_line(1).isprintable()
    found = logged(decision)
    expected = (well_formed(reason), well_formed(model), well_formed(version))
    assert expected == tuple(found[name] for name in ("reason", "model", "version"))


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in LONG.items()])
def test_a_long_value_is_cut_so_that_the_whole_line_reaches_the_log(text):
    line = described(text).log_line(10**9)

    assert utf16_units(line) <= 30_000
    assert line.isprintable()
    assert line.startswith('decision {"outcome": "failed", "rule": "')
    found = logged(described(text))
    assert ["outcome", "milliseconds"] == [next(iter(found)), next(reversed(found))]
    assert all(found[name].endswith("…") for name in ("rule", "model", "version", "reason"))


@pytest.mark.parametrize("text", [*LONG.values(), "a\nb\ud800\u202e"])
def test_a_line_can_be_parsed_by_a_strict_json_parser(text):
    line = described(text).log_line(1)

    assert line == line.encode().decode()
    json.dumps(json.loads(line[len("decision ") :]), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "text",
    ["duplicate_release", 'duplicate_release {"rule": "x"}', '"}\nduplicate_release {"a": "'],
)
def test_only_a_second_release_triggers_its_alert(text):
    assert described(text).log_line(1).startswith('decision {"outcome": "failed", ')


def test_a_duplicate_release_has_its_own_line_with_both_links():
    about = registration('17"}\n', "duplicate_release")
    line = duplicate_line("churn", about, Release(7, "https://a/7"), Release(8, "https://a/8"))

    assert line.isprintable()
    found = json.loads(line.removeprefix("duplicate_release "))
    assert found.pop("reason").startswith("two releases were started: abandon one of them. ")
    assert {
        "rule": "churn",
        "model": "duplicate_release",
        "version": '17"}\n',
        "workspace": WORKSPACE_ID,
        "release_id": 7,
        "release_url": "https://a/7",
        "second_release_id": 8,
        "second_release_url": "https://a/8",
    } == found


def test_letters_of_all_languages_stay_readable_in_the_log_line():
    assert '"reason": "Übergröße 模型"' in Decision(Outcome.PENDING, "Übergröße 模型").log_line(1)


def test_the_outcomes_are_the_documented_ones():
    documented = (
        "started observed duplicate superseded not_matched failed given_up closed pending rejected"
    )
    assert documented.split() == list(Outcome)


@pytest.mark.parametrize("outcome", Outcome)
def test_outcomes_that_do_not_resolve_themselves_need_a_person(outcome):
    expected = outcome in {"failed", "given_up", "rejected"}
    assert expected == outcome.needs_a_person


def test_a_rejected_event_is_stored_up_to_a_limit():
    decision = rejected("why", "x" * 100_001, registration())

    assert ("x" * 100_000, "why", "17") == (
        decision.event,
        decision.reason,
        decision.registration.version,
    )


def test_an_unmatched_registration_names_the_closest_rule_and_every_failed_clause():
    book = rulebook(
        prod={"version": ">=20", "tags": {"stage": "prod"}},
        eu={"model": "ch*", "workspace": "eu"},
        other={"model": "fraud"},
    )
    decision = unwanted(book)

    assert (Outcome.NOT_MATCHED, "", "eu") == (decision.outcome, decision.rule, decision.closest)
    expected = "no rule matched; closest is 'eu': workspace 'ml-prod-ws' does not match 'eu'"
    assert expected == decision.reason
    assert (
        Clause("prod.version", ">=20", "17", met=False, sentence="version 17 is not in >=20"),
        Clause(
            "prod.tags.stage",
            "prod",
            "absent",
            met=False,
            sentence="tag 'stage' is absent, expected prod",
        ),
        Clause(
            "eu.workspace",
            "eu",
            "ml-prod-ws",
            met=False,
            sentence="workspace 'ml-prod-ws' does not match 'eu'",
        ),
    ) == decision.clauses


def test_a_model_name_close_to_that_of_a_rule_is_reported():
    decision = unwanted(rulebook(churn={"version": ">=20"}), model="chrun")

    assert "churn" == decision.closest
    assert (
        "no rule matched; closest is 'churn': model 'chrun' does not match 'churn'; "
        "version 17 is not in >=20"
    ) == decision.reason
    assert ["churn.model", "churn.version"] == [clause.clause for clause in decision.clauses]


@pytest.mark.parametrize("book", [rulebook(), rulebook(churn={})], ids=["no-rules", "far-rule"])
def test_a_model_that_no_rule_matches_is_reported(book):
    decision = unwanted(book, model="it's")

    assert ('no rule covers model "it\'s"', (), "") == (
        decision.reason,
        decision.clauses,
        decision.closest,
    )


def test_as_many_clauses_are_stored_as_fit_in_one_entity():
    rules = {f"r{number}": {"tags": {"a": "x" * 500}} for number in range(1_000)}
    decision = unwanted(rulebook(**rules), tags={"a": "y" * 500})

    assert 300 == len(decision.clauses)
    kept = [[one.clause, one.expected, one.actual] for one in decision.clauses]
    assert len(json.dumps(kept)) * 2 < 500_000
