"""Azurite is the storage account that the sandbox needs: tables and blobs, and a clean shutdown."""

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from tests.sandbox.azurite import Azurite

ROW = {"PartitionKey": "p", "RowKey": "r"}


@pytest.fixture(scope="module", name="azurite")
def azurite_in_memory():
    with Azurite() as azurite:
        yield azurite


def table_of(azurite, name):
    service = TableServiceClient.from_connection_string(azurite.connection_string)
    return service.create_table_if_not_exists(name)


def test_a_table_stores_a_row_and_refuses_a_second_one_with_the_same_key(azurite):
    with table_of(azurite, "rows") as table:
        table.create_entity(ROW | {"value": 7})

        with pytest.raises(ResourceExistsError):
            table.create_entity(ROW)
        assert 7 == table.get_entity("p", "r")["value"]


def test_a_table_refuses_an_update_on_a_row_that_has_changed_since(azurite):
    with table_of(azurite, "changes") as table:
        etag = table.create_entity(ROW)["etag"]
        condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        table.update_entity(ROW | {"value": 1}, **condition)

        with pytest.raises(ResourceModifiedError):
            table.update_entity(ROW | {"value": 2}, **condition)


def test_the_newest_blob_client_is_supported(azurite):
    service = BlobServiceClient.from_connection_string(azurite.connection_string)
    with service, service.get_blob_client("box", "thing") as blob:
        service.create_container("box")
        blob.upload_blob(b"content")

        assert b"content" == blob.download_blob().readall()


def test_two_instances_are_two_accounts(azurite):
    with Azurite() as other:
        assert azurite.connection_string != other.connection_string


def test_data_in_a_folder_survives_a_restart_and_its_services_are_closed(tmp_path):
    with Azurite(tmp_path) as azurite, table_of(azurite, "rows") as table:
        table.create_entity(ROW)
    with Azurite(tmp_path) as again:
        with table_of(again, "rows") as table:
            assert [ROW] == list(table.list_entities())

        assert 0 == again.stop()
        assert again.find("Azurite Table service successfully closed")
