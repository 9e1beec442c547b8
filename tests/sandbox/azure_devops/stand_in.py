"""A stand-in for Azure DevOps on one loopback port, good enough for the unmodified client.

    python -m tests.sandbox.azure_devops --port 8099

Use it like an Azure DevOps Server: `AZURE_DEVOPS_ORG_URL=http://127.0.0.1:8099/fabrikam`, with any
non-empty personal access token. It keeps releases and runs in memory, rejects what the service
rejects, and injects faults. Other processes control and inspect it over HTTP:

    GET    /_sandbox/releases, /_sandbox/runs, /_sandbox/requests, /_sandbox/faults
    POST   /_sandbox/faults    a fault, or a list of them: {"kind": "error", "status": 503}
    DELETE /_sandbox/faults    remove all faults
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any, Self
from urllib.parse import quote

from tests.sandbox.azure_devops.contract import Contract, load_contract
from tests.sandbox.azure_devops.faults import Fault, Faults
from tests.sandbox.azure_devops.messages import Answer, Json, Request, ServiceError, answer
from tests.sandbox.azure_devops.organization import FABRIKAM, Organization
from tests.sandbox.azure_devops.server import Server
from tests.sandbox.azure_devops.service import Service

CONTROL = "/_sandbox/"


def utc_now() -> datetime:
    """Return the current time in UTC, to the millisecond like the service."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(eq=False)
class AzureDevOps:
    """The stand-in: start and stop it, or use it in a `with` statement.

    organizations  the organizations to serve; the first one is at `url`
    port           0 selects a free one, which is kept when the stand-in is started again
    list_lag       seconds before a new release or run appears in lists
    post_latency   seconds that every POST takes
    clock          returns the current time in UTC, the creation time of releases
    contract       checks requests
    """

    organizations: tuple[Organization, ...] = (FABRIKAM,)
    _: KW_ONLY
    port: int = 0
    list_lag: float = 0.0
    post_latency: float = 0.0
    clock: Callable[[], datetime] = utc_now
    contract: Contract = field(default_factory=load_contract)

    def __post_init__(self) -> None:
        self._service = Service(self.organizations, self.contract)
        self._faults = Faults()
        self._requests: list[Request] = []
        self._stopping = Event()

    def start(self) -> Self:
        """Listen and answer in background threads."""
        self._stopping.clear()
        self._server = Server(self.port, self.clock, self._respond)
        self.port = self._server.port
        return self

    def stop(self) -> None:
        """Close the port and every connection; keep releases, runs and requests."""
        self._stopping.set()
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """The address of the server, without an organization."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The address of the first organization, for AZURE_DEVOPS_ORG_URL."""
        return f"{self.address}/{quote(self.organizations[0].name)}"

    @property
    def releases(self) -> list[Json]:
        """Every release as the service's JSON, in order of creation."""
        return self._service.releases.documents()

    @property
    def runs(self) -> list[Json]:
        """Every run as the service's JSON, in the order in which they were started."""
        return self._service.runs.documents()

    @property
    def requests(self) -> list[Request]:
        """Every request, in order of arrival."""
        return self._requests.copy()

    def fault(self, kind: str, **options: Any) -> None:
        """Inject a fault once, or as `options` specify: see `Fault`."""
        self._faults.add(Fault(kind, **options))

    @property
    def faults_played(self) -> Counter[str]:
        """How often each kind of fault was injected."""
        return self._faults.played.copy()

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def _respond(self, request: Request) -> Answer:
        if request.path.startswith(CONTROL):
            return self._control(request)
        self._requests.append(request)
        handle = partial(self._handle, request)
        fault = self._faults.take(request.method, request.path)
        return fault.play(handle, self._stopping.wait) if fault else handle()

    def _handle(self, request: Request) -> Answer:
        if request.method == "POST" and self.post_latency:
            self._stopping.wait(self.post_latency)
        return self._service.answer(replace(request, time=self.clock()), self.list_lag)

    def _control(self, request: Request) -> Answer:
        what = request.path.removeprefix(CONTROL)
        if (request.method, what) == ("POST", "faults"):
            return self._add_faults(request)
        if (request.method, what) == ("DELETE", "faults"):
            self.clear_faults()
        views: dict[str, Callable[[], list[Json]]] = {
            "releases": self._service.releases.documents,
            "runs": self._service.runs.documents,
            "requests": lambda: [each.document() for each in self.requests],
            "faults": self._faults.documents,
        }
        if what in views:
            return answer(views[what]())
        return answer({"message": f"{what!r} is not one of {', '.join(views)}"}, 404)

    def _add_faults(self, request: Request) -> Answer:
        try:
            given = request.json
            faults = [Fault(**fault) for fault in (given if isinstance(given, list) else [given])]
        except (ServiceError, TypeError, ValueError) as error:
            return answer({"message": f"Not a fault: {error}"}, 400)
        for fault in faults:
            self._faults.add(fault)
        return answer(self._faults.documents())


def main() -> None:
    """Serve the sandbox organization until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox.azure_devops", description="A stand-in for Azure DevOps."
    )
    parser.add_argument("--port", type=int, default=0, help="0 selects a free port (default)")
    parser.add_argument(
        "--list-lag", type=float, default=0, help="seconds before a start appears in lists"
    )
    parser.add_argument("--post-latency", type=float, default=0, help="seconds each POST takes")
    options = parser.parse_args()
    with AzureDevOps(**vars(options)) as azure_devops:
        sys.stdout.write(f"Azure DevOps stand-in at {azure_devops.url}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main()
