"""Check the protocol of exactly once: the app's own functions against a simulated outside.

`python -m tests.checker --help` lists what can be run. From the ground up:

    calls       what a process asks of the outside, and what it is answered
    filters     the filters of Table Storage
    tables      the rows of Table Storage, as values
    client      the SDK's TableClient over these rows
    targets     Azure DevOps and Azure ML, as the app's ports see them
    processes   one delivery or one pass of reconcile, paused at each call
    world       everything outside: what a call does to it, and which faults it may meet
    scenario    what is registered, delivered and allowed to go wrong
    moves       which step may come next, and the state that it leads to
    verdict     what must hold, at every step and after the faults have ended
    exhaustive  every schedule of a small scenario, breadth-first
    walks       random schedules of a large one, with a seed
    mutations   faults put into the app on purpose, each of which must be found

A process is a greenlet. It is switched at each call to the outside and nowhere else, so that what
it does next depends only on the answers it was given: these identify its state, and giving them
again leads there again.
"""
