"""One registration under one rule, with the real ledger, the real client, and every fault."""

import threading
from functools import partial

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.ledger.claims import partition_key
from model_trigger.rules.fields import Mode
from tests.support.build import standing_still
from tests.support.trial import Interposed, with_changes


def test_a_matching_registration_starts_the_release_with_that_version(churn):
    decision = churn.start()

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
    churn.start()

    key = churn.snapshot().claim.key
    (release,) = churn.azure_devops.releases
    assert release["description"].endswith(f"[model-trigger:{key}]")


def test_a_second_delivery_is_a_duplicate_with_the_same_link(churn):
    first, second = churn.start(), churn.start()

    assert (Outcome.DUPLICATE, first.release) == (second.outcome, second.release)
    assert 1 == len(churn.posts)


def test_versions_start_in_order_and_never_step_back(churn):
    outcomes = [churn.start(version).outcome for version in ("9", "10", "8", "9", "11")]

    assert ["started", "started", "superseded", "duplicate", "started"] == outcomes
    assert ["9", "10", "11"] == churn.versions


def test_every_starts_each_version_once_in_any_order(churn):
    outcomes = [churn.start(each, start="every").outcome for each in ("10", "9", "10", "11", "9")]

    assert ["started", "started", "duplicate", "started", "duplicate"] == outcomes


def test_a_rule_changed_from_every_to_newer_knows_what_was_started(churn):
    churn.start("10", start="every")

    assert Outcome.SUPERSEDED == churn.start("9", start="newer").outcome


def test_a_rule_that_changes_its_ordering_rebuilds_its_mark(churn):
    semantic = {"scheme": "semver", "version_from": "tag:v"}
    churn.start("1", tags={"v": "2.0.0"})
    churn.start("2", tags={"v": "1.0.0"})

    assert Outcome.SUPERSEDED == churn.start("3", tags={"v": "1.9.0"}, **semantic).outcome
    assert Outcome.STARTED == churn.start("4", tags={"v": "2.1.0"}, **semantic).outcome


def test_many_concurrent_deliveries_start_one_release(churn):
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(churn.start().outcome)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["duplicate"] * 7 + ["started"] == sorted(outcomes)
    assert 1 == len(churn.posts)


def test_many_concurrent_versions_never_step_back(churn):
    threads = [
        threading.Thread(target=partial(churn.start, str(version), limit=standing_still()))
        for version in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(churn.versions, key=int) == churn.versions
    assert "8" == churn.versions[-1]


def test_a_value_that_could_harm_a_script_is_refused_before_the_post(churn):
    decision = churn.start(
        "17$(reboot)", scheme="semver", version_from="tag:v", tags={"v": "1.0.0"}
    )

    assert Outcome.FAILED == decision.outcome
    assert decision.reason.startswith("{model_version} contains '$'")
    assert [] == churn.posts


def test_a_missing_definition_is_reported_and_recorded(churn):
    decision = churn.start(release={"definition": 4711})

    assert Outcome.FAILED == decision.outcome
    assert "4711" in decision.reason
    assert State.FAILED == churn.state()


def test_observe_does_everything_except_the_post(churn):
    observe = {"mode": Mode.OBSERVE}
    outcomes = [churn.start(version, **observe).outcome for version in ("17", "17", "16")]

    assert ["observed", "duplicate", "superseded"] == outcomes
    assert [] == churn.posts


def test_what_was_observed_does_not_touch_what_is_live(churn):
    churn.start("17", mode=Mode.OBSERVE)

    assert Outcome.STARTED == churn.start("16").outcome


def test_a_newer_version_waits_for_the_start_in_flight(churn):
    waiting = threading.Thread(target=partial(churn.start, "18", limit=standing_still()))
    slow = Interposed(churn.services.targets(), "start", before=waiting.start)
    churn.start("17", services=with_changes(churn.services, targets=lambda: slow))
    waiting.join()

    assert ["17", "18"] == churn.versions


def test_rows_of_a_test_are_those_of_its_partition(churn):
    churn.start()

    (mark,) = churn.services.ledger.claims.table.client.query_entities("RowKey eq 'mark'")
    assert partition_key(churn.partition) == mark["PartitionKey"]
