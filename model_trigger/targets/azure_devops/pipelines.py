# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# azure-devops and msrest carry no types; what leaves this module is typed.
"""YAML pipelines: check what a pipeline accepts, run it, find a run."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import ClassVar, cast
from urllib.parse import quote

from model_trigger.targets.azure_devops.answers import AnswerError, needs
from model_trigger.targets.azure_devops.connection import (
    Authorization,
    Exchange,
    HardenedBuildClient,
    HardenedPipelinesClient,
    Model,
    Pace,
    started,
    unparsed,
)
from model_trigger.targets.azure_devops.faults import checked, checked_item
from model_trigger.targets.azure_devops.names import Listed
from model_trigger.targets.azure_devops.plain_json import (
    Json,
    document,
    identifier,
    items,
    moment,
    page_of,
    part,
    text,
)
from model_trigger.targets.azure_devops.readings import Documents, Readings, Wish
from model_trigger.targets.pipeline import (
    KEY_PARAMETER,
    Inputs,
    PipelineDefinition,
    key_of,
    resources,
    with_key,
    without_key,
)
from model_trigger.targets.request import (
    Absent,
    Candidates,
    Definition,
    Found,
    Release,
    Sighting,
    StartRequest,
    TargetAddress,
    TargetError,
)

# The error for a run with invalid parameters, variables, branch or stages.
INVALID_RUN = "PipelineValidationException"
_PAGE = 100
_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class _Run:
    """A run in a list; `queued` is None if the list does not show it."""

    release: Release
    queued: datetime | None
    inputs: Inputs

    @classmethod
    def of(cls, item: Json, request: StartRequest) -> "_Run":
        """Read a run from a list. A run that shows no parameters may still have some."""
        number, inputs = identifier(item), _inputs(item)
        release = Release(number, page_of(item) or _page(request, number))
        inputs = inputs if inputs.parameters else replace(inputs, parameters=None)
        return cls(release, moment(item, "queueTime"), inputs)


# Whether a run that received this is the one in question; None if that is unknown.
_Verdict = Callable[[Inputs], bool | None]


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The pipelines of an organization, and their runs, which the older API calls builds."""

    client: HardenedPipelinesClient
    builds: HardenedBuildClient
    _lists: Readings[Sequence[_Run]] = field(default_factory=Readings[Sequence[_Run]])
    _inputs: Documents[Inputs] = field(
        default_factory=lambda: Documents[Inputs](lambda inputs: inputs.parameters is not None)
    )
    permissions: ClassVar[str] = "View builds, Queue builds and Edit queue build configuration"
    # Until it refuses a run.
    remembered: ClassVar[float] = float("inf")

    @classmethod
    def of(cls, organization_url: str, credentials: Authorization, pace: Pace) -> "Pipelines":
        """Return the pipelines of an organization; nothing is sent yet."""
        return cls(
            HardenedPipelinesClient(organization_url, credentials, pace),
            HardenedBuildClient(organization_url, credentials, pace),
        )

    def during(self, exchange: Exchange) -> "Pipelines":
        """Bind the clients to one exchange; what has been read is shared."""
        return replace(
            self, client=self.client.during(exchange), builds=self.builds.during(exchange)
        )

    def listed(self, project: str, name: str | None) -> Iterator[Listed]:
        """List the pipelines with a name, or all of the project."""
        found: list[Model] = self.builds.get_definitions(project, name=name, top=_MOST_LISTED)
        return (Listed(one.id, one.name, one.path or "\\") for one in found)

    def read(self, address: TargetAddress, definition_id: int) -> PipelineDefinition:
        """Read whether the pipeline declares the parameter for the key."""
        takes_key = self.client.can_dry_run and self._takes_key(address, definition_id)
        return PipelineDefinition(definition_id, str(address.definition), takes_key=takes_key)

    def start(self, request: StartRequest) -> Release | None:
        """Send the POST; return None if the response does not identify the run."""
        run = self.client.start(request.project, request.definition, request.body)
        return started(run, partial(_page, request))

    def find(self, request: StartRequest, key: str, wish: Wish) -> Sighting:
        """Look for the run with this key, or if none was sent, for runs that received the same.

        Raises TargetError, AzureDevOpsError.
        """
        runs = self._lists.get(
            (request.project, request.definition),
            wish,
            lambda since: checked(lambda: self._runs(request, since)),
        )
        sent = Inputs.of_body(request.body)
        if sent.key != key:
            return self._candidates(runs, lambda inputs: inputs.fits(sent), request, wish)
        keyed = [run.release for run in runs if run.inputs.key == key]
        if keyed:
            return Found.of(keyed)
        silent = [run for run in runs if run.inputs.parameters is None]
        sighting = self._candidates(silent, lambda inputs: inputs.has_key(key), request, wish)
        if isinstance(sighting, Candidates) and sighting.fitting:
            return Found.of(sighting.fitting)
        return sighting

    def _candidates(
        self, runs: Sequence[_Run], judge: _Verdict, request: StartRequest, wish: Wish
    ) -> Sighting:
        """Judge each run by what the list shows, or by the run itself where that is not enough."""
        verdicts: dict[bool | None, list[Release]] = {True: [], False: [], None: []}
        for run in runs:
            if run.queued and run.queued < wish.since:
                continue
            verdict = judge(run.inputs)
            if verdict is None:
                verdict = judge(self._read_by_itself(run, request.project, wish))
            verdicts[verdict].append(run.release)
        if verdicts[True] or verdicts[None]:
            return Candidates(tuple(verdicts[True]), tuple(verdicts[None]))
        return Absent()

    def dry_run(self, request: StartRequest) -> str:
        """Preview the run, which starts nothing; return what could not be verified.

        The service checks permissions, parameters, variables and YAML as it does for a run, but not
        agent pools, environments and approvals.
        https://learn.microsoft.com/rest/api/azure/devops/pipelines/preview/preview
        """
        if not self.client.can_dry_run:
            return "whether a run would be accepted, since this server cannot preview runs"
        try:
            self.client.dry_run(request.project, request.definition, request.body)
        except AnswerError as answer:
            if answer.status == HTTPStatus.FORBIDDEN:
                raise TargetError(needs(answer, self.permissions)) from answer
            if answer.type_key != INVALID_RUN:
                raise
            msg = (
                f"pipeline {request.definition} would not accept the run ({answer.message}): "
                "correct the parameters, variables, branch or stages in the rule or the pipeline"
            )
            raise TargetError(msg) from answer
        return ""

    def learned(
        self, definition: Definition, request: StartRequest, answer: AnswerError
    ) -> PipelineDefinition | None:
        """Return the pipeline as its refusal of the key, or of its absence, shows it."""
        if not _is_about_the_key(answer):
            return None
        is_missing = key_of(request) is None
        return PipelineDefinition(definition.id, definition.name, takes_key=is_missing)

    def corrected(
        self, request: StartRequest, answer: AnswerError, key: str
    ) -> StartRequest | None:
        """Return the request with or without the key, unless the rule's own value was refused."""
        if not _is_about_the_key(answer):
            return None
        sent = key_of(request)
        if sent is None:
            return with_key(request, key) if key else None
        return without_key(request) if key in {"", sent} else None

    def _takes_key(self, address: TargetAddress, pipeline_id: int) -> bool:
        """Preview a run with only the key: a parameter that the YAML lacks is refused by name.

        All errors of a run are reported at once (https://stackoverflow.com/questions/63654387), so
        other missing parameters do not matter.
        """
        body = {"templateParameters": {KEY_PARAMETER: "preview"}, **resources(address.branch)}
        try:
            self.client.dry_run(address.project, pipeline_id, body)
        except AnswerError as answer:
            may_be_about_it = answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN}
            if not may_be_about_it or not answer.is_json:
                raise
            return answer.type_key == INVALID_RUN and not answer.mentions(KEY_PARAMETER)
        return True

    def _runs(self, request: StartRequest, since: datetime) -> Sequence[_Run]:
        """Read the list to its last page; where pages overlap, a run is in it twice."""
        client = unparsed(self.builds)
        listed = items(
            lambda token: client.get_builds(
                request.project,
                definitions=[request.definition],
                min_time=since,
                # Without it, the time is that of finishing, and unfinished runs are not listed:
                # https://learn.microsoft.com/rest/api/azure/devops/build/builds/list
                query_order="queueTimeAscending",
                top=_PAGE,
                continuation_token=token,
            )
        )
        runs = (_Run.of(item, request) for item in listed)
        return tuple({run.release.id: run for run in runs}.values())

    def _read_by_itself(self, run: _Run, project: str, wish: Wish) -> Inputs:
        def read() -> Inputs:
            return _inputs(document(unparsed(self.builds).get_build(project, run.release.id)))

        key = project, run.release.id
        return self._inputs.get(key, wish.deadline, lambda: checked_item(read))


def _is_about_the_key(answer: AnswerError) -> bool:
    """Whether a pipeline refused the parameter for the key, or requires it."""
    return answer.type_key == INVALID_RUN and answer.mentions(KEY_PARAMETER)


def _inputs(item: Json) -> Inputs:
    """Read what a run received; its variables are JSON text in the field `parameters`."""
    try:
        read: object = json.loads(text(item, "parameters") or "")
    except ValueError:
        read = None
    variables = cast("Json", read) if isinstance(read, dict) else None
    return Inputs.of(text(item, "sourceBranch"), part(item, "templateParameters"), variables)


def _page(request: StartRequest, run_id: int) -> str:
    project = f"{request.organization_url}/{quote(request.project)}"
    return f"{project}/_build/results?buildId={run_id}"
