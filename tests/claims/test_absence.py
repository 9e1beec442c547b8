"""Rules and workspaces that break, are switched off or removed, and return."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from model_trigger.claims.claim import State
from model_trigger.handlers import DeliverAgainError
from model_trigger.rules.fields import Mode
from tests.support.build import OTHER, WORKSPACE, rulebook
from tests.support.trial import CHURN, LEASE, with_changes

DAY = timedelta(days=1)


def refuse_once(settled):
    settled.azure_devops.fault("error", status=400)
    settled.deliver("17")
    settled.let_pass(timedelta(minutes=6))


def lose_the_answer(settled, **fault):
    settled.azure_devops.fault("error", status=500, **fault)
    with pytest.raises(DeliverAgainError):
        settled.deliver("17")


def throttle_once(settled):
    settled.azure_devops.fault("error", status=429, retry_after=1)
    with pytest.raises(DeliverAgainError):
        settled.deliver("17")
    settled.let_pass(timedelta(minutes=1))


def test_a_returning_rule_starts_nothing_from_its_absence(settled):
    settled.with_rules(other={"model": "x"}).reconcile()
    settled.azure_ml.register("churn", "17")
    settled.deliver("17")
    settled.reconcile()
    settled.with_rules(churn={}).reconcile()

    assert [] == settled.versions


def test_a_returning_workspace_starts_nothing_from_its_absence(settled):
    settled.services = with_changes(settled.services, workspaces=[])
    for days, version in ((6, "17"), (3, "18")):
        settled.azure_ml.register("churn", version, created=datetime.now(UTC) - days * DAY)
    settled.reconcile()
    settled.services = with_changes(settled.services, workspaces=[WORKSPACE])
    settled.reconcile()

    assert [] == settled.versions


def test_an_outage_is_not_an_absence(settled):
    settled.azure_ml.register("churn", "17", created=datetime.now(UTC) - 6 * DAY)

    assert [("churn", "17", "started")] == settled.reconcile()


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"other": {"model": "x"}}, id="the rule is absent"),
        pytest.param({"churn": {"mode": Mode.OFF}}, id="the rule is off"),
        pytest.param({"churn": {"mode": Mode.OBSERVE}}, id="the rule observes"),
    ],
)
@pytest.mark.parametrize(
    ("hinder", "state"),
    [
        pytest.param(refuse_once, State.FAILED, id="refused"),
        pytest.param(throttle_once, State.WAITING, id="waiting"),
    ],
)
def test_an_open_claim_waits_during_the_absence_and_starts_afterwards(
    settled, rules, hinder, state
):
    hinder(settled)
    settled.with_rules(**rules)

    assert [] == settled.reconcile()
    assert state is settled.claim().state
    settled.with_rules(churn={})
    assert [("churn", "17", "started")] == settled.reconcile()


def test_switching_the_app_off_loses_no_waiting_claim(settled):
    throttle_once(settled)
    settled.services = with_changes(settled.services, rules=partial(rulebook, Mode.OFF, churn={}))

    assert [] == settled.reconcile()
    settled.with_rules(churn={}).deliver("17")
    assert ["17"] == settled.versions


def test_claims_of_a_removed_workspace_are_left_alone(settled):
    refuse_once(settled)
    settled.services = with_changes(settled.services, workspaces=[OTHER])
    settled.azure_ml.fault("error", verb="GET", status=403, times=None)

    assert [] == settled.reconcile()
    assert State.FAILED is settled.claim().state


def test_a_claim_is_closed_after_a_long_absence_of_its_rule(settled):
    refuse_once(settled)
    settled.with_rules(other={"model": "x"})
    settled.reconcile()
    settled.let_pass(DAY - timedelta(minutes=1))
    assert [] == settled.reconcile()
    settled.let_pass(timedelta(minutes=2))

    assert [("churn", "17", "closed")] == settled.reconcile()
    assert settled.claim().reason.startswith("rule 'churn' has been absent since 20")


def test_a_past_absence_does_not_count_towards_the_next_one(settled):
    refuse_once(settled)
    settled.with_rules(other={"model": "x"}).reconcile()
    settled.let_pass(2 * DAY)
    settled.services = with_changes(settled.services, retry_for=10 * DAY)
    settled.azure_devops.fault("error", status=400)
    settled.with_rules(churn={}).reconcile()
    settled.services = with_changes(settled.services, retry_for=DAY)
    settled.let_pass(timedelta(hours=2))

    assert [] == settled.with_rules(other={"model": "x"}).reconcile()


def test_an_unknown_start_is_looked_up_while_its_rule_is_absent_and_never_sent_again(settled):
    lose_the_answer(settled)
    settled.with_rules(other={"model": "x"})

    assert [("churn", "17", "pending")] == settled.reconcile()
    settled.let_pass(LEASE * 3)
    assert [] == settled.reconcile()
    assert (State.WAITING, []) == (settled.claim().state, settled.versions)


def test_a_claim_is_never_closed_while_its_release_is_being_looked_up(settled):
    settled.azure_devops.list_lag = 3600
    lose_the_answer(settled, commit=True)
    settled.with_rules(churn={"version": ">=100"})
    real = settled.services.ledger.claims

    class Meanwhile:
        """Another instance, which still has the earlier rule, writes to the claim."""

        def __getattr__(self, name):
            return getattr(real, name)

        def open_claims(self, limit):
            found = real.open_claims(limit)
            claim = settled.claim()
            real.write(CHURN, replace(claim, reason="looked up meanwhile"), None, limit)
            return found

    settled.services = with_changes(settled.services, claims=Meanwhile())
    settled.reconcile()
    assert State.UNKNOWN is settled.claim().state
    settled.services = with_changes(settled.services, claims=real)
    settled.azure_devops.list_lag = 0
    settled.reconcile()

    assert State.STARTED is settled.claim().state


def test_what_was_stored_for_a_broken_rule_is_observed_if_the_fixed_rule_observes(settled):
    settled.with_rules(churn={"mode": "observe", "start": "newst"}).deliver("17")
    settled.with_rules(churn={"mode": "observe"})

    assert [("churn", "17", "observed")] == settled.reconcile()
    assert State.CLOSED is settled.claim().state
    settled.with_rules(churn={})
    assert [] == settled.reconcile()
    assert [] == settled.versions


def test_stored_registrations_in_any_order_never_step_back(settled):
    settled.with_rules(churn={"start": "newst"})
    for version in ("18", "16", "17"):
        settled.deliver(version)
    for version in ("16", "17", "18", "19"):
        settled.register_before("churn", version)
    settled.with_rules(churn={"version": ">=1"}).reconcile()
    settled.reconcile()

    assert sorted(settled.versions) == settled.versions
    assert "18" == settled.versions[-1]


def test_an_unknown_start_is_given_up_only_long_after_its_last_post(settled):
    settled.azure_devops.fault("error", status=400)
    settled.deliver("17")
    settled.let_pass(timedelta(hours=23, minutes=58))
    settled.azure_devops.list_lag = 3600
    settled.azure_devops.fault("error", status=500, commit=True)
    settled.reconcile()
    settled.let_pass(timedelta(minutes=3))

    assert [("churn", "17", "pending")] == settled.reconcile()
    settled.azure_devops.list_lag = 0
    assert [("churn", "17", "started")] == settled.reconcile()


def test_what_was_observed_before_the_rule_broke_never_starts(settled):
    settled.with_rules(churn={"mode": "observe"}).reconcile()
    settled.let_a_pass_be(7 * DAY)
    settled.azure_ml.register("churn", "17")
    settled.deliver("17")
    settled.with_rules(churn={"mode": "Live!"}).reconcile()
    settled.deliver("17")
    settled.with_rules(churn={"mode": "live"}).reconcile()

    assert [] == settled.versions


@pytest.mark.parametrize(
    "has_event",
    [pytest.param(True, id="its event came"), pytest.param(False, id="its event never came")],
)
def test_only_registrations_from_while_the_rule_was_broken_are_evaluated(settled, has_event):
    settled.with_rules(churn={"version": ">=100"}).reconcile()
    settled.let_a_pass_be(7 * DAY)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    settled.azure_ml.register("churn", "17", created=hour_ago)
    settled.reconcile()
    settled.with_rules(churn={"version": ">=1O"})
    settled.let_a_pass_be(timedelta(minutes=5))
    settled.azure_ml.register("churn", "18")
    if has_event:
        settled.deliver("18")
    settled.reconcile()
    settled.with_rules(churn={"version": ">=10"}).reconcile()

    assert ["18"] == settled.versions


def test_an_absence_ends_even_if_the_rule_returns_broken(settled):
    refuse_once(settled)
    settled.with_rules(other={"model": "x"}).reconcile()
    settled.with_rules(churn={"start": "newst"}).reconcile()
    settled.let_pass(2 * DAY)
    settled.with_rules(other={"model": "x"}).reconcile()

    assert State.FAILED is settled.claim().state


def test_after_a_long_downtime_one_fault_does_not_give_up_a_claim(settled):
    lose_the_answer(settled)
    settled.let_pass(2 * DAY)
    settled.azure_devops.fault("error", verb="GET", status=503)

    assert [("churn", "17", "pending")] == settled.reconcile()
    assert [("churn", "17", "started")] == settled.reconcile()


def test_without_retries_an_unknown_start_is_looked_up_once_before_it_is_given_up(settled):
    settled.services = with_changes(settled.services, retry_for=timedelta(0))
    lose_the_answer(settled)
    settled.let_pass(LEASE * 2)
    settled.reconcile()
    settled.let_pass(timedelta(minutes=1))
    settled.reconcile()

    assert ["17"] == settled.versions


def test_a_claim_given_up_after_refusals_owns_no_run(settled):
    settled.azure_devops.fault("error", status=400, times=None)
    settled.deliver("17")
    settled.let_pass(2 * DAY)
    settled.reconcile()

    assert (State.GIVEN_UP, None) == (settled.claim().state, settled.claim().request)
