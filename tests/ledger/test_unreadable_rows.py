"""One row that is unreadable, or written by the first version, does not stop the others."""

from datetime import timedelta

import pytest
from azure.data.tables import UpdateMode

from model_trigger.claims.claim import Partition
from model_trigger.decisions.decision import Outcome
from model_trigger.handlers import DeliverAgainError, status_page
from model_trigger.ledger.claims import claim_key, partition_key
from model_trigger.ledger.notes import WORKSPACES_KEY, workspace_key
from tests.support.build import NOON, OTHER, WORKSPACE, deadline, registration, rule
from tests.support.organization import KEYLESS, stand_in
from tests.support.trial import CHURN

FRAUD = Partition("fraud", WORKSPACE, "fraud")
UNREADABLE = [
    pytest.param({"registration": "{"}, id="its registration is truncated"),
    pytest.param({"workspace": "nonsense"}, id="its workspace is invalid"),
    pytest.param({"claimed_at": None}, id="it has no time"),
    pytest.param({"attempts": None}, id="it has no number of attempts"),
]
# The first version had no `tried_at`, and `post_until` instead of today's `lease_until`.
FIRST = {"tried_at": None, "post_until": NOON}


def change(ledger, partition, row, **columns):
    """Change columns of a row; None removes one."""
    entity = {**ledger.claims.table.client.get_entity(partition, row), **columns}
    kept = {name: value for name, value in entity.items() if value is not None}
    ledger.claims.table.client.update_entity(kept, UpdateMode.REPLACE)


def change_claim(ledger, partition=CHURN, **columns):
    change(ledger, partition_key(partition), claim_key("17"), **columns)


def throttle(settled, model):
    """Leave a waiting claim of this model."""
    settled.azure_devops.fault("error", status=429, retry_after=1)
    with pytest.raises(DeliverAgainError):
        settled.deliver("17", model=model)
    settled.let_pass(timedelta(minutes=1), partition=Partition(model, WORKSPACE, model))


@pytest.mark.parametrize("columns", UNREADABLE)
def test_an_unreadable_claim_stops_no_other_and_no_missed_registration(settled, columns):
    settled.with_rules(churn={}, fraud={"model": "fraud"}).reconcile()
    settled.let_a_pass_be(timedelta(days=7))
    throttle(settled, "churn")
    throttle(settled, "fraud")
    change_claim(settled.services.ledger, **columns)
    settled.azure_ml.register("fraud", "18")

    assert {("fraud", "17", "started"), ("fraud", "18", "started")} == set(settled.reconcile())
    assert "and RowKey 'claim|17' cannot be read" in settled.caplog.text


@pytest.mark.parametrize("columns", UNREADABLE)
def test_an_unreadable_claim_hides_no_other_on_the_page(settled, columns):
    settled.with_rules(churn={}, fraud={"model": "fraud"})
    throttle(settled, "churn")
    throttle(settled, "fraud")
    change_claim(settled.services.ledger, **columns)
    answer = status_page({}, "application/json", lambda: settled.services)

    assert 200 == answer.status
    assert '"fraud"' in answer.body


def test_an_unreadable_claim_does_not_stop_another_rule(settled):
    settled.with_rules(a={}, b={"release": {"definition": 2}})
    throttled = Partition("a", WORKSPACE, "churn")
    settled.azure_devops.fault("error", status=429, retry_after=1)
    settled.azure_devops.fault("error", status=429, retry_after=1)
    with pytest.raises(DeliverAgainError):
        settled.deliver("17")
    settled.let_pass(timedelta(minutes=1), partition=Partition("b", WORKSPACE, "churn"))
    change_claim(settled.services.ledger, throttled, registration="{")
    settled.caplog.clear()
    with pytest.raises(DeliverAgainError, match=r"^a: the row with .* cannot be read"):
        settled.deliver("17")

    assert [("a", "pending"), ("b", "started")] == [
        (each["rule"], each["outcome"]) for each in settled.decisions
    ]


def test_a_run_is_not_taken_while_an_unreadable_claim_may_own_it(make_services):
    with stand_in(KEYLESS) as azure_devops:
        services = make_services(organization_url=azure_devops.url)
        one = registration()
        evaluations = [
            rule(name, release=None, pipeline={"id": KEYLESS.id}).evaluate(one)
            for name in ("mine", "theirs")
        ]
        azure_devops.fault("error", verb="POST", path="runs", status=500)
        outcomes = [
            services.starter.start(evaluation, one, deadline()).outcome
            for evaluation in evaluations
        ]
        change_claim(services.ledger, Partition("theirs", WORKSPACE, "churn"), registration="{")
        looked_up = services.starter.start(evaluations[0], one, deadline())

    assert [Outcome.PENDING, Outcome.STARTED] == outcomes
    assert Outcome.PENDING is looked_up.outcome
    assert "cannot be read" in looked_up.reason


@pytest.mark.parametrize(
    "workspace",
    [pytest.param(WORKSPACE, id="itself"), pytest.param(OTHER, id="one that was removed")],
)
def test_an_unreadable_note_on_a_workspace_stops_no_workspace(settled, workspace):
    settled.services.ledger.claims.table.client.upsert_entity(
        {
            "PartitionKey": WORKSPACES_KEY,
            "RowKey": workspace_key(workspace),
            "workspace": workspace.id,
        },
        UpdateMode.REPLACE,
    )
    settled.reconcile()
    settled.let_a_pass_be(timedelta(days=7))
    settled.azure_ml.register("churn", "17")

    assert [("churn", "17", "started")] == settled.reconcile()


@pytest.mark.parametrize("kind", ["rule", "model"])
def test_an_unreadable_note_on_a_rule_or_a_model_stops_nothing(settled, kind):
    settled.register_before("churn", "16")
    settled.reconcile()
    ledger, partition = settled.services.ledger, workspace_key(WORKSPACE)
    (note,) = ledger.claims.table.client.query_entities(
        f"PartitionKey eq @partition and {kind} eq 'churn'", parameters={"partition": partition}
    )
    change(ledger, partition, note["RowKey"], since=None, listed_at=None)
    settled.reconcile()
    settled.let_a_pass_be(timedelta(minutes=5))
    settled.azure_ml.register("churn", "17")

    assert [("churn", "17", "started")] == settled.reconcile()


def test_an_unreadable_decision_hides_no_other_on_the_page(settled):
    settled.deliver("17")
    settled.deliver("17", model="fraud")
    ledger = settled.services.ledger
    (row,) = ledger.decisions.table.client.query_entities("model eq 'churn'")
    ledger.decisions.table.client.update_entity({**row, "clauses": "["}, UpdateMode.REPLACE)
    answer = status_page({}, "application/json", lambda: settled.services)

    assert 200 == answer.status
    assert '"not_matched"' in answer.body


def test_what_the_first_version_started_is_not_started_again(settled):
    settled.azure_ml.register("churn", "17")
    settled.deliver("17")
    change_claim(settled.services.ledger, **FIRST)
    settled.deliver("17")

    assert ["started", "duplicate"] == [each["outcome"] for each in settled.decisions]
    assert [] == settled.reconcile()


def test_a_claim_waiting_since_the_first_version_is_started(settled):
    throttle(settled, "churn")
    change_claim(settled.services.ledger, **FIRST)

    assert [("churn", "17", "started")] == settled.reconcile()


def test_what_the_first_version_stored_for_a_broken_rule_is_evaluated_once_it_is_fixed(settled):
    settled.with_rules(churn={"start": "newst"}).deliver("17")
    change_claim(settled.services.ledger, state="unreadable", **FIRST)
    settled.with_rules(churn={})

    assert [("churn", "17", "started")] == settled.reconcile()


def test_a_model_with_a_note_of_the_first_version_is_listed_again_without_a_fault(settled):
    row = {"PartitionKey": workspace_key(WORKSPACE), "RowKey": "model|old"}
    noted = {"model": "old", "latest_version": "17", "seen_at": NOON}
    settled.services.ledger.claims.table.client.upsert_entity({**row, **noted})
    settled.reconcile()

    assert "cannot be read" not in settled.caplog.text
    assert "old" in settled.services.ledger.notes().memory(WORKSPACE, deadline()).models
