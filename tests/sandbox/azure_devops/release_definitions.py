"""Release definitions in the stand-in for Azure DevOps: get one by id, and list them."""

from tests.sandbox.azure_devops.call import Call
from tests.sandbox.azure_devops.messages import Answer, Json, ServiceError, answer, page
from tests.sandbox.azure_devops.organization import LATEST, Artifact, ReleaseDefinition, Variable

ALL = frozenset({"variables", "artifacts", "triggers", "environments"})
ORDERS = {
    "idascending": (lambda definition: definition.id, False),
    "iddescending": (lambda definition: definition.id, True),
    "nameascending": (lambda definition: definition.name.lower(), False),
    "namedescending": (lambda definition: definition.name.lower(), True),
}


def find_definition(call: Call, definition_id: int) -> ReleaseDefinition:
    """Return a release definition of the project by its id.

    Message: https://github.com/Azure/azure-cli-extensions/issues/1505.
    """
    for definition in call.project.release_definitions:
        if definition.id == definition_id:
            return definition
    message = (
        f"VS402936: Release pipeline with ID {definition_id} does not exist. "
        "Specify a valid ID and try again."
    )
    raise ServiceError(404, "ReleaseDefinitionNotFoundException", message)


def get_definition(call: Call, definition_id: str) -> Answer:
    """Return a complete release definition."""
    call.require("view release definition", allowed=call.identity.view)
    return answer(definition_document(call, find_definition(call, int(definition_id)), ALL))


def list_definitions(call: Call) -> Answer:
    """Return the release definitions that the query selects.

    https://learn.microsoft.com/rest/api/azure/devops/release/definitions/list
    """
    call.require("view release definition", allowed=call.identity.view)
    query = call.request.query
    key, reverse = ORDERS[query.get("queryOrder", "idAscending").lower()]
    rows = sorted(filter(_wanted(query), call.project.release_definitions), key=key)
    expanded = ALL & {query.get("$expand", "none")}
    return page(
        reversed(rows) if reverse else rows,
        call.request,
        lambda definition: definition_document(call, definition, expanded),
    )


def definition_document(
    call: Call, definition: ReleaseDefinition, expanded: frozenset[str]
) -> Json:
    """Return a release definition as JSON, with the requested parts."""
    api = f"Release/definitions/{definition.id}"
    parts = {
        "variables": {
            name: variable_document(variable) for name, variable in definition.variables.items()
        },
        "artifacts": [artifact_document(artifact) for artifact in definition.artifacts],
        "triggers": [_trigger(alias) for alias in definition.triggers],
        "environments": [
            {"id": rank, "name": stage, "rank": rank, "variables": {}}
            for rank, stage in enumerate(definition.stages, 1)
        ],
    }
    return {
        "id": definition.id,
        "name": definition.name,
        "path": definition.path,
        "source": "userInterface",
        "revision": 1,
        "isDeleted": False,
        "releaseNameFormat": "Release-$(rev:r)",
        # With the project's id, as in MicrosoftDocs/vsts-rest-api-specs
        # specification/release/7.1/httpExamples/definitions/GET__GetReleaseDefinition.json
        "url": f"{call.url}/{call.project.id}/_apis/{api}",
        "_links": call.links(api, f"_release?definitionId={definition.id}"),
    } | {part: parts[part] for part in expanded}


def variable_document(variable: Variable) -> Json:
    """Return a variable as JSON; if it cannot be set at release time, it has no `allowOverride`."""
    return {"value": variable.value} | ({"allowOverride": True} if variable.allow_override else {})


def artifact_document(artifact: Artifact) -> Json:
    """Return an artifact as JSON."""
    reference = {key: {"id": value, "name": value} for key, value in artifact.reference.items()}
    name = "Latest" if artifact.default_version == LATEST else "Specify at release creation"
    reference["defaultVersionType"] = {"id": artifact.default_version, "name": name}
    return {
        "alias": artifact.alias,
        "type": artifact.type,
        "sourceId": ":".join(artifact.reference.values()),
        "isPrimary": False,
        "isRetained": False,
        "definitionReference": reference,
    }


def _trigger(alias: str) -> Json:
    return {"triggerType": "artifactSource", "artifactAlias": alias, "triggerConditions": []}


def _wanted(query):
    text = query.get("searchText", "").lower()
    exact = query.get("isExactNameMatch", "").lower() == "true"
    folder = query.get("path", "\\").lower().rstrip("\\") + "\\"

    def wanted(definition: ReleaseDefinition) -> bool:
        name = definition.name.lower()
        inside = (definition.path.lower().rstrip("\\") + "\\").startswith(folder)
        return inside and (name == text if exact else text in name)

    return wanted
