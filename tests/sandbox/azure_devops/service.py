"""How the stand-in for Azure DevOps handles a request: sign-in, discovery, contract, routes."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from urllib.parse import quote

from tests.sandbox.azure_devops.call import Call
from tests.sandbox.azure_devops.contract import Contract
from tests.sandbox.azure_devops.discovery import locations, resource_areas
from tests.sandbox.azure_devops.faults import SIGN_IN
from tests.sandbox.azure_devops.messages import HTML, Answer, Request, ServiceError, collection
from tests.sandbox.azure_devops.organization import Identity, Organization, Project
from tests.sandbox.azure_devops.permissions import has_permissions
from tests.sandbox.azure_devops.pipelines import (
    get_build_definition,
    get_pipeline,
    list_build_definitions,
    list_pipelines,
    preview,
)
from tests.sandbox.azure_devops.release_definitions import get_definition, list_definitions
from tests.sandbox.azure_devops.releases import Releases
from tests.sandbox.azure_devops.runs import Runs

ANYONE = Identity("Sandbox", secret="")
ADDRESS = re.compile(r"/(?P<project>[^/]+)/_apis/(?P<resource>.+)", re.IGNORECASE)

PERMISSIONS = re.compile(r"_apis/permissions/([^/]+)/(\d+)", re.IGNORECASE)

Handler = Callable[..., Answer]


class Service:
    """The organizations, without sockets: it turns requests into responses."""

    def __init__(self, organizations: Iterable[Organization], contract: Contract) -> None:
        self.releases = Releases()
        self.runs = Runs()
        self._organizations = {each.name.lower(): each for each in organizations}
        self._contract = contract
        self._routes = _routes(self.releases, self.runs)

    def answer(self, request: Request, list_lag: float = 0.0) -> Answer:
        """Return the response to a request; the service's errors are responses too."""
        try:
            return self._answer(request, list_lag)
        except ServiceError as error:
            return error.answer()

    def _answer(self, request: Request, list_lag: float) -> Answer:
        name, slash, path = request.path.removeprefix("/").partition("/")
        if name == "_apis":
            # The client looks here for anything that an organization does not have.
            return collection([])
        organization = self._organization(name)
        identity = _identity(organization, request)
        url = f"http://{request.headers['host']}/{quote(organization.name)}"
        if (request.method, path) == ("OPTIONS", "_apis"):
            return collection(locations(organization.highest_version))
        if (request.method, path) == ("GET", "_apis/ResourceAreas"):
            return collection(resource_areas(url))
        permissions = PERMISSIONS.fullmatch(path)
        if permissions:
            return has_permissions(organization, identity, request, *permissions.groups())
        handler, project, ids = self._route(request, slash + path)
        listed_until = request.time - timedelta(seconds=list_lag)
        home = organization, _project(organization, project)
        self._check(request)
        return handler(Call(request, url, *home, identity, listed_until), *ids)

    def _organization(self, name: str) -> Organization:
        if name.lower() in self._organizations:
            return self._organizations[name.lower()]
        message = f"There is no organization {name!r} here."
        raise ServiceError(404, "HostDoesNotExistException", message)

    def _route(self, request: Request, path: str) -> tuple[Handler, str, tuple[str, ...]]:
        address = ADDRESS.fullmatch(path)
        for (method, pattern), handler in self._routes.items() if address else ():
            found = re.fullmatch(pattern, address["resource"], re.IGNORECASE)
            if found and method == request.method:
                return handler, address["project"], found.groups()
        message = f"The stand-in does not serve {request.method} {request.path}."
        raise ServiceError(404, "VssResourceNotFoundException", message)

    def _check(self, request: Request) -> None:
        violations = self._contract.violations(request)
        if violations:
            message = "The published specification does not allow this: " + "; ".join(violations)
            raise ServiceError(400, "VssPropertyValidationException", message)


class SignInError(ServiceError):
    """The service shows its sign-in page instead of an error."""

    def answer(self, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the page, with a status that looks like success."""
        return Answer(203, SIGN_IN, HTML, headers or {})


def _routes(releases: Releases, runs: Runs) -> dict[tuple[str, str], Handler]:
    """Return (method, path below _apis/) → the handler, called with the ids in the path."""
    return {
        ("POST", r"release/releases"): releases.create_release,
        ("GET", r"release/releases"): releases.list_releases,
        ("GET", r"release/releases/(\d+)"): releases.get_release,
        ("GET", r"release/definitions"): list_definitions,
        ("GET", r"release/definitions/(\d+)"): get_definition,
        ("GET", r"pipelines"): list_pipelines,
        ("GET", r"pipelines/(\d+)"): get_pipeline,
        ("POST", r"pipelines/(\d+)/preview"): preview,
        ("POST", r"pipelines/(\d+)/runs"): runs.start_run,
        ("GET", r"pipelines/(\d+)/runs"): runs.list_runs,
        ("GET", r"pipelines/(\d+)/runs/(\d+)"): runs.get_run,
        ("GET", r"build/builds"): runs.list_builds,
        ("GET", r"build/builds/(\d+)"): runs.get_build,
        ("GET", r"build/definitions"): list_build_definitions,
        ("GET", r"build/definitions/(\d+)"): get_build_definition,
    }


def _identity(organization: Organization, request: Request) -> Identity:
    """Return the sender of a request.

    An expired bearer token gets the sign-in page, any other invalid credentials a 401:
    https://github.com/microsoft/azure-devops-auth-samples/issues/52 and
    https://github.com/microsoft/azure-pipelines-tasks/issues/18732.
    """
    scheme, secret = request.credentials or ("", "")
    if secret and not organization.identities:
        return ANYONE
    known = [each for each in organization.identities if each.secret == secret]
    if not known:
        message = "TF400813: The user '' is not authorized to access this resource."
        raise ServiceError(401, "UnauthorizedRequestException", message)
    if known[0].expired and scheme == "Bearer":
        raise SignInError(203, "", "Sign in")
    if known[0].expired:
        message = "Access Denied: The Personal Access Token used has expired."
        raise ServiceError(401, "AccessCheckException", message)
    return known[0]


def _project(organization: Organization, name: str) -> Project:
    for project in organization.projects:
        if name.lower() in {project.name.lower(), project.id}:
            return project
    message = f"TF200016: The following project does not exist: {name}."
    raise ServiceError(404, "ProjectDoesNotExistWithNameException", message)
