"""What must hold: at every step, and once the faults have ended."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from model_trigger.claims.claim import Claim
from model_trigger.ledger.claims import read_claim
from model_trigger.registrations.registration import Workspace
from model_trigger.targets.pipeline import KEY_PARAMETER
from model_trigger.targets.request import StartRequest
from tests.checker.moves import State, Stepper, Thread
from tests.checker.processes import Ended, milliseconds
from tests.checker.scenario import PREFIX, RULE, WORKSPACES, Delivery, Scenario, Task
from tests.checker.tables import Stored
from tests.checker.targets import sent
from tests.checker.world import Posted, Registered, World

_PASSES = 3
_EVERY = 301_000
# A delivery that took longer may have run out of time for everything else.
_IN_TIME = 20_000
_OPEN = {"starting", "unknown", "waiting", "failed", "unreadable", "kept", "held"}
_RETRY_FOR = 86_400_000
# Problems that settling itself changes.
_RESTORED = 2
# Rules under which a delivery must at least be stored.
_WANTING = {"base", "broken"}


def of_a_step(scenario: Scenario, before: State, after: State) -> Iterator[str]:
    """Return what a step did that must never happen."""
    for old, new in zip(before.threads, after.threads, strict=False):
        if new is not old:
            yield from _of_a_thread(new, after)
    if len(before.world.posted) < len(after.world.posted):
        yield from _of_a_post(scenario, after.world, after.world.posted[-1])
    if before.world.tables is not after.world.tables:
        yield from _of_what_was_kept(scenario, before.world, after.world)


def _of_a_thread(thread: Thread, state: State) -> Iterator[str]:
    """Check a process that has taken a step."""
    if not any(one.was_frozen for one in state.world.posted):
        yield from _problems(thread)
    for one in state.world.posted[-1:]:
        if thread.is_pass and one.by == thread.name:
            yield from _of_a_pass(thread, one, state)
    if thread.ended and _must_be_kept(thread, state.world):
        assert thread.task, "it has started"
        assert thread.task.delivery, "it is a delivery"
        observed = dict(_read(state.world, observed=True))
        was_observed = thread.task.book == "broken" and thread.task.delivery in observed
        if claim_of(state.world, thread.task.delivery) is None and not was_observed:
            yield f"not in the ledger: {thread.name} {thread.ended.decisions}"


def _of_a_post(scenario: Scenario, world: World, one: Posted) -> Iterator[str]:
    before = world.posted[: one.id]
    earlier = [other for other in world.posted if (other.at, other.id) < (one.at, one.id)]
    if any(other.was_frozen for other in before):
        return
    if sum(other.values == one.values for other in before) > _registrations(world, one):
        yield f"started twice: {one.version}"
    newer = [
        other.version
        for other in earlier
        if other.scope == one.scope and int(other.version) > int(one.version)
    ]
    if scenario.is_exclusive and newer and _is_distinguishable(world, one):
        yield f"stepped back: {one.version} after {newer[-1]}"


def _of_a_pass(thread: Thread, one: Posted, state: State) -> Iterator[str]:
    """Check a POST of reconcile, which may do less than a delivery."""
    delivered = {it.task.delivery for it in state.threads if it.task}
    about = [it for it in state.world.registered if _is_of(one, it)]
    what = f"{one.version} by {thread.name}"
    assert thread.task, "it has started"
    if all(it.workspace not in thread.task.workspaces for it in about):
        yield f"started for a removed workspace: {what}"
    if all(
        (it.version, it.workspace) in thread.baseline
        and Delivery(it.version, it.workspace) not in delivered
        for it in about
    ):
        yield f"baseline started: {what}"


def _of_what_was_kept(scenario: Scenario, before: World, after: World) -> Iterator[str]:
    """Check how a step closed open claims."""
    claims = dict(_read(after))
    for about, old in _read(before):
        new = claims.get(about)
        is_taken = new is not None and new.state.value == "starting" and new.owner != old.owner
        if is_taken and (old.release or old.second_release):
            yield f"started again though its release is recorded: {about.version}"
        if new is None or _is_final(old) or not _is_final(new):
            continue
        state, what = new.state.value, f"{about.version}: {new.reason}"
        newer = [it for it in claims if it.workspace == about.workspace]
        is_newest = not any(int(it.version) > int(about.version) for it in newer)
        if state == "superseded" and is_newest and scenario.rule.get("start") != "latest":
            yield f"superseded what was kept: {what}"
        if state == "given_up" and after.now - _last_try(after, about, old) < _RETRY_FOR:
            yield f"given up too soon: {what}"
        if state == "closed" and not _may_close(after, about, old):
            yield f"closed: {what}"


def _last_try(world: World, about: Delivery, claim: Claim) -> int:
    """Return the time from which giving up is counted: the last POST, or the first refusal."""
    posted = [one.at for one in world.posted if _is_of(one, about)]
    refused = claim.failed_since if claim.state.value == "failed" else None
    return milliseconds(refused) if refused else max([0, *posted])


def _may_close(world: World, about: Delivery, claim: Claim) -> bool:
    """Whether nothing wants it: it is withdrawn, or its rule wants less or has long been absent.

    If a rule was broken and now only observes, what was stored for it is observed.
    """
    away_for = 0 if world.away_since is None else world.now - world.away_since
    is_observed = claim.state.value == "kept" and about in dict(_read(world, observed=True))
    is_withdrawn = about.version in world.archived or world.was_narrowed
    return is_withdrawn or is_observed or away_for >= _RETRY_FOR


def _is_distinguishable(world: World, one: Posted) -> bool:
    """Whether a release or run shows which workspace it is for."""
    return len({other.workspace for other in world.registered}) == 1 or bool(one.scope[1])


def _registrations(world: World, one: Posted) -> int:
    """Return the number of registrations that would be started with the same values."""
    name = one.values.get("workspaceName")
    return sum(
        other.version == one.version and name in {None, WORKSPACES[other.workspace].name}
        for other in world.registered
    )


def _must_be_kept(thread: Thread, world: World) -> bool:
    """Whether a delivery has ended that should have left its registration in the ledger."""
    task = thread.task
    return bool(
        task
        and _is_wanted(task)
        and not thread.harmed
        and thread.ended
        and not thread.ended.storage_failed
        and world.now - thread.started_at < _IN_TIME
    )


def _is_wanted(task: Task) -> bool:
    """Whether the app is configured to store what is delivered, at least."""
    delivery = task.delivery
    return bool(delivery) and task.book in _WANTING and delivery.workspace in task.workspaces


@dataclass(frozen=True, slots=True)
class Settled:
    """The state after the faults have ended: the world, and what is wrong with it."""

    world: World
    problems: tuple[str, ...]
    passes: int


def settle(stepper: Stepper, state: State) -> Settled:
    """Run reconcile and deliver what is pending, without faults, and check the end state."""
    world = replace(state.world, down_until=0)
    world.change("book base")
    world.change(f"workspaces {''.join(map(str, range(stepper.scenario.workspaces)))}")
    state = replace(state, world=world)
    pending = undelivered(state)
    problems: list[str] = []
    passes = 0
    while passes < _PASSES:
        pause = _pause(world)
        world.now += max(_EVERY, pause)
        passes += pause <= _EVERY
        problems += _run(stepper, state, f"pass{world.now}", None)[1]
        for one in tuple(pending):
            name = f"again{one.version}-{one.workspace}-{world.now}"
            ended, more = _run(stepper, state, name, one)
            problems += more
            if not ended.pending:
                pending.remove(one)
        if not pending and all(_is_final(one) for one in _claims(world)):
            break
    problems += [f"still pending: {one.version}" for one in pending]
    must = _must_be_decided(stepper.scenario, state)
    return Settled(world, (*problems, *_of_the_end(stepper.scenario, world, must)), passes)


def _run(
    stepper: Stepper, state: State, name: str, delivery: Delivery | None
) -> tuple[Ended, list[str]]:
    """Run another process to completion, and check it as if it were one step."""
    world, before = state.world, replace(state, world=state.world.copy())
    thread = Thread(name, Task(delivery, world.book, world.workspaces))
    threads = (*state.threads, stepper.run(world, thread))
    before = replace(before, threads=(*state.threads, thread))
    problems = list(of_a_step(stepper.scenario, before, replace(state, threads=threads)))
    ended = threads[-1].ended
    assert ended, "it was run to its end"
    return ended, problems


def undelivered(state: State) -> list[Delivery]:
    """Return the deliveries that Event Grid would repeat."""
    repeated = {}
    for thread in state.threads:
        task = thread.task
        if task and task.delivery and (thread.crashed or (thread.ended and thread.ended.pending)):
            repeated[task.delivery] = None
    return list(repeated)


def _must_be_decided(scenario: Scenario, state: State) -> Callable[[Registered], bool]:
    """Return a predicate for registrations that must be in the ledger at the end."""
    is_found = scenario.settled and scenario.book == "base" and state.world.changed == _RESTORED

    def must(one: Registered) -> bool:
        if one.version in state.world.archived:
            return False
        about = Delivery(one.version, one.workspace)
        threads = [it for it in state.threads if it.task and it.task.delivery == about]
        wanted = [it for it in threads if it.is_over and it.task and _is_wanted(it.task)]
        if any(it.ended and not it.ended.pending for it in wanted):
            return True
        return is_found and one.version not in scenario.old

    return must


def _of_the_end(
    scenario: Scenario, world: World, must: Callable[[Registered], bool]
) -> Iterator[str]:
    claims: list[Claim] = []
    for one in world.registered:
        claim = claim_of(world, Delivery(one.version, one.workspace))
        if claim:
            claims.append(claim)
            yield from _of_a_claim(scenario, world, one, claim)
        elif must(one) and not _is_in_ledger(world, Delivery(one.version, one.workspace)):
            yield f"lost: {one.version} in {one.workspace}"
        elif any(
            _is_of(posted, one) and _is_distinguishable(world, posted) for posted in world.posted
        ):
            yield f"no claim of a release: {one.version}"
    for one in world.posted:
        yield from _of_a_post(scenario, world, one)
    held = Counter(it.id for one in claims for it in (one.release, one.second_release) if it)
    yield from (f"two claims of one release: {number}" for number, n in held.items() if n > 1)
    unclear = [one.request for one in claims if one.request and _is_left_to_a_person(world, one)]
    for one in world.posted:
        if one.id not in held and not any(sent(one.request) == sent(other) for other in unclear):
            yield f"orphan: {one.version}, release {one.id}"


def _of_a_claim(scenario: Scenario, world: World, one: Registered, claim: Claim) -> Iterator[str]:
    state = claim.state.value
    what = f"{one.version} is {state}: {claim.reason}"
    if not _is_final(claim) and not _is_ambiguous(world, claim):
        yield f"not final: {what}"
    if state == "superseded":
        if not scenario.is_exclusive:
            yield f"superseded under every: {what}"
        newer = (other for other in world.registered if int(other.version) > int(one.version))
        if not any(other.workspace == one.workspace for other in newer):
            yield f"superseded by nothing newer: {what}"
    right = {posted.id for posted in world.posted if _is_of(posted, one)}
    if claim.release and claim.release.id not in right:
        yield f"wrong release: {what}"


def _is_left_to_a_person(world: World, claim: Claim) -> bool:
    return claim.state.value == "given_up" or (not _is_final(claim) and _is_ambiguous(world, claim))


def _is_ambiguous(world: World, claim: Claim) -> bool:
    """Whether a run without a key may belong to another registration, which is never guessed."""
    request = claim.request
    return bool(
        request
        and request.kind == "pipeline"
        and KEY_PARAMETER not in sent(request)
        and sum(sent(other) == sent(request) for other in _requests(world)) > 1
    )


def _requests(world: World) -> Sequence[StartRequest]:
    return [one.request for one in _claims(world) if one.request]


def _is_of(posted: Posted, one: Registered | Delivery) -> bool:
    name = posted.values.get("workspaceName")
    return posted.version == one.version and name in {None, WORKSPACES[one.workspace].name}


def claim_of(world: World, delivery: Delivery) -> Claim | None:
    """Return a registration's claim under the rule in mode live, as the app reads it."""
    return next((one for about, one in _read(world) if about == delivery), None)


def _is_in_ledger(world: World, delivery: Delivery) -> bool:
    """Whether there is a claim, in either mode: what was observed once is never started."""
    found = [*_read(world), *_read(world, observed=True)]
    return any(about == delivery for about, _ in found)


def _claims(world: World) -> Sequence[Claim]:
    return [one for _, one in _read(world)]


def _read(world: World, *, observed: bool = False) -> Iterator[tuple[Delivery, Claim]]:
    for (_, row), stored in world.tables.rows.get(f"{PREFIX}releases", {}).items():
        values = stored.values
        if not row.startswith("claim|") or values["rule"] != RULE:
            continue
        if values["observed"] is observed:
            yield _read_row(stored.etag, stored)


@lru_cache(10_000)
def _read_row(etag: str, stored: Stored) -> tuple[Delivery, Claim]:
    workspace = Workspace.parse(stored.values["workspace"])
    claim = read_claim(stored.values, etag)
    return Delivery(claim.version, WORKSPACES.index(workspace)), claim


def _is_final(claim: Claim) -> bool:
    return claim.state.value not in _OPEN


def _pause(world: World) -> int:
    """Return how long nothing can be done about an open claim, in milliseconds."""
    later = [
        milliseconds(one.not_before) + 1000 - world.now
        for one in _claims(world)
        if not _is_final(one) and one.not_before
    ]
    return max([0, *later])


def _problems(thread: Thread) -> list[str]:
    problem = thread.ended.problem if thread.ended else ""
    return [f"unexpected: {thread.name}: {problem}"] if problem else []
