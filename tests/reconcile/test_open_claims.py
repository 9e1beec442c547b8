"""Claims that no delivery has finished: looked up, tried again, closed or given up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from model_trigger.claims.claim import State
from model_trigger.rules.sources import RulesUnreadableError
from tests.support.build import deadline
from tests.support.trial import CHURN, LEASE, with_changes


def test_a_pending_claim_is_retried(settled):
    settled.azure_ml.register("churn", "17")
    settled.azure_devops.fault("error", verb="GET", path="/definitions/", status=503)

    assert [("churn", "17", "pending")] == settled.reconcile()
    assert [("churn", "17", "started")] == settled.reconcile()


def test_a_claim_whose_lease_expired_is_looked_up_and_found(settled):
    settled.azure_devops.list_lag = 3600
    settled.azure_devops.fault("close", commit=True)
    with pytest.raises(Exception, match="churn: "):
        settled.deliver("17")
    settled.azure_devops.list_lag = 0

    assert [("churn", "17", "started")] == settled.reconcile()
    assert ["17"] == settled.versions


def test_a_claim_whose_lease_expired_is_started_once_its_release_is_proven_absent(settled):
    settled.azure_devops.fault("error", status=500)
    with pytest.raises(Exception, match="churn: "):
        settled.deliver("17")

    assert [("churn", "17", "pending")] == settled.reconcile()
    settled.let_pass(LEASE * 3)
    assert [("churn", "17", "started")] == settled.reconcile()


def test_a_claim_that_is_being_started_is_left_alone(settled):
    settled.azure_devops.fault("error", status=500)
    with pytest.raises(Exception, match="churn: "):
        settled.deliver("17")
    starting = replace(settled.claim(), state=State.STARTING)
    settled.services.ledger.claims.write(CHURN, starting, None, deadline())

    assert [] == settled.reconcile()


def test_a_refused_start_is_retried_with_pauses_until_it_succeeds(settled):
    settled.azure_devops.fault("error", status=400, times=2)
    settled.deliver("17")

    assert [] == settled.reconcile()
    settled.let_pass(timedelta(minutes=6))
    assert [("churn", "17", "failed")] == settled.reconcile()
    settled.let_pass(timedelta(minutes=6))
    assert [] == settled.reconcile()
    settled.let_pass(timedelta(minutes=6))
    assert [("churn", "17", "started")] == settled.reconcile()


def test_a_refused_start_is_eventually_given_up(settled):
    settled.azure_devops.fault("error", status=400, times=None)
    settled.deliver("17")
    settled.let_pass(timedelta(days=2))

    assert [("churn", "17", "given_up")] == settled.reconcile()
    assert [] == settled.reconcile()
    assert "given up: Azure DevOps refused (HTTP 400): Something went wrong." == (
        settled.claim().reason
    )


def test_a_refused_start_is_retried_with_the_current_rule(settled):
    settled.with_rules(churn={"release": {"definition": 4711}}).deliver("17")
    settled.let_pass(timedelta(minutes=6))
    settled.with_rules(churn={"release": {"definition": 2}})

    assert [("churn", "17", "started")] == settled.reconcile()
    assert [2] == [each["releaseDefinition"]["id"] for each in settled.azure_devops.releases]


def test_a_superseded_refused_start_is_not_retried(settled):
    settled.azure_devops.fault("error", status=400)
    settled.deliver("17")
    settled.deliver("18")
    settled.let_pass(timedelta(minutes=6))

    assert [("churn", "17", "superseded")] == settled.reconcile()
    assert ["18"] == settled.versions


def test_a_refused_start_that_its_rule_no_longer_wants_is_closed(settled):
    settled.azure_devops.fault("error", status=400)
    settled.deliver("17")
    settled.let_pass(timedelta(minutes=6))
    settled.with_rules(churn={"version": ">=100"})

    assert [("churn", "17", "closed")] == settled.reconcile()
    reason = "the rule no longer matches it: version 17 is not in >=100"
    assert (State.CLOSED, reason) == (settled.claim().state, settled.claim().reason)


def test_an_unknown_start_is_looked_up_even_when_its_rule_is_gone(settled):
    settled.azure_devops.list_lag = 3600
    settled.azure_devops.fault("close", commit=True)
    with pytest.raises(Exception, match="churn: "):
        settled.deliver("17")
    settled.azure_devops.list_lag = 0
    settled.with_rules(other={"model": "x"})

    assert [("churn", "17", "started")] == settled.reconcile()


def test_an_unknown_start_that_cannot_be_looked_up_is_eventually_given_up(settled):
    settled.azure_devops.fault("error", status=500)
    settled.azure_devops.fault("error", verb="GET", path="/releases", status=403, times=None)
    with pytest.raises(Exception, match="churn: "):
        settled.deliver("17")
    settled.let_pass(timedelta(days=2))

    assert [("churn", "17", "failed")] == settled.reconcile()
    assert [("churn", "17", "given_up")] == settled.reconcile()
    assert f"check Azure DevOps for [model-trigger:{settled.claim().key}]" in settled.claim().reason


def test_a_broken_rule_leaves_its_claims_until_it_is_fixed(settled):
    settled.azure_devops.fault("error", status=400)
    settled.deliver("17")
    settled.let_pass(timedelta(minutes=6))
    settled.with_rules(churn={"start": "newst"})

    assert [] == settled.reconcile()
    settled.with_rules(churn={})
    assert [("churn", "17", "started")] == settled.reconcile()


def test_exactly_what_was_stored_for_a_broken_rule_starts_once_it_is_fixed(settled):
    settled.with_rules(churn={"start": "newst"})
    settled.azure_ml.register("churn", "16", created=datetime.now(UTC) - timedelta(days=20))
    settled.azure_ml.register("churn", "17")
    settled.deliver("17")
    settled.with_rules(churn={"version": ">=10"})

    assert [("churn", "17", "started")] == settled.reconcile()
    assert ["17"] == settled.versions


def test_what_was_stored_for_a_broken_rule_and_does_not_match_is_closed_once_it_is_fixed(settled):
    settled.with_rules(churn={"start": "newst"}).deliver("17")
    settled.with_rules(churn={"version": ">=100"})

    assert [("churn", "17", "closed")] == settled.reconcile()


def test_a_missed_registration_while_a_rule_was_broken_is_stored_and_started(settled):
    settled.with_rules(churn={"start": "newst"})
    settled.azure_ml.register("churn", "17")

    assert [("churn", "17", "failed")] == settled.reconcile()
    assert [] == settled.reconcile()
    settled.with_rules(churn={})
    assert [("churn", "17", "started")] == settled.reconcile()


def test_while_the_rules_are_invalid_only_lookups_are_made(settled):
    def unreadable():
        raise RulesUnreadableError

    settled.with_rules(churn={"start": "every"})
    settled.azure_devops.list_lag = 3600
    settled.azure_devops.fault("close", commit=True)
    with pytest.raises(Exception, match="churn: "):
        settled.deliver("17")
    settled.azure_devops.fault("error", status=400)
    settled.deliver("18")
    settled.azure_devops.list_lag = 0
    settled.services = with_changes(settled.services, rules=unreadable)
    with pytest.raises(RulesUnreadableError):
        settled.reconcile()

    assert [("17", "started")] == [(each["version"], each["outcome"]) for each in settled.decisions]
