"""Format a schedule, step by step, for people to read."""

import re
from collections.abc import Iterator, Sequence

from tests.checker.calls import Call
from tests.checker.moves import Move, State, Stepper

_DIGEST = re.compile(r"\|[0-9a-f]{32}")


def lines(stepper: Stepper, state: State, moves: Sequence[Move]) -> Iterator[str]:
    """Take the steps again from a state, and describe each one."""
    for move in moves:
        if move.kind != "nobody":
            yield line(state, move)
        after = stepper.take(state, move)
        yield from _changes(state, after)
        state = after


def line(state: State, move: Move) -> str:
    """Return the description of a step."""
    at = f"{state.world.now / 1000:9.3f}"
    if move.kind == "time":
        return f"{at}  {move.span / 1000:g} s pass"
    if move.kind == "set":
        return f"{at}  from now on: {move.detail}"
    thread = state.threads[move.index]
    if move.kind == "again":
        return f"{at}  {thread.name:6} is delivered again"
    if move.span:
        at = f"{(state.world.now + move.span) / 1000:9.3f}"
    if move.kind == "crash":
        return f"{at}  {thread.name:6} CRASHES before: {_shown(thread.call)}"
    what = _shown(thread.call) if thread.call else "starts; its first call"
    return f"{at}  {thread.name:6} {what}{f'  << {move.detail}' if move.detail else ''}"


def _changes(before: State, after: State) -> Iterator[str]:
    at = f"{after.world.now / 1000:9.3f}"
    for one in after.world.posted[len(before.world.posted) :]:
        late = f", in the list from {one.listed_at / 1000:.3f}" if one.listed_at > one.at else ""
        yield f"{at}  ====== release {one.id} of {one.version} exists{late}"
    for old, new in zip(before.threads, after.threads, strict=False):
        if new.ended and not old.ended:
            decided = ", ".join(f"{version} {outcome}" for version, outcome in new.ended.decisions)
            end = "delivered again" if new.ended.pending else "done"
            yield f"{at}  {new.name:6} ends: {decided or 'nothing decided'} ({end})"
        elif isinstance(call := new.call, Call) and not old.point:
            yield f"{at}  {new.name:6} comes to: {_shown(call)}"


def _shown(call: Call | None) -> str:
    """Return a call without the digests of partitions."""
    text = _DIGEST.sub("", str(call))
    text = re.sub(r" or PartitionKey eq '[^']*' and", " or", text)
    return text.replace("PartitionKey", "pk").replace("RowKey", "rk")
