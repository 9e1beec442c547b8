"""The part of Azure Resource Manager that serves models: lists, single models and errors.

Requests: https://learn.microsoft.com/rest/api/azureml/model-versions/list and the pages beside it.
The errors have the wording of Azure Resource Manager and the service.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

from tests.sandbox.azure_devops.messages import Answer, Json, Request, answer
from tests.sandbox.azure_ml.workspaces import Model, Version, Workspaces

_ROUTE = re.compile(
    r"(?P<workspace>/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers"
    r"/Microsoft\.MachineLearningServices/workspaces/(?P<name>[^/]+))"
    r"/models(?:/(?P<model>[^/]+)(?P<versions>/versions(?:/(?P<version>[^/]+))?)?)?",
    re.IGNORECASE,
)
_CODES = {
    400: ("BadRequest", "The request is not one that the service understands."),
    401: ("InvalidAuthenticationToken", "The access token is invalid."),
    404: ("ResourceNotFound", "The resource was not found."),
    429: ("TooManyRequests", "The request is being throttled."),
    503: ("ServiceUnavailable", "The service is temporarily unavailable."),
}

Listed = TypeVar("Listed", Model, Version)


class ArmError(Exception):
    """An error in the format of Azure Resource Manager."""

    def __init__(self, status: int, code: str, message: str, details: Sequence[Json] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = list(details)

    def answer(self) -> Answer:
        """Return the error as the response that the client gets."""
        error = {"code": self.code, "message": str(self), "details": self.details}
        return answer({"error": error}, self.status)


@dataclass
class Service:
    """Serves the models in the workspaces, `page_size` at a time."""

    workspaces: Workspaces
    page_size: int

    def answer(self, request: Request) -> Answer:
        """Return the response to a request."""
        try:
            return answer(self._document(request))
        except ArmError as error:
            return error.answer()

    def _document(self, request: Request) -> Json:
        _check(request)
        route = _ROUTE.fullmatch(request.path)
        if request.method != "GET" or route is None:
            raise ArmError(404, "NotFound", f"No {request.method} {request.path} in the sandbox.")
        workspace = route["workspace"]
        if not self.workspaces.has(workspace):
            raise _no_workspace(route)
        if route["model"] is None:
            return self._models(request, workspace)
        model = self.workspaces.model(workspace, route["model"])
        if model is None:
            raise _no_model(route["model"])
        if route["versions"] is None:
            return model.document()
        if route["version"] is None:
            return self._versions(request, model)
        return _version(model, route["version"])

    def _models(self, request: Request, workspace: str) -> Json:
        listed = _viewed(request, self.workspaces.models(workspace))
        return self._page(request, listed, Model.document)

    def _versions(self, request: Request, model: Model) -> Json:
        known = [each for each in model.newest_first if each.listed_from <= request.time]
        if request.query.get("$orderBy", "createdtime desc").lower() == "createdtime asc":
            known.reverse()
        return self._page(request, _viewed(request, known), model.version_document)

    def _page(
        self, request: Request, listed: Sequence[Listed], document: Callable[[Listed], Json]
    ) -> Json:
        """Return a page, with a link to the next one if there is one."""
        skipped = request.number("$skip") or 0
        end = skipped + min(self.page_size, request.number("$top") or self.page_size)
        page: Json = {"value": [document(each) for each in listed[skipped:end]]}
        if end < len(listed):
            query = urlencode({**request.query, "$skip": end}, safe="$")
            page["nextLink"] = f"https://{request.headers['host']}{quote(request.path)}?{query}"
        return page


def refused(request: Request, status: int) -> ArmError:
    """Return the service's error for a request, with this status."""
    if status == 403:
        return _forbidden(request)
    code, message = _CODES.get(status, ("InternalServerError", "Received 500 from a service."))
    return ArmError(status, code, message)


def _check(request: Request) -> None:
    if not request.headers.get("authorization", "").startswith("Bearer "):
        message = "Authentication failed. The 'Authorization' header is missing."
        raise ArmError(401, "AuthenticationFailed", message)
    if "api-version" not in request.query:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", message)


def _viewed(request: Request, known: Sequence[Listed]) -> list[Listed]:
    """Return what the view shows; the default view shows what is active."""
    view = request.query.get("listViewType", "ActiveOnly")
    wanted = {"ActiveOnly": {False}, "ArchivedOnly": {True}, "All": {False, True}}.get(view)
    if wanted is None:
        raise ArmError(400, "UserError", f"Error converting value {view!r} to type ListViewType.")
    return [each for each in known if each.archived in wanted]


def _version(model: Model, name: str) -> Json:
    version = model.versions.get(name)
    if version is None:
        raise _no_model(model.name, name)
    return model.version_document(version)


def _no_model(name: str, version: str | None = None) -> ArmError:
    kind = f"version {version} with" if version else "container with"
    message = f"Model {kind} name: {name} not found."
    details = [{"code": "ModelNotFound", "message": message, "details": []}]
    return ArmError(404, "UserError", "The specified resource was not found.", details)


def _no_workspace(route: re.Match[str]) -> ArmError:
    message = (
        f"The Resource 'Microsoft.MachineLearningServices/workspaces/{route['name']}' under "
        f"resource group '{route['group']}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    return ArmError(404, "ResourceNotFound", message)


def _forbidden(request: Request) -> ArmError:
    kind = "models/versions" if "/versions" in request.path else "models"
    message = (
        "The client 'c0ffee00-0000-4000-8000-000000000001' with object id "
        "'c0ffee00-0000-4000-8000-000000000002' does not have authorization to perform action "
        f"'Microsoft.MachineLearningServices/workspaces/{kind}/read' over scope '{request.path}' "
        "or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    return ArmError(403, "AuthorizationFailed", message)
