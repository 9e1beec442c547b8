"""Start releases and runs in Azure DevOps, each with one POST, and find those with a lost response.

This module remembers what is known about each organization and decides what a fault means. The
requests for each kind of target are in a module of their own.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import ClassVar, Protocol, Self

from model_trigger.deadline import Deadline
from model_trigger.targets.azure_devops import names
from model_trigger.targets.azure_devops.answers import FAULTS, AnswerError, needs
from model_trigger.targets.azure_devops.connection import (
    Authorization,
    Exchange,
    Pace,
)
from model_trigger.targets.azure_devops.faults import checked, result
from model_trigger.targets.azure_devops.names import Listed
from model_trigger.targets.azure_devops.pipelines import Pipelines
from model_trigger.targets.azure_devops.readings import Wish
from model_trigger.targets.azure_devops.releases import ReleaseDefinitions
from model_trigger.targets.request import (
    Definition,
    Refused,
    Release,
    Sighting,
    Started,
    StartRequest,
    StartResult,
    TargetAddress,
    TargetError,
    Unknown,
)

_CLOCKS_APART = timedelta(minutes=5)
_NO_PROJECT = "ProjectDoesNotExist"

_log = logging.getLogger("model_trigger")


class Targets(Protocol):
    """The requests for an organization's targets of one kind.

    Methods may raise one of FAULTS unless they document their errors.
    """

    # The permissions needed to start a target and to look up what was started.
    permissions: ClassVar[str]
    # For how many seconds a definition is remembered.
    remembered: ClassVar[float]

    @classmethod
    def of(cls, organization_url: str, credentials: Authorization, pace: Pace) -> "Targets":
        """Return the targets of an organization; nothing is sent yet."""
        ...

    def during(self, exchange: Exchange) -> Self:
        """Bind the client to one exchange; what has been read is shared."""
        ...

    def listed(self, project: str, name: str | None) -> Iterator[Listed]:
        """List the definitions with a name, or all of them."""
        ...

    def read(self, address: TargetAddress, definition_id: int) -> Definition:
        """Read a definition."""
        ...

    def start(self, request: StartRequest) -> Release | None:
        """Send the POST; return None if the response does not identify what it started."""
        ...

    def find(self, request: StartRequest, key: str, wish: Wish) -> Sighting:
        """Look for what was started. Raises TargetError, AzureDevOpsError."""
        ...

    def dry_run(self, request: StartRequest) -> str:
        """Check a start without starting anything; return what could not be verified."""
        ...

    def learned(
        self, definition: Definition, request: StartRequest, answer: AnswerError
    ) -> Definition | None:
        """Return the definition as a refusal shows it, or None if it must be read again."""
        ...

    def corrected(
        self, request: StartRequest, answer: AnswerError, key: str
    ) -> StartRequest | None:
        """Return what to send instead if only the app's own optional parameter was refused."""
        ...


# One class for each of KINDS.
CLIENTS: Mapping[str, type[Targets]] = {
    "release": ReleaseDefinitions,
    "pipeline": Pipelines,
}


@dataclass
class AzureDevOps:
    """Targets of any kind in any organization.

    `authorization` returns the Authorization header for the address of each request, or raises
    TargetError; `clock` is monotonic, in seconds. The id of a name is remembered until it is gone.
    """

    authorization: Callable[[str], str]
    clock: Callable[[], float]
    _targets: dict[tuple[str, str], Targets] = field(
        default_factory=dict[tuple[str, str], Targets], init=False
    )
    _paces: dict[str, Pace] = field(default_factory=dict[str, Pace], init=False)
    _ids: dict[TargetAddress, int] = field(default_factory=dict[TargetAddress, int], init=False)
    _definitions: dict[TargetAddress, tuple[float, Definition]] = field(
        default_factory=dict[TargetAddress, tuple[float, Definition]], init=False
    )
    _warned: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]], init=False)

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read the definition at an address, and warn once if it also starts on its own.

        Raises TargetError when a person must act, AzureDevOpsError when a retry may succeed.
        """
        remembered = self._definitions.get(address)
        if remembered and self.clock() < remembered[0]:
            return remembered[1]
        targets = self._of(address, Exchange(deadline))
        definition = checked(lambda: self._read(address, targets))
        self._definitions[address] = (self.clock() + targets.remembered, definition)
        warning, mark = definition.doubled(), (address.organization_url, definition.id)
        if warning and mark not in self._warned:
            self._warned.add(mark)
            _log.warning("%s", warning)
        return definition

    def start(self, request: StartRequest, deadline: Deadline, key: str = "") -> StartResult:
        """Send the POST once; return Unknown unless its result is certain.

        A refusal because the `key` is missing includes a request that contains it.
        """
        exchange = Exchange(deadline)
        targets = self._of(request, exchange)
        try:
            release = targets.start(request)
        except TargetError as error:
            return Refused(str(error))
        except FAULTS as fault:
            became = result(fault, post_was_sent=exchange.post_was_sent)
            if isinstance(became, Refused) and isinstance(fault, AnswerError):
                self._learn(request, fault, targets)
                return replace(became, corrected=targets.corrected(request, fault, key))
            return became
        if release is None:
            return Unknown("the response from Azure DevOps does not identify what it started")
        return Started(release)

    def find(
        self,
        request: StartRequest,
        key: str,
        since: datetime,
        began_after: float,
        deadline: Deadline,
    ) -> Sighting:
        """Look for what this request has started since then, to the last page of the list.

        The list is read, by this thread or another, no earlier than `began_after` on the deadline's
        clock. Raises TargetError when a person must act, AzureDevOpsError when a retry may succeed.
        """
        wish = Wish(since - _CLOCKS_APART, began_after, deadline)
        return self._of(request, Exchange(deadline)).find(request, key, wish)

    def dry_run(self, request: StartRequest, deadline: Deadline) -> str:
        """Check a start without starting anything; return what could not be verified, or "".

        Raises TargetError when a person must act, AzureDevOpsError when a retry may succeed.
        """
        targets = self._of(request, Exchange(deadline))
        return checked(lambda: targets.dry_run(request))

    def _of(self, what: TargetAddress | StartRequest, exchange: Exchange) -> Targets:
        """Return the clients of an organization; threads share connections and readings."""
        url = what.organization_url
        if (what.kind, url) not in self._targets:
            pace = self._paces.setdefault(url, Pace())
            made = CLIENTS[what.kind].of(url, Authorization(self.authorization), pace)
            # If two threads create clients at the same time, both use the first one's.
            self._targets.setdefault((what.kind, url), made)
        return self._targets[what.kind, url].during(exchange)

    def _read(self, address: TargetAddress, targets: Targets) -> Definition:
        """Read a definition; if its id is gone, look up its name again."""
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
                raise names.no_project(address) from answer
            self._ids.pop(address, None)
            if was_remembered:
                return self._read(address, targets)
            raise names.unknown(address, targets.listed(address.project, None)) from answer

    def _id(self, address: TargetAddress, targets: Targets) -> int:
        """Return the id of a definition; a name is looked up once."""
        wanted, project = address.definition, address.project
        if isinstance(wanted, int):
            return wanted
        if address not in self._ids:
            found = names.meant(wanted, targets.listed(project, names.name_in(wanted)))
            if not found:
                raise names.unknown(address, targets.listed(project, None))
            if len(found) > 1:
                raise names.ambiguous(address, found)
            self._ids[address] = found[0].id
        return self._ids[address]

    def _learn(self, request: StartRequest, answer: AnswerError, targets: Targets) -> None:
        """Update a definition after a refusal that shows what it accepts, or forget it.

        A forgotten definition is read again: it may have changed, which would explain the refusal.
        """
        of_request = (request.kind, request.organization_url, request.project)
        for address, (_, definition) in list(self._definitions.items()):
            of_address = (address.kind, address.organization_url, address.project)
            if (of_address, definition.id) != (of_request, request.definition):
                continue
            learned = targets.learned(definition, request, answer)
            if learned:
                self._definitions[address] = (self.clock() + targets.remembered, learned)
            else:
                del self._definitions[address]
