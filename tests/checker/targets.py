"""Azure DevOps and Azure ML as the app's ports see them: each method asks the outside once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from model_trigger.deadline import Deadline
from model_trigger.registrations.listing import ModelSummary
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.targets.request import (
    Definition,
    Sighting,
    StartRequest,
    StartResult,
    TargetAddress,
)
from tests.checker.calls import Call, ask


@dataclass(frozen=True, slots=True)
class SimulatedAzureDevOps:
    """The client of both kinds of targets."""

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        return self._ask("definition", deadline, address=address)

    def start(self, request: StartRequest, deadline: Deadline, key: str = "") -> StartResult:
        shown = version_of(request)
        return self._ask("start", deadline, request=request, release_key=key, shown=shown)

    def find(
        self,
        request: StartRequest,
        key: str,
        since: datetime,
        began_after: float,
        deadline: Deadline,
    ) -> Sighting:
        return self._ask(
            "find",
            deadline,
            request=request,
            release_key=key,
            since=since,
            began_after=began_after,
            shown=version_of(request),
        )

    def _ask(self, verb: str, deadline: Deadline, **arguments: Any) -> Any:
        return ask(Call("azure_devops", verb, arguments, deadline.remaining))


@dataclass(frozen=True, slots=True)
class SimulatedAzureML:
    """The client that lists models."""

    def models(self, workspace: Workspace, deadline: Deadline) -> Iterator[ModelSummary]:
        yield from self._ask("models", deadline, workspace=workspace, shown=workspace.name)

    def versions(
        self, workspace: Workspace, model: str, deadline: Deadline
    ) -> Iterator[Registration]:
        yield from self._ask("versions", deadline, workspace=workspace, model=model, shown=model)

    def _ask(self, verb: str, deadline: Deadline, **arguments: Any) -> Any:
        return ask(Call("azure_ml", verb, arguments, deadline.remaining))


def sent(request: StartRequest) -> dict[str, str]:
    """Read what a request hands over: variables of a release, parameters of a run."""
    variables = request.body.get("variables", {})
    plain = {name: one["value"] for name, one in variables.items()}
    return {**plain, **request.body.get("templateParameters", {})}


def version_of(request: StartRequest) -> str:
    """Read which version a request starts."""
    return sent(request)["modelVersion"]
