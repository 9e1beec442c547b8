"""Registrations whose events never arrived: found, started once, in their order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta


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

    assert "did not find the versions of model 'churn'" in settled.caplog.text
    assert ["2"] == settled.versions


def test_a_workspace_without_permission_is_reported_and_stops_nothing_else(app):
    app.azure_ml.fault("error", verb="GET", status=403)
    app.reconcile()

    (logged,) = [each for each in app.caplog.records if "not allowed to list" in each.message]
    assert "ERROR" == logged.levelname


def test_a_listing_that_fails_midway_is_repeated(settled):
    settled.azure_ml.register("churn", "17")
    settled.azure_ml.fault("error", verb="GET", path="/versions", status=500, times=3)

    assert [] == settled.reconcile()
    assert [("churn", "17", "started")] == settled.reconcile()
