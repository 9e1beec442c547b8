"""The stand-in keeps what it is sent, serves many at once, and stops and starts."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.sandbox.azure_devops.contract import BuiltInRules, load_contract
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.stand_in import basic, create, send


def test_requests_are_kept_as_they_arrived(azure_devops):
    create(azure_devops, "My Project", definitionId=1)
    (request,) = azure_devops.requests
    assert ("POST", "/fabrikam/My Project/_apis/release/releases") == (request.method, request.path)
    assert ({"definitionId": 1}, "7.1", ("Basic", "secret")) == (
        request.json,
        request.api_version,
        request.credentials,
    )


def test_64_connections_at_once_create_a_release_each(azure_devops):
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: create(azure_devops, definitionId=2), range(256)))
    assert {200} == {status for status, _, _ in answers}
    assert set(range(1, 257)) == {release["id"] for _, _, release in answers}
    assert 256 == len(azure_devops.releases)


def test_one_connection_carries_many_requests(azure_devops):
    address = urlsplit(azure_devops.url)
    with closing(http.client.HTTPConnection(address.hostname, address.port)) as connection:
        connection.connect()
        local = connection.sock.getsockname()
        for _ in range(3):
            headers = {"Authorization": basic("secret")}
            connection.request("OPTIONS", f"{address.path}/_apis", headers=headers)
            assert 9 == json.load(connection.getresponse())["count"]
        assert local == connection.sock.getsockname()


def test_a_stand_in_that_was_stopped_refuses_connections_and_starts_again_where_it_was(
    azure_devops,
):
    create(azure_devops, definitionId=2)
    url = azure_devops.url
    azure_devops.stop()
    with pytest.raises(ConnectionRefusedError):
        create(azure_devops, definitionId=2)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", azure_devops.port))
    azure_devops.start()
    assert url == azure_devops.url
    assert 2 == create(azure_devops, definitionId=2)[2]["id"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("$top=many", 400, id="no number"),
        pytest.param("minCreatedTime=noon", 400, id="no moment"),
        pytest.param("minCreatedTime=2026-11-01", 200, id="a day"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_by_either_contract(query, status):
    for contract in (load_contract(), BuiltInRules()):
        with AzureDevOps(contract=contract) as azure_devops:
            create(azure_devops, definitionId=2)
            assert status == send(azure_devops, "GET", f"ml/_apis/release/releases?{query}")[0]


@pytest.mark.parametrize("body", ["{", "[]", "null", ""])
def test_a_body_that_is_not_a_json_object_is_refused(azure_devops, body):
    status, _, error = send(azure_devops, "POST", "ml/_apis/release/releases", body)
    assert (400, True) == (status, "body" in error["message"])
