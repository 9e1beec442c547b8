"""A stand-in for Azure ML's REST API over TLS, good enough for the unmodified client.

    python -m tests.sandbox.azure_ml --port 8443 --ca-file ca.pem

Settings alone direct the app to it: see `AzureMachineLearning.settings`. It keeps models in memory,
lists them page by page, rejects what the service rejects, and injects faults. A second port serves
plain HTTP: the token endpoint of a managed identity, and paths with which other processes control
and inspect the stand-in:

    GET    /_sandbox/models, /_sandbox/requests, /_sandbox/faults
    POST   /_sandbox/models    a registration: {"model": "churn", "tags": {"stage": "prod"}}
    POST   /_sandbox/archive   a version, or the whole model: {"model": "churn", "version": "17"}
    POST   /_sandbox/faults    a fault, or a list of them: {"kind": "error", "status": 503}
    DELETE /_sandbox/faults    remove all faults
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Self

from tests.sandbox.azure_devops.faults import Fault, Faults
from tests.sandbox.azure_devops.messages import Answer, Json, Request, ServiceError, answer
from tests.sandbox.azure_devops.server import Server
from tests.sandbox.azure_ml.server import Authority, TlsServer
from tests.sandbox.azure_ml.service import Service, refused
from tests.sandbox.azure_ml.workspaces import WORKSPACE, Version, Workspaces
from tests.sandbox.credentials import IDENTITY_HEADER, IDENTITY_PATH, managed_identity

CONTROL = "/_sandbox/"


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass(eq=False)
class AzureMachineLearning:
    """The stand-in: start and stop it, or use it in a `with` statement.

    workspaces    the resource ids to serve; the first one is the default
    port          0 selects a free one, which is kept when the stand-in is started again
    control_port  the same for the port that serves plain HTTP
    ca_file       where to write the certificate that clients must trust; None for a temporary file
    page_size     the number of models or versions per page
    list_lag      seconds before a new version appears in the list of versions. The service lags
                  too: the client's own tests wait 30 s for its index to be up to date
                  (Azure/azure-sdk-for-python, sdk/ml/azure-ai-ml/tests/model/e2etests)
    clock         returns the current time in UTC, the creation time of models
    """

    workspaces: tuple[str, ...] = (WORKSPACE,)
    _: KW_ONLY
    port: int = 0
    control_port: int = 0
    ca_file: Path | None = None
    page_size: int = 30
    list_lag: float = 0.0
    clock: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self._workspaces = Workspaces(self.workspaces)
        self._service = Service(self._workspaces, self.page_size)
        self._authority = Authority()
        self._faults = Faults()
        self._requests: list[Request] = []
        self._stopping = Event()

    def start(self) -> Self:
        """Listen and answer in background threads."""
        self._stopping.clear()
        self._trusted = self.ca_file or _temporary_file()
        self._authority.write(self._trusted)
        context = self._authority.context()
        self._server = TlsServer(self.port, self.clock, self._respond, context)
        self._control_server = Server(self.control_port, self.clock, self._control)
        self.port, self.control_port = self._server.port, self._control_server.port
        return self

    def stop(self) -> None:
        """Close the ports and every connection; keep models and requests."""
        self._stopping.set()
        self._server.stop()
        self._control_server.stop()
        if self.ca_file is None:
            self._trusted.unlink()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address that replaces https://management.azure.com."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def control_url(self) -> str:
        """The address that serves plain HTTP."""
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that direct the azure-ai-ml client here, with a managed identity."""
        return {
            "AZUREML_DEV_URL_MFE": self.url,
            "REQUESTS_CA_BUNDLE": str(self._trusted),
            "IDENTITY_ENDPOINT": f"{self.control_url}{IDENTITY_PATH}",
            "IDENTITY_HEADER": IDENTITY_HEADER,
        }

    @property
    def requests(self) -> list[Request]:
        """Every request over TLS, in order of arrival."""
        return self._requests.copy()

    def register(  # noqa: PLR0913 - the fields of a registration
        self,
        model: str,
        version: str | None = None,
        *,
        workspace: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        created: datetime | None = None,
    ) -> str:
        """Register a version of a model, by default the next one, and return it."""
        now = self.clock()
        shown = now + timedelta(seconds=self.list_lag)
        made = created or now
        given = Version("", tags or {}, properties or {}, made, made, shown)
        return self._workspaces.register(workspace or self.workspaces[0], model, version, given)

    def archive(
        self, model: str, version: str | None = None, *, workspace: str | None = None
    ) -> None:
        """Archive a version, or the model itself, and so remove it from the default lists."""
        found = self._workspaces.model(workspace or self.workspaces[0], model)
        if found is None or (version is not None and version not in found.versions):
            message = f"there is no model {model!r} with version {version!r}"
            raise ValueError(message)
        archived = found if version is None else found.versions[version]
        archived.archived, archived.modified = True, self.clock()

    def show_all(self) -> None:
        """List every version that is registered, regardless of the lag."""
        for workspace in self.workspaces:
            for model in self._workspaces.models(workspace):
                for version in model.versions.values():
                    version.listed_from = version.created

    def fault(self, kind: str, *, verb: str = "GET", **options: Any) -> None:
        """Inject a fault once, or as `options` specify: see `Fault`."""
        self._faults.add(Fault(kind, verb, **options))

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def _respond(self, request: Request) -> Answer:
        self._requests.append(request)
        fault = self._faults.take(request.method, request.path)
        handle = partial(self._service.answer, request)
        return self._play(fault, request, handle) if fault else handle()

    def _play(self, fault: Fault, request: Request, handle: Callable[[], Answer]) -> Answer:
        played = fault.play(handle, self._stopping.wait)
        if fault.kind != "error":
            return played
        error = refused(request, fault.status or 500).answer()
        return replace(error, headers=played.headers)

    def _control(self, request: Request) -> Answer:
        if request.path == IDENTITY_PATH:
            return managed_identity(request)
        what = request.path.removeprefix(CONTROL)
        try:
            self._change(request, what)
        except (ServiceError, KeyError, TypeError, ValueError) as error:
            return answer({"message": f"Invalid request: {error!r}"}, 400)
        views: dict[str, Callable[[], list[Json]]] = {
            "models": lambda: list(self._workspaces.documents()),
            "requests": lambda: [each.document() for each in self.requests],
            "faults": self._faults.documents,
        }
        view = views.get("models" if what == "archive" else what)
        return answer(view()) if view else answer({"message": f"no {what!r}"}, 404)

    def _change(self, request: Request, what: str) -> None:
        match request.method, what:
            case "POST", "models":
                self.register(**_registration(request.json))
            case "POST", "archive":
                self.archive(**request.json)
            case "POST", "faults":
                given = request.json
                for fault in given if isinstance(given, list) else [given]:
                    self.fault(**fault)
            case "DELETE", "faults":
                self.clear_faults()


def _registration(given: Json) -> Json:
    if "created" not in given:
        return given
    return {**given, "created": datetime.fromisoformat(given["created"])}


def _temporary_file() -> Path:
    handle, name = tempfile.mkstemp(prefix="azure-ml-", suffix=".pem")
    os.close(handle)
    return Path(name)


def main() -> None:
    """Serve one empty workspace until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox.azure_ml", description="A stand-in for Azure ML."
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port for TLS; 0 selects a free port (default)"
    )
    parser.add_argument("--control-port", type=int, default=0, help="port for plain HTTP; likewise")
    parser.add_argument("--ca-file", type=Path, help="where to write the certificate to trust")
    parser.add_argument(
        "--list-lag", type=float, default=0, help="seconds before a version is listed"
    )
    options = parser.parse_args()
    with AzureMachineLearning(**vars(options)) as azure_ml:
        trusted = azure_ml.settings["REQUESTS_CA_BUNDLE"]
        sys.stdout.write(
            f"Azure ML stand-in at {azure_ml.url} with CA {trusted}, "
            f"controlled at {azure_ml.control_url}\n"
        )
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main()
