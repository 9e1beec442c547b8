"""A third kind of target, defined only here, works the whole way from a rule to the page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar

import jsonschema
import pytest
from msrest.exceptions import ClientRequestError
from pydantic import Field

from model_trigger import handlers
from model_trigger.claims.claim import State
from model_trigger.commands.online import Finding, check_rules
from model_trigger.handlers import DeliverAgainError
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.explain import explain
from model_trigger.rules.fields import rule_fields
from model_trigger.rules.schema import rules_schema
from model_trigger.rules.sources import gather
from model_trigger.rules.summary import summarize
from model_trigger.targets.azure_devops.client import CLIENTS
from model_trigger.targets.azure_devops.connection import Exchange
from model_trigger.targets.azure_devops.names import Listed
from model_trigger.targets.fields import (
    Fields,
    IdOrName,
    NonEmpty,
    OrganizationUrlField,
    ProjectField,
    TemplateField,
)
from model_trigger.targets.kind import Kind
from model_trigger.targets.kinds import KINDS
from model_trigger.targets.request import Absent, Definition, Found, Release, TargetDefaults
from model_trigger.targets.values import fill_all
from tests.support.build import deadline, registration, rulebook
from tests.support.organization import adapter
from tests.support.page import Page

HOOK = {"hook": "deploy", "payload": {"model": "{model_name} {tag.stage}"}}
WITH_HOOK = {"release": None, "webhook": HOOK}
STAGED = {"stage": "prod"}


class WebhookFields(Fields):
    """A webhook, and what it is sent."""

    hook: IdOrName = Field(description="Id or name of the webhook.")
    project: ProjectField = None
    organization_url: OrganizationUrlField = None
    payload: Mapping[NonEmpty, TemplateField] = Field(default={}, description="What it is sent.")


class WebhookKind(Kind[WebhookFields, Definition]):
    """What a webhook started is identified by its key."""

    name: ClassVar = "webhook"
    what: ClassVar = "webhook"
    about: ClassVar = "A webhook."
    fields: ClassVar = WebhookFields
    example: ClassVar = '{"hook": "deploy"}'
    examples: ClassVar = {"payload": '{"model": "{model_name}"}'}

    def named(self, fields):
        return fields.hook

    def templates(self, fields):
        return fields.payload.values()

    def body(self, fields, definition, values, key):
        return {"payload": fill_all(fields.payload, values), "key": key}

    def accepting(self, fields):
        return Definition(0, "")

    def looks_alike(self, body, other):
        return False


@dataclass
class Service:
    """The webhooks there are, what they were sent, and what goes wrong."""

    sent: list = field(default_factory=list)
    loses_answers: bool = False
    lags: bool = False


@dataclass(frozen=True)
class Webhooks:
    """The client of the service."""

    service: ClassVar[Service]
    permissions: ClassVar[str] = "Call webhooks"
    remembered: ClassVar[float] = 60.0
    exchange: Exchange | None = None

    @classmethod
    def of(cls, organization_url, credentials, pace):
        return cls()

    def during(self, exchange):
        return replace(self, exchange=exchange)

    def listed(self, project, name):
        return iter([Listed(4, "deploy", "\\")])

    def read(self, address, definition_id):
        return Definition(definition_id, "deploy")

    def start(self, request):
        self.service.sent.append(request.body)
        if self.service.loses_answers:
            msg = "the answer was lost"
            raise ClientRequestError(msg)
        return self.release(len(self.service.sent))

    def find(self, request, key, wish):
        keys = [] if self.service.lags else [body["key"] for body in self.service.sent]
        return Found(self.release(keys.index(key) + 1)) if key in keys else Absent()

    def dry_run(self, request):
        return "" if request.body["payload"] else "whether it does anything"

    def learned(self, definition, request, answer):
        return None

    def corrected(self, request, answer, key):
        return None

    def release(self, number):
        return Release(number, f"https://hooks.example/{number}")


@pytest.fixture(name="service", autouse=True)
def _service(monkeypatch):
    """Add the third kind to the app, and yield its service."""
    monkeypatch.setattr(Webhooks, "service", Service(), raising=False)
    monkeypatch.setitem(CLIENTS, "webhook", Webhooks)
    monkeypatch.setitem(KINDS, "webhook", WebhookKind())
    rule_fields.cache_clear()
    yield Webhooks.service
    rule_fields.cache_clear()


def hooked(**fields):
    return rulebook(churn=WITH_HOOK | fields).rules["churn"]


@pytest.fixture(name="hooked_app")
def _hooked_app(app):
    return app.with_rules(churn=WITH_HOOK)


def problems(**fields):
    rule = {"model": "churn", **fields}
    return [str(one) for one in RuleBook.read({"churn": RuleSource(rule)}).problems]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        pytest.param(
            {"webhook": {}},
            "churn.webhook.hook: is missing; expected the id or name of the webhook",
            id="without what is needed",
        ),
        pytest.param(
            {"webhook": HOOK | {"paylod": {}}},
            "churn.webhook.paylod: is not a field; allowed: hook, project, organization_url, "
            "payload; did you mean 'payload'?",
            id="misspelled",
        ),
        pytest.param(
            {"webhook": {"hook": "deploy", "payload": {"model": "{modle_name}"}}},
            'churn.webhook.payload.model: "{modle_name}" has {modle_name}, which is not a '
            "placeholder",
            id="no such placeholder",
        ),
        pytest.param(
            {"webhook": 5},
            "churn.webhook: 5 is not a JSON object with the fields hook, project, "
            "organization_url, payload",
            id="no object",
        ),
        pytest.param(
            {"pipeline": {"id": 1}, "webhook": HOOK},
            "churn: has two targets, pipeline and webhook; keep one of the two",
            id="two targets",
        ),
        pytest.param(
            {"release": {"definition": 1}, "pipeline": {"id": 1}, "webhook": HOOK},
            "churn: has 3 targets, release and pipeline and webhook; keep one of the 3",
            id="three targets",
        ),
        pytest.param(
            {},
            'churn: has no target; add release or pipeline or webhook, such as "release": '
            '{"definition": 12}',
            id="no target",
        ),
    ],
)
def test_what_is_wrong_with_it_is_reported_with_its_path(fields, problem):
    (found,) = problems(**fields)

    assert found.startswith(problem)


def test_it_is_valid_when_it_is_right():
    assert [] == problems(webhook=HOOK)


def test_its_fields_are_given_by_app_settings_too():
    rules = json.dumps({"churn": {"model": "churn", "webhook": HOOK}})
    settings = {"RULES": rules, "RULES__churn__webhook__payload": "model={model_name}"}
    (problem,) = RuleBook.read(gather(settings, "", "")).problems

    assert str(problem).startswith(
        'RULES__churn__webhook__payload: "model={model_name}" is not valid JSON, such as '
        '{"model": "{model_name}"}: '
    )


@pytest.mark.parametrize(
    ("rule", "is_valid"),
    [
        pytest.param({"webhook": HOOK}, True, id="right"),
        pytest.param({"webhook": {"hook": 4, "other": 1}}, False, id="unknown field"),
        pytest.param({"webhook": HOOK, "pipeline": {"id": 1}}, False, id="two targets"),
    ],
)
def test_editors_know_it(rule, is_valid):
    schema = jsonschema.Draft202012Validator(rules_schema())

    assert is_valid is schema.is_valid({"churn": {"model": "churn", **rule}})


def test_it_is_summarized_and_explained():
    of_rule = hooked()
    book = RuleBook({"churn": of_rule}, {})
    starts, fails = (
        explain(book, registration(tags={"stage": stage})).verdicts[0] for stage in ("prod", "$(x)")
    )

    assert 'churn, any version, newer → webhook "deploy"' == summarize(of_rule)
    assert 'starts webhook "deploy", provided' in starts.reason
    assert fails.reason.startswith('cannot start webhook "deploy": {tag.stage} contains')


def test_what_it_is_changes_nothing_of_what_selects():
    assert rulebook(churn={}).rules["churn"].selectors == hooked().selectors


@pytest.mark.parametrize(
    ("hook", "finding"),
    [
        pytest.param(
            HOOK,
            Finding(
                "churn",
                ok=True,
                sentence="webhook 'deploy' (4) of project 'ml' accepts the rule's values, and "
                "the app's identity may start it",
            ),
            id="right",
        ),
        pytest.param(
            {"hook": "deploi"},
            Finding(
                "churn",
                ok=False,
                sentence="there is no webhook 'deploi' in project 'ml': use one of '/deploy' (4)",
            ),
            id="not there",
        ),
    ],
)
def test_it_is_checked_online(hook, finding):
    rules, defaults = [hooked(webhook=hook)], TargetDefaults("https://hooks.example", "ml")

    assert [finding] == list(check_rules(rules, adapter(), defaults, deadline))


def test_it_is_matched_claimed_and_started_once(hooked_app, service):
    for _ in range(2):
        hooked_app.deliver("17", tags=STAGED)
    claim = hooked_app.claim("17")

    assert ["started", "duplicate"] == [each["outcome"] for each in hooked_app.decisions]
    assert [{"model": "churn prod"}] == [body["payload"] for body in service.sent]
    assert ("webhook", 4, claim.key) == (
        claim.request.kind,
        claim.request.definition,
        service.sent[0]["key"],
    )


def test_what_it_may_not_be_sent_is_refused(hooked_app, service):
    hooked_app.deliver("17", tags={"stage": "$(reboot)"})

    assert ["failed"] == [each["outcome"] for each in hooked_app.decisions]
    assert [] == service.sent


def test_it_is_looked_up_when_its_outcome_is_unknown(hooked_app, service):
    service.loses_answers = service.lags = True
    with pytest.raises(DeliverAgainError):
        hooked_app.deliver("17", tags=STAGED)
    assert State.UNKNOWN is hooked_app.claim("17").state

    service.lags = False
    assert [("churn", "17", "started")] == hooked_app.reconcile()
    assert (State.STARTED, 1) == (hooked_app.claim("17").state, len(service.sent))


def test_it_is_sent_again_once_it_is_certain_that_nothing_was_started(hooked_app, service):
    service.loses_answers = service.lags = True
    with pytest.raises(DeliverAgainError):
        hooked_app.deliver("17", tags=STAGED)
    service.sent.clear()

    service.loses_answers = service.lags = False
    hooked_app.let_pass(timedelta(hours=1))
    assert [("churn", "17", "started")] == hooked_app.reconcile()
    assert 1 == len(service.sent)


def test_what_it_started_is_on_the_page(hooked_app):
    hooked_app.deliver("17", tags=STAGED)
    query = {"model": "churn", "version": "17"}
    page = Page(handlers.status_page(query, "text/html", lambda: hooked_app.services).body)

    assert "Rule churn started it" in page.text
    assert "https://hooks.example/1" in page.links
