"""Runs of YAML pipelines in the stand-in for Azure DevOps; the build area calls them builds."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from tests.sandbox.azure_devops.call import Call
from tests.sandbox.azure_devops.messages import (
    Answer,
    Json,
    ServiceError,
    answer,
    collection,
    page,
    timestamp,
)
from tests.sandbox.azure_devops.organization import Pipeline
from tests.sandbox.azure_devops.pipelines import (
    branch,
    build_definition_document,
    check_run,
    find_pipeline,
    name_matches,
    parameters,
    pipeline_document,
    preview,
)


@dataclass(frozen=True)
class Run:
    """A run: (organization, project), time of creation, and its JSON as a run and as a build."""

    id: int
    home: tuple[str, str]
    started: datetime
    document: Json
    build: Json


class Runs:
    """The runs of all organizations, in the order in which they were started. None finishes."""

    def __init__(self) -> None:
        self._started: list[Run] = []
        self._lock = Lock()

    def documents(self) -> list[Json]:
        """Return the JSON of every run, oldest first."""
        return [run.document for run in self._started.copy()]

    def start_run(self, call: Call, pipeline_id: str) -> Answer:
        """Start a run, or reject it as the service does; with `previewRun`, only preview it.

        https://learn.microsoft.com/rest/api/azure/devops/pipelines/runs/run-pipeline
        """
        if call.body.get("previewRun"):
            return preview(call, pipeline_id)
        pipeline = find_pipeline(call, int(pipeline_id))
        check_run(call, pipeline)
        with self._lock:
            run = _run(call, pipeline, len(self._started) + 1)
            self._started.append(run)
        return answer(run.document)

    def get_run(self, call: Call, pipeline_id: str, run_id: str) -> Answer:
        """Return a run of a pipeline."""
        run = self._find(call, run_id)
        if run.document["pipeline"]["id"] != int(pipeline_id):
            raise _not_found(run_id)
        return answer(run.document)

    def list_runs(self, call: Call, pipeline_id: str) -> Answer:
        """Return the runs of a pipeline, newest first."""
        call.require("view builds", allowed=call.identity.view)
        pipeline = find_pipeline(call, int(pipeline_id))
        listed = [run.document for run in self._listed(call)]
        return collection(run for run in listed if run["pipeline"]["id"] == pipeline.id)

    def get_build(self, call: Call, build_id: str) -> Answer:
        """Return a run, as a build."""
        return answer(self._find(call, build_id).build)

    def list_builds(self, call: Call) -> Answer:
        """Return the builds that the query selects.

        `minTime` and `maxTime` refer to the time that `queryOrder` sorts by. By default that is the
        time of finishing, so no range contains an unfinished build.
        https://learn.microsoft.com/rest/api/azure/devops/build/builds/list,
        https://github.com/burcusipahioglu/azure-devops-mcp-onprem/issues/3
        """
        call.require("view builds", allowed=call.identity.view)
        rows = list(filter(_wanted(call), self._listed(call)))
        if call.request.query.get("queryOrder", "").endswith("Ascending"):
            rows.reverse()
        return page(rows, call.request, lambda run: run.build)

    def _find(self, call: Call, run_id: str) -> Run:
        call.require("view builds", allowed=call.identity.view)
        for run in self._started.copy():
            if (run.home, run.id) == (call.home, int(run_id)):
                return run
        raise _not_found(run_id)

    def _listed(self, call: Call) -> list[Run]:
        runs = reversed(self._started.copy())
        return [
            each for each in runs if each.home == call.home and each.started <= call.listed_until
        ]


def _not_found(run_id: str) -> ServiceError:
    message = f"The requested build {run_id} could not be found."
    return ServiceError(404, "BuildNotFoundException", message)


def _wanted(call: Call) -> Callable[[Run], bool]:
    query = call.request.query
    earliest = call.request.moment("minTime") or datetime.min.replace(tzinfo=UTC)
    latest = call.request.moment("maxTime") or call.request.time
    any_time = query.keys().isdisjoint({"minTime", "maxTime"})
    by_finish = query.get("queryOrder", "finishTime").startswith("finishTime")
    definitions = set(filter(None, query.get("definitions", "").split(",")))

    def wanted(run: Run) -> bool:
        build = run.build
        return (
            (any_time or (not by_finish and earliest <= run.started <= latest))
            and (not definitions or str(build["definition"]["id"]) in definitions)
            and name_matches(query.get("buildNumber", "*"), build["buildNumber"])
            and query.get("statusFilter", "all") in {"all", build["status"]}
            and query.get("branchName", build["sourceBranch"]) == build["sourceBranch"]
            and "resultFilter" not in query
        )

    return wanted


def _run(call: Call, pipeline: Pipeline, run_id: int) -> Run:
    started = call.request.time
    number = f"{started:%Y%m%d}.{run_id}"
    return Run(
        run_id,
        call.home,
        started,
        _run_document(call, pipeline, run_id, number),
        _build_document(call, pipeline, run_id, number),
    )


def _run_document(call: Call, pipeline: Pipeline, run_id: int, number: str) -> Json:
    reference = pipeline_document(call, pipeline)
    reference.pop("_links")
    ref = {"refName": branch(call, pipeline), "version": "0" * 40}
    api = f"pipelines/{pipeline.id}/runs/{run_id}"
    return {
        "id": run_id,
        "name": number,
        "state": "inProgress",
        "createdDate": timestamp(call.request.time),
        "pipeline": reference,
        "templateParameters": parameters(call, pipeline),
        "variables": call.body.get("variables", {}),
        "resources": {"repositories": {"self": ref}},
        "url": f"{call.project_url}/_apis/{api}",
        "_links": call.links(api, f"_build/results?buildId={run_id}"),
    }


def _build_document(call: Call, pipeline: Pipeline, run_id: int, number: str) -> Json:
    definition = build_definition_document(call, pipeline)
    definition.pop("_links")
    variables = call.body.get("variables", {})
    api = f"build/Builds/{run_id}"
    return {
        "id": run_id,
        "buildNumber": number,
        "status": "inProgress",
        "queueTime": timestamp(call.request.time),
        "startTime": timestamp(call.request.time),
        "definition": definition,
        "project": call.project_reference,
        "sourceBranch": branch(call, pipeline),
        "sourceVersion": "0" * 40,
        "reason": "manual",
        "requestedFor": call.identity_reference,
        "templateParameters": parameters(call, pipeline),
        "parameters": json.dumps({name: each.get("value") for name, each in variables.items()}),
        "url": f"{call.project_url}/_apis/{api}",
        "_links": call.links(api, f"_build/results?buildId={run_id}"),
    }
