# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# azure-devops and msrest carry no types; what leaves this module is typed.
"""YAML pipelines: find out what a pipeline takes, run it, find a run again."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from model_trigger.azure_devops_answers import AnswerError, needs
from model_trigger.azure_devops_client import (
    HardenedBuildClient,
    HardenedPipelinesClient,
    Model,
    pages,
    web_page,
)
from model_trigger.azure_devops_names import Listed
from model_trigger.targets import (
    KEY_PARAMETER,
    Definition,
    Release,
    StartRequest,
    TargetAddress,
    TargetError,
    resources,
)

_INVALID = "PipelineValidationException"
_PAGE = 100
_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Pipelines of one organisation, and their runs, which the older API calls builds."""

    client: HardenedPipelinesClient
    builds: HardenedBuildClient
    what: ClassVar[str] = "pipeline"
    permissions: ClassVar[str] = "View builds, Queue builds and Edit queue build configuration"

    def listed(self, project: str, name: str | None) -> Iterator[Listed]:
        """List the pipelines of a name, or those of the whole project."""
        found: list[Model] = self.builds.get_definitions(project, name=name, top=_MOST_LISTED)
        return (Listed(one.id, one.name, one.path or "\\") for one in found)

    def read(self, address: TargetAddress, definition_id: int) -> Definition:
        """Find out whether the pipeline declares the parameter for the key."""
        takes_key = self.client.can_rehearse and self._takes_key(address, definition_id)
        return Definition(definition_id, str(address.definition), takes_key=takes_key)

    def start(self, request: StartRequest) -> Release | None:
        """Send the POST; None when the answer does not say which run it started."""
        return _run(request, self.client.start(request.project, request.definition, request.body))

    def find(
        self, request: StartRequest, key: str, since: datetime, known: Collection[int], /
    ) -> Release | None:
        """Look for the run with this key, to the last page.

        Where the pipeline does not take the key, for the one run that was given what was sent and
        that is not `known`. Raises TargetError when there are several: which one, is not guessed.
        """
        builds = pages(lambda token: self._page(request, since, token))
        if request.body.get("templateParameters", {}).get(KEY_PARAMETER) == key:
            keyed = (one for one in builds if _key(one) == key)
            return _run(request, next(keyed, None))
        fitting = [one for one in builds if one.id not in known and _fits(one, request.body)]
        runs = [run for build in fitting if (run := _run(request, build))]
        if len(runs) > 1:
            raise _several(request, runs)
        return runs[0] if runs else None

    def rehearse(self, request: StartRequest) -> str:
        """Have the run checked, which starts nothing; give what could not be verified.

        It is checked like a run, by its rights, its parameters, its variables and its YAML; agent
        pools, environments and approvals are not looked at.
        https://learn.microsoft.com/rest/api/azure/devops/pipelines/preview/preview
        """
        if not self.client.can_rehearse:
            return "whether a run would be accepted, since this server cannot preview runs"
        try:
            self.client.rehearse(request.project, request.definition, request.body)
        except AnswerError as answer:
            if answer.status == HTTPStatus.FORBIDDEN:
                raise TargetError(needs(answer, self.permissions)) from answer
            if answer.type_key != _INVALID:
                raise
            msg = (
                f"pipeline {request.definition} would not accept the run ({answer.told}): correct "
                "the parameters, variables, branch or stages of the rule, or of the pipeline"
            )
            raise TargetError(msg) from answer
        return ""

    def _takes_key(self, address: TargetAddress, pipeline_id: int) -> bool:
        """Preview a run with the key alone: what the YAML does not declare is refused by name.

        All that is wrong with a run is told at once (https://stackoverflow.com/questions/63654387),
        so that other parameters which are missing are no hindrance.
        """
        body = {"templateParameters": {KEY_PARAMETER: "preview"}, **resources(address.branch)}
        try:
            self.client.rehearse(address.project, pipeline_id, body)
        except AnswerError as answer:
            if answer.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN}:
                raise
            return answer.type_key == _INVALID and not answer.names(KEY_PARAMETER)
        return True

    def _page(self, request: StartRequest, since: datetime, token: str | None) -> list[Model]:
        return self.builds.get_builds(
            request.project,
            definitions=[request.definition],
            min_time=since,
            # Without it, the time is that of finishing, and no run that goes on is in the list:
            # https://learn.microsoft.com/rest/api/azure/devops/build/builds/list
            query_order="queueTimeAscending",
            top=_PAGE,
            continuation_token=token,
        )


def _key(build: Model) -> str | None:
    return (build.template_parameters or {}).get(KEY_PARAMETER)


def _fits(build: Model, body: Mapping[str, Any]) -> bool:
    """Tell whether a run may be the one that this body started."""
    repositories = body.get("resources", {}).get("repositories", {})
    branch = repositories.get("self", {}).get("refName")
    variables = body.get("variables", {})
    return (
        (branch is None or branch == build.source_branch)
        and _holds(build.template_parameters, body.get("templateParameters", {}))
        and _holds(_variables(build), {name: one["value"] for name, one in variables.items()})
    )


def _holds(held: Mapping[str, Any] | None, sent: Mapping[str, str]) -> bool:
    """Tell whether a run was given what was sent; one that does not say what, may have been."""
    if held is None:
        return True
    found = {name.lower(): _plain(value) for name, value in held.items()}
    return all(found.get(name.lower()) == _plain(value) for name, value in sent.items())


def _plain(value: Model) -> str:
    """Give a value as text; the service writes `True` for a boolean that was sent as `true`."""
    text = str(value)
    return text.lower() if text.lower() in {"true", "false"} else text


def _variables(build: Model) -> Mapping[str, Any] | None:
    """Read the variables of a run, which the older API keeps as JSON text and calls parameters."""
    try:
        read: object = json.loads(build.parameters or "")
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _run(request: StartRequest, run: Model) -> Release | None:
    if run is None or run.id is None:
        return None
    project = f"{request.organization_url}/{quote(request.project)}"
    return Release(run.id, web_page(run) or f"{project}/_build/results?buildId={run.id}")


def _several(request: StartRequest, runs: Collection[Release]) -> TargetError:
    links = ", ".join(run.url for run in runs)
    return TargetError(
        f"{len(runs)} runs of pipeline {request.definition} were given the same, and one of them "
        f"may be the one in question: {links}. Delete those that are too many, or forget the "
        f"claim; declare the parameter {KEY_PARAMETER} in the pipeline, and runs are told apart"
    )
