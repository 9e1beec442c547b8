"""Classic releases in the stand-in for Azure DevOps: create, get and list them."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from tests.sandbox.azure_devops.call import Call, invalid
from tests.sandbox.azure_devops.messages import Answer, Json, ServiceError, answer, page, timestamp
from tests.sandbox.azure_devops.organization import (
    SPECIFY_AT_RELEASE,
    Artifact,
    ReleaseDefinition,
    Variable,
)
from tests.sandbox.azure_devops.release_definitions import (
    artifact_document,
    definition_document,
    find_definition,
    variable_document,
)

# Fields that a list omits unless $expand names them.
EXPANDABLE = {"variables": {}, "artifacts": [], "environments": []}


@dataclass(frozen=True)
class Release:
    """A release: (organization, project), its time of creation, and its JSON."""

    id: int
    home: tuple[str, str]
    created: datetime
    document: Json


class Releases:
    """The releases of all organizations, in order of creation."""

    def __init__(self) -> None:
        self._created: list[Release] = []
        self._counts: Counter[tuple[str | int, ...]] = Counter()
        self._lock = Lock()

    def documents(self) -> list[Json]:
        """Return the JSON of every release, oldest first."""
        return [release.document for release in self._created.copy()]

    def create_release(self, call: Call) -> Answer:
        """Create a release, or reject it as the service does.

        https://learn.microsoft.com/rest/api/azure/devops/release/releases/create
        """
        definition = find_definition(call, call.body.get("definitionId", 0))
        allowed = call.identity.create_releases
        call.require("queue releases", allowed=allowed is None or definition.id in allowed)
        parts = {
            "variables": _variables(definition, call.body.get("variables", {})),
            "artifacts": list(_artifacts(definition, call.body.get("artifacts", []))),
        }
        with self._lock:
            numbers = self._count(*call.home), self._count(*call.home, definition.id)
            document = _document(call, definition, *numbers) | parts
            self._created.append(Release(numbers[0], call.home, call.request.time, document))
        return answer(document)

    def get_release(self, call: Call, release_id: str) -> Answer:
        """Return a complete release, without delay."""
        call.require("view releases", allowed=call.identity.view)
        for release in self._created.copy():
            if (release.home, release.id) == (call.home, int(release_id)):
                return answer(release.document)
        message = f"Release with ID {release_id} does not exist. Specify a valid ID and try again."
        raise ServiceError(404, "ReleaseNotFoundException", message)

    def list_releases(self, call: Call) -> Answer:
        """Return the releases that the query selects, newest first by default.

        50 by default (https://learn.microsoft.com/rest/api/azure/devops/release/releases/list),
        100 at most (https://github.com/webdevops/azure-devops-exporter/pull/113).
        """
        call.require("view releases", allowed=call.identity.view)
        query = call.request.query
        rows = sorted(filter(_wanted(call), self._created.copy()), key=_age)
        hidden = {name: empty for name, empty in EXPANDABLE.items() if name != query.get("$expand")}
        return page(
            rows if query.get("queryOrder") == "ascending" else reversed(rows),
            call.request,
            lambda release: release.document | hidden,
            default_top=50,
            greatest_top=100,
        )

    def _count(self, *what: str | int) -> int:
        self._counts[what] += 1
        return self._counts[what]


def _age(release: Release) -> tuple[datetime, int]:
    return release.created, release.id


def _wanted(call: Call) -> Callable[[Release], bool]:
    request = call.request
    definition = request.number("definitionId")
    earliest = request.moment("minCreatedTime") or datetime.min.replace(tzinfo=UTC)
    latest = request.moment("maxCreatedTime") or request.time
    text = request.query.get("searchText", "").lower()

    def wanted(release: Release) -> bool:
        document = release.document
        return (
            release.home == call.home
            and earliest <= release.created <= min(latest, call.listed_until)
            and definition in {None, document["releaseDefinition"]["id"]}
            and text in document["name"].lower()
            and request.query.get("statusFilter") in {None, document["status"]}
        )

    return wanted


def _variables(definition: ReleaseDefinition, given: Json) -> Json:
    """Return the variables of the new release: those of the definition, some with a new value.

    Message: https://github.com/microsoft/azure-devops-python-api/issues/266.
    """
    names = {name.lower(): name for name in definition.variables}
    unknown = [name for name in given if name.lower() not in names]
    if unknown:
        message = (
            f"Variable(s) {', '.join(unknown)} do not exist in the release pipeline at scope: "
            "Release. New variables cannot be added while creating a release. "
            "Check the scope of the variable(s) or remove them and try again."
        )
        raise invalid(message)
    values = {names[name.lower()]: variable.get("value") for name, variable in given.items()}
    fixed = [name for name in values if not definition.variables[name].allow_override]
    if fixed:
        message = f"Variable(s) {', '.join(fixed)} are not settable at release time."
        raise invalid(message)
    return {
        name: variable_document(Variable(values.get(name, variable.value), variable.allow_override))
        for name, variable in definition.variables.items()
    }


def _artifacts(definition: ReleaseDefinition, given: list[Json]) -> Iterator[Json]:
    versions = {artifact.get("alias"): artifact.get("instanceReference", {}) for artifact in given}
    unknown = versions.keys() - {artifact.alias for artifact in definition.artifacts}
    if unknown:
        message = f"The release pipeline has no artifact source {', '.join(map(repr, unknown))}."
        raise invalid(message)
    for artifact in definition.artifacts:
        document = artifact_document(artifact)
        version = _version(artifact, versions.get(artifact.alias))
        document["definitionReference"]["version"] = version
        yield document


def _version(artifact: Artifact, given: Json | None) -> Json:
    """Return the version of an artifact that a release uses.

    Messages: https://github.com/dmitryserbin/azdev-release-orchestrator/issues/7,
    https://github.com/microsoft/azure-devops-node-api/issues/359 and
    https://github.com/Azure/azure-cli-extensions/issues/2034.
    """
    if given is None and artifact.default_version != SPECIFY_AT_RELEASE:
        return _latest(artifact)
    version = (given or {}).get("id")
    if not version:
        message = (
            "VS402962: No artifact version id is specified corresponding to artifact source "
            f"'{artifact.alias}'. Specify a valid value and try again."
        )
        raise invalid(message)
    if artifact.type == "Build" and not version.isdecimal():
        message = f"VS402925: Build ID '{version}' is invalid."
        raise invalid(message)
    return {"id": version, "name": given.get("name", version)}


def _latest(artifact: Artifact) -> Json:
    if artifact.latest is not None:
        return {"id": artifact.latest, "name": artifact.latest}
    message = (
        f"Latest version information could not be loaded for artifact {artifact.alias}. "
        "This could be due to inaccessible artifact source or no version is available."
    )
    raise ServiceError(400, "ArtifactVersionUnavailableException", message)


def _document(call: Call, definition: ReleaseDefinition, number: int, revision: int) -> Json:
    body, api = call.body, f"Release/releases/{number}"
    created = timestamp(call.request.time)
    return {
        "id": number,
        "name": f"Release-{revision}",
        "status": "draft" if body.get("isDraft") else "active",
        "createdOn": created,
        "modifiedOn": created,
        "createdBy": call.identity_reference,
        "description": body.get("description", ""),
        "reason": {"none": "manual"}.get(body.get("reason", "none"), body.get("reason")),
        "releaseDefinition": _definition_reference(call, definition),
        "environments": _environments(definition, number),
        "projectReference": call.project_reference,
        "properties": {},
        "tags": [],
        "url": f"{call.project_url}/_apis/{api}",
        "_links": call.links(api, f"_release?releaseId={number}&_a=release-summary"),
    }


def _definition_reference(call: Call, definition: ReleaseDefinition) -> Json:
    document = definition_document(call, definition, frozenset())
    return {key: document[key] for key in ("id", "name", "path", "url", "_links")}


def _environments(definition: ReleaseDefinition, release_id: int) -> list[Json]:
    return [
        {
            "id": rank,
            "releaseId": release_id,
            "name": stage,
            "status": "notStarted",
            "rank": rank,
            "definitionEnvironmentId": rank,
            "variables": {},
        }
        for rank, stage in enumerate(definition.stages, 1)
    ]
