"""Build the organizations, requests and responses for tests of the Azure DevOps adapter."""

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest

from model_trigger.deadline import Deadline
from model_trigger.targets.azure_devops.client import AzureDevOps as Adapter
from model_trigger.targets.azure_devops.connection import forget_locations
from model_trigger.targets.pipeline import with_key
from model_trigger.targets.request import TargetAddress, TargetDefaults
from tests.sandbox.azure_devops.messages import Answer
from tests.sandbox.azure_devops.organization import (
    DEPLOY_CHURN,
    Organization,
    Pipeline,
    Project,
    ReleaseDefinition,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.build import deadline, registration, rule

RELEASE, PIPELINE = "release", "pipeline"
KEYLESS = replace(DEPLOY_CHURN, parameters=DEPLOY_CHURN.parameters[:2])
KEY = "0123456789abcdef"


def organization(*targets, name="fabrikam", **fields):
    """Return an organization with one project, ml."""
    releases = tuple(one for one in targets if isinstance(one, ReleaseDefinition))
    pipelines = tuple(one for one in targets if isinstance(one, Pipeline))
    return Organization(name, (Project("ml", releases, pipelines),), **fields)


def stand_in(*targets, port=0, **fields):
    return AzureDevOps((organization(*targets, **fields),), port=port)


class Clock:
    """A monotonic clock that moves only when a test moves it."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def adapter(authorization=lambda _: "Basic Om5vdC1hLXNlY3JldA==", clock=time.monotonic):
    """Return the adapter of a new process."""
    forget_locations()
    return Adapter(authorization, clock)


@contextmanager
def changed(azure_devops, *targets):
    """Replace the stand-in with one that has these targets."""
    azure_devops.stop()
    with stand_in(*targets, port=azure_devops.port) as other:
        yield other


def address(azure_devops, definition, kind=RELEASE, project="ml", branch=None):
    return TargetAddress(kind, azure_devops.url, project, definition, branch)


def request(azure_devops, using, key=KEY, version="17", **fields):
    """Return the request of a rule for churn, resolved by the adapter."""
    of_rule = rule(**fields)
    where = of_rule.address(TargetDefaults(azure_devops.url, "ml"))
    definition = using.definition(where, deadline())
    return of_rule.request(registration(version), where, definition, key)


def pipeline_request(azure_devops, using, key=KEY, **pipeline):
    return request(azure_devops, using, key, release=None, pipeline={"id": 5, **pipeline})


def posts(azure_devops):
    """Return the requests that start something."""
    return [
        each
        for each in azure_devops.requests
        if each.method == "POST" and each.path.endswith(("/releases", "/runs"))
    ]


def now():
    return datetime.now(UTC)


# The functions that build a request.
STARTS = [
    pytest.param(request, id="release"),
    pytest.param(pipeline_request, id="pipeline"),
]


class OddService(AzureDevOps):
    """A stand-in whose responses to some requests have JSON of another shape."""

    def answer_oddly(self, method, path, body):
        self.odd = method, path, body

    def _respond(self, request):
        method, path, body = getattr(self, "odd", ("", "", ""))
        if request.method == method and request.path.endswith(path):
            return Answer(body=body.encode())
        return super()._respond(request)


def found(using, asked_for, key=KEY, *, since=None, began_after=None):
    """Look for what was started within the last hour, in a list read now."""
    limit = deadline()
    return using.find(
        asked_for,
        key,
        since or now() - timedelta(hours=1),
        limit.clock() if began_after is None else began_after,
        limit,
    )


def keyed(asked_for, key):
    """Return the same request with another key."""
    if asked_for.kind == PIPELINE:
        return with_key(asked_for, key)
    description = f"x [model-trigger:{key}]"
    return replace(asked_for, body={**asked_for.body, "description": description})


class Reticent(AzureDevOps):
    """A stand-in that omits fields from the items of lists and from single documents."""

    in_lists = in_documents = ()

    def _respond(self, request):
        answer = super()._respond(request)
        if request.method != "GET" or answer.status != HTTPStatus.OK:
            return answer
        content = json.loads(answer.body)
        listed = content.get("value")
        for item in [content] if listed is None else listed:
            for name in self.in_documents if listed is None else self.in_lists:
                item.pop(name, None)
        return replace(answer, body=json.dumps(content).encode())


def within(clock, seconds=25):
    """Return a deadline on this clock."""
    return Deadline(clock.now + seconds, clock, time.sleep)


def patience(fault):
    """Return a deadline that never expires, because its clock is stopped.

    Only a hanging response is limited in time.
    """
    return within(Clock(time.monotonic()), 0.3 if fault["kind"] == "hang" else 25)
