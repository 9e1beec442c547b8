"""Servers that keep what they are sent, and rules that lead to them."""

import base64
import json
from datetime import UTC, datetime
from functools import partial

from model_trigger import handlers, services
from tests.sandbox.azure_devops.messages import answer
from tests.sandbox.azure_devops.server import Server
from tests.sandbox.azure_ml.server import TlsServer
from tests.support.build import event_text

PAT = "s3cr3t-pat"
BASIC = f"Basic {base64.b64encode(f':{PAT}'.encode()).decode()}"
SERVICES = "https://dev.azure.com/contoso"


class Listener:
    """A server that keeps what it is sent, over TLS if it is given a context."""

    def __init__(self, respond=lambda _: answer({"count": 0, "value": []}), context=None):
        self.requests, self._respond = [], respond
        clock = partial(datetime.now, UTC)
        self.server = (
            TlsServer(0, clock, self._answer, context)
            if context
            else Server(0, clock, self._answer)
        )
        self.address = f"{'https' if context else 'http'}://127.0.0.1:{self.server.port}"
        self.url = f"{self.address}/contoso"

    def _answer(self, request):
        self.requests.append(request)
        return self._respond(request)

    @property
    def credentials(self):
        sent = (request.headers for request in self.requests)
        return [
            headers[name]
            for headers in sent
            for name in ("authorization", "proxy-authorization")
            if name in headers
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


def rules(url):
    named = {"organization_url": url} if url else {}
    return json.dumps(
        {
            "churn": {"model": "churn", "release": {"definition": 1, **named}},
            "fraud": {"model": "churn", "pipeline": {"id": 1, **named}},
        }
    )


def deliver():
    handlers.handle_event(event_text(17), services.services())
