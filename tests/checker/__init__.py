"""Check the exactly-once protocol: the app's own functions in a simulated world.

`python -m tests.checker --help` lists what can be run. From the ground up:

    calls       what a process calls outside, and the replies
    filters     the filters of Table Storage
    tables      the rows of Table Storage, as values
    client      the SDK's TableClient over these rows
    targets     Azure DevOps and Azure ML, as seen through the app's ports
    processes   one delivery or one pass of reconcile, paused at each call
    world       everything outside: what a call does to it, and which faults it can meet
    scenario    what is registered, delivered and allowed to fail
    moves       which step can come next, and the state that it leads to
    verdict     what must hold, at every step and after the faults have ended
    exhaustive  every schedule of a small scenario, breadth-first
    walks       random schedules of a large one, with a seed
    mutations   faults injected into the app, each of which must be found

A process is a greenlet. It switches only at calls to the outside, so what it does next depends
only on the replies so far: they identify its state, and the same replies lead to it again.
"""
