"""What reconcile remembers from pass to pass, and who is not asked again, as values."""

from datetime import timedelta

import pytest

from model_trigger.claims.claim import Baseline
from model_trigger.reconcile.progress import (
    SETTLING,
    Memory,
    ModelNote,
    Pass,
    Progress,
    RuleNote,
    WorkspaceNote,
    baseline_of,
    noted,
)
from model_trigger.registrations.listing import ModelSummary
from tests.support.build import NOON, WORKSPACE, registration, rule, rulebook

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULE, CHANGED = rule(), rule(version=">=10")
BROKEN = rulebook(churn={"start": "newst"}).broken["churn"]
CHURN = ModelSummary("churn", "17", NOON)
MADE = NOON - 10 * DAY
LOOKED = WorkspaceNote(WORKSPACE, since=MADE, looked_at=NOON - HOUR)
ORGANIZATION, ELSEWHERE = "https://dev.azure.com/contoso", "https://dev.azure.com/fabrikam"


@pytest.mark.parametrize(
    ("progress", "passes"),
    [
        pytest.param(Progress(9, 9, 0, 0), 0, id="all are checked"),
        pytest.param(Progress(9, 0, 0, 0), 0, id="none has changed"),
        pytest.param(Progress(9, 3, 0, 6), 2, id="as many again and again"),
        pytest.param(Progress(9, 4, 0, 5), 2, id="a rest"),
        pytest.param(Progress(9, 8, 1, 0), 0, id="one could not be: time alone does not help"),
        pytest.param(Progress(9, 0, 3, 6), None, id="got nowhere"),
    ],
)
def test_more_passes_are_announced_only_for_what_there_was_no_time_for(progress, passes):
    assert passes == progress.passes_left


def since(selectors, moment, broken_since=None):
    return RuleNote(selectors, moment, broken_since)


@pytest.mark.parametrize(
    ("present", "before", "workspace", "after"),
    [
        pytest.param(RULE, None, LOOKED, since(RULE.selectors, NOON), id="a new rule"),
        pytest.param(
            RULE,
            since(RULE.selectors, MADE),
            LOOKED,
            since(RULE.selectors, MADE),
            id="as before",
        ),
        pytest.param(
            CHANGED,
            since(RULE.selectors, MADE),
            LOOKED,
            since(CHANGED.selectors, NOON),
            id="selects otherwise",
        ),
        pytest.param(
            RULE,
            since(RULE.selectors, MADE - DAY),
            LOOKED,
            since(RULE.selectors, NOON),
            id="noted before the workspace was removed and added again",
        ),
        pytest.param(BROKEN, None, LOOKED, since("", NOON, NOON), id="new, and broken"),
        pytest.param(
            BROKEN,
            since(RULE.selectors, MADE),
            LOOKED,
            since(RULE.selectors, MADE, NOON - HOUR),
            id="broken since the last look, at which it was valid",
        ),
        pytest.param(
            BROKEN,
            since(RULE.selectors, MADE),
            WorkspaceNote(WORKSPACE, since=MADE),
            since(RULE.selectors, MADE, NOON),
            id="broken, and never looked at before",
        ),
        pytest.param(
            BROKEN,
            since(RULE.selectors, MADE, NOON - DAY),
            LOOKED,
            since(RULE.selectors, MADE, NOON - DAY),
            id="still broken",
        ),
        pytest.param(
            RULE,
            since(RULE.selectors, MADE, NOON - DAY),
            LOOKED,
            since(RULE.selectors, MADE),
            id="fixed, and selects as before it broke",
        ),
        pytest.param(
            CHANGED,
            since(RULE.selectors, MADE, NOON - DAY),
            LOOKED,
            since(CHANGED.selectors, NOON),
            id="fixed, and selects otherwise",
        ),
    ],
)
def test_since_when_a_rule_selects_as_it_does_is_noted(present, before, workspace, after):
    assert after == noted(present, before, workspace, NOON)


def a_pass(broken_since=None, listed_at=None):
    """Make a pass at noon; rule and workspace are ten days old."""
    models = {"churn": ModelNote(CHURN, listed_at, listed_at, listed_at)} if listed_at else {}
    memory = Memory({"churn": since(RULE.selectors, MADE, broken_since)}, models)
    return Pass(memory.rules, memory.models, NOON, DAY)


@pytest.mark.parametrize(
    ("this", "registered_at", "may_be"),
    [
        pytest.param(a_pass(), None, False, id="at no known time"),
        pytest.param(a_pass(), MADE + timedelta(seconds=1), False, id="in the rule's own second"),
        pytest.param(a_pass(), MADE + MINUTE, True, id="in a model that was never listed"),
        pytest.param(a_pass(listed_at=NOON - HOUR), NOON - 23 * HOUR, True, id="in the lookback"),
        pytest.param(a_pass(listed_at=NOON - HOUR), NOON - 25 * HOUR, False, id="before it"),
        pytest.param(a_pass(listed_at=NOON - 5 * DAY), NOON - 4 * DAY, True, id="in an outage"),
        pytest.param(
            a_pass(NOON - HOUR, NOON - 2 * HOUR), NOON - MINUTE, True, id="while the rule is broken"
        ),
        pytest.param(
            a_pass(NOON - HOUR, NOON - 2 * HOUR), NOON - 3 * HOUR, False, id="before it broke"
        ),
        pytest.param(
            a_pass(NOON - 5 * DAY, NOON - HOUR),
            NOON - 4 * DAY,
            False,
            id="while it is broken, but long ago",
        ),
    ],
)
def test_a_registration_may_have_been_missed(this, registered_at, may_be):
    assert may_be is this.may_be_missing("churn", registration(registered_at=registered_at))


def test_a_model_that_cannot_be_listed_comes_after_the_others_and_is_as_unknown_as_before():
    never, once = a_pass(), a_pass(listed_at=NOON - HOUR)
    others = [each.tried(CHURN) for each in (never, once)]

    assert [NOON, NOON] == [note.tried_at for note in others]
    assert [never.listed_at("churn"), NOON - HOUR] == [note.listed_at for note in others]


def test_a_model_that_could_not_be_listed_at_first_settles_when_its_list_lags():
    tried = a_pass(listed_at=None).tried(CHURN)
    after = Pass({"churn": RuleNote(RULE.selectors, MADE)}, {"churn": tried}, NOON, DAY)

    assert NOON + SETTLING == after.noted(CHURN, []).settles_at


def test_a_model_is_listed_again_until_its_newest_version_has_settled():
    note = a_pass().noted(CHURN, [registration("17", registered_at=NOON - MINUTE)])
    later = Pass({"churn": since(RULE.selectors, MADE)}, {"churn": note}, NOON + MINUTE, DAY)

    assert NOON - MINUTE + SETTLING == note.settles_at
    assert later.must_list(CHURN, [RULE])


def test_a_baseline_is_the_newest_version_that_its_rule_would_want():
    found = [registration(version) for version in ("9", "17", "101", "10")]
    selective = rule(version="<100")

    assert Baseline("17", "17", selective.ordering) == baseline_of(
        (selective.evaluate(one), one) for one in found
    )
    assert baseline_of([(CHANGED.evaluate(one), one) for one in found[:1]]) is None
