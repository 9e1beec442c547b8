"""What the real client needs wherever it is imported."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def azure_devops_cache(tmp_path_factory):
    # azure.devops makes this folder while it is imported: in the home directory if nobody says.
    folder = tmp_path_factory.mktemp("azure-devops")
    os.environ.setdefault("AZURE_DEVOPS_CACHE_DIR", str(folder))
