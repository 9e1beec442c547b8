"""The proxy that loses responses."""

from contextlib import suppress
from http.client import HTTPConnection, HTTPException

import pytest

from tests.sandbox.flaky import FATES, FlakyProxy


@pytest.fixture(name="proxy")
def _proxy(azure_devops):
    with FlakyProxy(azure_devops.address, seed=1, chance=0) as proxy:
        yield proxy


def ask(proxy, path="/_sandbox/releases"):
    """Return the status of a response, or None without one."""
    connection = HTTPConnection(proxy.address, timeout=60)
    with suppress(HTTPException, OSError):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status
    connection.close()
    return None


@pytest.mark.parametrize(
    ("fate", "status", "arrived"),
    [
        pytest.param("pass", 401, 1, id="pass"),
        pytest.param("busy before", 503, 0, id="busy-before"),
        pytest.param("busy after", 503, 1, id="busy-after"),
        pytest.param("close before", None, 0, id="close-before"),
        pytest.param("close after", None, 1, id="close-after"),
        pytest.param("refuse", 403, 0, id="refuse"),
    ],
)
def test_a_planned_fate_happens_once_and_only_to_that_request(
    proxy, azure_devops, fate, status, arrived
):
    proxy.plan("fabrikam/_apis?$filter", fate)
    path = "/fabrikam/_apis?%24filter=1"

    other, planned = ask(proxy), ask(proxy, path)

    assert (200, status) == (other, planned)
    assert arrived == len(azure_devops.requests)
    assert 200 != ask(proxy, "/fabrikam/_apis")


def test_a_fate_planned_without_limit_happens_every_time(proxy):
    proxy.plan("releases", "refuse", times=None)

    assert [403] * 3 == [ask(proxy) for _ in range(3)]


def test_random_faults_repeat_with_their_seed_and_are_counted(azure_devops):
    runs = []
    for _ in range(2):
        with FlakyProxy(azure_devops.address, seed=7, chance=0.5) as proxy:
            runs.append([ask(proxy) for _ in range(20)])
            assert 20 - runs[-1].count(200) == proxy.fates.total()
            assert set(proxy.fates) <= {f"storage {fate}" for fate in FATES}

    assert runs[0] == runs[1]
    assert 200 in runs[0]
    assert 503 in runs[0]
