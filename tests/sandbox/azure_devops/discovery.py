"""Discovery in the stand-in for Azure DevOps: how the client locates each resource.

Before its first call, the client requests OPTIONS {organization}/_apis for the locations of
resources, and a `Connection` requests GET {organization}/_apis/ResourceAreas. The ids are those
that the client expects (https://github.com/microsoft/azure-devops-python-api,
azure-devops/azure/devops/v7_1); the routes and versions are the stand-in's own. As in Azure DevOps
Server, every area is at the address of the organization.
"""

from tests.sandbox.azure_devops.messages import Json

# id, area, resource, version of the resource, route below {project}/_apis/{area}/
LOCATIONS = """
a166fde7-27ad-408e-ba75-703c2cc9d500 Release   releases    8 {resource}/{releaseId}
d8f96f24-8ea7-4cb6-baab-2df8fc515665 Release   definitions 4 {resource}/{definitionId}
28e1305e-2afe-47bf-abaf-cbb0e6a91988 pipelines pipelines   1 {pipelineId}
7859261e-d2e9-4a68-b820-a5d84cc5bb3d pipelines runs        1 {pipelineId}/{resource}/{runId}
53df2d18-29ea-46a9-bee0-933540f80abf pipelines preview     1 {pipelineId}/{resource}
0cd358e1-9217-4d94-8269-1c1ee6f93dcf build     builds      7 {resource}/{buildId}
dbeaf647-6167-421a-bda9-c9327b25e2e6 build     definitions 7 {resource}/{definitionId}
"""
# Previews were added in API version 6.1, after Azure DevOps Server 2020:
# https://github.com/MicrosoftDocs/vsts-rest-api-specs/tree/master/specification/pipelines
PREVIEW = "53df2d18-29ea-46a9-bee0-933540f80abf"
FIRST_WITH_PREVIEW = 6.1
PERMISSIONS_LOCATION = "dd3b8bd6-c7fc-4cbd-929a-933d9c011c9d"
RESOURCE_AREAS_LOCATION = "e81700f7-3be2-46de-8624-2eb35882fcaa"
RESOURCE_AREAS = {
    "79134c72-4a58-4b42-976c-04e7115f32bf": "core",
    "efc2f575-36ef-48e9-b672-0c6fb4a48ac5": "Release",
    "965220d5-5bb9-42cf-8d67-9b146df2a5a4": "build",
}


def locations(highest_version: float) -> list[Json]:
    """Return the response to OPTIONS {organization}/_apis, up to this API version."""
    rows = [line.split() for line in LOCATIONS.strip().splitlines()]
    found = [_location(*row, "{project}/_apis/{area}/" + route) for *row, route in rows]
    areas = _location(
        RESOURCE_AREAS_LOCATION, "Location", "ResourceAreas", "1", "_apis/{resource}/{areaId}"
    )
    permissions = _location(
        PERMISSIONS_LOCATION,
        "Security",
        "Permissions",
        "2",
        "_apis/{resource}/{securityNamespaceId}/{permissions}",
    )
    versions = {
        "maxVersion": str(highest_version),
        "releasedVersion": f"{highest_version - 0.1:.1f}",
    }
    return [
        location | versions
        for location in [areas, permissions, *found]
        if location["id"] != PREVIEW or highest_version >= FIRST_WITH_PREVIEW
    ]


def resource_areas(url: str) -> list[Json]:
    """Return the response to {organization}/_apis/ResourceAreas: every area is at `url`."""
    return [{"id": id_, "name": name, "locationUrl": url} for id_, name in RESOURCE_AREAS.items()]


def _location(id_: str, area: str, resource: str, version: str, route: str) -> Json:
    return {
        "id": id_,
        "area": area,
        "resourceName": resource,
        "routeTemplate": route,
        "resourceVersion": int(version),
        "minVersion": "1.0",
    }
