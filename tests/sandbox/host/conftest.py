"""A host that runs, once for a module."""

import pytest

from tests.support.host import start, write_app


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with start(write_app(tmp_path_factory.mktemp("app"))) as host:
        yield host
