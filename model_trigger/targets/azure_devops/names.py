"""Find the one definition with a name, which may include its folder: `/ml/Deploy churn`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from model_trigger.targets.kinds import KINDS
from model_trigger.targets.request import TargetAddress, TargetError
from model_trigger.text import quoted

_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Listed:
    r"""A definition in a list; `folder` begins with `\`, as the service writes it."""

    id: int
    name: str
    folder: str

    @property
    def path(self) -> str:
        """Folder and name, with slashes, which JSON does not escape."""
        return f"{self.folder}\\{self.name}".replace("\\", "/").replace("//", "/")

    @property
    def shown(self) -> str:
        """Path and id, as shown in messages."""
        return f"{quoted(self.path)} ({self.id})"

    def likeness(self, wanted: int | str) -> float:
        """Return the similarity of the names, from 0 to 1; an id resembles no name."""
        if isinstance(wanted, int):
            return 0.0
        return SequenceMatcher(None, name_in(wanted).lower(), self.name.lower()).ratio()


def name_in(wanted: str) -> str:
    """Return the name without its folder."""
    return wanted.replace("\\", "/").rpartition("/")[2]


def meant(wanted: str, listed: Iterable[Listed]) -> list[Listed]:
    """Return the definitions with a name, in which Azure DevOps ignores case.

    A name without a folder matches a definition in any folder.
    """
    path = wanted.replace("\\", "/").lower()
    if "/" not in path:
        return [one for one in listed if one.name.lower() == path]
    return [one for one in listed if one.path.lower().lstrip("/") == path.lstrip("/")]


def no_project(address: TargetAddress) -> TargetError:
    """Return the error for a project that does not exist."""
    return TargetError(
        f"there is no project {address.project!r} in {address.organization_url}: correct "
        "AZURE_DEVOPS_PROJECT, or the project in the rule"
    )


def unknown(address: TargetAddress, listed: Iterable[Listed]) -> TargetError:
    """Return the error for a definition that does not exist, with the closest names first."""
    what, wanted = KINDS[address.kind].what, address.definition
    name = quoted(wanted) if isinstance(wanted, str) else wanted
    missing = f"there is no {what} {name} in project {quoted(address.project)}"
    nearest = sorted(listed, key=lambda one: -one.likeness(wanted))
    if not nearest:
        return TargetError(
            f"{missing}, nor any other that the app's identity may view: correct the project, or "
            f"grant the permission to view its {what}s"
        )
    return TargetError(f"{missing}: use one of {_several(nearest)}")


def ambiguous(address: TargetAddress, found: Sequence[Listed]) -> TargetError:
    """Return the error for a name that exists in several folders."""
    what, name = KINDS[address.kind].what, quoted(str(address.definition))
    return TargetError(
        f"{what} {name} exists in several folders of project {quoted(address.project)}: add the "
        f"folder or use the id, one of {_several(found)}"
    )


def _several(listed: Sequence[Listed]) -> str:
    shown = [one.shown for one in listed[:_MOST_SHOWN]]
    more = len(listed) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])
