"""A request that has found its project: who asks, for what, and what every area answers alike."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from tests.sandbox.azure_devops.messages import Json, Request, ServiceError
from tests.sandbox.azure_devops.organization import Identity, Organisation, Project


@dataclass(frozen=True)
class Call:
    """A request, the organisation at `url`, the project that it is about, and who sent it.

    Lists show what was started until `listed_until`.
    """

    request: Request
    url: str
    organisation: Organisation
    project: Project
    identity: Identity
    listed_until: datetime

    @property
    def home(self) -> tuple[str, str]:
        """Where things that are made by this call belong."""
        return self.organisation.name, self.project.name

    @property
    def project_url(self) -> str:
        """The address of the project, for links."""
        return f"{self.url}/{quote(self.project.name)}"

    @property
    def body(self) -> Json:
        """The JSON object of the request, which the contract has found to be one."""
        return self.request.json

    @property
    def project_reference(self) -> Json:
        """The project as other documents name it."""
        return {"id": self.project.id, "name": self.project.name}

    @property
    def identity_reference(self) -> Json:
        """Who sent the request, as other documents name it."""
        name = self.identity.name
        return {"id": str(uuid5(NAMESPACE_URL, name)), "displayName": name, "uniqueName": name}

    def links(self, api: str, web: str) -> Json:
        """The links of a document: `api` below _apis/, `web` below the project's own address."""
        return {
            "self": {"href": f"{self.project_url}/_apis/{api}"},
            "web": {"href": f"{self.project_url}/{web}"},
        }

    def require(self, permission: str, *, allowed: bool) -> None:
        """Refuse unless allowed; the message: MicrosoftDocs/azure-devops-docs issue 3185."""
        if allowed:
            return
        message = (
            f"VS402904: Access denied: User {self.identity.name} does not have {permission} "
            "permission. Contact your release manager."
        )
        raise ServiceError(403, "AccessDeniedException", message)


def invalid(message: str) -> ServiceError:
    """Return the 400 of the release service."""
    return ServiceError(400, "InvalidRequestException", message)
