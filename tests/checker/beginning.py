"""The initial state of all schedules of a scenario."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.checker.moves import State, Stepper, Thread
from tests.checker.scenario import Programs, Scenario, Task
from tests.checker.world import Registered, World

_HOUR = 3_600_000


@contextmanager
def begun(scenario: Scenario) -> Iterator[tuple[Stepper, State]]:
    """Register what exists, let a pass see what is old, and set up the processes.

    Processes that have not finished at the end are ended.
    """
    programs = Programs(scenario)

    def program(task: Task, world: World):
        return programs.program(task, _registered_at(world, task))

    stepper = Stepper(scenario, program)
    indices = tuple(range(scenario.workspaces))
    world = World(
        scenario,
        registered=tuple(
            Registered(version, index, -_HOUR, -_HOUR)
            for version in scenario.old
            for index in indices
        ),
        workspaces=indices,
        baseline=frozenset((one, index) for one in scenario.old for index in indices),
        book=scenario.book,
    )
    if scenario.settled:
        first = stepper.run(world, Thread("first", Task(None, "base", indices)))
        assert first.ended == type(first.ended)(), first.ended
        world.now += 301_000
    named = {*scenario.versions, *(one.version for one in scenario.deliveries)}
    for version in sorted(named - {*scenario.old}, key=int):
        world.now += 400
        world.registered += tuple(
            Registered(version, index, world.now, world.now) for index in indices
        )
    world.now += 1_000
    budget = scenario.most_faults, scenario.most_crashes, scenario.most_jumps
    try:
        yield stepper, State(world, _threads(scenario), *budget)
    finally:
        stepper.histories.close()


def _threads(scenario: Scenario) -> tuple[Thread, ...]:
    tasks = [Task(one, "base", ()) for one in scenario.deliveries]
    tasks += [Task(None, "base", ())] * scenario.passes
    return tuple(Thread(f"{_name(task)}.{number}", task) for number, task in enumerate(tasks, 1))


def _name(task: Task) -> str:
    """Return a process's name: D17 delivers 17 in the first workspace, D17b in the second."""
    if task.delivery is None:
        return "R"
    return f"D{task.delivery.version}{' bcdef'[task.delivery.workspace].strip()}"


def _registered_at(world: World, task: Task) -> int:
    if task.delivery is None:
        return 0
    return next(
        one.at
        for one in world.registered
        if (one.version, one.workspace) == (task.delivery.version, task.delivery.workspace)
    )
