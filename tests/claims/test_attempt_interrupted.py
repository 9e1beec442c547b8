"""A start whose process ends, freezes or loses its lease, and writes whose answers are lost."""

import threading
from datetime import timedelta
from functools import partial

import pytest

from model_trigger.claims.claim import State
from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome
from tests.support.build import deadline, registration, rule, standing_still
from tests.support.trial import LEASE, Crash, Interposed, once, raising, with_changes


def test_a_claim_whose_process_died_before_the_post_is_finished(churn):
    gone = Interposed(churn.services.targets(), "start", before=raising(Crash()))
    with pytest.raises(Crash):
        churn.start(services=with_changes(churn.services, targets=lambda: gone))
    churn.let_pass(LEASE + timedelta(seconds=1))
    early = churn.start()
    churn.let_pass(LEASE * 2)
    late = churn.start()

    assert (Outcome.PENDING, Outcome.STARTED) == (early.outcome, late.outcome)
    assert 1 == len(churn.posts)


def test_a_release_whose_process_died_after_the_post_is_found(churn):
    gone = Interposed(churn.services.targets(), "start", after=raising(Crash()))
    with pytest.raises(Crash):
        churn.start(services=with_changes(churn.services, targets=lambda: gone))
    beside = churn.start()
    churn.let_pass(LEASE + timedelta(seconds=1))
    after = churn.start()

    assert (Outcome.DUPLICATE, Outcome.STARTED) == (beside.outcome, after.outcome)
    assert 1 == len(churn.posts)


def test_a_newer_version_takes_over_an_expired_slot(churn):
    churn.azure_devops.fault("error", status=500)
    churn.start("17")
    in_flight = churn.attend_at_once("18")
    assert State.WAITING == churn.state("18")
    churn.let_pass(LEASE + timedelta(seconds=1))
    newer = churn.start("18")
    churn.let_pass(LEASE * 2)
    older = churn.start("17")

    assert ["pending", "started", "superseded"] == [
        each.outcome for each in (in_flight, newer, older)
    ]
    assert ["18"] == churn.versions


def test_a_superseded_start_whose_release_exists_after_all_is_started(churn):
    churn.azure_devops.list_lag = 3600
    churn.azure_devops.fault("close", commit=True)
    churn.start("17")
    churn.let_pass(LEASE + timedelta(seconds=1))
    churn.start("18")
    churn.azure_devops.list_lag = 0

    assert Outcome.STARTED == churn.start("17").outcome
    assert ["17", "18"] == churn.versions


def test_a_write_whose_response_was_lost_is_recognized_as_ours(churn):
    lost = Interposed(churn.services.ledger.claims, "write", after=once(raising(ConflictError())))
    decision = churn.start(services=with_changes(churn.services, claims=lost))

    assert Outcome.STARTED == decision.outcome
    assert 1 == len(churn.posts)


def test_a_completion_whose_response_was_lost_is_recognized_as_ours(churn):
    services = churn.services
    lossy = Interposed(services.ledger.claims, "write", after=raising(ConflictError()))
    cut = Interposed(services.targets(), "start", after=lambda: ledger.__setattr__("_part", lossy))
    ledger = Interposed(services.ledger.claims, "none")
    decision = churn.start(services=with_changes(services, claims=ledger, targets=lambda: cut))

    assert (Outcome.STARTED, State.STARTED) == (decision.outcome, churn.state())


def test_a_release_that_could_not_be_recorded_is_found_by_the_next_delivery(churn):
    services = churn.services
    down = Interposed(
        services.ledger.claims, "write", before=raising(LedgerError("storage is down"))
    )
    ledger = Interposed(services.ledger.claims, "none")
    cut = Interposed(services.targets(), "start", after=lambda: ledger.__setattr__("_part", down))
    first = churn.start(services=with_changes(services, claims=ledger, targets=lambda: cut))
    churn.let_pass(LEASE + timedelta(seconds=1))
    second = churn.start()

    assert (Outcome.PENDING, Outcome.STARTED) == (first.outcome, second.outcome)
    assert 1 == len(churn.posts)


def test_the_post_is_not_sent_when_half_of_the_lease_is_over(churn):
    services = with_changes(churn.services, claim_lease=timedelta(seconds=1))
    slow = Interposed(
        services.ledger.claims, "write", after=once(partial(threading.Event().wait, 0.6))
    )
    decision = churn.start(services=with_changes(services, claims=slow))

    assert (Outcome.PENDING, State.WAITING, []) == (decision.outcome, churn.state(), churn.posts)


def test_a_short_lease_is_long_enough_to_start(churn):
    services = with_changes(churn.services, claim_lease=timedelta(seconds=1))

    assert Outcome.STARTED == churn.start(services=services, limit=standing_still()).outcome


def test_without_time_for_the_post_the_claim_is_released(churn):
    decision = churn.start(limit=deadline(3))

    assert (Outcome.PENDING, []) == (decision.outcome, churn.posts)
    assert Outcome.STARTED == churn.start().outcome


def freeze_until_another_has_taken_over(churn):
    """Freeze between the last check and the POST until another delivery has also started it."""

    def meanwhile():
        churn.let_pass(LEASE * 3)
        assert Outcome.STARTED == churn.start().outcome

    frozen = Interposed(churn.services.targets(), "start", before=meanwhile)
    return churn.start(services=with_changes(churn.services, targets=lambda: frozen))


def test_a_second_release_of_a_frozen_process_is_detected_recorded_and_reported(churn, caplog):
    freeze_until_another_has_taken_over(churn)

    first, second = churn.azure_devops.releases
    claim = churn.snapshot().claim
    assert (first["id"], second["id"]) == (claim.release.id, claim.second_release.id)
    (record,) = [each for each in caplog.records if "duplicate_release" in each.message]
    assert "ERROR" == record.levelname
    assert second["_links"]["web"]["href"] in record.message


def test_a_process_that_was_frozen_beyond_its_deadline_sends_nothing(churn):
    now = [0.0]
    limit = Deadline(25, lambda: now[0], lambda _: None)
    frozen = Interposed(churn.services.targets(), "start", before=partial(now.__setitem__, 0, 60.0))
    of_version = registration()
    services = with_changes(churn.services, targets=lambda: frozen)
    decision = services.starter.start(rule().evaluate(of_version), of_version, limit)

    assert (Outcome.PENDING, []) == (decision.outcome, churn.posts)


def test_a_frozen_process_whose_release_was_found_by_another_is_no_duplicate(churn, caplog):
    def meanwhile():
        churn.let_pass(LEASE + timedelta(seconds=1))
        assert Outcome.STARTED == churn.start().outcome

    frozen = Interposed(churn.services.targets(), "start", after=meanwhile)
    decision = churn.start(services=with_changes(churn.services, targets=lambda: frozen))

    assert (Outcome.STARTED, 1) == (decision.outcome, len(churn.posts))
    assert "duplicate_release" not in caplog.text
