"""Check from outside what hosts have started: nothing twice, nothing lost, never a step back."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from tests.sandbox.azure_devops.stand_in import AzureDevOps


def releases(azure_devops: AzureDevOps) -> list[tuple[int, str, int]]:
    """Return definition, model and version of each release, in order of creation."""
    found = []
    for release in azure_devops.releases:
        values = {name: one["value"] for name, one in release["variables"].items()}
        definition = release["releaseDefinition"]["id"]
        found.append((definition, values["modelName"], int(values["modelVersion"])))
    return found


def of_definition(
    created: Iterable[tuple[int, str, int]], definition: int
) -> list[tuple[str, int]]:
    """Return (model, version) of the definition's releases, in order of creation."""
    return [(model, version) for which, model, version in created if which == definition]


def runs(azure_devops: AzureDevOps) -> list[tuple[str, int]]:
    """Return model and version of each run, in the order in which they were started."""
    values = (run["templateParameters"] for run in azure_devops.runs)
    return [(one["modelName"], int(one["modelVersion"])) for one in values]


def wrong_with_every(
    started: Sequence[tuple[str, int]], wanted: Sequence[tuple[str, int]]
) -> list[str]:
    """Return what is wrong with the releases of a rule that starts every version once."""
    counts = {each: started.count(each) for each in wanted}
    strangers = sorted(set(started) - counts.keys())
    return [f"{each} was started {count} times" for each, count in counts.items() if count != 1] + [
        f"{each} was never registered" for each in strangers
    ]


def wrong_with_newer(
    started: Sequence[tuple[str, int]], wanted: Sequence[tuple[str, int]]
) -> list[str]:
    """Return what is wrong with the releases of a rule that starts only newer versions."""
    by_model: dict[str, list[int]] = {model: [] for model, _ in wanted}
    newest = {model: max(v for m, v in wanted if m == model) for model in by_model}
    for model, version in started:
        by_model.setdefault(model, []).append(version)
    wrong = []
    for model, versions in by_model.items():
        if newest.get(model) not in versions:
            wrong.append(f"{model}: the newest version, {newest.get(model)}, was never started")
        wrong += [
            f"{model}: {later} was started after {earlier}"
            for earlier, later in pairwise(versions)
            if later <= earlier
        ]
    return wrong


def trustworthy(attempt: Callable[[], tuple[Sequence[str], Sequence[str]]], times: int = 3) -> None:
    """Assert that an attempt, which returns problems and stalls, finds no problem.

    A problem after a stall says nothing about the app: then retry, a few times.
    """
    for _ in range(times):
        wrong, stalls = attempt()
        if not wrong or not stalls:
            break
    assert not wrong, f"{wrong}; stalls: {stalls}"
