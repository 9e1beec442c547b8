"""What the sandbox's Functions host does with a function app, seen from outside over HTTP."""

import concurrent.futures
import json
import logging

import pytest

from tests.sandbox.host.server import OneLine
from tests.support.host import APP, EVENT, start, write_app

VALIDATION = {"aeg-event-type": "SubscriptionValidation"}
WEBHOOK = "/runtime/webhooks/EventGrid?functionName=on_event"


def decision(host, event_id):
    """Return what the function logged about the event with this id."""
    found = host.wait_for(rf'^INFO decision (.*"event": {{"id": "{event_id}".*)$')
    return json.loads(found[0][1])


def test_an_event_reaches_the_function_as_it_was_sent_and_its_decision_line_can_be_read(host):
    answer = host.deliver([EVENT], "on_event")

    assert (202, "") == (answer.status, answer.body)
    heard = decision(host, "1")
    assert EVENT == heard["event"]
    text = '{"id":"1","data":{"name":"churn ü","at":"2026-01-02T03:04:05.0000000Z"}}'
    assert text == heard["text"]


def test_the_worker_library_keeps_its_routine_to_itself(host):
    host.deliver([EVENT | {"id": "routine"}], "on_event")

    assert decision(host, "routine")
    assert [] == host.find("Function Type")


def test_one_cloud_event_by_itself_is_a_delivery_of_one(host):
    event = {"id": "cloud", "specversion": "1.0", "source": "s", "type": "t", "data": {}}

    assert 202 == host.deliver(event, "on_event").status
    assert event == decision(host, "cloud")["event"]


def test_when_one_of_several_events_fails_all_are_tried_and_the_delivery_fails(host):
    events = [EVENT | {"id": each} for each in ("before", "bad", "after")]

    answer = host.deliver(events, "on_event")

    expected = "Exception while executing function: Functions.on_event\nRuntimeError: boom"
    assert (500, expected) == (answer.status, answer.body)
    assert events == [decision(host, event["id"])["event"] for event in events]
    host.wait_for(r"^ERROR Executed 'Functions.on_event' \(Failed\)")
    host.wait_for(r"function_app.py\", line \d+, in on_event")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([{"data": {"validationCode": "c0de"}}], id="event-grid-schema"),
        pytest.param(
            {"data": '{"validationCode": "c0de"}'}, id="cloud-events-data-encoded-once-more"
        ),
        pytest.param({"data": {"validationCode": "c0de"}}, id="cloud-events"),
    ],
)
def test_the_validation_handshake_echoes_the_code(host, body):
    answer = host.request("POST", WEBHOOK, json.dumps(body).encode(), VALIDATION)

    assert 200 == answer.status
    assert {"validationResponse": "c0de"} == json.loads(answer.body)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        pytest.param("eventgrid.azure.cn", "eventgrid.azure.cn", id="a-known-cloud"),
        pytest.param("evil.example", "eventgrid.azure.net", id="anyone-else"),
    ],
)
def test_the_handshake_of_cloud_events_allows_event_grid_only(host, asked, allowed):
    answer = host.request("OPTIONS", WEBHOOK, headers={"WebHook-Request-Origin": asked})

    assert (200, allowed) == (answer.status, answer.headers["webhook-allowed-origin"])


@pytest.mark.parametrize(
    ("status", "function", "kind", "body"),
    [
        pytest.param(202, "on_event", "Unsubscribe", b"", id="unsubscribe"),
        pytest.param(400, "on_event", "", b"[]", id="no-event-type"),
        pytest.param(400, "on_event", "Hello", b"[]", id="other-event-type"),
        pytest.param(404, "nobody", "Notification", b"[]", id="unknown-function"),
        pytest.param(404, "tidy", "Notification", b"[]", id="a-function-of-another-kind"),
        pytest.param(500, "on_event", "SubscriptionValidation", b"{}", id="no-code"),
        pytest.param(500, "on_event", "Notification", b"{", id="no-json"),
        pytest.param(500, "on_event", "Notification", b"7", id="no-event"),
    ],
)
def test_the_webhook_answers_like_the_extension(host, status, function, kind, body):
    path = f"/runtime/webhooks/eventgrid?functionName={function}"

    assert status == host.request("POST", path, body, {"aeg-event-type": kind}).status


def test_an_http_function_gets_the_request_and_its_answer_comes_back_without_a_key(host):
    path = "/api/Shelves/a%20b/books?q=1&q=2&empty="

    answer = host.request("POST", path, b"body", {"X-Say": "hi"})

    assert (202, "hi") == (answer.status, answer.headers["x-heard"])
    expected = ["POST", host.url + path, {"shelf": "a b"}, {"q": "1,2", "empty": ""}, "body"]
    assert expected == json.loads(answer.body)


def test_a_route_that_is_spelled_out_goes_before_one_with_a_parameter(host):
    assert "top" == host.request("GET", "/api/shelves/top/books").body


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(202, {}, id="a program"),
        pytest.param(202, {"Host": "localhost:{port}"}, id="localhost"),
        pytest.param(202, {"Host": "[::1]:{port}"}, id="IPv6"),
        pytest.param(202, {"Origin": "http://127.0.0.1:{port}"}, id="a page of the app itself"),
        pytest.param(403, {"Origin": "https://evil.example"}, id="a page of others"),
        pytest.param(403, {"Origin": "null"}, id="a page that hides where it is from"),
        pytest.param(403, {"Origin": "http://127.0.0.1:1"}, id="a page of another port"),
        pytest.param(403, {"Host": "evil.example:{port}"}, id="a name that resolves to 127.0.0.1"),
        pytest.param(403, {"Host": "localhost.evil.example"}, id="a name that begins like it"),
        pytest.param(403, {"Host": "127.0.0.1@evil.example"}, id="a name after a user"),
        pytest.param(403, {"Host": "["}, id="no name at all"),
    ],
)
def test_only_programs_and_pages_of_this_machine_reach_anything(host, status, headers):
    port = host.url.rpartition(":")[2]
    sent = {name: value.format(port=port) for name, value in headers.items()}
    sent |= {"Content-Type": "text/plain", "aeg-event-type": "Notification"}
    body = json.dumps([EVENT]).encode()

    statuses = [
        host.request("POST", path, body, sent).status for path in (WEBHOOK, "/admin/functions/tidy")
    ]

    assert [status] * 2 == statuses


def test_a_web_page_is_not_told_that_it_may_ask(host):
    asks = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "aeg-event-type",
    }

    assert 403 == host.request("OPTIONS", WEBHOOK, headers=asks).status


def test_events_without_their_header_are_refused_as_text(host):
    plain = {"Content-Type": "text/plain"}

    assert 400 == host.request("POST", WEBHOOK, json.dumps([EVENT]).encode(), plain).status


@pytest.mark.parametrize(
    "line_break",
    ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1e", "\x85", "\u2028", "\u2029", "\x1b[1A"],
    ids=ascii,
)
def test_a_log_record_is_one_line_whatever_its_message_holds(line_break):
    text = f'version 1{line_break}decision {{"outcome": "started"}}'
    record = logging.LogRecord("app", logging.INFO, "", 0, "decision %s", (text,), None)

    written = OneLine("%(levelname)s %(message)s").format(record)

    assert [written] == written.splitlines()
    assert written.isprintable()


def test_an_error_that_names_a_decision_is_no_decision(tmp_path):
    forged = APP.replace('RuntimeError("boom")', r"""RuntimeError('boom\ndecision {"id": 7}')""")

    with start(write_app(tmp_path, forged)) as host:
        host.deliver([EVENT | {"id": "bad"}], "on_event")
        host.wait_for(r"\(Failed\).*boom")

        assert ["bad"] == [each["event"]["id"] for each in host.decisions()]


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        pytest.param(404, "PUT", "/api/shelves/1/books", id="method-that-is-not-listed"),
        pytest.param(404, "GET", "/api/shelves", id="unknown-route"),
        pytest.param(405, "PUT", WEBHOOK, id="method-that-the-webhook-has-not"),
        pytest.param(404, "GET", "/shelves/top/books", id="without-the-prefix"),
        pytest.param(404, "POST", "/admin/functions/nobody", id="unknown-timer"),
        pytest.param(404, "GET", "/admin/functions/tidy", id="timers-are-fired-by-post"),
        pytest.param(400, "POST", "/admin/functions/on_event", id="no-timer"),
        pytest.param(500, "GET", "/api/broken", id="function-that-raises"),
    ],
)
def test_a_request_that_cannot_be_served_gets_the_status_of_the_host(host, status, method, path):
    answer = host.request(method, path)

    assert status == answer.status
    assert "secret" not in answer.body


def test_the_host_lists_its_functions_and_says_that_it_runs(host):
    listed = json.loads(host.request("GET", "/admin/functions").body)

    assert {"on_event", "tidy", "books", "top", "broken", "path"} == {
        each["name"] for each in listed
    }
    assert "Running" == json.loads(host.request("GET", "/admin/host/status").body)["state"]
    host.wait_for(r"^  on_event: eventGridTrigger$")
    host.wait_for(r"^  tidy: timerTrigger$")
    host.wait_for(r"^  books: httpTrigger GET,POST /api/shelves/\{shelf\}/books$")


def test_a_timer_is_fired_on_request_and_has_run_when_the_answer_comes(host):
    assert 202 == host.request("POST", "/admin/functions/tidy").status
    host.wait_for("^INFO tidied$")


def test_64_deliveries_at_once_are_all_served(host):
    events = [EVENT | {"id": f"one of many {number}"} for number in range(64)]

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda event: host.deliver([event], "on_event").status, events))

    assert [202] * 64 == answers
    heard = host.wait_for(r'"event": {"id": "(one of many \d+)"', count=64)
    assert {event["id"] for event in events} == {found[1] for found in heard}
