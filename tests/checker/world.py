"""Everything outside the app's processes, and what a call does to it, with and without a fault."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.data.tables import TableErrorCode, TableTransactionError

from model_trigger.registrations.listing import AzureMLError, ModelSummary, WorkspaceAccessError
from model_trigger.registrations.registration import Registration
from model_trigger.targets.pipeline import (
    KEY_PARAMETER,
    PipelineDefinition,
    with_key,
    without_key,
)
from model_trigger.targets.release import ReleaseDefinition, key_mark
from model_trigger.targets.request import (
    Absent,
    AzureDevOpsError,
    Candidates,
    Found,
    NotStarted,
    Refused,
    Release,
    Started,
    StartRequest,
    TargetError,
    Unknown,
)
from tests.checker.calls import Call, Reply, raised, returned
from tests.checker.filters import condition
from tests.checker.processes import milliseconds, moment
from tests.checker.scenario import MODEL, PREFIX, WORKSPACES, Scenario
from tests.checker.tables import RefusedError, Tables
from tests.checker.targets import sent

# Milliseconds that storage is unavailable after "outage", and that a slow response takes.
_OUTAGE = 3_000
_SLOW = 4_500
# How much a list lags beyond the allowed lag, just less than that.
_JUST = 100
# The storage clock shows whole seconds.
_STEP = 1_000
# How far clocks may differ, as the adapter allows for.
_CLOCKS_APART = timedelta(minutes=5)

FAULTS: Mapping[str, tuple[str, ...]] = {
    "storage read": ("busy", "outage", "hang", "slow answer"),
    "storage write": ("busy", "lost after", "outage", "outage after", "hang after"),
    "azure_devops definition": ("503", "404", "unreachable", "slow"),
    "azure_devops start": (
        "500 after, late",
        "500 after",
        "at last, late",
        "500",
        "late",
        "refused",
        "429",
        "429 later",
        "unreachable",
        "timeout",
        "timeout after",
        "key refused",
        "frozen",
    ),
    "azure_devops find": ("503", "403", "slow", "shared", "silent"),
    "azure_ml models": ("503", "403"),
    "azure_ml versions": ("503", "403"),
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of the model, with its times of registration and listing."""

    version: str
    workspace: int
    at: int
    listed_at: int


@dataclass(frozen=True, slots=True)
class Posted:
    """A release or a run that exists; it is listed from `listed_at` on."""

    id: int
    request: StartRequest
    by: str
    at: int
    listed_at: int
    was_frozen: bool = False

    @property
    def values(self) -> Mapping[str, str]:
        """What it was given, except the key."""
        return {name: one for name, one in sent(self.request).items() if name != KEY_PARAMETER}

    @property
    def version(self) -> str:
        return self.values["modelVersion"]

    @property
    def scope(self) -> tuple[int, str]:
        """The scope in which its version is ordered: its definition, and its workspace if any."""
        return self.request.definition, self.values.get("workspaceName", "")


@dataclass
class World:
    """The outside at one moment; `copy` before a call if the earlier moment is still needed."""

    scenario: Scenario
    now: int = 0
    tables: Tables = field(default_factory=Tables.empty)
    posted: tuple[Posted, ...] = ()
    registered: tuple[Registered, ...] = ()
    archived: frozenset[str] = frozenset()
    down_until: int = 0
    book: str = "base"
    workspaces: tuple[int, ...] = (0,)
    # The versions and workspaces that reconcile must not start; the workspaces in which a pass has
    # seen the rule or the workspace absent, and since when the rule has been; whether the rule was
    # narrowed; how often a user has changed something.
    baseline: frozenset[tuple[str, int]] = frozenset()
    away: frozenset[int] = frozenset()
    away_since: int | None = None
    was_narrowed: bool = False
    changed: int = 0
    # When each process last read storage, which is when its lease begins.
    read_at: Mapping[str, int] = field(default_factory=dict)

    def copy(self) -> "World":
        return copy(self)

    @property
    def key(self) -> Hashable:
        """The identity of this moment."""
        return (
            self.now,
            self.tables.etags,
            tuple((one.by, one.at, one.listed_at, one.was_frozen) for one in self.posted),
            self.registered,
            self.archived,
            max(self.down_until, self.now),
            self.book,
            self.workspaces,
            self.baseline,
            self.away,
            self.away_since,
            self.was_narrowed,
            self.changed,
        )

    def change(self, what: str) -> None:
        """Let a user change the app's settings or what is registered."""
        verb, _, value = what.partition(" ")
        self.changed += 1
        if verb == "book":
            self.book = value
            self.was_narrowed |= value == "narrow"
            is_away = value == "removed"
            self.away_since = (self.away_since or self.now) if is_away else None
        elif verb == "workspaces":
            self.workspaces = tuple(map(int, value))
        elif verb == "register":
            one = Registered(value, 0, self.now, self.now)
            self.registered = (*self.registered, one)
        else:
            self.archived |= {value}
        if self.book != "removed":
            self._return(self.away & {*self.workspaces})

    def passed(self, book: str, workspaces: tuple[int, ...]) -> None:
        """Record what a successful pass saw: what was absent is new when it returns."""
        if (book, workspaces) == (self.book, self.workspaces):
            gone = {*range(self.scenario.workspaces)} - {*workspaces}
            self.away |= {*workspaces, *gone} if book == "removed" else gone

    def _return(self, indices: AbstractSet[int]) -> None:
        self.away -= indices
        claimed = {
            (stored.values["version"], stored.values["workspace"])
            for (_, row), stored in self.tables.rows.get(f"{PREFIX}releases", {}).items()
            if row.startswith("claim|")
        }
        self.baseline |= {
            (one.version, one.workspace)
            for one in self.registered
            if one.workspace in indices
            and (one.version, WORKSPACES[one.workspace].id) not in claimed
        }

    def answer(self, call: Call, asked_at: int, fault: str, by: str) -> Reply:
        """Carry out a call and reply; what is sent late is still carried out."""
        if call.service == "clock":
            self.now = max(self.now, asked_at + round(call.seconds * 1000))
            return returned(None, "slept")
        if call.service == "storage":
            return self._storage(call, fault, by)
        left = asked_at + round(call.seconds * 1000) - self.now
        answer = getattr(self, f"_{call.service}_{call.verb}")
        return answer(call.arguments, fault, left, by)

    def _storage(self, call: Call, fault: str, by: str) -> Reply:
        if self.now < self.down_until:
            return _http_error(503, "ServerBusy")
        if fault in {"outage", "outage after"}:
            self.down_until = self.now + _OUTAGE
        if fault.startswith("hang"):
            self.now += round(call.seconds * 1000)
        if fault in {"busy", "outage"}:
            return _http_error(503, "ServerBusy")
        if fault == "hang":
            return raised(ServiceResponseError, "read timed out")
        reply = self._stored(call)
        if call.verb in {"get", "query"}:
            self.read_at = {**self.read_at, by: self.now}
        if fault == "slow answer":
            self.now += _SLOW
            return reply
        return raised(ServiceResponseError, "connection was closed") if fault else reply

    def _stored(self, call: Call) -> Reply:
        try:
            value, key = getattr(self, f"_rows_{call.verb}")(**call.arguments)
        except RefusedError as error:
            return _http_error(error.status, error.code, call.verb, error.index)
        date = format_datetime(moment(self.now), usegmt=True)
        return returned((value, {"Date": date}), (key, date))

    def _rows_create(self, table: str) -> tuple[Any, Hashable]:
        self.tables = self.tables.with_table(table)
        return None, None

    def _rows_get(self, table: str, key: tuple[str, str], **_: Any) -> tuple[Any, Hashable]:
        found = self.tables.get(table, key)
        return found, found.etag

    def _rows_query(
        self, table: str, text: str, size: int, after: Any, **_: Any
    ) -> tuple[Any, Hashable]:
        found = self.tables.found(table, condition(text))
        page = found[after or 0 :][:size]
        end = (after or 0) + len(page)
        return (page, end if end < len(found) else None), (tuple(one.etag for one in page), end)

    def _rows_write(self, table: str, operations: Any, **_: Any) -> tuple[Any, Hashable]:
        self.tables, written = self.tables.changed(table, operations)
        return written, tuple(one and one.etag for one in written)

    _rows_transaction = _rows_write

    def _rows_delete(self, table: str, operations: Any, **_: Any) -> tuple[Any, Hashable]:
        """Delete a row; like the SDK, ignore a missing one."""
        try:
            return self._rows_write(table, operations)
        except RefusedError as error:
            if error.status != 404:
                raise
            return [None], "gone"

    def _azure_devops_definition(
        self, arguments: Mapping[str, Any], fault: str, left: int, _by: str
    ) -> Reply:
        if fault == "slow":
            self.now, left = self.now + 12_000, left - 12_000
        if fault in {"503", "unreachable"} or left <= 0:
            return raised(AzureDevOpsError, fault or "no time", answered=fault != "unreachable")
        if fault == "404":
            return raised(TargetError, "there is no such definition")
        is_release = arguments["address"].kind == "release"
        return returned(_RELEASE_DEFINITION if is_release else self._pipeline, "definition")

    @property
    def _pipeline(self) -> PipelineDefinition:
        return PipelineDefinition(5, "deploy", takes_key=self.scenario.takes_key)

    def _azure_devops_start(
        self, arguments: Mapping[str, Any], fault: str, left: int, by: str
    ) -> Reply:
        # A process that freezes between its last check of the clock and the socket still sends the
        # POST: nothing can prevent that, and it must be recorded.
        if left <= 0 and fault != "frozen":
            return returned(NotStarted("no time was left"))
        request: StartRequest = arguments["request"]
        if fault == "key refused" and request.kind == "pipeline":
            takes_key = KEY_PARAMETER in sent(request)
            other = (
                without_key(request) if takes_key else with_key(request, arguments["release_key"])
            )
            return returned(Refused("HTTP 400: modelTriggerKey", other), "key refused")
        result = _RESULTS.get(fault)
        if fault.startswith("timeout"):
            self.now += left
        if result and "after" not in fault and "at last" not in fault:
            return returned(result)
        lag = round(1000 * self.scenario.lag)
        # A POST may take effect as late as its lease expires, even if nobody waits for it any more.
        at = self._end_of_lease(by, arguments["release_key"]) if "at last" in fault else self.now
        listed_at = at + lag - _JUST if "late" in fault else at
        number, was_frozen = len(self.posted) + 1, fault == "frozen"
        one = Posted(number, request, by, at, listed_at, was_frozen)
        self.posted = (*self.posted, one)
        return returned(result or Started(_release(one)))

    def _end_of_lease(self, by: str, key: str) -> int:
        """Return the last moment of the lease under which a process sends a POST.

        A process that meets its own claim reads again, which does not renew the lease.
        """
        latest = self.read_at[by] + round(1000 * self.scenario.lease)
        ends = [
            milliseconds(stored.values["lease_until"]) + _STEP
            for stored in self.tables.rows.get(f"{PREFIX}releases", {}).values()
            if stored.values.get("key") == key
        ]
        return min([latest, *ends]) - _JUST

    def _azure_devops_find(
        self, arguments: Mapping[str, Any], fault: str, left: int, _by: str
    ) -> Reply:
        if fault == "slow":
            self.now, left = self.now + 12_000, left - 12_000
        if fault == "503" or left <= 0:
            return raised(AzureDevOpsError, fault or "no time")
        if fault == "403":
            return raised(TargetError, "no access to the releases")
        # A list that another thread began to read may be used, if that began late enough.
        read_at = round(arguments["began_after"] * 1000) if fault == "shared" else self.now
        earliest = arguments["since"] - _CLOCKS_APART
        listed = [
            one
            for one in self.posted
            if max(one.at, one.listed_at) <= read_at and moment(one.at) >= earliest
        ]
        return self._seen(listed, arguments["request"], arguments["release_key"], fault)

    @staticmethod
    def _seen(listed: Sequence[Posted], request: StartRequest, key: str, fault: str) -> Reply:
        """Reply with what the list shows; if it is "silent", it omits what a run was given."""
        listed = [one for one in listed if one.request.target == request.target]
        if request.kind == "pipeline" and fault == "silent":
            silent = tuple(map(_release, listed))
            return returned(Candidates((), silent) if silent else Absent())
        keyed = [one for one in listed if _key(one.request) == key]
        if keyed or _key(request):
            return returned(Found.of([*map(_release, keyed)]) if keyed else Absent())
        fitting = tuple(_release(one) for one in listed if _fits(one.request, request))
        return returned(Candidates(fitting) if fitting else Absent())

    def _azure_ml_models(
        self, arguments: Mapping[str, Any], fault: str, left: int, _by: str
    ) -> Reply:
        there = [one for one in self._there(arguments["workspace"]) if one.at <= self.now]
        newest = max(there, key=lambda one: one.at).version if there else None
        value = [ModelSummary(MODEL, newest, None)] if there else []
        return self._azure_ml_reply(fault, left, value)

    def _azure_ml_versions(
        self, arguments: Mapping[str, Any], fault: str, left: int, _by: str
    ) -> Reply:
        there = [one for one in self._there(arguments["workspace"]) if one.listed_at <= self.now]
        value = [_registration(one) for one in sorted(there, key=lambda one: -one.at)]
        return self._azure_ml_reply(fault, left, value)

    def _there(self, workspace: Any) -> Iterator[Registered]:
        index = WORKSPACES.index(workspace)
        return (
            one
            for one in self.registered
            if one.workspace == index and one.version not in self.archived
        )

    @staticmethod
    def _azure_ml_reply(fault: str, left: int, value: Any) -> Reply:
        if fault == "503" or left <= 0:
            return raised(AzureMLError, fault or "no time")
        if fault == "403":
            return raised(WorkspaceAccessError, "no access to the workspace")
        return returned(value, repr(value))


def kind_of(call: Call) -> str:
    """Return the kind of a call, as named in FAULTS."""
    if call.service != "storage":
        return f"{call.service} {call.verb}"
    return f"storage {'read' if call.verb in {'get', 'query'} else 'write'}"


def _fits(given: StartRequest, asked: StartRequest) -> bool:
    """Whether a run was given everything that was requested, possibly with a key."""
    return sent(asked).items() <= sent(given).items()


def _registration(one: Registered) -> Registration:
    return Registration(
        workspace=WORKSPACES[one.workspace],
        model=MODEL,
        version=one.version,
        registered_at=moment(one.at),
        source="reconcile",
    )


def _release(one: Posted) -> Release:
    return Release(one.id, f"https://dev.azure.com/contoso/ml/_release?releaseId={one.id}")


def _key(request: StartRequest) -> str | None:
    """Return the key in a request, from a run's parameters or a release's description."""
    parameters = request.body.get("templateParameters", {})
    description = request.body.get("description", "")
    _, separator, rest = description.rpartition(key_mark("").removesuffix("]"))
    return rest.removesuffix("]") if separator else parameters.get(KEY_PARAMETER)


def _http_error(status: int, code: str, verb: str = "", index: int = 0) -> Reply:
    """Return a reply that raises the SDK's error class."""
    kind: Callable[..., HttpResponseError] = HttpResponseError
    if verb == "transaction":
        kind = TableTransactionError
    elif code in _ERRORS:
        kind = _ERRORS[code]

    def make() -> Any:
        error = kind(message=f"{index}:{code}\nErrorCode:{code}")
        error.status_code, error.error_code = status, TableErrorCode(code)
        raise error

    return Reply(("http", status, code), make)


_ERRORS: Mapping[str, type[HttpResponseError]] = {
    "EntityAlreadyExists": ResourceExistsError,
    "TableAlreadyExists": ResourceExistsError,
    "ResourceNotFound": ResourceNotFoundError,
    "TableNotFound": ResourceNotFoundError,
    "UpdateConditionNotSatisfied": ResourceModifiedError,
}
_RELEASE_DEFINITION = ReleaseDefinition(
    1, "deploy", variables={"modelName": True, "modelVersion": True, "workspaceName": True}
)
_RESULTS = {
    "refused": Refused("HTTP 400"),
    "429": NotStarted("HTTP 429"),
    "429 later": NotStarted("HTTP 429", 60),
    "unreachable": replace(NotStarted("no connection"), answered=False),
    "500": Unknown("HTTP 500"),
    "500 after": Unknown("HTTP 500"),
    "500 after, late": Unknown("HTTP 500"),
    "at last, late": replace(Unknown("no answer"), answered=False),
    "timeout": replace(Unknown("no answer"), answered=False),
    "timeout after": replace(Unknown("no answer"), answered=False),
}
