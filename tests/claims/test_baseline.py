"""What was there before a rule, or before it returned, starts nothing."""

from datetime import timedelta

import pytest

from model_trigger.claims import transitions
from model_trigger.claims.claim import Done
from model_trigger.decisions.decision import Outcome
from model_trigger.handlers import DeliverAgainError
from tests.support.build import OTHER, WORKSPACE, deadline
from tests.support.trial import CHURN, find_missed, with_changes


def test_the_first_delivery_of_a_new_rule_is_not_its_baseline(app):
    app.azure_devops.fault("error", verb="GET", status=503, times=None)
    app.register_before("churn", "17")
    with pytest.raises(DeliverAgainError):
        app.deliver("17")
    app.azure_devops.clear_faults()
    app.reconcile()

    assert ["17"] == app.versions


def test_the_baseline_itself_starts_when_its_event_arrives_but_older_versions_do_not(app):
    app.register_before("churn", "16")
    app.register_before("churn", "17")
    app.reconcile()
    for version in ("16", "17"):
        app.deliver(version)

    assert ["17"] == app.versions


def test_a_rule_has_a_baseline_in_each_workspace_since_that_was_added(settled):
    settled.services = with_changes(settled.services, workspaces=[OTHER])
    settled.azure_ml.fault("error", verb="GET", status=403, times=None)
    settled.reconcile()
    settled.azure_ml.clear_faults()
    settled.register_before("churn", "17")
    settled.services = with_changes(settled.services, workspaces=[WORKSPACE])
    settled.reconcile()

    assert (
        "17" == settled.services.ledger.claims.read(CHURN, "17", deadline()).mark.baseline.version
    )
    assert [] == settled.versions


def test_what_was_stored_for_a_new_broken_rule_is_not_its_baseline(settled):
    settled.with_rules(fresh={"model": "new-*", "start": "newst"}).reconcile()
    for version in ("1", "2"):
        settled.register_before("new-eu", version)
    settled.deliver("1", model="new-eu")
    settled.with_rules(fresh={"model": "new-*"})
    settled.azure_devops.fault("error", verb="GET", path="definitions", status=503, times=None)
    settled.reconcile()
    settled.azure_devops.clear_faults()
    settled.reconcile()

    assert ["1"] == settled.versions


def test_the_second_in_which_a_rule_became_known_belongs_to_its_baseline(app):
    app.reconcile()
    since = app.services.ledger.notes().memory(WORKSPACE, deadline()).rules["churn"].since
    app.azure_ml.register("churn", "17", created=since + timedelta(milliseconds=900))
    app.reconcile()

    assert [] == app.versions
    app.deliver("17")
    assert Outcome.STARTED == app.decisions[-1]["outcome"]


def test_a_rule_whose_ordering_changes_starts_nothing_older_than_what_existed(settled):
    for version in ("16", "17"):
        settled.register_before("churn", version)
    settled.with_rules(fresh={}).reconcile()
    settled.azure_ml.register("churn", "18", tags={"build": "9"})
    settled.with_rules(fresh={"version_from": "tag:build"})
    settled.let_a_pass_be(timedelta(minutes=5))
    settled.reconcile()
    settled.deliver("17", tags={"build": "8"})

    assert ["superseded"] == [each["outcome"] for each in settled.decisions]
    assert [] == settled.versions


def test_a_returning_rule_has_a_baseline_as_well_as_its_mark(settled):
    settled.azure_ml.register("churn", "10")
    settled.deliver("10")
    settled.with_rules(other={"model": "x"}).reconcile()
    for version in ("11", "12"):
        settled.register_before("churn", version)
    settled.with_rules(churn={}).reconcile()
    for version in ("11", "12"):
        settled.deliver(version)

    assert ["10", "12"] == settled.versions


def test_a_baseline_holds_after_an_older_stored_version_has_started(settled):
    settled.with_rules(fresh={"start": "newst"}).reconcile()
    settled.deliver("9")
    for version in ("12", "17"):
        settled.register_before("churn", version)
    settled.with_rules(fresh={})
    list(find_missed(settled.services.rules(), settled.services, deadline(100)))
    settled.reconcile()
    settled.deliver("12")

    assert ["9"] == settled.versions


def refuse_a_newer(churn):
    """Leave 5 closed: it was refused, and then the rule no longer wanted it."""
    churn.azure_devops.fault("error", status=400)
    churn.start("5", tags={"build": "9"}, version_from="tag:build")
    claim = churn.snapshot("5").claim
    closed = transitions.settled(claim, Done(Outcome.CLOSED, "the rule no longer matches it"))
    churn.services.ledger.claims.write(churn.partition, closed, None, deadline())


def supersede_a_newer(churn):
    """Leave 5 superseded by 17, under another ordering."""
    churn.start("5", tags={"build": "9"})


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(supersede_a_newer, id="superseded"),
        pytest.param(refuse_a_newer, id="closed"),
    ],
)
def test_a_version_that_never_started_supersedes_nothing_under_another_ordering(churn, leave):
    churn.start("17", tags={"build": "1"})
    leave(churn)
    churn.start("6", tags={"build": "0"})
    done = churn.start("18", tags={"build": "2"}, version_from="tag:build")

    assert Outcome.STARTED is done.outcome
