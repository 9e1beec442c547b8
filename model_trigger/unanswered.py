"""Who did not answer in this pass of reconcile, and so is not asked again in it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from model_trigger.decisions import Decision, Outcome

# An answer that takes longer, in seconds, and says only "not now", is none: a gateway that times
# out answers 504 after a while, and many claims would wait for it one after the other.
_SLOW = 5.0


@dataclass
class Unanswered:
    """The organizations and workspaces that did not answer, or did so too slowly.

    `clock` is in seconds.
    """

    clock: Callable[[], float]
    _silent: set[str] = field(default_factory=set[str], init=False)

    def includes(self, asked: Collection[str]) -> bool:
        """Whether one of those that would be asked did not answer."""
        return not self._silent.isdisjoint(asked)

    def note(self, decision: Decision, began: float, asked: Sequence[str]) -> None:
        """Note who did not answer what `began` at this moment, or took too long to answer.

        The first of those that were `asked` is the organization.
        """
        if decision.unanswered:
            self._silent.add(decision.unanswered)
        elif decision.outcome is Outcome.PENDING and self.clock() - began > _SLOW:
            self._silent.update(asked[:1])
