"""Start releases in Azure DevOps, each with one POST, and find those whose answer was lost."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from azure.core.exceptions import AzureError
from msrest.exceptions import ClientException, ClientRequestError

from model_trigger.azure_devops_client import (
    AnswerError,
    Authorization,
    HardenedReleaseClient,
    NoTokenError,
    continuation_token,
    deadline_in_force,
    forget_locations,
    post_was_sent,
    was_never_made,
)
from model_trigger.deadline import Deadline
from model_trigger.ports import AzureDevOpsError
from model_trigger.targets import (
    Definition,
    NotStarted,
    Refused,
    Release,
    Started,
    StartRequest,
    StartResult,
    TargetAddress,
    TargetError,
    Unknown,
    key_mark,
)

_SERVICES = re.compile(r"https://dev\.azure\.com/(?P<organization>[^/]+)", re.IGNORECASE)
_VISUAL_STUDIO = re.compile(r"https://(?P<organization>[^./]+)\.visualstudio\.com", re.IGNORECASE)
_CLOCKS_APART = timedelta(minutes=5)
_PAGE = 100
_REMEMBERED = 60.0
_REMEDY = "renew AZURE_DEVOPS_PAT, or add the app's managed identity to the organisation"
_FAULTS = (AnswerError, NoTokenError, AzureError, ClientException, ValueError)

Result = TypeVar("Result")


@dataclass
class AzureDevOps:
    """Release definitions and releases of any organisation.

    `authorization` gives the Authorization header for each request to an organisation, or raises
    TargetError; `clock` is monotonic, in seconds: a definition is remembered for a minute.
    """

    authorization: Callable[[str], str]
    clock: Callable[[], float]
    _clients: dict[str, HardenedReleaseClient] = field(
        default_factory=dict[str, HardenedReleaseClient], init=False
    )
    _definitions: dict[TargetAddress, tuple[float, Definition]] = field(
        default_factory=dict[TargetAddress, tuple[float, Definition]], init=False
    )

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read the definition behind an address.

        Raises TargetError when a person must act, AzureDevOpsError when it may pass.
        """
        remembered = self._definitions.get(address)
        if remembered and self.clock() - remembered[0] < _REMEMBERED:
            return remembered[1]
        read = self._asked(
            lambda: self._client(address.organization_url).get_release_definition(
                address.project, address.definition
            ),
            deadline,
        )
        definition = _definition(read)
        self._definitions[address] = (self.clock(), definition)
        return definition

    def start(self, request: StartRequest, deadline: Deadline) -> StartResult:
        """Send the POST, once, and tell for certain what is certain about its result."""
        deadline_in_force.set(deadline)
        post_was_sent.set(False)
        client = self._client(request.organization_url)
        try:
            release = client.start(request.project, request.body)
        except _FAULTS as fault:
            return self._result(request, fault)
        if release is None or release.id is None:
            return Unknown("Azure DevOps answered without saying which release it started")
        return Started(_release(request, release))

    def find(
        self, request: StartRequest, key: str, since: datetime, deadline: Deadline
    ) -> Release | None:
        """Look for the release with this key among those created since, to the last page.

        Raises TargetError when a person must act, AzureDevOpsError when it may pass.
        """
        ending = key_mark(key)
        for release in self._releases(request, since - _CLOCKS_APART, deadline):
            if _last_key(release.description or "") == ending:
                return _release(request, release)
        return None

    def _client(self, organization_url: str) -> Any:  # noqa: ANN401 - its methods are untyped
        """Give the client of an organisation, made once; its sessions are one per thread."""
        if organization_url not in self._clients:
            self._clients[organization_url] = HardenedReleaseClient(
                release_url(organization_url),
                Authorization(partial(self.authorization, organization_url)),
            )
        return self._clients[organization_url]

    def _releases(
        self, request: StartRequest, since: datetime, deadline: Deadline
    ) -> Iterator[Any]:
        """List the definition's releases created since, oldest first, page by page."""
        client, token = self._client(request.organization_url), None
        while True:
            yield from self._asked(
                lambda token=token: client.get_releases(
                    request.project,
                    definition_id=request.definition,
                    min_created_time=since,
                    query_order="ascending",
                    top=_PAGE,
                    continuation_token=token,
                ),
                deadline,
            )
            token = continuation_token.get()
            if not token:
                return

    def _asked(self, read: Callable[[], Result], deadline: Deadline) -> Result:
        """Read something that may be read again.

        Raises TargetError when a person must act, AzureDevOpsError when it may pass.
        """
        deadline_in_force.set(deadline)
        try:
            return read()
        except TargetError:
            raise
        except _FAULTS as fault:
            if isinstance(fault, AnswerError) and _refuses(fault):
                raise TargetError(_told(fault)) from fault
            if isinstance(fault, NoTokenError) and not fault.may_pass:
                raise TargetError(str(fault)) from fault
            if isinstance(fault, ValueError):
                forget_locations()
            msg = f"Azure DevOps could not be asked: {_first_line(fault)}"
            raise AzureDevOpsError(msg) from fault

    def _result(self, request: StartRequest, fault: Exception) -> StartResult:
        """Tell what a fault means: before the POST was sent, surely nothing was started."""
        if isinstance(fault, NoTokenError):
            return NotStarted(str(fault)) if fault.may_pass else Refused(str(fault))
        if isinstance(fault, AnswerError) and _refuses(fault):
            self._forget_definition(request.definition)
            return Refused(_told(fault))
        if isinstance(fault, AnswerError) and fault.status == HTTPStatus.TOO_MANY_REQUESTS:
            return NotStarted(f"Azure DevOps is throttling: {fault.told}", fault.retry_after)
        told = f"Azure DevOps gave no readable answer: {_first_line(fault)}"
        if not post_was_sent.get():
            forget_locations()
            return NotStarted(told)
        never_made = isinstance(fault, ClientRequestError) and was_never_made(fault)
        return NotStarted(told) if never_made else Unknown(told)

    def _forget_definition(self, definition_id: int) -> None:
        """Read a definition anew next time: it may have changed, which would explain a refusal."""
        self._definitions = {
            address: read
            for address, read in self._definitions.items()
            if read[1].id != definition_id
        }


def release_url(organization_url: str) -> str:
    """Give the address of an organisation's release service.

    `https://dev.azure.com/<org>` and `https://<org>.visualstudio.com` have a host of their own for
    releases; Azure DevOps Server answers under the same address.
    """
    services = _SERVICES.fullmatch(organization_url)
    if services:
        return f"https://vsrm.dev.azure.com/{services['organization']}"
    older = _VISUAL_STUDIO.fullmatch(organization_url)
    if older:
        return f"https://{older['organization']}.vsrm.visualstudio.com"
    return organization_url


def _definition(read: Any) -> Definition:  # noqa: ANN401 - msrest's models are untyped
    variables: dict[str, Any] = read.variables or {}
    artifacts: list[Any] = read.artifacts or []
    return Definition(
        id=read.id,
        name=read.name or "",
        variables={name: bool(one.allow_override) for name, one in variables.items()},
        artifacts={one.alias: _model_of(one) for one in artifacts},
    )


def _model_of(artifact: Any) -> str | None:  # noqa: ANN401 - msrest's models are untyped
    """Give the model that an AzureML artifact stands for; None for every other artifact."""
    if "azureml" not in (artifact.type or "").lower():
        return None
    reference: dict[str, Any] = artifact.definition_reference or {}
    model = reference.get("definition")
    return model.name or model.id if model else None


def _release(request: StartRequest, release: Any) -> Release:  # noqa: ANN401 - msrest
    links: dict[str, Any] = release._links.additional_properties if release._links else {}  # noqa: SLF001
    page = links.get("web", {}).get("href")
    project = request.project.replace(" ", "%20")
    made = f"{request.organization_url}/{project}/_releaseProgress?releaseId={release.id}"
    return Release(release.id, page or made)


def _last_key(description: str) -> str:
    """Give the last key in a description: only this one is ours, whatever stands before it."""
    found = re.findall(r"\[model-trigger:[^\]]*\]", description)
    return found[-1] if found else ""


def _refuses(answer: AnswerError) -> bool:
    """Tell whether an answer means no, for certain; a server error or a lost answer does not."""
    status = answer.status
    if status == HTTPStatus.OK:
        return answer.is_page
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}:
        return False
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer.is_json or status == HTTPStatus.UNAUTHORIZED
    return _is_sign_in(answer)


def _is_sign_in(answer: AnswerError) -> bool:
    redirect = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
    return redirect or answer.status == HTTPStatus.NON_AUTHORITATIVE_INFORMATION


def _told(answer: AnswerError) -> str:
    if answer.is_page or _is_sign_in(answer):
        return f"Azure DevOps showed its sign-in page (HTTP {answer.status}): {_REMEDY}"
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return f"Azure DevOps does not know who asks (HTTP 401: {answer.told}): {_REMEDY}"
    return f"Azure DevOps refused (HTTP {answer.status}): {answer.told}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
