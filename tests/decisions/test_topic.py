"""Others are told what was decided, by the real client over TLS."""

import json
from datetime import UTC, datetime
from functools import partial

import pytest
from azure.core.exceptions import ServiceRequestError

from model_trigger.decisions.decision import Decision, Outcome, OutcomeError
from model_trigger.decisions.topic import OutcomeTopic
from model_trigger.handlers import handle_event
from model_trigger.targets.request import Release
from tests.sandbox.azure_devops.messages import Answer
from tests.sandbox.azure_ml.server import Authority, TlsServer
from tests.sandbox.credentials import StaticCredential
from tests.support.build import WORKSPACE_ID, deadline, event_text, registration
from tests.support.trial import Interposed, raising, with_changes


class Topic:
    """An Event Grid topic: it keeps what it is sent, and answers with `status`."""

    def __init__(self, folder):
        authority = Authority()
        self.trusted = folder / "ca.pem"
        authority.write(self.trusted)
        self.requests, self.status = [], 200
        clock = partial(datetime.now, UTC)
        self.server = TlsServer(0, clock, self.answer, authority.context())
        self.endpoint = f"https://127.0.0.1:{self.server.port}/api/events"

    def answer(self, request):
        self.requests.append(request)
        return Answer(self.status)

    @property
    def events(self):
        return [each for request in self.requests for each in request.json]


@pytest.fixture(name="topic")
def _topic(tmp_path, monkeypatch):
    topic = Topic(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(topic.trusted))
    yield topic
    topic.server.stop()


@pytest.fixture(name="outcomes")
def _outcomes(topic):
    return OutcomeTopic(topic.endpoint, StaticCredential)


RELEASE = Release(7, "https://dev.azure.com/contoso/ml/_release?releaseId=7")


@pytest.mark.parametrize(
    ("outcome", "event_type"),
    [
        (Outcome.STARTED, "ModelTrigger.ReleaseStarted"),
        (Outcome.FAILED, "ModelTrigger.ReleaseFailed"),
        (Outcome.GIVEN_UP, "ModelTrigger.ReleaseFailed"),
        (Outcome.SUPERSEDED, "ModelTrigger.ReleaseSuperseded"),
    ],
)
def test_a_decision_is_sent_as_a_cloud_event(topic, outcomes, outcome, event_type):
    decision = Decision(outcome, "because", "churn", registration(), release=RELEASE)
    outcomes.publish(decision, 12, deadline())

    (event,) = topic.events
    assert (event_type, WORKSPACE_ID, "models/churn:17") == (
        event["type"],
        event["source"],
        event["subject"],
    )
    assert decision.log_fields(12) == event["data"]


@pytest.mark.parametrize(
    "outcome", [Outcome.DUPLICATE, Outcome.NOT_MATCHED, Outcome.PENDING, Outcome.OBSERVED]
)
def test_what_changes_nothing_is_not_sent(topic, outcomes, outcome):
    outcomes.publish(Decision(outcome, "because", "churn", registration()), 12, deadline())

    assert [] == topic.requests


def test_a_topic_that_refuses_is_named_with_what_it_needs(topic, outcomes):
    topic.status = 403

    with pytest.raises(OutcomeError, match=r"the role EventGrid Data Sender there$"):
        outcomes.publish(Decision(Outcome.STARTED, "", "", registration()), 12, deadline())


def test_every_decision_of_an_event_is_sent(topic, outcomes, make_services):
    handle_event(event_text(17), make_services(publisher=outcomes))

    assert ["started"] == [event["data"]["outcome"] for event in topic.events]


def test_a_topic_that_cannot_be_reached_stops_nothing(topic, outcomes, make_services, caplog):
    topic.status = 500
    handle_event(event_text(17), make_services(publisher=outcomes))

    assert "the outcome event was not accepted by" in caplog.text
    assert json.loads(topic.requests[0].body)


class TimesOut:
    """A credential whose token does not come; the error of a plain time-out has no text."""

    def get_token(self, *_scopes, **_options):
        raise ServiceRequestError(TimeoutError())


def test_an_error_without_words_is_named_by_its_kind(topic):
    outcomes = OutcomeTopic(topic.endpoint, TimesOut)

    with pytest.raises(OutcomeError, match=r"was not accepted by .*: ServiceRequestError; it must"):
        outcomes.publish(Decision(Outcome.STARTED, "", "", registration()), 12, deadline())


def test_an_unexpected_fault_of_the_topic_stops_nothing(settled):
    topic = OutcomeTopic("https://topic.example/api/events", StaticCredential)
    odd = Interposed(topic, "publish", before=raising(ZeroDivisionError()))
    settled.services = with_changes(settled.services, publisher=odd)
    for version in ("17", "18", "19"):
        settled.azure_ml.register("churn", version)
    settled.deliver("17")

    assert "the outcome event could not be sent" in settled.caplog.text
    assert [("churn", "18", "started"), ("churn", "19", "started")] == settled.reconcile()
