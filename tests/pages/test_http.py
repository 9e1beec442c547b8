"""The HTTP functions: pages for people and JSON for machines, from the ledger to the socket."""

import json
import runpy
import subprocess
import sys
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.data.tables import TableServiceClient

from model_trigger import handlers
from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.handlers import handle_event
from model_trigger.ledger.ledger import Ledger
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.explain import explain_http
from model_trigger.rules.fields import Mode
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.settings import SettingsError
from model_trigger.targets.request import Release
from tests.sandbox.processes import ROOT, HostProcess
from tests.support.build import WORKSPACE, WORKSPACE_ID, event, event_text, rulebook
from tests.support.kept import keep_claim, keep_decision
from tests.support.page import Page

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JSON = "application/json"
EVIL = "<script>alert('1')</script>"
CHURN = {"model": "churn", "version": "17"}


@pytest.fixture(name="services")
def _services(make_services):
    return make_services()


def status(services, accept=BROWSER, **query):
    return handlers.status_page(query, accept, lambda: services)


def explanation(services, accept=BROWSER, **query):
    return handlers.explanation(query, accept, lambda: services)


def test_the_page_shows_where_a_release_is_with_its_link(services, azure_devops):
    handle_event(event_text(17), services)
    answer = status(services, **CHURN)
    page = Page(answer.body)

    assert 200 == answer.status
    assert "Rule churn started it" in page.text
    assert azure_devops.releases[0]["_links"]["web"]["href"] in page.links


def test_the_json_contains_where_a_release_is(services, azure_devops):
    handle_event(event_text(17), services)
    answer = status(services, JSON, **CHURN)
    (found,) = json.loads(answer.body)["found"]["answers"]

    assert azure_devops.releases[0]["_links"]["web"]["href"] == found["release_url"]
    assert ("started", 1) == (found["state"], found["release_id"])


def test_the_page_is_well_formed_in_every_state(make_services):
    rules = partial(rulebook, churn={}, wrong={"start": "newset"}, off={"mode": "off"})
    services = make_services(rules=rules, workspaces=(WORKSPACE,))
    for number, state in enumerate(State):
        release = Release(number, "https://dev.azure.com/r") if number % 2 else None
        keep_claim(services, state, str(number), release=release, second_release=release)
    for outcome in Outcome:
        keep_decision(services, outcome)
    for query in ({}, {"model": "churn"}, {"model": "churn", "version": "3"}, {"model": "none"}):
        page = Page(status(services, **query, before="2026-11-23").body)
        assert "Older decisions" in page.text
    assert {"table", "th", "h1", "h2"} <= set(page.tags)


@pytest.mark.parametrize(
    ("accept", "of_status", "of_explain"),
    [
        pytest.param(BROWSER, "html", "html", id="browser"),
        pytest.param("application/json", "json", "json", id="machine"),
        pytest.param("*/*", "html", "json", id="anything"),
        pytest.param("", "html", "json", id="no header"),
        pytest.param("text/html;q=0.5, application/json", "json", "json", id="JSON preferred"),
        pytest.param("application/json;q=0.5, TEXT/HTML", "html", "html", id="HTML preferred"),
        pytest.param("text/html, application/json", "html", "json", id="either"),
        pytest.param("text/html;q=0, */*", "json", "json", id="a quality of zero"),
        pytest.param("application/json; charset=utf-8", "json", "json", id="with a parameter"),
        pytest.param("text/*", "html", "html", id="any text"),
        pytest.param("image/png", "html", "json", id="neither"),
    ],
)
def test_a_browser_gets_a_page_and_a_machine_gets_json(services, accept, of_status, of_explain):
    types = {"html": "text/html; charset=utf-8", "json": "application/json"}

    assert types[of_status] == status(services, accept).headers["Content-Type"]
    assert types[of_explain] == explanation(services, accept, **CHURN).headers["Content-Type"]


def test_untrusted_values_stay_text(make_services):
    accepted = Workspace.parse(WORKSPACE_ID.replace("ml-prod-ws", "w<xss>s"))
    services = make_services(
        rules=partial(rulebook, evil={"model": "*", "tags": {EVIL: f"!{EVIL}"}}),
        workspaces=(accepted, WORKSPACE),
    )
    handle_event(event_text(17, EVIL, {EVIL: EVIL}), services)
    handle_event(json.dumps([{"hello": EVIL, "eventType": EVIL}]), services)
    handle_event(event_text(18, EVIL, {EVIL: "other"}), services)
    query = {"model": EVIL, "version": "17", f"tag.{EVIL}": EVIL, "code": f'">{EVIL}'}
    for answer in (status(services, **query), explanation(services, **query)):
        page = Page(answer.body)
        assert not {"script", "xss"} & set(page.tags)
        assert EVIL in page.text
        assert EVIL == page.inputs["model"]
        assert f'">{EVIL}' == page.inputs["code"]


def test_a_page_runs_no_script_and_loads_nothing(services):
    handle_event(event_text(17), services)
    for answer in (status(services, **CHURN), explanation(services, **CHURN)):
        page = Page(answer.body)
        names = {name for _, name, _ in page.attributes}
        assert not {"script", "link", "img", "iframe", "object", "embed"} & set(page.tags)
        assert not {name for name in names if name.startswith("on")} | ({"style", "src"} & names)
        assert 1 == page.tags.count("style")


def test_an_address_that_is_not_a_web_page_is_shown_but_not_linked(services):
    release = Release(7, "javascript:alert(1)")
    keep_claim(services, State.STARTED, release=release, second_release=release)
    page = Page(status(services, **CHURN).body)

    assert "javascript:alert(1)" in page.text
    assert [] == [link for link in page.links if "javascript" in link]


def test_no_response_is_cached_or_leaks_the_function_key(services):
    for answer in (status(services), explanation(services, JSON)):
        assert {
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        }.items() <= answer.headers.items()


def test_the_pages_have_a_policy(services):
    assert "default-src 'none'" in status(services).headers["Content-Security-Policy"]
    assert "default-src 'none'" in explanation(services).headers["Content-Security-Policy"]


def test_the_function_key_is_only_in_the_app_s_own_links_and_forms(services):
    handle_event(event_text(17), services)
    for answer in (
        status(services, **CHURN, code="a+b=="),
        explanation(services, **CHURN, code="a+b=="),
    ):
        page = Page(answer.body)
        own = [link for link in page.links if not urlsplit(link).netloc]
        others = [link for link in page.links if urlsplit(link).netloc]
        assert ["a+b=="] * len(own) == [parse_qs(urlsplit(link).query)["code"][0] for link in own]
        assert others
        assert not [link for link in others if "code" in link]
        assert "a+b==" == page.inputs["code"]


def test_without_a_function_key_in_the_address_there_is_none_in_links(services):
    page = Page(status(services, **CHURN).body)

    assert not [link for link in page.links if "code=" in link]
    assert "code" not in page.inputs


def test_older_decisions_are_a_link_away(services):
    for version in range(51):
        handle_event(event_text(version, "none"), services)
    page = Page(status(services).body)
    (older,) = [link for link in page.links if link.endswith("#decisions")]
    query = {name: values[0] for name, values in parse_qs(urlsplit(older).query).items()}

    assert "none 50" in page.text
    assert "none 0 " not in page.text
    assert "none 0 " in Page(status(services, **query).body).text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"before": "then"}, "before='then' is not a day"),
        ({"model": "m" * 1001}, "model has 1,001 characters"),
    ],
)
def test_an_invalid_query_gets_a_readable_error(services, query, sentence):
    page, data = status(services, **query), status(services, JSON, **query)

    assert (400, 400) == (page.status, data.status)
    assert sentence in Page(page.body).text
    assert sentence in json.loads(data.body)["error"]


def test_when_storage_is_down_the_page_still_answers(make_services):
    # Nothing listens on port 1.
    storage = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
        "TableEndpoint=http://127.0.0.1:1/a;"
    )
    with TableServiceClient.from_connection_string(storage, retry_total=0) as tables:
        services = make_services(ledger=Ledger.open(tables, "down"))
        page, data = status(services, **CHURN), status(services, JSON)
        explained = explanation(services, **CHURN)

    assert (503, 503, 503) == (page.status, data.status, explained.status)
    assert "The ledger cannot be read, so this page is incomplete." in Page(page.body).text
    assert "table 'downreleases'" in json.loads(data.body)["ledger_error"]
    assert "churn, any version, newer" in Page(page.body).text
    assert "What the rules would do" in Page(explained.body).text


def test_when_nothing_has_happened_the_page_says_so(services):
    answer = status(services)

    assert 200 == answer.status
    assert "No recent decisions: no event has arrived." in Page(answer.body).text


def test_a_missing_setting_gets_a_readable_error():
    def missing():
        msg = "no storage for the ledger: set AzureWebJobsStorage"
        raise SettingsError(msg)

    page = handlers.status_page({}, BROWSER, missing)
    data = handlers.explanation({}, JSON, missing)

    assert (500, 500) == (page.status, data.status)
    assert "set AzureWebJobsStorage" in Page(page.body).text
    assert {"error": "no storage for the ledger: set AzureWebJobsStorage"} == json.loads(data.body)


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.OFF])
def test_an_app_that_starts_nothing_says_so(make_services, mode):
    page = Page(status(make_services(mode=mode)).body)

    assert "Nothing is started: the app setting MODE is" in page.text


def test_the_json_of_explain_comes_from_the_rules_alone(make_services):
    services = make_services(claims=None, decisions=None)
    query = {**CHURN, "tag.stage": "prod"}
    code, expected = explain_http(services.rules(), query)
    answer = explanation(services, JSON, **query)

    assert (code, expected) == (answer.status, json.loads(answer.body))
    assert "would_start" == expected["decisions"][0]["outcome"]


def test_the_page_of_explain_shows_each_clause_and_the_closest_rule(make_services):
    rules = partial(
        rulebook,
        near={"version": ">=10", "tags": {"stage": "prod"}},
        far={"version": ">=20", "tags": {"stage": "prod"}},
        other={"model": "fraud"},
    )
    answer = explanation(make_services(rules=rules), **CHURN, **{"tag.stage": "dev"})
    page = Page(answer.body)

    assert 200 == answer.status
    assert "No rule matches; the closest is rule near." in page.text
    assert "✓ met version >=10 17 ✕ not met tags.stage prod dev" in page.text
    assert "✕ not met version >=20 17" in page.text
    assert page.text.index("near ≠") < page.text.index("far ≠")
    assert "Rules for other models: other." in page.text
    assert {"model": "churn", "version": "17", "tag.stage": "dev"}.items() <= page.inputs.items()


def test_the_page_of_explain_also_shows_what_the_ledger_knows(services, azure_devops):
    handle_event(event_text(17, tags={"stage": "prod"}), services)
    page = Page(explanation(services, **CHURN).body)
    (with_tags,) = [link for link in page.links if "tag.stage=prod" in link][:1]

    assert azure_devops.releases[0]["_links"]["web"]["href"] in page.links
    assert "It was registered with tags or properties" in page.text
    assert with_tags.startswith("explain?model=churn&version=17")


def test_tags_that_are_too_long_for_an_address_are_left_out_of_links(services):
    handle_event(event_text(17, tags={"notes": "n" * 5000}), services)
    page = Page(status(services, **CHURN).body)

    assert [link for link in page.links if link.startswith("explain?model=churn&version=17")]
    assert max(map(len, page.links)) < 4100


@pytest.mark.parametrize("accept", [BROWSER, JSON])
def test_explain_without_a_model_shows_the_usage(services, accept):
    answer = explanation(services, accept)

    assert 400 == answer.status
    assert "the parameter model is missing; expected ?model=" in answer.body


@pytest.mark.parametrize("accept", [BROWSER, JSON])
def test_explain_reports_invalid_rules(make_services, accept):
    def unreadable():
        msg = "RULES is not JSON: line 1"
        raise RulesUnreadableError(msg)

    answer = explanation(make_services(rules=unreadable), accept, **CHURN)

    assert 500 == answer.status
    assert "RULES is not JSON: line 1" in answer.body
    assert "Traceback" not in answer.body


def test_an_event_imports_neither_jinja_nor_the_page():
    code = "import sys, function_app; print(sorted(sys.modules))"
    command = [sys.executable, "-c", code]
    printed = subprocess.check_output(command, cwd=ROOT, text=True)  # noqa: S603 (our own command)

    for name in (
        "jinja2",
        "model_trigger.pages.http",
        "model_trigger.pages.render",
        "model_trigger.pages.status",
    ):
        assert f"'{name}'" not in printed


def test_the_templates_are_deployed(tmp_path):
    runpy.run_path(str(ROOT / "infra" / "package.py"))["copy_app"](tmp_path)
    folder = ROOT / "model_trigger" / "pages" / "templates"

    assert {path.name for path in folder.iterdir()} == {
        path.name for path in (tmp_path / "model_trigger" / "pages" / "templates").iterdir()
    }


def test_both_functions_respond_through_the_host(azure_devops, settings_for):
    rules = {"churn": {"model": "churn", "release": {"definition": 1}}}
    settings = settings_for(rules, AZURE_DEVOPS_PAT="a-secret")
    with HostProcess(settings) as host:
        host.deliver([event(17)])
        answers = {
            (name, accept): host.request(
                "GET", f"/api/{name}?model=churn&version=17", headers={"Accept": accept}
            )
            for name in ("status", "explain")
            for accept in (BROWSER, JSON)
        }
        listed = json.loads(host.request("GET", "/admin/functions").body)

    url = azure_devops.releases[0]["_links"]["web"]["href"]
    assert {200} == {answer.status for answer in answers.values()}
    assert not [answer for answer in answers.values() if "a-secret" in answer.body]
    for name in ("status", "explain"):
        answer = answers[name, BROWSER]
        assert url in Page(answer.body).links
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "text/html; charset=utf-8" == answer.headers["content-type"]
    assert url == json.loads(answers["status", JSON].body)["found"]["answers"][0]["release_url"]
    assert "would_start" == json.loads(answers["explain", JSON].body)["decisions"][0]["outcome"]
    assert {"function"} == {
        binding["authLevel"].lower()
        for each in listed
        for binding in each["config"]["bindings"]
        if binding["type"] == "httpTrigger"
    }
