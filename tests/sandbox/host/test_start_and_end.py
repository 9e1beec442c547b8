"""How a host starts, what settings and schedules it takes, and how it ends."""

import concurrent.futures
import json
import signal

import pytest

from tests.sandbox.processes import ROOT, ChildError
from tests.support.host import APP, EVENT, HOST_JSON, start, write_app

BARRIER = 'barrier.wait(float(os.environ.get("PATIENCE", "60")))'


@pytest.mark.parametrize(
    ("threads", "patience", "status"),
    [pytest.param("3", "60", 202, id="enough"), pytest.param("2", "1", 500, id="too-few")],
)
def test_the_thread_pool_has_the_size_that_the_setting_says(tmp_path, threads, patience, status):
    settings = {"PYTHON_THREADPOOL_THREAD_COUNT": threads, "TOGETHER": "3", "PATIENCE": patience}

    with start(write_app(tmp_path), **settings) as host:
        assert status == host.deliver([EVENT] * 3, "on_event").status


def test_a_timer_that_fails_is_an_error_with_its_text(tmp_path):
    with start(write_app(tmp_path), TIDY="fail") as host:
        answer = host.request("POST", "/admin/functions/tidy")

    assert 500 == answer.status
    assert "RuntimeError: untidy" in answer.body


def test_timers_fire_by_their_schedule_only_when_asked_for(tmp_path):
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


def test_the_environment_of_the_tests_stays_with_the_tests(tmp_path, monkeypatch):
    monkeypatch.setenv("SETTING", "of a real organisation")

    with start(write_app(tmp_path)) as host:
        host.deliver([EVENT], "on_event")

        assert host.decisions(1)[0]["setting"] is None


def test_the_route_prefix_is_that_of_host_json(tmp_path):
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
            id="annotation-that-the-indexer-refuses",
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
            APP.replace("{shelf}", "{shelf:int}"), {}, r"parameters as {name} only", id="route"
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


def test_a_port_that_is_taken_is_named(host, tmp_path):
    port = host.url.rpartition(":")[2]

    with pytest.raises(ChildError, match=rf"Port {port}: .* Take another"):
        start(write_app(tmp_path), "--port", port)


def test_a_setting_that_is_not_text_is_named(tmp_path):
    with pytest.raises(ChildError, match="SETTING is 7, a setting is text in double quotes"):
        start(write_app(tmp_path, SETTING=7))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_host_that_is_asked_to_end_answers_what_is_under_way_and_ends_well(tmp_path, number):
    source = APP.replace(BARRIER, 'logging.info("here"); time.sleep(1)')
    app = write_app(tmp_path, source.replace("import json", "import json, time"))
    host = start(app)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        delivery = pool.submit(host.deliver, [EVENT], "on_event")
        host.wait_for("^INFO here$")
        code = host.stop(number=number)

    assert 202 == delivery.result().status
    assert 0 == code


def test_a_host_can_be_killed_as_a_crash_does(tmp_path):
    assert -signal.SIGKILL == start(write_app(tmp_path)).kill()
