"""What reconcile finishes, finds and deletes: real ledger, real clients, every fault."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.rules.sources import RulesUnreadableError
from tests.support.build import WORKSPACE, deadline
from tests.support.trial import CHURN, LEASE


def test_nothing_is_done_when_there_is_nothing_to_do(app):
    assert [] == app.reconcile()


def test_a_registration_whose_event_never_arrives_is_started_once(settled):
    settled.azure_ml.register("churn", "17")

    assert [("churn", "17", "started")] == settled.reconcile()
    assert [] == settled.reconcile()
    assert ["17"] == settled.versions


def test_a_registration_found_by_reconcile_says_so(settled):
    settled.azure_ml.register("churn", "17")
    settled.reconcile()

    assert ["reconcile"] == [each["source"] for each in settled.decisions]


def test_a_registration_started_by_an_event_is_not_started_again(settled):
    settled.azure_ml.register("churn", "17")
    settled.deliver("17")

    assert [] == settled.reconcile()
    assert ["17"] == settled.versions


def test_several_missed_registrations_are_started_in_order(settled):
    for version in ("9", "11", "10"):
        settled.azure_ml.register("churn", version)

    settled.reconcile()

    assert ["9", "10", "11"] == settled.versions


def test_a_missed_older_version_is_found_although_the_event_of_a_newer_one_arrived(settled):
    settled.with_rules(newer={}, every={"start": "every", "release": {"definition": 2}})
    settled.reconcile()
    settled.let_a_pass_be(timedelta(days=7))
    for version in ("17", "18"):
        settled.azure_ml.register("churn", version)
    settled.deliver("18")

    assert {("newer", "17", "superseded"), ("every", "17", "started")} == set(settled.reconcile())
    assert [] == settled.reconcile()


def test_a_registration_that_only_one_of_two_rules_has_is_started_by_the_other(settled):
    settled.with_rules(churn={}, other={"release": {"definition": 2}})
    settled.reconcile()
    settled.let_a_pass_be(timedelta(days=7))
    settled.azure_ml.register("churn", "17")
    replace(settled).with_rules(churn={}).deliver("17")
    settled.with_rules(churn={}, other={"release": {"definition": 2}})

    assert [("other", "17", "started")] == settled.reconcile()


def test_what_was_registered_during_a_long_outage_is_found(settled):
    settled.azure_ml.register("churn", "17", created=datetime.now(UTC) - timedelta(days=5))

    assert [("churn", "17", "started")] == settled.reconcile()


def test_registrations_before_the_last_pass_and_the_lookback_are_ignored(settled):
    settled.azure_ml.register("churn", "17", created=datetime.now(UTC) - timedelta(days=3))
    settled.let_a_pass_be(timedelta(days=-6))

    assert [] == settled.reconcile()


def test_an_archived_version_is_not_started(settled):
    settled.azure_ml.register("churn", "17")
    settled.azure_ml.archive("churn", "17")

    assert [] == settled.reconcile()


def test_a_first_deployment_starts_nothing_that_was_registered_before(app):
    app.register_before("churn", "17")

    assert [] == app.reconcile()
    assert [] == app.reconcile()
    assert [] == app.versions


def test_a_new_rule_gets_its_mark_from_the_versions_that_exist(app):
    for version in ("9", "17", "10"):
        app.register_before("churn", version)
    app.reconcile()
    app.deliver("16")

    assert [("churn", "16", "superseded")] == [
        (each["rule"], each["version"], each["outcome"]) for each in app.decisions
    ]


def test_a_new_rule_starts_nothing_that_was_registered_before_it(settled):
    settled.register_before("fraud", "5")
    settled.reconcile()
    settled.with_rules(churn={}, fraud={"model": "fraud", "release": {"definition": 2}})

    assert [] == settled.reconcile()
    assert [] == settled.versions


def test_a_rule_whose_filter_changes_starts_nothing_that_was_registered_before(settled):
    settled.with_rules(churn={"version": ">=100"})
    settled.reconcile()
    settled.register_before("churn", "17")
    settled.reconcile()
    settled.with_rules(churn={"version": ">=10"})

    assert [] == settled.reconcile()


def test_a_rule_that_changes_its_target_continues_as_before(settled):
    settled.azure_ml.register("churn", "17")
    settled.with_rules(churn={"release": {"definition": 2}})

    assert [("churn", "17", "started")] == settled.reconcile()


def test_one_list_call_is_made_when_nothing_is_new(settled):
    settled.azure_ml.register("churn", "17", created=datetime.now(UTC) - timedelta(minutes=11))
    settled.reconcile()
    before = len(settled.azure_ml.requests)
    settled.reconcile()

    assert 1 == len(settled.azure_ml.requests) - before


def test_a_version_that_its_list_shows_late_is_found(settled):
    settled.azure_ml.list_lag = 3600
    settled.azure_ml.register("churn", "17")

    assert [] == settled.reconcile()
    settled.azure_ml.show_all()
    assert [("churn", "17", "started")] == settled.reconcile()


def test_a_model_that_is_deleted_meanwhile_stops_no_other(settled):
    settled.with_rules(churn={"model": "churn*"})
    settled.reconcile()
    settled.let_a_pass_be(timedelta(days=7))
    settled.azure_ml.register("churn", "17")
    settled.azure_ml.register("churn-2", "2")
    settled.azure_ml.fault("error", verb="GET", path="churn/versions", status=404)
    settled.reconcile()

    assert "does not find the versions of model 'churn'" in settled.caplog.text
    assert ["2"] == settled.versions


def test_a_pending_claim_is_retried(settled):
    settled.azure_ml.register("churn", "17")
    settled.azure_devops.fault("error", verb="GET", path="/definitions/", status=503)

    assert [("churn", "17", "pending")] == settled.reconcile()
    assert [("churn", "17", "started")] == settled.reconcile()


def test_a_workspace_without_permission_is_reported_and_stops_nothing_else(app):
    app.azure_ml.fault("error", verb="GET", status=403)
    app.reconcile()

    (reported,) = [each for each in app.caplog.records if "not allowed to list" in each.message]
    assert "ERROR" == reported.levelname


def test_a_listing_that_fails_midway_is_repeated(settled):
    settled.azure_ml.register("churn", "17")
    settled.azure_ml.fault("error", verb="GET", path="/versions", status=500, times=3)

    assert [] == settled.reconcile()
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
    settled.services.ledger.write(CHURN, starting, None, deadline())

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
    reason = "the rule no longer wants it: version 17 is not in >=100"
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
    assert f"look for [model-trigger:{settled.claim().key}]" in settled.claim().reason


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
    settled.services = replace(settled.services, rules=unreadable)
    with pytest.raises(RulesUnreadableError):
        settled.reconcile()

    assert [("17", "started")] == [(each["version"], each["outcome"]) for each in settled.decisions]


def test_decisions_are_removed_when_they_are_old_enough(app):
    for days in (89, 91, 200):
        at = datetime.now(UTC) - timedelta(days=days)
        app.services.ledger.record(Decision(Outcome.REJECTED, str(days)), 0, at, deadline())
    app.reconcile()

    assert ["89"] == [row["reason"] for row in app.services.ledger.decisions.list_entities()]


def test_claims_and_marks_never_expire(app):
    app.deliver("17")
    app.let_pass(timedelta(days=2000))
    app.reconcile()

    assert State.STARTED == app.claim().state


def test_latest_starts_when_no_newer_version_is_registered(settled):
    settled.with_rules(churn={"start": "latest"})
    settled.azure_ml.register("churn", "17")
    settled.azure_ml.register("churn", "18")
    settled.deliver("17")
    settled.deliver("18")

    assert ["18"] == settled.versions
    assert "version 18 is registered in the workspace, and is newer" == settled.claim("17").reason


def test_latest_ignores_newer_versions_that_the_rule_does_not_match(settled):
    settled.with_rules(churn={"start": "latest", "tags": {"stage": "prod"}})
    settled.azure_ml.register("churn", "17", tags={"stage": "prod"})
    settled.azure_ml.register("churn", "18")
    settled.azure_ml.register("churn", "19", tags={"stage": "prod"})
    settled.azure_ml.archive("churn", "19")
    settled.deliver("17", tags={"stage": "prod"})

    assert ["17"] == settled.versions


def test_latest_is_pending_while_the_workspace_cannot_be_listed(settled):
    settled.with_rules(churn={"start": "latest"})
    settled.azure_ml.fault("error", verb="GET", status=500, times=None)
    with pytest.raises(Exception, match="churn: could not list"):
        settled.deliver("17")

    assert State.WAITING == settled.claim().state


def test_latest_without_permission_to_list_needs_a_person(settled):
    settled.with_rules(churn={"start": "latest"})
    settled.azure_ml.fault("error", verb="GET", status=403)
    settled.deliver("17")

    assert State.FAILED == settled.claim().state
    assert "not allowed to list" in settled.claim().reason


def test_ledger_rows_that_are_not_claims_are_left_alone(settled):
    settled.azure_ml.register("churn", "17")
    settled.reconcile()
    memory = settled.services.ledger.memory(WORKSPACE, deadline())

    assert (["churn"], ["churn"]) == (list(memory.rules), list(memory.models))
