"""How the sandbox's Functions host serves a function app, seen from outside over HTTP."""

import concurrent.futures
import json
import logging
import signal
import textwrap

import pytest

from tests.sandbox.host.server import OneLine
from tests.sandbox.processes import ROOT, ChildError, HostProcess

HOST_JSON = {"version": "2.0"}

APP = '''
import json
import logging
import os
import sys
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
barrier = threading.Barrier(int(os.environ.get("TOGETHER", "1")))


@app.event_grid_trigger(arg_name="event")
def on_event(event: str) -> None:
    """Logs what came; waits for as many others as TOGETHER says."""
    barrier.wait(float(os.environ.get("PATIENCE", "60")))
    fields = json.loads(event)
    setting = os.environ.get("SETTING")
    logging.info("decision %s", json.dumps({"event": fields, "text": event, "setting": setting}))
    if fields["id"] == "bad":
        raise RuntimeError("boom")


@app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
def tidy(timer: func.TimerRequest) -> None:
    if timer.past_due or os.environ.get("TIDY") == "fail":
        raise RuntimeError("untidy")
    logging.info("tidied")


@app.route("shelves/{shelf}/books", methods=["GET", "POST"])
def books(req: func.HttpRequest) -> func.HttpResponse:
    query, parameters = dict(req.params), dict(req.route_params)
    heard = [req.method, req.url, parameters, query, req.get_body().decode()]
    headers = {"X-Heard": req.headers["x-say"]}
    return func.HttpResponse(json.dumps(heard), status_code=202, headers=headers)


@app.route("shelves/top/books")
def top(req: func.HttpRequest) -> str:
    return "top"


@app.route("broken")
def broken(req: func.HttpRequest) -> str:
    raise ValueError("secret")


@app.route("path")
def path(req: func.HttpRequest) -> str:
    return json.dumps([os.getcwd(), *sys.path])
'''

BARRIER = 'barrier.wait(float(os.environ.get("PATIENCE", "60")))'
EVENT = {"id": "1", "data": {"name": "churn ü", "at": "2026-01-02T03:04:05.0000000Z"}}
VALIDATION = {"aeg-event-type": "SubscriptionValidation"}
WEBHOOK = "/runtime/webhooks/EventGrid?functionName=on_event"


def write_app(folder, source=APP, host_json=HOST_JSON, **settings):
    (folder / "function_app.py").write_text(textwrap.dedent(source))
    (folder / "host.json").write_text(json.dumps(host_json))
    if settings:
        values = {"IsEncrypted": False, "Values": settings}
        (folder / "local.settings.json").write_text(json.dumps(values))
    return folder


def start(folder, *options, **settings):
    return HostProcess({"SCHEDULE": "0 0 0 1 1 *", **settings}, folder, *options)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with start(write_app(tmp_path_factory.mktemp("app"))) as host:
        yield host


def decision(host, event_id):
    """Return what the function logged about the event with this id."""
    found = host.wait_for(rf'^INFO decision (.*"event": {{"id": "{event_id}".*)$')
    return json.loads(found[0][1])


def test_an_event_reaches_the_function_unchanged_and_its_decision_line_can_be_parsed(host):
    answer = host.deliver([EVENT], "on_event")

    assert (202, "") == (answer.status, answer.body)
    heard = decision(host, "1")
    assert EVENT == heard["event"]
    text = '{"id":"1","data":{"name":"churn ü","at":"2026-01-02T03:04:05.0000000Z"}}'
    assert text == heard["text"]


def test_the_worker_library_does_not_log_its_routine(host):
    host.deliver([EVENT | {"id": "routine"}], "on_event")

    assert decision(host, "routine")
    assert [] == host.find("Function Type")


def test_a_single_cloud_event_is_a_delivery_of_one(host):
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
        pytest.param(500, "on_event", "SubscriptionValidation", b"{}", id="no-validation-code"),
        pytest.param(500, "on_event", "Notification", b"{", id="not-json"),
        pytest.param(500, "on_event", "Notification", b"7", id="not-an-event"),
    ],
)
def test_the_webhook_responds_like_the_extension(host, status, function, kind, body):
    path = f"/runtime/webhooks/eventgrid?functionName={function}"

    assert status == host.request("POST", path, body, {"aeg-event-type": kind}).status


def test_an_http_function_gets_the_request_and_its_response_is_returned_without_a_key(host):
    path = "/api/Shelves/a%20b/books?q=1&q=2&empty="

    answer = host.request("POST", path, b"body", {"X-Say": "hi"})

    assert (202, "hi") == (answer.status, answer.headers["x-heard"])
    expected = ["POST", host.url + path, {"shelf": "a b"}, {"q": "1,2", "empty": ""}, "body"]
    assert expected == json.loads(answer.body)


def test_a_literal_route_takes_precedence_over_one_with_a_parameter(host):
    assert "top" == host.request("GET", "/api/shelves/top/books").body


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(202, {}, id="a program"),
        pytest.param(202, {"Host": "localhost:{port}"}, id="localhost"),
        pytest.param(202, {"Host": "[::1]:{port}"}, id="IPv6"),
        pytest.param(202, {"Origin": "http://127.0.0.1:{port}"}, id="a page of the app itself"),
        pytest.param(403, {"Origin": "https://evil.example"}, id="another page"),
        pytest.param(403, {"Origin": "null"}, id="a page with a hidden origin"),
        pytest.param(403, {"Origin": "http://127.0.0.1:1"}, id="a page on another port"),
        pytest.param(403, {"Host": "evil.example:{port}"}, id="a name that resolves to 127.0.0.1"),
        pytest.param(403, {"Host": "localhost.evil.example"}, id="a name that begins with it"),
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


def test_a_web_page_gets_no_cors_permission(host):
    asks = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "aeg-event-type",
    }

    assert 403 == host.request("OPTIONS", WEBHOOK, headers=asks).status


def test_events_without_their_header_are_refused_in_plain_text(host):
    plain = {"Content-Type": "text/plain"}

    assert 400 == host.request("POST", WEBHOOK, json.dumps([EVENT]).encode(), plain).status


@pytest.mark.parametrize(
    "line_break",
    ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1e", "\x85", "\u2028", "\u2029", "\x1b[1A"],
    ids=ascii,
)
def test_a_log_record_is_one_line_whatever_its_message_contains(line_break):
    text = f'version 1{line_break}decision {{"outcome": "started"}}'
    record = logging.LogRecord("app", logging.INFO, "", 0, "decision %s", (text,), None)

    written = OneLine("%(levelname)s %(message)s").format(record)

    assert [written] == written.splitlines()
    assert written.isprintable()


def test_an_error_that_names_a_decision_is_not_a_decision(tmp_path):
    forged = APP.replace('RuntimeError("boom")', r"""RuntimeError('boom\ndecision {"id": 7}')""")

    with start(write_app(tmp_path, forged)) as host:
        host.deliver([EVENT | {"id": "bad"}], "on_event")
        host.wait_for(r"\(Failed\).*boom")

        assert ["bad"] == [each["event"]["id"] for each in host.decisions()]


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        pytest.param(404, "PUT", "/api/shelves/1/books", id="unlisted-method"),
        pytest.param(404, "GET", "/api/shelves", id="unknown-route"),
        pytest.param(405, "PUT", WEBHOOK, id="unsupported-webhook-method"),
        pytest.param(404, "GET", "/shelves/top/books", id="without-the-prefix"),
        pytest.param(404, "POST", "/admin/functions/nobody", id="unknown-timer"),
        pytest.param(404, "GET", "/admin/functions/tidy", id="timers-are-fired-by-post"),
        pytest.param(400, "POST", "/admin/functions/on_event", id="not-a-timer"),
        pytest.param(500, "GET", "/api/broken", id="function-that-raises"),
    ],
)
def test_a_request_that_cannot_be_served_gets_the_host_s_status(host, status, method, path):
    answer = host.request(method, path)

    assert status == answer.status
    assert "secret" not in answer.body


def test_the_host_lists_its_functions_and_reports_that_it_runs(host):
    listed = json.loads(host.request("GET", "/admin/functions").body)

    assert {"on_event", "tidy", "books", "top", "broken", "path"} == {
        each["name"] for each in listed
    }
    assert "Running" == json.loads(host.request("GET", "/admin/host/status").body)["state"]
    host.wait_for(r"^  on_event: eventGridTrigger$")
    host.wait_for(r"^  tidy: timerTrigger$")
    host.wait_for(r"^  books: httpTrigger GET,POST /api/shelves/\{shelf\}/books$")


def test_a_timer_fired_on_request_has_run_when_the_response_arrives(host):
    assert 202 == host.request("POST", "/admin/functions/tidy").status
    host.wait_for("^INFO tidied$")


def test_64_concurrent_deliveries_are_all_served(host):
    events = [EVENT | {"id": f"one of many {number}"} for number in range(64)]

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda event: host.deliver([event], "on_event").status, events))

    assert [202] * 64 == answers
    heard = host.wait_for(r'"event": {"id": "(one of many \d+)"', count=64)
    assert {event["id"] for event in events} == {found[1] for found in heard}


@pytest.mark.parametrize(
    ("threads", "patience", "status"),
    [pytest.param("3", "60", 202, id="enough"), pytest.param("2", "1", 500, id="too-few")],
)
def test_the_thread_pool_has_the_configured_size(tmp_path, threads, patience, status):
    settings = {"PYTHON_THREADPOOL_THREAD_COUNT": threads, "TOGETHER": "3", "PATIENCE": patience}

    with start(write_app(tmp_path), **settings) as host:
        assert status == host.deliver([EVENT] * 3, "on_event").status


def test_a_timer_that_fails_is_an_error_with_its_text(tmp_path):
    with start(write_app(tmp_path), TIDY="fail") as host:
        answer = host.request("POST", "/admin/functions/tidy")

    assert 500 == answer.status
    assert "RuntimeError: untidy" in answer.body


def test_timers_fire_on_schedule_only_with_the_option(tmp_path):
    app = write_app(tmp_path)

    with start(app, "--timers", SCHEDULE="* * * * * *") as host:
        host.wait_for("^INFO tidied$", count=2)
        fired = [line for line in host.lines if "tidied" in line]
    with start(app, SCHEDULE="* * * * * *") as host, pytest.raises(ChildError):
        host.wait_for("^INFO tidied$", seconds=1.5)

    assert len(fired) >= 2


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, "from file", id="file"),
        pytest.param({"SETTING": "from environment"}, "from environment", id="environment-wins"),
    ],
)
def test_settings_come_from_the_environment_then_from_local_settings(
    tmp_path, environment, expected
):
    app = write_app(tmp_path, SETTING="from file")

    with start(app, **environment) as host:
        host.deliver([EVENT], "on_event")

        assert expected == host.decisions(1)[0]["setting"]


def test_the_environment_of_the_tests_does_not_reach_the_host(tmp_path, monkeypatch):
    monkeypatch.setenv("SETTING", "of a real organization")

    with start(write_app(tmp_path)) as host:
        host.deliver([EVENT], "on_event")

        assert host.decisions(1)[0]["setting"] is None


def test_the_route_prefix_comes_from_host_json(tmp_path):
    prefix = {"extensions": {"http": {"routePrefix": ""}}}

    with start(write_app(tmp_path, host_json=HOST_JSON | prefix)) as host:
        assert "top" == host.request("GET", "/shelves/top/books").body


def test_an_unpacked_package_is_served_from_its_own_modules_and_packages(tmp_path):
    packages = tmp_path / ".python_packages" / "lib" / "site-packages"
    packages.mkdir(parents=True)

    with start(write_app(tmp_path)) as host:
        folder, *path = json.loads(host.request("GET", "/api/path").body)

    assert [str(tmp_path)] * 2 == [folder, path[0]]
    assert str(packages) == path[1]
    assert str(ROOT) not in path


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        pytest.param(
            APP.replace("event: str", "event: dict"),
            {},
            r"FunctionLoadError: cannot load the on_event function: .* annotation dict",
            id="annotation-rejected-by-the-indexer",
        ),
        pytest.param(
            "import no_such_module", {}, r"No module named 'no_such_module'", id="missing-module"
        ),
        pytest.param(
            "", {}, "Could not find top level function app instances", id="app-without-functions"
        ),
        pytest.param(
            APP, {"SCHEDULE": ""}, r"'%SCHEDULE%' does not resolve to a value", id="setting-not-set"
        ),
        pytest.param(
            APP, {"SCHEDULE": "0 61 * * * *"}, r"minute is '61', allowed: 0-59", id="bad-schedule"
        ),
        pytest.param(
            APP.replace("{shelf}", "{shelf:int}"),
            {},
            r"supports {name} parameters only",
            id="route",
        ),
    ],
)
def test_an_app_that_cannot_be_served_ends_the_host_with_the_reason(
    tmp_path, source, settings, message
):
    with pytest.raises(ChildError, match=message):
        start(write_app(tmp_path, source), **settings)


def test_a_folder_without_an_app_is_named(tmp_path):
    with pytest.raises(ChildError, match=rf"{tmp_path}/host.json is missing"):
        start(tmp_path)


def test_a_port_in_use_is_named(host, tmp_path):
    port = host.url.rpartition(":")[2]

    with pytest.raises(ChildError, match=rf"Port {port}: .* Choose another"):
        start(write_app(tmp_path), "--port", port)


def test_a_setting_that_is_not_text_is_named(tmp_path):
    with pytest.raises(ChildError, match="SETTING is 7, a setting is text in double quotes"):
        start(write_app(tmp_path, SETTING=7))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_terminated_host_finishes_running_requests_and_exits_cleanly(tmp_path, number):
    source = APP.replace(BARRIER, 'logging.info("here"); time.sleep(1)')
    app = write_app(tmp_path, source.replace("import json", "import json, time"))
    host = start(app)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        delivery = pool.submit(host.deliver, [EVENT], "on_event")
        host.wait_for("^INFO here$")
        code = host.stop(number=number)

    assert 202 == delivery.result().status
    assert 0 == code


def test_a_host_can_be_killed_like_in_a_crash(tmp_path):
    assert -signal.SIGKILL == start(write_app(tmp_path)).kill()
