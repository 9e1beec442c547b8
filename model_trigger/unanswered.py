"""Who did not answer in this pass of reconcile, and so is not asked again in it."""

from collections.abc import Collection
from dataclasses import dataclass, field

from model_trigger.decisions import Decision


@dataclass
class Unanswered:
    """The addresses of organizations and the keys of workspaces that did not answer."""

    _silent: set[str] = field(default_factory=set[str], init=False)

    def includes(self, asked: Collection[str]) -> bool:
        """Whether one of those that would be asked did not answer."""
        return not self._silent.isdisjoint(asked)

    def note(self, decision: Decision) -> None:
        """Note who did not answer, if that is why something is pending."""
        if decision.unanswered:
            self._silent.add(decision.unanswered)
