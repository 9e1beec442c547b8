"""How often storage and Azure DevOps are called once all caches are warm."""

import pytest
from azure.data.tables import TableServiceClient

from model_trigger.handlers import handle_event
from model_trigger.ledger.ledger import Ledger
from tests.sandbox.flaky import FlakyProxy
from tests.support.build import event_text


@pytest.fixture(name="counted")
def _counted(azurite, ledger, make_services):
    """Return services whose storage is behind a proxy that counts requests."""
    address = azurite.connection_string.split("TableEndpoint=")[1].split(";")[0]
    with FlakyProxy(address, seed=0, chance=0) as proxy:
        through = azurite.connection_string.replace(proxy.target, proxy.address)
        with TableServiceClient.from_connection_string(through, retry_total=0) as tables:
            prefix = ledger.claims.table.client.table_name.removesuffix("releases")
            services = make_services(ledger=Ledger.open(tables, prefix))
            handle_event(event_text(1), services)
            proxy.requests.clear()
            yield services, proxy


def test_a_start_takes_five_storage_calls_and_one_post(counted, azure_devops):
    services, proxy = counted
    before = len(azure_devops.requests)
    handle_event(event_text(2), services)

    assert 5 == len(proxy.requests)
    assert ["POST"] == [each.method for each in azure_devops.requests[before:]]


def test_an_unmatched_event_takes_one_storage_call(counted):
    services, proxy = counted
    handle_event(event_text(2, model="other"), services)

    assert 1 == len(proxy.requests)


def test_a_duplicate_takes_three_storage_calls(counted):
    services, proxy = counted
    handle_event(event_text(1), services)

    assert 3 == len(proxy.requests)
