"""Makes what tests of the adapter for Azure DevOps are about: organisations, requests, answers."""

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
    Organisation,
    Pipeline,
    Project,
    ReleaseDefinition,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.build import deadline, registration, rule

RELEASE, PIPELINE = "release", "pipeline"
KEYLESS = replace(DEPLOY_CHURN, parameters=DEPLOY_CHURN.parameters[:2])
KEY = "0123456789abcdef"


def organisation(*targets, name="fabrikam", **fields):
    """Make an organisation with one project, ml."""
    releases = tuple(one for one in targets if isinstance(one, ReleaseDefinition))
    pipelines = tuple(one for one in targets if isinstance(one, Pipeline))
    return Organisation(name, (Project("ml", releases, pipelines),), **fields)


def stand_in(*targets, port=0, **fields):
    return AzureDevOps((organisation(*targets, **fields),), port=port)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def adapter(authorization=lambda _: "Basic Om5vdC1hLXNlY3JldA==", clock=time.monotonic):
    """Make the adapter of a fresh process."""
    forget_locations()
    return Adapter(authorization, clock)


@contextmanager
def changed(azure_devops, *targets):
    """Stop the stand-in, and put another one with these targets in its place."""
    azure_devops.stop()
    with stand_in(*targets, port=azure_devops.port) as other:
        yield other


def address(azure_devops, definition, kind=RELEASE, project="ml", branch=None):
    return TargetAddress(kind, azure_devops.url, project, definition, branch)


def request(azure_devops, using, key=KEY, version="17", **fields):
    """Make the request that a rule for churn makes, with what the adapter reads."""
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


# The ways to make a request.
STARTS = [
    pytest.param(request, id="release"),
    pytest.param(pipeline_request, id="pipeline"),
]


class OddService(AzureDevOps):
    """A stand-in that answers some requests with JSON of another shape."""

    def answer_oddly(self, method, path, body):
        self.odd = method, path, body

    def _respond(self, request):
        method, path, body = getattr(self, "odd", ("", "", ""))
        if request.method == method and request.path.endswith(path):
            return Answer(body=body.encode())
        return super()._respond(request)


def found(using, asked_for, key=KEY, *, since=None, began_after=None):
    """Look for what was started since an hour ago, in a list that is read now."""
    limit = deadline()
    return using.find(
        asked_for,
        key,
        since or now() - timedelta(hours=1),
        limit.clock() if began_after is None else began_after,
        limit,
    )


def keyed(asked_for, key):
    """Make the same request with another key."""
    if asked_for.kind == PIPELINE:
        return with_key(asked_for, key)
    description = f"x [model-trigger:{key}]"
    return replace(asked_for, body={**asked_for.body, "description": description})


class Reticent(AzureDevOps):
    """A stand-in that leaves fields out: of the items of lists, and of documents of their own."""

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
    """Make a deadline on this clock."""
    return Deadline(clock.now + seconds, clock, time.sleep)


def patience(fault):
    """Make a deadline that never passes by itself, since its clock stands still.

    An answer that hangs is waited for only so long, and every other one for as long as it takes.
    """
    return within(Clock(time.monotonic()), 0.3 if fault["kind"] == "hang" else 25)
