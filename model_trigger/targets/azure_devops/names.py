"""Find the one definition that a name means; a folder may stand before it: `/ml/Deploy churn`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from model_trigger.targets.kinds import KINDS
from model_trigger.targets.request import TargetAddress, TargetError
from model_trigger.text import quoted

_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Listed:
    r"""A definition as lists show it; `folder` begins with `\`, as the service writes it."""

    id: int
    name: str
    folder: str

    @property
    def path(self) -> str:
        """Folder and name, in the spelling that JSON need not escape."""
        return f"{self.folder}\\{self.name}".replace("\\", "/").replace("//", "/")

    @property
    def shown(self) -> str:
        """The definition as people find it again."""
        return f"{quoted(self.path)} ({self.id})"

    def likeness(self, wanted: int | str) -> float:
        """Return from 0 to 1 how similar the name is to the wanted one; an id resembles no name."""
        if isinstance(wanted, int):
            return 0.0
        return SequenceMatcher(None, name_in(wanted).lower(), self.name.lower()).ratio()


def name_in(wanted: str) -> str:
    """Return the name without its folder."""
    return wanted.replace("\\", "/").rpartition("/")[2]


def meant(wanted: str, listed: Iterable[Listed]) -> list[Listed]:
    """Return the definitions that a name means, which Azure DevOps compares without case.

    A name without a folder means a definition of any folder.
    """
    path = wanted.replace("\\", "/").lower()
    if "/" not in path:
        return [one for one in listed if one.name.lower() == path]
    return [one for one in listed if one.path.lower().lstrip("/") == path.lstrip("/")]


def no_project(address: TargetAddress) -> TargetError:
    """Return the error for a project that does not exist."""
    return TargetError(
        f"there is no project {address.project!r} in {address.organization_url}: correct "
        "AZURE_DEVOPS_PROJECT, or the project that the rule names"
    )


def unknown(address: TargetAddress, listed: Iterable[Listed]) -> TargetError:
    """Return the error for a definition that does not exist, with the closest names first."""
    what, wanted = KINDS[address.kind].what, address.definition
    name = quoted(wanted) if isinstance(wanted, str) else wanted
    missing = f"there is no {what} {name} in project {quoted(address.project)}"
    nearest = sorted(listed, key=lambda one: -one.likeness(wanted))
    if not nearest:
        return TargetError(
            f"{missing}, nor any other that the identity of the app may view: correct the project, "
            f"or grant the permission to view its {what}s"
        )
    return TargetError(f"{missing}: write one that is there, {_several(nearest)}")


def ambiguous(address: TargetAddress, found: Sequence[Listed]) -> TargetError:
    """Return the error for a name that exists in several folders."""
    what, name = KINDS[address.kind].what, quoted(str(address.definition))
    return TargetError(
        f"{what} {name} is in several folders of project {quoted(address.project)}: write it "
        f"with its folder, or its id, {_several(found)}"
    )


def _several(listed: Sequence[Listed]) -> str:
    shown = [one.shown for one in listed[:_MOST_SHOWN]]
    more = len(listed) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])
