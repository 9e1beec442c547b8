"""The rest of the status page: rules, workspaces, settings, and what is missing."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.pages.lookup import Question
from model_trigger.pages.status import gather
from model_trigger.reconcile.progress import Progress, WorkspaceNote
from model_trigger.rules.fields import Mode
from model_trigger.rules.sources import RulesUnreadableError
from tests.support.build import NOON, WORKSPACE, deadline, rulebook
from tests.support.kept import DAY, HOUR, configuration, keep_claim, keep_decision, reading


def gathered(services, **question):
    return gather(Question(**question), reading(services), configuration(services))


def test_an_empty_ledger_is_no_error(make_services):
    overview = gathered(make_services())

    assert ("", "", [], []) == (
        overview.ledger_error,
        overview.rules_error,
        overview.troubles,
        overview.decisions,
    )


def test_the_broken_rules_come_first_with_their_problems(make_services):
    rules = partial(rulebook, churn={}, wrong={"start": "newset"}, shadow={"mode": "observe"})
    shown = gathered(make_services(rules=rules)).rules

    assert [("wrong", ""), ("churn", "live"), ("shadow", "observe")] == [
        (rule.name, rule.mode) for rule in shown
    ]
    assert "did you mean 'newer'?" in shown[0].problems[0]
    assert "churn, any version, newer → release 1" == shown[1].summary


def test_more_rules_than_are_shown_are_counted(make_services):
    rules = partial(rulebook, **{f"r{number}": {} for number in range(203)})
    overview = gathered(make_services(rules=rules))

    assert (200, 3) == (len(overview.rules), overview.more_rules)


def test_invalid_rules_are_reported_and_the_rest_is_shown(make_services):
    def unreadable():
        msg = "RULES is not JSON: line 1"
        raise RulesUnreadableError(msg)

    services = make_services(rules=unreadable)
    keep_decision(services, Outcome.STARTED)
    overview = gathered(services)

    assert ("RULES is not JSON: line 1", []) == (overview.rules_error, overview.rules)
    assert 1 == len(overview.decisions)


def test_an_unreadable_ledger_is_reported_and_the_rest_is_shown(make_services):
    services = make_services(workspaces=(WORKSPACE,))
    overview = gather(
        Question("churn", "17"),
        replace(reading(services), deadline=deadline(0)),
        configuration(services),
    )

    assert "ran out of time before reaching the ledger" == overview.ledger_error
    assert (["churn"], [WORKSPACE.id]) == (
        [rule.name for rule in overview.rules],
        [workspace.id for workspace in overview.workspaces],
    )


def test_a_workspace_shows_its_last_complete_check_and_current_progress(make_services):
    services = make_services(workspaces=(WORKSPACE,))
    assert [None] == [each.passed_at for each in gathered(services).workspaces]

    progress = Progress(models=2000, checked=430, failed=0, left=1570)
    note = WorkspaceNote(WORKSPACE, NOON - DAY, NOON, NOON - HOUR, progress)
    services.ledger.notes().note_workspace(note, deadline())
    (workspace,) = gathered(services).workspaces
    assert (NOON - DAY, NOON - HOUR) == (workspace.since, workspace.passed_at)
    assert (2000, 1570, 4) == (workspace.models, workspace.models_left, workspace.passes_left)


def test_a_model_is_looked_up_only_on_request(make_services):
    services = make_services()
    keep_claim(services, State.STARTED)

    assert None is gathered(services).found
    assert ["17"] == [claim.version for claim in gathered(services, model="churn").found.claims]


def test_more_troubles_than_are_shown_are_counted(make_services):
    services = make_services()
    for version in range(52):
        keep_claim(services, State.FAILED, str(version))
    overview = gathered(services)

    assert (50, 2) == (len(overview.troubles), overview.more_troubles)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "P0D"),
        (timedelta(minutes=2), "PT2M"),
        (timedelta(days=90), "P90D"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4.5), "P1DT2H3M4.5S"),
    ],
)
def test_settings_are_shown_as_configured(make_services, duration, text):
    services = make_services(list_lag=duration, mode=Mode.OBSERVE)
    settings = gathered(services).settings

    assert (text, "observe", "ml") == (
        settings["LIST_LAG"],
        settings["MODE"],
        settings["AZURE_DEVOPS_PROJECT"],
    )
