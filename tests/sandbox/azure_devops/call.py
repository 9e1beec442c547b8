"""A request within a project: who sent it, and the parts that all areas share."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from tests.sandbox.azure_devops.messages import Json, Request, ServiceError
from tests.sandbox.azure_devops.organization import Identity, Organization, Project


@dataclass(frozen=True)
class Call:
    """A request to a project of the organization at `url`, and who sent it.

    Lists show only what was started before `listed_until`.
    """

    request: Request
    url: str
    organization: Organization
    project: Project
    identity: Identity
    listed_until: datetime

    @property
    def home(self) -> tuple[str, str]:
        """Return the key of everything that this call creates."""
        return self.organization.name, self.project.name

    @property
    def project_url(self) -> str:
        """Return the project's address, for links."""
        return f"{self.url}/{quote(self.project.name)}"

    @property
    def body(self) -> Json:
        """Return the JSON object of the request; the contract has verified that it is one."""
        return self.request.json

    @property
    def project_reference(self) -> Json:
        """Return the project as other documents refer to it."""
        return {"id": self.project.id, "name": self.project.name}

    @property
    def identity_reference(self) -> Json:
        """Return the sender of the request as other documents refer to it."""
        name = self.identity.name
        return {"id": str(uuid5(NAMESPACE_URL, name)), "displayName": name, "uniqueName": name}

    def links(self, api: str, web: str) -> Json:
        """Return the links of a document: `api` below _apis/, `web` below the project's address."""
        return {
            "self": {"href": f"{self.project_url}/_apis/{api}"},
            "web": {"href": f"{self.project_url}/{web}"},
        }

    def require(self, permission: str, *, allowed: bool) -> None:
        """Raise unless allowed; message from MicrosoftDocs/azure-devops-docs issue 3185."""
        if allowed:
            return
        message = (
            f"VS402904: Access denied: User {self.identity.name} does not have {permission} "
            "permission. Contact your release manager."
        )
        raise ServiceError(403, "AccessDeniedException", message)


def invalid(message: str) -> ServiceError:
    """Return the release service's 400."""
    return ServiceError(400, "InvalidRequestException", message)
