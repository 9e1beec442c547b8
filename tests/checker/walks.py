"""Random schedules, in which anything can happen, reproducible by a seed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.checker import verdict
from tests.checker.beginning import begun
from tests.checker.moves import Move, State, Stepper
from tests.checker.scenario import Delivery, Scenario
from tests.checker.world import FAULTS
from tests.checker.world import kind_of as kind_of_call

_MOST_STEPS = 3_000
_MOST_THREADS = 14
_PAUSES = (0, 0, 0, 20, 50, 300)
_JUMPS = (300, 600, 1_000, 11_000, 24_000, 61_000, 119_000, 121_000, 245_000, 301_000, 86_500_000)
# Leases, and the lag of lists.
_SPANS = ((120.0, 120.0), (120.0, 120.0), (120.0, 300.0), (4.0, 2.0), (4.0, 120.0))
ALL_FAULTS = tuple(f"{kind}: {fault}" for kind, faults in FAULTS.items() for fault in faults)
_BOOKS = ("narrow", "broken", "unreadable", "removed", "off", "observe")
_TARGETS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"release": None, "pipeline": {"id": 5}},
    {
        "release": None,
        "pipeline": {
            "id": 5,
            "parameters": {
                "modelName": "{model_name}",
                "modelVersion": "{model_version}",
                "workspaceName": "{workspace}",
            },
        },
    },
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A walk: its scenario, and the probability of faults."""

    scenario: Scenario
    fault: float = 0.0
    crash: float = 0.0
    jump: float = 0.0
    change: float = 0.0
    switch: float = 0.35
    at_once: int = 3
    ignored: frozenset[str] = frozenset()


@dataclass
class Walk:
    """What a walk did, which faults it met, and what was wrong."""

    plan: Plan
    moves: list[Move] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    passes: int = 0

    @property
    def length(self) -> int:
        """The number of steps."""
        return sum(one.kind != "nobody" for one in self.moves)

    @property
    def kinds(self) -> list[str]:
        """The kinds of problems."""
        return list(dict.fromkeys(kind_of(one) for one in self.problems))


def kind_of(problem: str) -> str:
    """Return the kind of a problem, without its subject."""
    return problem.partition(":")[0]


def planned(seed: int) -> Plan:
    """Draw a plan.

    Half of the plans use only a few kinds of faults and time jumps, which then coincide more often.
    """
    random = Random(seed)  # noqa: S311 - reproducible randomness
    lease, lag = random.choice(_SPANS)
    few = random.random() < 0.5
    jumps = [*_JUMPS, *_jumps_around(lease, lag)]
    change = random.choice((0.0, 0.0, 0.05))
    scenario = Scenario(
        rule={
            **random.choice(_TARGETS),
            "start": random.choice(("newer", "newer", "latest", "every")),
        },
        **_registrations(random, few=few),
        passes=random.choice((2, 3) if change else (0, 1, 1, 2)),
        settled=random.random() < 0.8,
        faults=tuple(random.sample(ALL_FAULTS, random.randint(1, 5))) if few else (),
        most_faults=random.randint(0, 8),
        most_crashes=random.choice((0, 0, 1, 2)),
        most_jumps=random.randint(0, 5),
        jumps=tuple(random.sample(jumps, 3) if few else jumps),
        lease=lease,
        lag=lag,
        takes_key=random.random() < 0.5,
        book=random.choice(("base", "base", "broken")) if change else "base",
        records_at_once=False,
    )
    return Plan(
        scenario,
        fault=random.choice((0.1, 0.3, 0.5)),
        crash=random.choice((0.01, 0.05)),
        jump=random.choice((0.02, 0.1, 0.2)),
        change=change,
        switch=random.choice((0.1, 0.35, 0.7)),
        at_once=random.randint(2, 4),
    )


def _registrations(random: Random, *, few: bool) -> dict[str, Any]:
    """Draw what is registered, and how often each event is delivered: the first possibly never."""
    workspaces = random.choice((1, 1, 2))
    versions = [str(17 + number) for number in range(random.choice((1, 2) if few else (1, 2, 3)))]
    events = [Delivery(one, index) for one in versions for index in range(workspaces)]
    twice = random.sample(events, k=random.randint(0, len(events)))
    is_lost = random.random() < 0.2
    deliveries = [*events[is_lost:], *twice]
    random.shuffle(deliveries)
    return {
        "deliveries": tuple(deliveries),
        "versions": tuple(versions),
        "workspaces": workspaces,
    }


def _jumps_around(lease: float, lag: float) -> Iterator[int]:
    """Return time jumps that end close to the expiry of a lease, or of what follows it."""
    for end in (lease / 2, lease, lease + lag):
        yield from (round(1000 * (end + more)) for more in (-0.3, 0.1, 1.5))


def walk(seed: int, plan: Plan | None = None) -> Walk:
    """Walk once; the same seed and plan reproduce the walk."""
    plan = plan or planned(seed)
    walked = Walk(plan)
    random = Random(seed + 1)  # noqa: S311 - reproducible randomness
    with begun(plan.scenario) as (stepper, start):
        state, chooser = start, _Chooser(plan, random, stepper)
        while not (state.is_over or walked.problems) and len(walked.moves) < _MOST_STEPS:
            state = _taken(stepper, state, chooser.choose(state), walked)
        _judge_end(stepper, state, walked)
    return walked


def follow(plan: Plan, moves: Sequence[Move]) -> Walk:
    """Take these steps as far as possible, and end the processes that they have begun."""
    walked = Walk(plan)
    with begun(plan.scenario) as (stepper, start):
        state = start
        for move in moves:
            if _is_possible(state, move) and not walked.problems:
                state = _taken(stepper, state, move, walked)
        for index in [one for one, thread in enumerate(state.threads) if thread.point]:
            while not (state.threads[index].is_over or walked.problems):
                state = _taken(stepper, state, Move("step", index), walked)
        _judge_end(stepper, state, walked)
    return walked


def shortened(walked: Walk, kind: str) -> Walk:
    """Drop every step that is not needed for the same kind of problem."""
    while True:
        shorter = _calmed(_without_steps(_without_processes(walked, kind), kind), kind)
        if shorter.length == walked.length:
            return shorter
        walked = shorter


def _without_processes(walked: Walk, kind: str) -> Walk:
    for index in sorted({one.index for one in walked.moves}, reverse=True):
        kept = [_left_out(one) if one.is_of(index) else one for one in walked.moves]
        walked = _shorter(walked, kept, kind)
    return walked


def _without_steps(walked: Walk, kind: str) -> Walk:
    size = len(walked.moves)
    while size:
        at = 0
        while at < len(walked.moves):
            moves = walked.moves
            left_out = [_left_out(one) for one in moves[at : at + size]]
            walked = _shorter(walked, [*moves[:at], *left_out, *moves[at + size :]], kind)
            at += size if walked.moves is moves else 0
        size //= 2
    return walked


def _calmed(walked: Walk, kind: str) -> Walk:
    """Drop faults and time jumps that do not matter."""
    for at, move in enumerate(walked.moves):
        if move.kind == "step" and (move.detail or move.span) and at < len(walked.moves):
            calm = [*walked.moves[:at], Move("step", move.index), *walked.moves[at + 1 :]]
            shorter = follow(walked.plan, calm)
            if kind in shorter.kinds and shorter.length <= walked.length:
                walked = shorter
    return walked


def _shorter(walked: Walk, moves: Sequence[Move | None], kind: str) -> Walk:
    shorter = follow(walked.plan, [one for one in moves if one])
    return shorter if kind in shorter.kinds and shorter.length < walked.length else walked


def _left_out(move: Move) -> Move | None:
    """Drop a move; later processes keep their numbers."""
    return Move("nobody") if move.kind in {"again", "nobody"} else None


def _taken(stepper: Stepper, state: State, move: Move, walked: Walk) -> State:
    call = state.threads[move.index].call if move.kind == "step" else None
    if call and move.detail:
        walked.met.add(f"{kind_of_call(call)}: {move.detail}")
    after = stepper.take(state, move)
    walked.moves.append(move)
    problems = verdict.of_a_step(stepper.scenario, state, after)
    walked.problems += _counted(walked.plan, problems)
    return after


def _judge_end(stepper: Stepper, state: State, walked: Walk) -> None:
    """Check the end state when nothing more fails, unless there is a problem already."""
    if walked.problems:
        return
    if any(one.point and not one.is_over for one in state.threads):
        walked.problems.append("endless: it does not end")
        return
    settled = verdict.settle(stepper, state)
    walked.problems += _counted(walked.plan, settled.problems)
    walked.passes = settled.passes


def _counted(plan: Plan, problems: Iterable[str]) -> list[str]:
    return [one for one in problems if kind_of(one) not in plan.ignored]


def _is_possible(state: State, move: Move) -> bool:
    if move.kind in {"time", "set", "nobody"}:
        return True
    if move.index >= len(state.threads):
        return False
    thread = state.threads[move.index]
    if move.kind == "crash":
        return thread.point is not None
    return thread.is_over == (move.kind == "again")


@dataclass
class _Chooser:
    """Chooses the next step at random."""

    plan: Plan
    random: Random
    stepper: Stepper
    last: int = -1

    def choose(self, state: State) -> Move:
        plan, random = self.plan, self.random
        if plan.change and random.random() < plan.change:
            return Move("set", detail=self._change(state))
        if state.jumps and random.random() < plan.jump:
            return Move("time", span=random.choice(plan.scenario.jumps))
        if again := self._again(state):
            return again
        self.last = index = self._thread(state)
        thread = state.threads[index]
        if state.crashes and thread.point and random.random() < plan.crash:
            return Move("crash", index)
        return Move("step", index, self._fault(state, index), random.choice(_PAUSES))

    def _thread(self, state: State) -> int:
        running = [i for i, one in enumerate(state.threads) if one.point and not one.is_over]
        waiting = [i for i, one in enumerate(state.threads) if not one.point and not one.is_over]
        if waiting and (not running or len(running) < self.plan.at_once):
            running.append(self.random.choice(waiting))
        if self.last in running and self.random.random() > self.plan.switch:
            return self.last
        return self.random.choice(running)

    def _fault(self, state: State, index: int) -> str:
        call = state.threads[index].call
        if not call or not state.faults or self.random.random() > self.plan.fault:
            return ""
        return self.random.choice(["", *self.stepper.faults_of(call)])

    def _again(self, state: State) -> Move | None:
        """Deliver again what failed, soon or never; settling does the rest."""
        if len(state.threads) >= _MOST_THREADS or self.random.random() > 0.05:
            return None
        failed = [
            index
            for index, one in enumerate(state.threads)
            if one.task and one.task.delivery and (one.crashed or (one.ended and one.ended.pending))
        ]
        return Move("again", self.random.choice(failed)) if failed else None

    def _change(self, state: State) -> str:
        number = self.plan.scenario.workspaces
        every = "".join(map(str, range(number)))
        is_there = len(state.world.workspaces) == number and 0 in state.world.workspaces
        version = self.random.choice(self.plan.scenario.versions)
        return self.random.choice(
            [
                f"book {self.random.choice(_BOOKS)}",
                "book base",
                f"workspaces {'1' if is_there else every}",
                f"archive {version}",
                *self._registration(state),
            ]
        )

    def _registration(self, state: State) -> Iterator[str]:
        """Register another version, up to three."""
        newest = max(int(one.version) for one in state.world.registered)
        if newest < int(max(self.plan.scenario.versions, key=int)) + 3:
            yield f"register {newest + 1}"
