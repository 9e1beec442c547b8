"""Which step can come next, and the state that it leads to."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace

from tests.checker.calls import Call, Reply
from tests.checker.processes import Ended, Process, Program
from tests.checker.scenario import Scenario, Task
from tests.checker.world import FAULTS, World, kind_of

_MOST_LIVE = 4_000
# What every workspace gets of a pass, in milliseconds: in a longer one, some may get nothing.
_SHARE = 60_000


@dataclass(frozen=True, slots=True)
class Step:
    """How a process reaches a point: by being started, or by a reply at the previous point."""

    name: str
    program: Program
    now: int
    before: "Point | None" = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process is: how it got there, and its current call or its end."""

    step: Step
    next: Call | Ended


class Histories:
    """The points that processes have reached; a point that was reached before is not run again.

    A process cannot be copied. To continue it in two ways, it is run again from its beginning with
    the same replies.
    """

    def __init__(self) -> None:
        self._points: dict[Hashable, Point] = {}
        self._live: OrderedDict[int, Process] = OrderedDict()

    def begin(self, name: str, task: Hashable, program: Program, now: int) -> Point:
        """Start a process, which stops at its first call."""
        return self._known((name, task, now), Step(name, program, now))

    def go_on(self, point: Point, reply: Reply, now: int) -> Point:
        """Reply to the call at which a process is paused."""
        key = (id(point), reply.key, now)
        return self._known(key, replace(point.step, before=point, reply=reply, now=now))

    def _known(self, key: Hashable, step: Step) -> Point:
        found = self._points.get(key)
        if found is None:
            process, following = self._taken(step)
            found = self._points[key] = Point(step, following)
            if isinstance(following, Call):
                self._live[id(found)] = process
                if len(self._live) > _MOST_LIVE:
                    self._live.popitem(last=False)[1].end()
        return found

    def close(self) -> None:
        """End all processes."""
        for process in self._live.values():
            process.end()

    def _taken(self, step: Step) -> tuple[Process, Call | Ended]:
        if step.before is None:
            process = Process(step.name, step.program, step.now)
            return process, process.switch()
        process = self._live.pop(id(step.before), None) or self._again(step.before)
        assert not process.dead, "the same answers lead to the same call"
        return process, process.switch((step.reply, step.now))

    def _again(self, point: Point) -> Process:
        """Run a process from its beginning to a point."""
        steps = [point.step]
        while steps[-1].before:
            steps.append(steps[-1].before.step)
        process, _ = self._taken(steps.pop())
        for step in reversed(steps):
            process.switch((step.reply, step.now))
        return process


@dataclass(frozen=True, slots=True)
class Thread:
    """A process in a schedule; `point` is None before it starts.

    `ended` is how it ended; `crashed` is whether that was in the middle. `harmed` is whether a
    storage call failed; `baseline` is what reconcile must not start, as known at its start, and
    `was_alone` is whether no pass was running at that time.
    """

    name: str
    task: Task | None
    point: Point | None = None
    ended: Ended | None = None
    crashed: bool = False
    harmed: bool = False
    started_at: int = 0
    baseline: frozenset[tuple[str, int]] = frozenset()
    was_alone: bool = True

    @property
    def is_over(self) -> bool:
        return self.crashed or self.ended is not None

    @property
    def is_pass(self) -> bool:
        """Whether this is a pass of reconcile."""
        return self.task is not None and self.task.delivery is None

    @property
    def has_ended_well(self) -> bool:
        """Whether it has finished its work."""
        return self.ended is not None and not self.harmed and not self.ended.pending

    @property
    def call(self) -> Call | None:
        """Its current call."""
        return self.point.next if self.point and isinstance(self.point.next, Call) else None

    @property
    def key(self) -> Hashable:
        """Its identity: how it can continue and, once it has ended, not how it got there."""
        if self.is_over:
            return (self.name, self.crashed or self.ended.pending)
        at = id(self.point) if self.point else None
        return (self.name, at, self.harmed, self.baseline, self.was_alone)


@dataclass(frozen=True, slots=True)
class State:
    """The world and the processes at one moment, and how much may still fail."""

    world: World
    threads: tuple[Thread, ...]
    faults: int
    crashes: int
    jumps: int

    @property
    def key(self) -> Hashable:
        threads = tuple(one.key for one in self.threads)
        return (self.world.key, threads, self.faults, self.crashes, self.jumps)

    @property
    def is_over(self) -> bool:
        return all(one.is_over for one in self.threads)


@dataclass(frozen=True, slots=True)
class Move:
    """A step: a process continues, possibly with a fault, or crashes; or something else happens."""

    kind: str
    index: int = 0
    detail: str = ""
    span: int = 0

    def is_of(self, index: int) -> bool:
        """Whether this is a step of the process."""
        return self.index == index and self.kind in {"step", "crash", "again"}


@dataclass
class Stepper:
    """The steps of a scenario."""

    scenario: Scenario
    program: Callable[[Task, World], Program]
    histories: Histories = field(default_factory=Histories)

    def moves(self, state: State) -> Iterator[Move]:
        """Return what can happen next.

        Of several processes at calls that affect nothing else, only one continues: the order of
        such calls does not matter.
        """
        indices = self._ready(state)
        for index in indices:
            thread = state.threads[index]
            yield Move("step", index)
            call = thread.call
            if state.faults and call:
                for fault in self.faults_of(call):
                    yield Move("step", index, fault)
            if state.crashes and thread.point:
                yield Move("crash", index)
        if self._private(state):
            return
        for change in self.scenario.changes[state.world.changed :][:1]:
            yield Move("set", detail=change)
        if state.jumps:
            for span in self.scenario.jumps:
                yield Move("time", span=span)

    def faults_of(self, call: Call) -> Iterator[str]:
        """Return the faults that a call can meet in this scenario."""
        if _is_of_decisions(call):
            return
        for fault in FAULTS.get(kind_of(call), ()):
            only = self.scenario.faults
            if not only or fault in only or f"{kind_of(call)}: {fault}" in only:
                yield fault

    def _ready(self, state: State) -> list[int]:
        private = self._private(state)
        if private:
            return private[:1]
        ready: list[int] = []
        unstarted: set[Task | None] = set()
        for index, thread in enumerate(state.threads):
            if thread.is_over:
                continue
            if thread.point is None:
                # Two deliveries of one event are equivalent until they start.
                if thread.task in unstarted:
                    continue
                unstarted.add(thread.task)
            ready.append(index)
        return ready

    @staticmethod
    def _private(state: State) -> list[int]:
        return [
            index
            for index, thread in enumerate(state.threads)
            if not thread.is_over and thread.call and _is_private(thread.call)
        ]

    def take(self, state: State, move: Move) -> State:
        """Take a step."""
        if move.kind in {"time", "set"}:
            return _changed(state, move)
        if move.kind == "nobody":
            return replace(state, threads=(*state.threads, Thread("nobody", None, crashed=True)))
        if move.kind == "again":
            again = _again(state.threads[move.index], len(state.threads))
            return replace(state, threads=(*state.threads, again))
        before = state.threads[move.index]
        if move.kind == "crash":
            crashed = replace(before, point=None, crashed=True)
            return replace(
                state, threads=_with(state.threads, move.index, crashed), crashes=state.crashes - 1
            )
        world = state.world.copy()
        world.now += move.span
        thread = self._recorded(world, self._stepped(world, before, move.detail))
        others = [one for one in state.threads if one.is_pass and one.point and one is not before]
        if before.is_pass and before.point is None:
            thread = replace(thread, was_alone=not others)
        had_time = world.now - thread.started_at < _SHARE
        if (
            thread.is_pass
            and thread.has_ended_well
            and had_time
            and thread.was_alone
            and not others
        ):
            world.passed(thread.task.book, thread.task.workspaces)
        threads = _with(state.threads, move.index, thread)
        left = state.faults - bool(move.detail)
        return State(world, threads, left, state.crashes, state.jumps)

    def _stepped(self, world: World, thread: Thread, fault: str) -> Thread:
        if thread.point is None:
            thread = self.started(world, thread)
            if thread.is_over:
                return thread
        point, call = thread.point, thread.call
        assert point, "a process that has ended takes no step"
        assert call, "a process that has ended takes no step"
        harmed = thread.harmed or (
            call.service == "storage" and bool(fault or world.now < world.down_until)
        )
        reply = world.answer(call, point.step.now, fault, thread.name)
        return self._reached(replace(thread, harmed=harmed), point, reply, world.now)

    def _recorded(self, world: World, thread: Thread) -> Thread:
        """Let a process record its decisions, which nothing else reads, in the same step."""
        while self.scenario.records_at_once and thread.call and _is_of_decisions(thread.call):
            thread = self._stepped(world, thread, "")
        return thread

    def _reached(self, thread: Thread, point: Point, reply: Reply, now: int) -> Thread:
        point = self.histories.go_on(point, reply, now)
        if isinstance(point.next, Ended):
            return replace(thread, point=None, ended=point.next)
        return replace(thread, point=point)

    def started(self, world: World, thread: Thread) -> Thread:
        """Start a process under the current settings."""
        task = thread.task or Task(None, world.book, world.workspaces)
        task = replace(task, book=world.book, workspaces=world.workspaces)
        program = self.program(task, world)
        point = self.histories.begin(thread.name, task, program, world.now)
        ended = point.next if isinstance(point.next, Ended) else None
        return replace(
            thread,
            task=task,
            point=None if ended else point,
            ended=ended,
            started_at=world.now,
            baseline=world.baseline,
        )

    def run(self, world: World, thread: Thread) -> Thread:
        """Run a process to completion, alone and without a fault."""
        thread = self.started(world, thread)
        while not thread.is_over:
            thread = self._stepped(world, thread, "")
        return thread


def _changed(state: State, move: Move) -> State:
    """Let time pass, or a user change something."""
    world = state.world.copy()
    if move.kind == "time":
        world.now += move.span
        return replace(state, world=world, jumps=state.jumps - 1)
    world.change(move.detail)
    return replace(state, world=world)


def _again(thread: Thread, number: int) -> Thread:
    """Deliver again what was delivered before."""
    return Thread(f"{thread.name.partition('.')[0]}.{number + 1}", thread.task)


def _with(threads: tuple[Thread, ...], index: int, thread: Thread) -> tuple[Thread, ...]:
    return (*threads[:index], thread, *threads[index + 1 :])


def _is_private(call: Call) -> bool:
    return _is_of_decisions(call) or kind_of(call) == "azure_devops definition"


def _is_of_decisions(call: Call) -> bool:
    return str(call.arguments.get("table", "")).endswith("decisions")
