"""One registration under one rule, with the real ledger, the real client, and every fault."""

import threading
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from model_trigger.claims.attempt import attend
from model_trigger.claims.claim import State
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome
from model_trigger.ledger import rows
from model_trigger.ports import ConflictError, LedgerError
from model_trigger.rules.fields import Mode
from tests.support.build import deadline, registration, rule, standing_still
from tests.support.trial import LEASE, Crash, Interposed, once, raising


def test_a_matching_registration_starts_the_release_with_that_version(churn):
    decision = churn.attend()

    (release,) = churn.azure_devops.releases
    assert (Outcome.STARTED, "churn", "17") == (
        decision.outcome,
        release["variables"]["modelName"]["value"],
        release["variables"]["modelVersion"]["value"],
    )
    assert (release["id"], release["_links"]["web"]["href"]) == (
        decision.release.id,
        decision.release.url,
    )


def test_the_release_can_be_found_again_by_its_key(churn):
    churn.attend()

    key = churn.snapshot().claim.key
    (release,) = churn.azure_devops.releases
    assert release["description"].endswith(f"[model-trigger:{key}]")


def test_a_second_delivery_is_a_duplicate_with_the_same_link(churn):
    first, second = churn.attend(), churn.attend()

    assert (Outcome.DUPLICATE, first.release) == (second.outcome, second.release)
    assert 1 == len(churn.posts)


def test_versions_start_in_order_and_never_step_back(churn):
    outcomes = [churn.attend(version).outcome for version in ("9", "10", "8", "9", "11")]

    assert ["started", "started", "superseded", "duplicate", "started"] == outcomes
    assert ["9", "10", "11"] == churn.versions


def test_every_starts_each_version_once_in_any_order(churn):
    outcomes = [churn.attend(each, start="every").outcome for each in ("10", "9", "10", "11", "9")]

    assert ["started", "started", "duplicate", "started", "duplicate"] == outcomes


def test_a_rule_changed_from_every_to_newer_knows_what_was_started(churn):
    churn.attend("10", start="every")

    assert Outcome.SUPERSEDED == churn.attend("9", start="newer").outcome


def test_a_rule_that_changes_its_ordering_rebuilds_its_mark(churn):
    semantic = {"scheme": "semver", "version_from": "tag:v"}
    churn.attend("1", tags={"v": "2.0.0"})
    churn.attend("2", tags={"v": "1.0.0"})

    assert Outcome.SUPERSEDED == churn.attend("3", tags={"v": "1.9.0"}, **semantic).outcome
    assert Outcome.STARTED == churn.attend("4", tags={"v": "2.1.0"}, **semantic).outcome


def test_many_concurrent_deliveries_start_one_release(churn):
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(churn.attend().outcome)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["duplicate"] * 7 + ["started"] == sorted(outcomes)
    assert 1 == len(churn.posts)


def test_many_concurrent_versions_never_step_back(churn):
    threads = [
        threading.Thread(target=partial(churn.attend, str(version), limit=standing_still()))
        for version in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(churn.versions, key=int) == churn.versions
    assert "8" == churn.versions[-1]


@pytest.mark.parametrize(
    ("fault", "state", "outcome", "reason"),
    [
        pytest.param(
            {"kind": "error", "status": 400},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps refused (HTTP 400): Something went wrong.",
            id="refused",
        ),
        pytest.param(
            {"kind": "error", "status": 403},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps refused (HTTP 403): Access denied.",
            id="forbidden",
        ),
        pytest.param(
            {"kind": "error", "status": 401},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps does not know who asks (HTTP 401: TF400813: The user '' is not "
            "authorized.): renew AZURE_DEVOPS_PAT, or add the app's managed identity to the "
            "organisation",
            id="unauthorized",
        ),
        pytest.param(
            {"kind": "sign-in page"},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps showed its sign-in page (HTTP 203): renew AZURE_DEVOPS_PAT, or add the "
            "app's managed identity to the organisation",
            id="sign-in page as 203",
        ),
        pytest.param(
            {"kind": "sign-in page", "status": 200},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps showed its sign-in page (HTTP 200): renew AZURE_DEVOPS_PAT, or add the "
            "app's managed identity to the organisation",
            id="sign-in page as 200",
        ),
        pytest.param(
            {"kind": "redirect"},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps showed its sign-in page (HTTP 302): renew AZURE_DEVOPS_PAT, or add the "
            "app's managed identity to the organisation",
            id="redirect",
        ),
        pytest.param(
            {"kind": "error", "status": 429, "retry_after": 60},
            State.WAITING,
            Outcome.PENDING,
            "Azure DevOps is throttling: TF400733: The request has been canceled.",
            id="throttled",
        ),
        pytest.param(
            {"kind": "error", "status": 500},
            State.UNKNOWN,
            Outcome.PENDING,
            "Azure DevOps gave no readable answer: HTTP 500: Something went wrong.",
            id="server error",
        ),
        pytest.param(
            {"kind": "error", "status": 503, "retry_after": 1},
            State.UNKNOWN,
            Outcome.PENDING,
            "Azure DevOps gave no readable answer: HTTP 503: The service is unavailable.",
            id="unavailable",
        ),
        pytest.param(
            {"kind": "error", "status": 408},
            State.UNKNOWN,
            Outcome.PENDING,
            "Azure DevOps gave no readable answer: HTTP 408: Something went wrong.",
            id="request timeout",
        ),
        pytest.param(
            {"kind": "empty"},
            State.UNKNOWN,
            Outcome.PENDING,
            None,
            id="empty response",
        ),
        pytest.param({"kind": "garbage"}, State.UNKNOWN, Outcome.PENDING, None, id="garbage"),
        pytest.param({"kind": "close"}, State.UNKNOWN, Outcome.PENDING, None, id="closed"),
        pytest.param({"kind": "reset"}, State.UNKNOWN, Outcome.PENDING, None, id="reset"),
    ],
)
def test_each_fault_before_the_start_is_reported_for_what_it_is(
    churn, fault, state, outcome, reason
):
    churn.azure_devops.fault(**fault)
    decision = churn.attend()

    assert (outcome, state, 0, 1) == (
        decision.outcome,
        churn.state(),
        len(churn.azure_devops.releases),
        len(churn.posts),
    )
    if reason:
        assert reason == decision.reason


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "error", "status": 500}, id="then 500"),
        pytest.param({"kind": "error", "status": 503}, id="then 503"),
        pytest.param({"kind": "empty"}, id="then an empty response"),
        pytest.param({"kind": "garbage"}, id="then garbage"),
        pytest.param({"kind": "truncated"}, id="then half a response"),
        pytest.param({"kind": "close"}, id="then closed"),
        pytest.param({"kind": "reset"}, id="then reset"),
    ],
)
def test_a_release_whose_response_was_lost_is_found_and_not_started_again(churn, fault):
    churn.azure_devops.fault(commit=True, **fault)
    found, again = churn.attend(), churn.attend()

    (release,) = churn.azure_devops.releases
    assert (Outcome.STARTED, release["id"]) == (found.outcome, found.release.id)
    assert (Outcome.DUPLICATE, found.release) == (again.outcome, again.release)


def test_a_success_with_retry_after_is_a_success(churn):
    churn.azure_devops.fault("retry-after", retry_after=30)

    assert Outcome.STARTED == churn.attend().outcome
    assert 1 == len(churn.posts)


def test_a_response_that_takes_too_long_is_unknown_and_found_later(churn):
    churn.azure_devops.fault("hang", commit=True, seconds=600)
    # The response does not arrive within the 1.5 s of the POST, and then it is too late.
    began = time.monotonic()
    limit = Deadline(
        began + 4.5, lambda: began + 1.5 * bool(churn.azure_devops.releases), time.sleep
    )
    first = churn.attend(limit=limit)
    second = churn.attend()

    assert (Outcome.PENDING, Outcome.STARTED) == (first.outcome, second.outcome)
    assert 1 == len(churn.azure_devops.releases)


def test_an_unknown_start_is_retried_only_well_after_its_lease(churn):
    churn.azure_devops.fault("error", status=500)
    churn.attend()
    early = churn.attend()
    churn.let_pass(LEASE * 2 - timedelta(minutes=1))
    still_early = churn.attend()
    churn.let_pass(timedelta(minutes=2))
    late = churn.attend()

    assert ["pending", "pending", "started"] == [
        each.outcome for each in (early, still_early, late)
    ]
    assert ["17"] == churn.versions


def test_a_lagging_list_does_not_start_a_release_twice(churn):
    churn.azure_devops.list_lag = 3600
    churn.azure_devops.fault("close", commit=True)
    first, second = churn.attend(), churn.attend()
    churn.azure_devops.list_lag = 0
    third = churn.attend()

    assert ["pending", "pending", "started"] == [each.outcome for each in (first, second, third)]
    assert 1 == len(churn.posts)


def test_a_lookup_reads_every_page(churn):
    for number in range(110):
        churn.attend(str(number), start="every", release={"definition": 1})
    churn.azure_devops.list_lag = 3600
    churn.azure_devops.fault("close", commit=True)
    churn.attend("200", start="every")
    churn.azure_devops.list_lag = 0

    assert Outcome.STARTED == churn.attend("200", start="every").outcome


def test_a_refused_lookup_is_reported_and_repeats_nothing(churn):
    churn.azure_devops.fault("error", status=500)
    churn.azure_devops.fault("error", verb="GET", path="/releases", status=500)
    churn.attend()
    churn.azure_devops.fault("error", verb="GET", path="/releases", status=403)
    churn.let_pass(LEASE * 3)
    decision = churn.attend()

    reported = "Azure DevOps refused (HTTP 403): Access denied."
    assert Outcome.FAILED == decision.outcome
    assert f"whether an earlier delivery started it is unknown: {reported}" == decision.reason
    assert State.UNKNOWN == churn.state()


def test_a_throttled_start_waits_for_retry_after_and_needs_no_lookup(churn):
    churn.azure_devops.fault("error", status=429, retry_after=60)
    churn.attend()
    early = churn.attend()
    churn.let_pass(timedelta(seconds=61))
    late = churn.attend()

    assert (Outcome.PENDING, Outcome.STARTED) == (early.outcome, late.outcome)
    assert not [each for each in churn.azure_devops.requests if "minCreatedTime" in each.query]


def test_after_a_failed_connection_the_next_delivery_starts(churn):
    churn.attend("16")
    churn.azure_devops.stop()
    first = churn.attend()
    churn.azure_devops.start()
    second = churn.attend()

    assert (Outcome.PENDING, Outcome.STARTED) == (first.outcome, second.outcome)


def test_a_refused_start_keeps_its_mark_and_frees_the_slot(churn):
    churn.azure_devops.fault("error", status=400)

    assert ["failed", "superseded", "failed", "started"] == [
        churn.attend(version).outcome for version in ("17", "16", "17", "18")
    ]


def test_a_refused_start_is_retried_by_reconcile_only(churn):
    churn.azure_devops.fault("error", status=400)
    churn.attend()
    within_pause = churn.attend(retry=True)
    churn.let_pass(timedelta(minutes=6))
    by_event = churn.attend()
    by_reconcile = churn.attend(retry=True)

    assert ["failed", "failed", "started"] == [
        each.outcome for each in (within_pause, by_event, by_reconcile)
    ]


def test_a_value_that_could_harm_a_script_is_refused_before_the_post(churn):
    decision = churn.attend(
        "17$(reboot)", scheme="semver", version_from="tag:v", tags={"v": "1.0.0"}
    )

    assert Outcome.FAILED == decision.outcome
    assert decision.reason.startswith("{model_version} holds '$'")
    assert [] == churn.posts


def test_a_missing_definition_is_reported_and_recorded(churn):
    decision = churn.attend(release={"definition": 4711})

    assert Outcome.FAILED == decision.outcome
    assert "4711" in decision.reason
    assert State.FAILED == churn.state()


def test_a_definition_that_is_temporarily_unavailable_is_in_the_ledger_and_moves_the_mark(churn):
    churn.azure_devops.fault("error", verb="GET", path="/definitions/", status=503)
    first = churn.attend()

    assert (Outcome.PENDING, State.WAITING) == (first.outcome, churn.state())
    assert ["superseded", "started"] == [churn.attend(each).outcome for each in ("16", "17")]


def test_observe_does_everything_except_the_post(churn):
    observe = {"mode": Mode.OBSERVE}
    outcomes = [churn.attend(version, **observe).outcome for version in ("17", "17", "16")]

    assert ["observed", "duplicate", "superseded"] == outcomes
    assert [] == churn.posts


def test_what_was_observed_does_not_touch_what_is_live(churn):
    churn.attend("17", mode=Mode.OBSERVE)

    assert Outcome.STARTED == churn.attend("16").outcome


def test_a_claim_whose_process_died_before_the_post_is_finished(churn):
    gone = Interposed(churn.services.azure_devops(), "start", before=raising(Crash()))
    with pytest.raises(Crash):
        churn.attend(services=replace(churn.services, azure_devops=lambda: gone))
    churn.let_pass(LEASE + timedelta(seconds=1))
    early = churn.attend()
    churn.let_pass(LEASE * 2)
    late = churn.attend()

    assert (Outcome.PENDING, Outcome.STARTED) == (early.outcome, late.outcome)
    assert 1 == len(churn.posts)


def test_a_release_whose_process_died_after_the_post_is_found(churn):
    gone = Interposed(churn.services.azure_devops(), "start", after=raising(Crash()))
    with pytest.raises(Crash):
        churn.attend(services=replace(churn.services, azure_devops=lambda: gone))
    beside = churn.attend()
    churn.let_pass(LEASE + timedelta(seconds=1))
    after = churn.attend()

    assert (Outcome.DUPLICATE, Outcome.STARTED) == (beside.outcome, after.outcome)
    assert 1 == len(churn.posts)


def test_a_newer_version_waits_for_the_start_in_flight(churn):
    waiting = threading.Thread(target=partial(churn.attend, "18", limit=standing_still()))
    slow = Interposed(churn.services.azure_devops(), "start", before=waiting.start)
    churn.attend("17", services=replace(churn.services, azure_devops=lambda: slow))
    waiting.join()

    assert ["17", "18"] == churn.versions


def test_a_newer_version_takes_over_an_expired_slot(churn):
    churn.azure_devops.fault("error", status=500)
    churn.attend("17")
    in_flight = churn.attend_at_once("18")
    assert State.WAITING == churn.state("18")
    churn.let_pass(LEASE + timedelta(seconds=1))
    newer = churn.attend("18")
    churn.let_pass(LEASE * 2)
    older = churn.attend("17")

    assert ["pending", "started", "superseded"] == [
        each.outcome for each in (in_flight, newer, older)
    ]
    assert ["18"] == churn.versions


def test_a_superseded_start_whose_release_exists_after_all_is_started(churn):
    churn.azure_devops.list_lag = 3600
    churn.azure_devops.fault("close", commit=True)
    churn.attend("17")
    churn.let_pass(LEASE + timedelta(seconds=1))
    churn.attend("18")
    churn.azure_devops.list_lag = 0

    assert Outcome.STARTED == churn.attend("17").outcome
    assert ["17", "18"] == churn.versions


def test_a_write_whose_response_was_lost_is_recognized_as_ours(churn):
    lost = Interposed(churn.services.ledger, "write", after=once(raising(ConflictError())))
    decision = churn.attend(services=replace(churn.services, ledger=lost))

    assert Outcome.STARTED == decision.outcome
    assert 1 == len(churn.posts)


def test_a_completion_whose_response_was_lost_is_recognized_as_ours(churn):
    services = churn.services
    lossy = Interposed(services.ledger, "write", after=raising(ConflictError()))
    cut = Interposed(
        services.azure_devops(), "start", after=lambda: ledger.__setattr__("_part", lossy)
    )
    ledger = Interposed(services.ledger, "none")
    decision = churn.attend(services=replace(services, ledger=ledger, azure_devops=lambda: cut))

    assert (Outcome.STARTED, State.STARTED) == (decision.outcome, churn.state())


def test_a_release_that_could_not_be_recorded_is_found_by_the_next_delivery(churn):
    services = churn.services
    down = Interposed(services.ledger, "write", before=raising(LedgerError("storage is down")))
    ledger = Interposed(services.ledger, "none")
    cut = Interposed(
        services.azure_devops(), "start", after=lambda: ledger.__setattr__("_part", down)
    )
    first = churn.attend(services=replace(services, ledger=ledger, azure_devops=lambda: cut))
    churn.let_pass(LEASE + timedelta(seconds=1))
    second = churn.attend()

    assert (Outcome.PENDING, Outcome.STARTED) == (first.outcome, second.outcome)
    assert 1 == len(churn.posts)


def test_the_post_is_not_sent_when_half_of_the_lease_is_over(churn):
    services = replace(churn.services, claim_lease=timedelta(seconds=1))
    slow = Interposed(services.ledger, "write", after=once(partial(threading.Event().wait, 0.6)))
    decision = churn.attend(services=replace(services, ledger=slow))

    assert (Outcome.PENDING, State.WAITING, []) == (decision.outcome, churn.state(), churn.posts)


def test_a_short_lease_is_long_enough_to_start(churn):
    services = replace(churn.services, claim_lease=timedelta(seconds=1))

    assert Outcome.STARTED == churn.attend(services=services, limit=standing_still()).outcome


def test_without_time_for_the_post_the_claim_is_released(churn):
    decision = churn.attend(limit=deadline(3))

    assert (Outcome.PENDING, []) == (decision.outcome, churn.posts)
    assert Outcome.STARTED == churn.attend().outcome


def freeze_until_another_has_taken_over(churn):
    """Freeze between the last check and the POST until another delivery has also started it."""

    def meanwhile():
        churn.let_pass(LEASE * 3)
        assert Outcome.STARTED == churn.attend().outcome

    frozen = Interposed(churn.services.azure_devops(), "start", before=meanwhile)
    return churn.attend(services=replace(churn.services, azure_devops=lambda: frozen))


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
    frozen = Interposed(
        churn.services.azure_devops(), "start", before=partial(now.__setitem__, 0, 60.0)
    )
    of_version = registration()
    services = replace(churn.services, azure_devops=lambda: frozen)
    decision = attend(rule().evaluate(of_version), of_version, services, limit)

    assert (Outcome.PENDING, []) == (decision.outcome, churn.posts)


def test_a_frozen_process_whose_release_was_found_by_another_is_no_duplicate(churn, caplog):
    def meanwhile():
        churn.let_pass(LEASE + timedelta(seconds=1))
        assert Outcome.STARTED == churn.attend().outcome

    frozen = Interposed(churn.services.azure_devops(), "start", after=meanwhile)
    decision = churn.attend(services=replace(churn.services, azure_devops=lambda: frozen))

    assert (Outcome.STARTED, 1) == (decision.outcome, len(churn.posts))
    assert "duplicate_release" not in caplog.text


def test_rows_of_a_test_are_those_of_its_partition(churn):
    churn.attend()

    (mark,) = churn.services.ledger.releases.query_entities("RowKey eq 'mark'")
    assert rows.partition_key(churn.partition) == mark["PartitionKey"]
