"""Faults injected into the app, and the smallest scenario in which each must be found.

A mutation replaces a function of the app, named `module:function` or `module:Class.method`. If the
function has moved, apply the mutation to its replacement.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce
from importlib import import_module
from typing import Any

import pytest

from model_trigger.claims import transitions
from model_trigger.claims.claim import Mark
from model_trigger.claims.lookup import Freshness
from model_trigger.claims.protocol import LookUp, Settle, Take
from model_trigger.claims.sighting import Inconclusive
from model_trigger.decisions.decision import Outcome
from model_trigger.targets.request import Absent, AzureDevOpsError, Unknown
from tests.checker.scenario import Delivery, Scenario

NO_TIME = timedelta(0)
ONE, OTHER = Delivery("17"), Delivery("17", 1)
NEXT = Delivery("18")
WITHOUT_KEY = {"release": None, "pipeline": {"id": 5}}

Mutant = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A fault: where and what it is, and the problem that it causes.

    `mutant` is called with the function that it replaces, followed by that function's arguments.
    """

    name: str
    where: str
    mutant: Mutant
    found_as: str
    scenario: Scenario

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inject the fault into the app."""
        owner, name = self._place()
        original = getattr(owner, name)
        mutant = self.mutant

        def mutated(*arguments: Any, **options: Any) -> Any:
            return mutant(original, *arguments, **options)

        is_property = isinstance(original, property)
        changed = property(lambda it: mutant(original.fget, it)) if is_property else mutated
        with pytest.MonkeyPatch.context() as patch:
            for place in {owner, *_importers(name, original)}:
                patch.setattr(place, name, changed)
            yield

    def _place(self) -> tuple[Any, str]:
        module, _, path = self.where.partition(":")
        *owners, name = path.split(".")
        return reduce(getattr, owners, import_module(f"model_trigger.{module}")), name


def _importers(name: str, original: Any) -> Iterator[Any]:
    """Yield the app's modules that have imported a function by its name."""
    for path, module in [*sys.modules.items()]:
        if path.startswith("model_trigger.") and getattr(module, name, None) is original:
            yield module


def scenario(
    *deliveries: Delivery, faults: Mapping[str, int] | None = None, **fields: Any
) -> Scenario:
    """Return a scenario with the given faults, in which nothing else fails."""
    allowed = faults or {}
    settings = {"most_crashes": 0, "most_jumps": 0, "most_faults": sum(allowed.values())}
    return Scenario(deliveries=deliveries, faults=tuple(allowed), **{**settings, **fields})


def _no_list_lag(original: Mutant, claim: Any, moment: Any, _: Any) -> bool:
    return original(claim, moment, NO_TIME)


def _in_the_same_second(_: Mutant, until: Any, now: Any) -> bool:
    return until <= now


def _equal_baseline_blocks(original: Mutant, claim: Any, mark: Any, candidate: Any) -> str:
    baseline = mark.baseline
    if baseline and claim is None and not candidate.newer_than(_as_mark(baseline)):
        return "mutated"
    return original(claim, mark, candidate)


def _baseline_blocks_what_is_kept(original: Mutant, claim: Any, mark: Any, candidate: Any) -> str:
    if mark.baseline and candidate.older_than(mark.baseline.compared):
        return "mutated"
    return original(claim, mark, candidate)


def _as_mark(baseline: Any) -> Mark:
    return Mark(baseline.version, baseline.compared, baseline.ordering)


def _claimed_is_never_blocked(original: Mutant, claim: Any, mark: Any, candidate: Any) -> str:
    return "" if claim else original(claim, mark, candidate)


def _post_under_a_look_up(original: Mutant, *arguments: Any, **options: Any) -> Any:
    step = original(*arguments, **options)
    return Take() if isinstance(step, LookUp) else step


def _unknown_is_waiting(_: Mutant, claim: Any, reason: str, _now: Any) -> Any:
    return transitions.not_started(claim, reason)


def _could_not_tell_is_absent(original: Mutant, *arguments: Any) -> Any:
    seen = original(*arguments)
    return Absent() if isinstance(seen, Inconclusive) else seen


def _what_cannot_be_read_is_absent(original: Mutant, *arguments: Any) -> Any:
    try:
        return original(*arguments)
    except AzureDevOpsError:
        return Absent()


def _closed_without_looking(_: Mutant, claim: Any, reason: str) -> Any:
    return claim.settle(Outcome.CLOSED, reason)


def _any_reading_serves(original: Mutant, hold: Any, claim: Any, snapshot: Any) -> Any:
    return Freshness(hold.freshness.at, original(hold, claim, snapshot).on)


def _early_proof(_: Mutant, hold: Any, _claim: Any, snapshot: Any) -> Any:
    return Freshness(hold.deadline.clock(), snapshot.read_at)


def _mark_stays(original: Mutant, *arguments: Any) -> Any:
    return original(*arguments)[0], None


def _slot_is_never_taken(_: Mutant, *_arguments: Any) -> bool:
    return False


def _no_fence(_: Mutant, _turn: Any) -> float:
    return float("inf")


def _fence_from_the_post(original: Mutant, attempt: Any, claim: Any, turn: Any) -> Any:
    return original(attempt, claim, replace(turn, began=attempt.deadline.clock()))


def _post_is_replayed(original: Mutant, attempt: Any, claim: Any, turn: Any) -> Any:
    result = original(attempt, claim, turn)
    return original(attempt, claim, turn) if isinstance(result, Unknown) else result


def _another_key(original: Mutant, snapshot: Any, candidate: Any, turn: Any, request: Any) -> Any:
    claim, mark = original(snapshot, candidate, turn, request)
    return replace(claim, key=turn.key), mark


def _nothing_is_kept(_: Mutant, _attempt: Any, _snapshot: Any, _turn: Any, done: Any) -> Any:
    return done


def _unconditional(_: Mutant, row: Any, _etag: str) -> Any:
    return "upsert", row


def _no(_: Mutant, *_arguments: Any) -> bool:
    return False


def _always_exclusive(original: Mutant, *arguments: Any) -> Any:
    return replace(original(*arguments), exclusive=True)


def _others_are_ignored(original: Mutant, sighting: Any, request: Any, *_: Any) -> Any:
    return original(sighting, request, ())


def _nothing_forgotten(_: Mutant, *_arguments: Any) -> None:
    return None


def _claims_of_absent_rules_closed(_: Mutant, one: Any) -> Any:
    return one.settle(Outcome.CLOSED, "there is no such rule")


def _nobody_is_superseded(original: Mutant, *arguments: Any, **options: Any) -> Any:
    step = original(*arguments, **options)
    return Take() if isinstance(step, Settle) else step


LOST_ANSWER = {"500 after, late": 1}
SHORT = {"lease": 4.0, "lag": 2.0}

MUTATIONS = (
    Mutation(
        "no list lag",
        "claims.sighting:may_prove_absence",
        _no_list_lag,
        "started twice",
        scenario(ONE, ONE, faults=LOST_ANSWER, most_jumps=1, jumps=(122_000,), lag=300.0),
    ),
    Mutation(
        "a lease ends at the start of its last second",
        "claims.claim:is_over",
        _in_the_same_second,
        "started twice",
        scenario(ONE, ONE, faults={"at last, late": 1}, most_jumps=1, jumps=(5_700,), **SHORT),
    ),
    Mutation(
        "a baseline blocks its own version",
        "claims.protocol:_superseded_by",
        _equal_baseline_blocks,
        "superseded by nothing newer",
        scenario(ONE, passes=1, settled=False, faults={"outage": 1}, most_jumps=1, jumps=(4_000,)),
    ),
    Mutation(
        "a baseline supersedes a stored registration",
        "claims.protocol:_superseded_by",
        _baseline_blocks_what_is_kept,
        "superseded what was kept",
        scenario(
            ONE,
            passes=1,
            versions=("18",),
            book="broken",
            changes=("book base",),
            faults={"storage read: outage": 1},
            most_jumps=1,
            jumps=(4_000,),
        ),
    ),
    Mutation(
        "a claim whose slot has expired is started after the newer one",
        "claims.protocol:_superseded_by",
        _claimed_is_never_blocked,
        "stepped back",
        scenario(ONE, NEXT, most_crashes=1, most_jumps=1, jumps=(122_000,)),
    ),
    Mutation(
        "a POST is sent for what must be looked up",
        "claims.protocol:next_step",
        _post_under_a_look_up,
        "started twice",
        scenario(ONE, ONE, faults=LOST_ANSWER),
    ),
    Mutation(
        "a POST without a response counts as not sent",
        "claims.transitions:unknown",
        _unknown_is_waiting,
        "started twice",
        scenario(ONE, ONE, faults=LOST_ANSWER),
    ),
    Mutation(
        "a POST is replayed",
        "claims.attempt:Attempt.post",
        _post_is_replayed,
        "started twice",
        scenario(ONE, faults=LOST_ANSWER),
    ),
    Mutation(
        "absence is proven at any time",
        "claims.lookup:Hold._freshness",
        _early_proof,
        "started twice",
        scenario(ONE, ONE, faults=LOST_ANSWER),
    ),
    Mutation(
        "a list that fails to load counts as empty",
        "claims.lookup:Hold._sighting",
        _what_cannot_be_read_is_absent,
        "started twice",
        scenario(
            ONE,
            ONE,
            faults={"500 after, late": 1, "azure_devops find: 503": 1},
            most_jumps=1,
            jumps=(242_000,),
        ),
    ),
    Mutation(
        "an earlier reading of the list serves as proof",
        "claims.lookup:Hold._freshness",
        _any_reading_serves,
        "started twice",
        scenario(
            ONE,
            ONE,
            faults={"500 after, late": 1, "shared": 1},
            most_jumps=1,
            jumps=(7_100,),
            **SHORT,
        ),
    ),
    Mutation(
        "an inconclusive lookup counts as absent",
        "claims.sighting:resolve",
        _could_not_tell_is_absent,
        "started twice",
        scenario(
            ONE,
            ONE,
            rule=WITHOUT_KEY,
            faults={"500 after": 1, "silent": 2},
            most_jumps=1,
            jumps=(242_000,),
        ),
    ),
    Mutation(
        "a retry is looked up by a key that it did not send",
        "claims.transitions:take",
        _another_key,
        "started twice",
        scenario(ONE, ONE, faults={"429": 1, "500 after": 1}),
    ),
    Mutation(
        "an unwanted claim is closed without a lookup of its release",
        "reconcile.open_claims:OpenClaim.close",
        _closed_without_looking,
        "orphan",
        scenario(ONE, passes=1, changes=("book narrow",), faults={"500 after, late": 1}),
    ),
    Mutation(
        "the mark does not move with the claim",
        "claims.transitions:take",
        _mark_stays,
        "stepped back",
        scenario(ONE, NEXT),
    ),
    Mutation(
        "the slot of another start is ignored",
        "claims.claim:Mark.is_held_by_another",
        _slot_is_never_taken,
        "stepped back",
        scenario(ONE, NEXT),
    ),
    Mutation(
        "an older version is not superseded",
        "claims.protocol:next_step",
        _nobody_is_superseded,
        "stepped back",
        scenario(ONE, NEXT),
    ),
    Mutation(
        "the POST is sent however late its turn comes",
        "claims.transitions:Turn.post_until",
        _no_fence,
        "started twice",
        scenario(ONE, ONE, most_jumps=1, jumps=(7_500,), **SHORT),
    ),
    Mutation(
        "the fence is counted from the claim instead of the earlier reading",
        "claims.attempt:Attempt.post",
        _fence_from_the_post,
        "started twice",
        scenario(ONE, ONE, most_jumps=1, jumps=(7_500,), **SHORT),
    ),
    Mutation(
        "a registration is not stored when a fault precedes its claim",
        "claims.attempt:Attempt.defer",
        _nothing_is_kept,
        "not in the ledger",
        scenario(ONE, faults={"azure_devops definition: 503": 1}),
    ),
    Mutation(
        "rows are written despite concurrent changes",
        "ledger.table:conditional",
        _unconditional,
        "started again though its release is recorded",
        scenario(ONE, ONE),
    ),
    Mutation(
        "a run without a key is taken from another open claim",
        "claims.sighting:_may_have_started_the_same",
        _no,
        "two claims of one release",
        scenario(ONE, OTHER, rule=WITHOUT_KEY, workspaces=2, faults={"500": 1}),
    ),
    Mutation(
        "a run without a key is taken from the claim that holds it",
        "claims.sighting:resolve",
        _others_are_ignored,
        "two claims of one release",
        scenario(ONE, OTHER, rule=WITHOUT_KEY, workspaces=2, faults={"500": 1}),
    ),
    Mutation(
        "a version of a rule that starts every one is superseded",
        "claims.claim:Candidate.of",
        _always_exclusive,
        "superseded under every",
        scenario(ONE, NEXT, rule={"start": "every"}),
    ),
    Mutation(
        "reconcile starts registrations from before the rule",
        "reconcile.progress:Pass.is_baseline",
        _no,
        "baseline started",
        scenario(passes=1, settled=False),
    ),
    Mutation(
        "a returning rule is not new",
        "ledger.notes:Notes.forget_rule",
        _nothing_forgotten,
        "baseline started",
        scenario(passes=2, changes=("book removed", "register 18", "book base")),
    ),
    Mutation(
        "a returning workspace is not new",
        "ledger.notes:Notes.forget_workspace",
        _nothing_forgotten,
        "baseline started",
        scenario(passes=2, changes=("workspaces 1", "register 18", "workspaces 0")),
    ),
    Mutation(
        "open claims of an absent rule are closed",
        "reconcile.open_claims:OpenClaim.finish_without_rule",
        _claims_of_absent_rules_closed,
        "closed",
        scenario(
            ONE,
            passes=1,
            changes=("book removed", "book base"),
            faults={"azure_devops definition: 503": 1},
        ),
    ),
    Mutation(
        "open claims of a removed workspace are started",
        "reconcile.open_claims:is_left_alone",
        _no,
        "started for a removed workspace",
        scenario(
            ONE,
            passes=1,
            changes=("workspaces 1",),
            faults={"azure_devops definition: 503": 1},
        ),
    ),
)
