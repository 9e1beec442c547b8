"""What reconcile finishes, finds and deletes: real ledger, real clients, every fault."""

from datetime import UTC, datetime, timedelta

import pytest

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Decision, Outcome
from tests.support.build import WORKSPACE, deadline


def test_nothing_is_done_when_there_is_nothing_to_do(app):
    assert [] == app.reconcile()


def test_decisions_are_removed_when_they_are_old_enough(app):
    for days in (89, 91, 200):
        at = datetime.now(UTC) - timedelta(days=days)
        app.services.ledger.decisions.record(
            Decision(Outcome.REJECTED, str(days)), 0, at, deadline()
        )
    app.reconcile()

    assert ["89"] == [
        row["reason"] for row in app.services.ledger.decisions.table.client.list_entities()
    ]


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
    assert "version 18 is registered in the workspace and is newer" == settled.claim("17").reason


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
    memory = settled.services.ledger.notes().memory(WORKSPACE, deadline())

    assert (["churn"], ["churn"]) == (list(memory.rules), list(memory.models))
