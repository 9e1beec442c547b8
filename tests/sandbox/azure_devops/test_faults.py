"""Each fault of the stand-in for Azure DevOps, as a plain HTTP client sees it."""

import http.client
import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock, call
from urllib.parse import urlsplit

import pytest

from tests.sandbox.azure_devops.contract import BuiltInRules
from tests.sandbox.azure_devops.faults import KINDS, Fault, Faults
from tests.sandbox.azure_devops.messages import Answer
from tests.sandbox.azure_devops.stand_in import AzureDevOps

HEADERS = {"Authorization": "Bearer secret", "Accept": "application/json;api-version=7.1"}
RELEASE = json.dumps({"definitionId": 2})
RELEASES = "/fabrikam/ml/_apis/release/releases"


@pytest.fixture
def azure_devops():
    with AzureDevOps() as stand_in:
        yield stand_in


def send(url, method="POST", path=RELEASES, body=RELEASE, timeout=30):
    """Send one request and return the response and its content. Raises what the socket raises."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)
    with closing(connection):
        connection.request(method, path, body if method == "POST" else None, HEADERS)
        response = connection.getresponse()
        response.content = response.read()
    return response


HANDLED = pytest.mark.parametrize("commit", [False, True], ids=["not handled", "handled first"])


@HANDLED
@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        pytest.param({"status": 401}, 401, None, id="401"),
        pytest.param({"status": 403}, 403, None, id="403"),
        pytest.param({"status": 429, "retry_after": 7}, 429, "7", id="429"),
        pytest.param({}, 500, None, id="500"),
        pytest.param({"status": 503}, 503, None, id="503"),
        pytest.param({"status": 503, "retry_after": 7}, 503, "7", id="503 with Retry-After"),
    ],
)
def test_an_error_is_wrapped_json_with_its_status(azure_devops, commit, fault, status, retry_after):
    azure_devops.fault("error", **fault, commit=commit)
    response = send(azure_devops.url)
    assert (status, retry_after) == (response.status, response.headers["Retry-After"])
    assert response.headers["Content-Type"].startswith("application/json")
    assert json.loads(response.content).keys() >= {"message", "typeKey"}
    assert commit == len(azure_devops.releases)
    assert 200 == send(azure_devops.url).status


@HANDLED
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param({"kind": "sign-in page"}, 203, id="203"),
        pytest.param({"kind": "sign-in page", "status": 200}, 200, id="200"),
        pytest.param({"kind": "redirect"}, 302, id="302"),
        pytest.param({"kind": "redirect", "status": 307}, 307, id="307"),
    ],
)
def test_the_sign_in_page_is_html(azure_devops, commit, fault, status):
    azure_devops.fault(**fault, commit=commit)
    response = send(azure_devops.url)
    assert status == response.status
    assert response.headers["Content-Type"].startswith("text/html")
    assert (status in {302, 307}) == ("_signin" in response.headers.get("Location", ""))
    assert commit == len(azure_devops.releases)


def test_a_stalled_response_continues_after_the_silence(azure_devops):
    azure_devops.fault("stall", seconds=0.1)
    response = send(azure_devops.url)
    assert (200, 1) == (response.status, json.loads(response.content)["id"])


def test_a_proxy_responds_in_plain_text(azure_devops):
    azure_devops.fault("text", status=404)
    response = send(azure_devops.url)
    assert (404, "text/plain") == (response.status, response.headers["Content-Type"])


@HANDLED
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param("close", http.client.RemoteDisconnected, id="close"),
        pytest.param("reset", ConnectionResetError, id="reset"),
    ],
)
def test_a_connection_is_lost_without_a_response(azure_devops, kind, error, commit):
    azure_devops.fault(kind, commit=commit)
    with pytest.raises(ConnectionResetError) as raised:
        send(azure_devops.url)
    assert error is raised.type
    assert commit == len(azure_devops.releases)


@HANDLED
@pytest.mark.parametrize("kind", ["empty", "garbage"])
def test_a_response_labelled_json_is_not_json(azure_devops, kind, commit):
    azure_devops.fault(kind, commit=commit)
    response = send(azure_devops.url)
    assert 200 == response.status
    assert response.headers["Content-Type"].startswith("application/json")
    assert (kind == "empty") == (response.content == b"")
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.content)
    assert commit == len(azure_devops.releases)


def test_a_truncated_response_ends_half_way_and_the_release_exists(azure_devops):
    azure_devops.fault("truncated")
    with pytest.raises(http.client.IncompleteRead) as raised:
        send(azure_devops.url)
    assert 0 < len(raised.value.partial) <= raised.value.expected + 1
    assert 1 == len(azure_devops.releases)


def test_a_success_may_carry_retry_after(azure_devops):
    azure_devops.fault("retry-after", retry_after=7)
    response = send(azure_devops.url)
    assert (200, "7", 1) == (
        response.status,
        response.headers["Retry-After"],
        json.loads(response.content)["id"],
    )
    assert 1 == len(azure_devops.releases)


@pytest.mark.parametrize(
    ("commit", "order"),
    [
        pytest.param(False, ["silent for 9 s", "handled"], id="before the commit"),
        pytest.param(True, ["handled", "silent for 9 s"], id="after the commit"),
    ],
)
def test_a_hang_is_silent_before_or_after_the_commit_and_then_responds(commit, order):
    happened = []

    def handle():
        happened.append("handled")
        return Answer(body=b"real")

    def wait(seconds):
        happened.append(f"silent for {seconds} s")

    answer = Fault("hang", seconds=9, commit=commit).play(handle, wait)
    assert (order, b"real") == (happened, answer.body)


def test_a_client_gives_up_on_a_request_that_hangs_while_others_are_answered(azure_devops):
    azure_devops.fault("hang", verb="OPTIONS", seconds=600)
    with pytest.raises(TimeoutError):
        send(azure_devops.url, "OPTIONS", "/fabrikam/_apis", timeout=0.2)
    assert 200 == send(azure_devops.url).status


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "hang"])
def test_every_fault_can_affect_discovery(azure_devops, kind):
    azure_devops.fault(kind, verb="OPTIONS")
    try:
        response = send(azure_devops.url, "OPTIONS", "/fabrikam/_apis")
        readable = response.status == 200 and "value" in json.loads(response.content)
    except (ValueError, ConnectionError, http.client.IncompleteRead):
        readable = False
    assert (kind in {"retry-after", "stall"}) == readable
    assert 9 == json.loads(send(azure_devops.url, "OPTIONS", "/fabrikam/_apis").content)["count"]


@pytest.mark.parametrize(
    ("fault", "method", "path", "meets"),
    [
        pytest.param({}, "POST", RELEASES, True, id="POST by default"),
        pytest.param({}, "GET", RELEASES, False, id="not GET by default"),
        pytest.param({"verb": ""}, "GET", RELEASES, True, id="any verb"),
        pytest.param(
            {"path": "/Release/"}, "POST", RELEASES, True, id="part of the path, any case"
        ),
        pytest.param({"path": "/runs"}, "POST", RELEASES, False, id="another path"),
    ],
)
def test_a_fault_affects_the_requests_with_its_verb_and_path(fault, method, path, meets):
    faults = Faults()
    faults.add(Fault("error", **fault))
    assert meets == (faults.take(method, path) is not None)


@pytest.mark.parametrize(
    ("times", "played"),
    [pytest.param(2, [2, 2, 0, 0], id="2"), pytest.param(None, [2] * 4, id="ever")],
)
def test_a_fault_is_injected_as_often_as_specified(times, played):
    faults = Faults()
    faults.add(Fault("error", status=2, times=times))
    taken = [faults.take("POST", "/") for _ in range(4)]
    assert played == [fault.status if fault else 0 for fault in taken]


def test_faults_are_injected_in_the_order_in_which_they_were_added():
    faults = Faults()
    for kind in ("close", "reset"):
        faults.add(Fault(kind))
    assert ["close", "reset"] == [faults.take("POST", "/").kind for _ in range(2)]


def test_random_faults_repeat_with_their_seed_and_are_close_to_their_probability():
    def played(seed):
        faults = Faults()
        faults.add(Fault("error", times=None, probability=0.3, seed=seed))
        return [faults.take("POST", "/") is not None for _ in range(1000)]

    assert played(1) == played(1) != played(2)
    assert 240 < sum(played(1)) < 360


def test_an_unknown_fault_names_the_known_ones_and_the_nearest():
    with pytest.raises(ValueError, match=r"'rest' is not one of .* did you mean 'reset'"):
        Fault("rest")


def test_another_process_can_add_faults_and_inspect_what_happened(azure_devops):
    fault = json.dumps([{"kind": "error", "status": 503, "times": 2}, {"kind": "close"}])
    assert 200 == send(azure_devops.url, "POST", "/_sandbox/faults", fault).status
    assert 503 == send(azure_devops.url).status

    def seen(what):
        return json.loads(send(azure_devops.url, "GET", f"/_sandbox/{what}").content)

    assert [("error", 1), ("close", 1)] == [
        (each["kind"], each["times"]) for each in seen("faults")
    ]
    send(azure_devops.url, "DELETE", "/_sandbox/faults")
    assert 200 == send(azure_devops.url).status
    assert [1] == [release["id"] for release in seen("releases")]
    assert [] == seen("runs")
    assert [("POST", RELEASES, RELEASE)] * 2 == [
        (each["method"], each["path"], each["body"]) for each in seen("requests")
    ]


@pytest.mark.parametrize(
    "body", ["{", "1", '{"kind": "no"}', '{"kind": "error", "how": "often"}'], ids=repr
)
def test_an_invalid_fault_is_refused(azure_devops, body):
    response = send(azure_devops.url, "POST", "/_sandbox/faults", body)
    assert (400, True) == (response.status, b"Not a fault" in response.content)


def test_an_unknown_control_address_names_the_known_ones(azure_devops):
    response = send(azure_devops.url, "GET", "/_sandbox/everything")
    assert (404, True) == (response.status, b"releases, runs, requests, faults" in response.content)


def test_the_latency_applies_to_posts_and_a_release_is_created_after_it(monkeypatch):
    stopping = Mock()
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def clock():
        return noon + timedelta(seconds=stopping.wait.call_count)

    with AzureDevOps(post_latency=0.05, clock=clock) as azure_devops:
        monkeypatch.setattr(azure_devops, "_stopping", stopping)
        for method in ("OPTIONS", "GET", "POST"):
            send(azure_devops.url, method)
    assert [call(0.05)] == stopping.wait.call_args_list
    assert ["2026-11-01T12:00:01.000Z"] == [each["createdOn"] for each in azure_devops.releases]


def test_without_the_specification_the_built_in_rules_refuse_a_request():
    with AzureDevOps(contract=BuiltInRules()) as azure_devops:
        response = send(azure_devops.url, body=json.dumps({"definitionId": 2, "tags": ["a"]}))
    assert (400, True) == (response.status, b"'tags'" in response.content)


def test_the_command_prints_its_address_and_serves_there(request):
    command = [
        sys.executable,
        "-m",
        "tests.sandbox.azure_devops",
        "--port",
        "0",
        "--list-lag",
        "60",
    ]
    with subprocess.Popen(  # noqa: S603 (the interpreter that runs this test)
        command, stdout=subprocess.PIPE, text=True, cwd=request.config.rootpath
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("Azure DevOps stand-in at http://127.0.0.1:")
            url = line.split()[-1]
            assert "fabrikam" == urlsplit(url).path.strip("/")
            assert 200 == send(url).status
            assert 0 == json.loads(send(url, "GET").content)["count"]
        finally:
            process.terminate()


def test_after_stop_nothing_listens_and_no_connection_stays_open():
    azure_devops = AzureDevOps().start()
    connection = http.client.HTTPConnection("127.0.0.1", azure_devops.port, timeout=30)
    with closing(connection):
        connection.request("OPTIONS", "/fabrikam/_apis", headers=HEADERS)
        connection.getresponse().read()
        azure_devops.stop()
        assert b"" == connection.sock.recv(1)
    with pytest.raises(ConnectionRefusedError):
        send(azure_devops.url)
