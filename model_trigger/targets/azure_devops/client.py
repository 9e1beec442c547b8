"""Start releases and runs in Azure DevOps, each with one POST, and find those whose answer is lost.

This module remembers what is known of each organisation, and says what a fault means; what there is
to ask for a release definition or a pipeline stands in a module for each.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import ClassVar, Protocol

from model_trigger.deadline import Deadline
from model_trigger.targets.azure_devops import names
from model_trigger.targets.azure_devops.answers import FAULTS, AnswerError, needs
from model_trigger.targets.azure_devops.connection import (
    Authorization,
    HardenedBuildClient,
    HardenedPipelinesClient,
    HardenedReleaseClient,
    HardenedSecurityClient,
    Pace,
    deadline_in_force,
    post_was_sent,
)
from model_trigger.targets.azure_devops.faults import asked, result
from model_trigger.targets.azure_devops.names import Listed
from model_trigger.targets.azure_devops.pipelines import INVALID_RUN, Pipelines
from model_trigger.targets.azure_devops.readings import Wish
from model_trigger.targets.azure_devops.releases import ReleaseDefinitions
from model_trigger.targets.request import (
    KEY_PARAMETER,
    Definition,
    Refused,
    Release,
    Sighting,
    Started,
    StartRequest,
    StartResult,
    TargetAddress,
    TargetError,
    TargetKind,
    Unknown,
)

_SERVICES = re.compile(r"https://dev\.azure\.com/(?P<organization>[^/]+)", re.IGNORECASE)
_VISUAL_STUDIO = re.compile(
    r"https://(?P<organization>[^./]+)\.visualstudio\.com(/DefaultCollection)?", re.IGNORECASE
)
_CLOCKS_APART = timedelta(minutes=5)
# A release definition can be changed at any time, and what was read of it says what it takes.
_REMEMBERED = 60.0
_NO_PROJECT = "ProjectDoesNotExist"

_log = logging.getLogger("model_trigger")


class _Targets(Protocol):
    """What can be asked of one organisation's release definitions, or of its pipelines.

    Everything else may raise one of FAULTS.
    """

    # What one of them is called, and what it takes to start one and to look up what was started.
    what: ClassVar[str]
    permissions: ClassVar[str]

    def listed(self, project: str, name: str | None) -> Iterator[Listed]:
        """List those of a name, or all of them."""
        ...

    def read(self, address: TargetAddress, definition_id: int) -> Definition:
        """Read what can be handed over."""
        ...

    def start(self, request: StartRequest) -> Release | None:
        """Send the POST."""
        ...

    def find(self, request: StartRequest, key: str, wish: Wish) -> Sighting:
        """Look for what was started. Raises TargetError, AzureDevOpsError."""
        ...

    def rehearse(self, request: StartRequest) -> str:
        """Do all of a start but the starting; give what could not be verified."""
        ...


@dataclass
class AzureDevOps:
    """Release definitions and pipelines of any organisation.

    `authorization` gives the Authorization header for the address of each request, or raises
    TargetError; `clock` is monotonic, in seconds. A name's id is remembered as long as it is there,
    a release definition for a minute, a pipeline until it refuses a run.
    """

    authorization: Callable[[str], str]
    clock: Callable[[], float]
    _targets: dict[tuple[TargetKind, str], _Targets] = field(
        default_factory=dict[tuple[TargetKind, str], _Targets], init=False
    )
    _paces: dict[str, Pace] = field(default_factory=dict[str, Pace], init=False)
    _ids: dict[TargetAddress, int] = field(default_factory=dict[TargetAddress, int], init=False)
    _definitions: dict[TargetAddress, tuple[float, Definition]] = field(
        default_factory=dict[TargetAddress, tuple[float, Definition]], init=False
    )
    _warned: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]], init=False)

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read the definition behind an address.

        Raises TargetError when a person must act, AzureDevOpsError when it may pass.
        """
        remembered = self._definitions.get(address)
        if remembered and self.clock() < remembered[0]:
            return remembered[1]
        definition = asked(lambda: self._read(address), deadline)
        lasts = _REMEMBERED if address.kind is TargetKind.RELEASE else float("inf")
        self._definitions[address] = (self.clock() + lasts, definition)
        self._warn(address, definition)
        return definition

    def start(self, request: StartRequest, deadline: Deadline, key: str = "") -> StartResult:
        """Send the POST, once, and return for certain what is certain about its result.

        A refusal because the `key` is missing comes with a request that contains it.
        """
        deadline_in_force.set(deadline)
        post_was_sent.set(False)
        try:
            release = self._of(request.kind, request.organization_url).start(request)
        except TargetError as error:
            return Refused(str(error))
        except FAULTS as fault:
            became = result(fault)
            if isinstance(became, Refused) and isinstance(fault, AnswerError):
                self._learn(request, fault)
                return replace(became, corrected=_corrected(request, fault, key))
            return became
        if release is None:
            return Unknown("Azure DevOps answered without saying what it started")
        return Started(release)

    def find(
        self,
        request: StartRequest,
        key: str,
        since: datetime,
        began_after: float,
        deadline: Deadline,
    ) -> Sighting:
        """Look for what this request started since, to the last page of the list.

        The reading of the list that answers, which may be another thread's, began at or after
        `began_after` on the deadline's clock. Raises TargetError when a person must act,
        AzureDevOpsError when it may pass.
        """
        targets = self._of(request.kind, request.organization_url)
        return targets.find(request, key, Wish(since - _CLOCKS_APART, began_after, deadline))

    def rehearse(self, request: StartRequest, deadline: Deadline) -> str:
        """Do all of a start but the starting; give what could not be verified, "" for nothing.

        Raises TargetError when a person must act, AzureDevOpsError when it may pass.
        """
        targets = self._of(request.kind, request.organization_url)
        return asked(lambda: targets.rehearse(request), deadline)

    def _of(self, kind: TargetKind, organization_url: str) -> _Targets:
        """Return the clients of an organization, which all threads share, with what they read."""
        if (kind, organization_url) not in self._targets:
            # Whoever comes second takes what the first one has made.
            self._targets.setdefault((kind, organization_url), self._new(kind, organization_url))
        return self._targets[kind, organization_url]

    def _new(self, kind: TargetKind, organization_url: str) -> _Targets:
        credentials = Authorization(self.authorization)
        pace = self._paces.setdefault(organization_url, Pace())
        if kind is TargetKind.PIPELINE:
            return Pipelines(
                HardenedPipelinesClient(organization_url, credentials, pace),
                HardenedBuildClient(organization_url, credentials, pace),
            )
        url = release_url(organization_url)
        return ReleaseDefinitions(
            HardenedReleaseClient(url, credentials, pace),
            HardenedSecurityClient(url, credentials, pace),
        )

    def _read(self, address: TargetAddress) -> Definition:
        """Read a definition; one that is gone under its id is looked up by its name again."""
        targets = self._of(address.kind, address.organization_url)
        was_remembered = address in self._ids
        try:
            return targets.read(address, self._id(address, targets))
        except AnswerError as answer:
            if not answer.is_json:
                raise
            if answer.status == HTTPStatus.FORBIDDEN:
                raise TargetError(needs(answer, targets.permissions)) from answer
            if answer.status != HTTPStatus.NOT_FOUND:
                raise
            if answer.type_key.startswith(_NO_PROJECT):
                raise _no_project(address) from answer
            self._ids.pop(address, None)
            if was_remembered:
                return self._read(address)
            raise _unknown(address, targets) from answer

    def _id(self, address: TargetAddress, targets: _Targets) -> int:
        """Resolve a name, once."""
        if isinstance(address.definition, int):
            return address.definition
        if address not in self._ids:
            self._ids[address] = _resolved(address, address.definition, targets)
        return self._ids[address]

    def _learn(self, request: StartRequest, answer: AnswerError) -> None:
        """Read a definition anew next time: it may have changed, which would explain a refusal.

        A pipeline that refuses the parameter for the key, or misses it, tells what it takes.
        """
        of_request = (request.kind, request.organization_url, request.project)
        for address, (_, definition) in list(self._definitions.items()):
            of_address = (address.kind, address.organization_url, address.project)
            if (of_address, definition.id) != (of_request, request.definition):
                continue
            if _is_about_the_key(request, answer):
                sent = KEY_PARAMETER in request.body.get("templateParameters", {})
                told = replace(definition, takes_key=not sent)
                self._definitions[address] = (float("inf"), told)
            else:
                del self._definitions[address]

    def _warn(self, address: TargetAddress, definition: Definition) -> None:
        """Tell once that a definition would release twice."""
        mark = (address.organization_url, definition.id)
        if definition.triggers and mark not in self._warned:
            self._warned.add(mark)
            _log.warning("%s", definition.doubled)


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


def _is_about_the_key(request: StartRequest, answer: AnswerError) -> bool:
    """Whether a pipeline refused the parameter for the key, or misses it."""
    return (
        request.kind is TargetKind.PIPELINE
        and answer.type_key == INVALID_RUN
        and answer.names(KEY_PARAMETER)
    )


def _corrected(request: StartRequest, answer: AnswerError, key: str) -> StartRequest | None:
    """Return the request as the pipeline would take it, unless a rule's own value was refused."""
    if not _is_about_the_key(request, answer):
        return None
    sent = request.body.get("templateParameters", {}).get(KEY_PARAMETER)
    if sent is None:
        return request.with_key(key) if key else None
    return request.without_key() if key in {"", sent} else None


def _resolved(address: TargetAddress, wanted: str, targets: _Targets) -> int:
    listed = targets.listed(address.project, names.name_in(wanted))
    found = names.meant(wanted, listed)
    if len(found) > 1:
        raise names.ambiguous(targets.what, wanted, address.project, found)
    if not found:
        raise _unknown(address, targets)
    return found[0].id


def _unknown(address: TargetAddress, targets: _Targets) -> TargetError:
    everything = list(targets.listed(address.project, None))
    return names.unknown(targets.what, address.definition, address.project, everything)


def _no_project(address: TargetAddress) -> TargetError:
    return TargetError(
        f"there is no project {address.project!r} in {address.organization_url}: correct "
        "AZURE_DEVOPS_PROJECT, or the project that the rule names"
    )
