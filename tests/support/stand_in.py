"""What tests ask of the stand-in for Azure DevOps, by the real client and without."""

import http.client
import importlib
import json
from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from tests.sandbox.azure_devops.organization import (
    CHURN,
    DEPLOY_CHURN,
    Organisation,
    Project,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CLIENTS = {
    "release": "azure.devops.v7_1.release.release_client.ReleaseClient",
    "pipelines": "azure.devops.v7_1.pipelines.pipelines_client.PipelinesClient",
    "build": "azure.devops.v7_1.build.build_client.BuildClient",
}
PARAMETERS = {"modelName": "churn", "modelVersion": "17"}


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    def move(self, **by):
        self.now += timedelta(**by)


def imported(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def model(area, kind, /, **fields):
    return imported(f"azure.devops.v7_1.{area}.models.{kind}")(**fields)


def client(azure_devops, area):
    credentials = imported("msrest.authentication.BasicAuthentication")("", "secret")
    return imported(CLIENTS[area])(azure_devops.url, credentials)


def web_page(resource):
    return vars(resource)["_links"].additional_properties["web"]["href"]


def basic(secret):
    return "Basic " + b64encode(f":{secret}".encode()).decode()


def send(azure_devops, method, path, body=None, authorization=None):
    """Send one request below the organisation, and return (status, headers, parsed JSON)."""
    headers = {
        "Accept": "application/json;api-version=7.1",
        "Authorization": basic("secret") if authorization is None else authorization,
    }
    address = urlsplit(azure_devops.url)
    with closing(http.client.HTTPConnection(address.hostname, address.port)) as connection:
        text = body if isinstance(body, str | None) else json.dumps(body)
        connection.request(method, quote(f"{address.path}/{path}", safe="/?&=$*"), text, headers)
        response = connection.getresponse()
        content = response.read()
    is_json = "json" in response.headers["Content-Type"]
    return response.status, response.headers, json.loads(content) if is_json else content


def create(azure_devops, project="ml", **body):
    return send(azure_devops, "POST", f"{project}/_apis/release/releases", body)


def run(azure_devops, pipeline=5, **body):
    return send(azure_devops, "POST", f"ml/_apis/pipelines/{pipeline}/runs", body)


def with_definition(**changes):
    return Organisation("contoso", (Project("ml", (replace(CHURN, **changes),)),))


def with_pipeline(**changes):
    return Organisation("contoso", (Project("ml", (), (replace(DEPLOY_CHURN, **changes),)),))
