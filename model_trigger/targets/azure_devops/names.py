"""Find the one definition that a name means; a folder may stand before it: `/ml/Deploy churn`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from model_trigger.targets.request import TargetError
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


def name_in(wanted: str) -> str:
    """Return the name without its folder."""
    return _slashed(wanted).rpartition("/")[2]


def meant(wanted: str, listed: Iterable[Listed]) -> list[Listed]:
    """Return the definitions that a name means, which Azure DevOps compares without case.

    A name without a folder means a definition of any folder.
    """
    path = _slashed(wanted).lower()
    if "/" not in path:
        return [one for one in listed if one.name.lower() == path]
    return [one for one in listed if one.path.lower().lstrip("/") == path.lstrip("/")]


def unknown(what: str, wanted: int | str, project: str, listed: Sequence[Listed]) -> TargetError:
    """Return the error for a definition that is not there; the nearest spelling is named first."""
    told = f"there is no {what} {_called(wanted)} in project {quoted(project)}"
    if not listed:
        return TargetError(
            f"{told}, nor any other that the identity of the app may view: correct the project, or "
            f"grant the permission to view its {what}s"
        )
    nearest = sorted(listed, key=lambda one: -_likeness(str(wanted), one))
    return TargetError(f"{told}: write one that is there, {_several(nearest)}")


def ambiguous(what: str, wanted: str, project: str, found: Sequence[Listed]) -> TargetError:
    """Return the error for a name that is used in several folders."""
    return TargetError(
        f"{what} {quoted(wanted)} is in several folders of project {quoted(project)}: write it "
        f"with its folder, or its id, {_several(found)}"
    )


def _slashed(wanted: str) -> str:
    return wanted.replace("\\", "/")


def _called(wanted: int | str) -> str:
    return str(wanted) if isinstance(wanted, int) else quoted(wanted)


def _likeness(wanted: str, listed: Listed) -> float:
    if wanted.isdecimal():
        return 0.0  # an id resembles no name
    texts = (name_in(wanted).lower(), listed.name.lower())
    return SequenceMatcher(None, *texts).ratio()


def _several(listed: Sequence[Listed]) -> str:
    shown = [one.shown for one in listed[:_MOST_SHOWN]]
    more = len(listed) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])
