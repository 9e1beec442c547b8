"""Permissions in the stand-in for Azure DevOps: whether the sender may do something.

https://learn.microsoft.com/rest/api/azure/devops/security/permissions/has-permissions
"""

from tests.sandbox.azure_devops.messages import Answer, Request, ServiceError, collection
from tests.sandbox.azure_devops.organization import Identity, Organization

RELEASE_MANAGEMENT = "c788c23e-1b46-4162-8f5e-d7585343b5de"
VIEW_RELEASE_DEFINITION, VIEW_RELEASES, CREATE_RELEASES = 1, 32, 64


def has_permissions(
    organization: Organization, identity: Identity, request: Request, namespace: str, bits: str
) -> Answer:
    """Return, for each security token, whether all the permissions in `bits` are granted.

    A token belongs to a release definition: the id of its project, its folders, and its id
    (https://github.com/MethodsAndPractices/vsteam, Source/Private/common.ps1).
    """
    if namespace != RELEASE_MANAGEMENT:
        message = f"The stand-in does not know the security namespace {namespace}."
        raise ServiceError(404, "InvalidSecurityNamespaceException", message)
    tokens = request.query.get("tokens", "").split(request.query.get("delimiter", ","))
    held = (_held(organization, identity, token) for token in tokens)
    return collection(permissions & int(bits) == int(bits) for permissions in held)


def _held(organization: Organization, identity: Identity, token: str) -> int:
    project_id, *folders, definition_id = token.split("/")
    for project in organization.projects:
        for definition in project.release_definitions:
            path = [folder for folder in definition.path.split("\\") if folder]
            if (project.id, path, str(definition.id)) == (project_id, folders, definition_id):
                return _permissions(identity, definition.id)
    return 0


def _permissions(identity: Identity, definition: int) -> int:
    views = VIEW_RELEASE_DEFINITION | VIEW_RELEASES if identity.view else 0
    creates = identity.create_releases is None or definition in identity.create_releases
    return views | (CREATE_RELEASES if creates else 0)
