"""The deployment package: the built zip, unpacked, on Python 3.13 with nothing else installed."""

import fcntl
import importlib.util
import json
import subprocess
import sys
import zipfile
from contextlib import contextmanager

import pytest

from tests.sandbox.processes import ROOT, HostProcess
from tests.support.build import event


def deployed_python():
    """Return the Python that the app is deployed on, or None if it is not installed."""
    found = subprocess.run(
        ["sh", "tests/find-python", "3.13"],  # noqa: S607 (the project's own command)
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


PYTHON = deployed_python()
needs_3_13 = pytest.mark.skipif(not PYTHON, reason="Python 3.13 is not installed")


@contextmanager
def one_process_at_a_time():
    """Hold a lock shared by the processes of this test run: all build the same file."""
    (ROOT / "dist").mkdir(exist_ok=True)
    with (ROOT / "dist" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module", name="package")
def _package(tmp_path_factory):
    """Return the package, built and unpacked."""
    command = [PYTHON, "infra/package.py"]
    folder = tmp_path_factory.mktemp("package")
    with one_process_at_a_time():
        built = subprocess.check_output(command, cwd=ROOT, text=True)  # noqa: S603
        with zipfile.ZipFile(ROOT / "dist" / "model-trigger.zip") as package:
            package.extractall(folder)
    return folder, built


class DeployedHost(HostProcess):
    """The host on a plain Python, with only the app's own packages."""

    python = PYTHON


@needs_3_13
@pytest.mark.timeout(600)
def test_the_package_handles_an_event_with_nothing_else_installed(package, azurite, azure_devops):
    folder, _ = package
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AZURE_DEVOPS_ORG_URL": azure_devops.url,
        "AZURE_DEVOPS_PROJECT": "ml",
        "AZURE_DEVOPS_PAT": "any",
        "LEDGER_PREFIX": "package",
        "RULES": json.dumps({"churn": {"model": "churn", "release": {"definition": 1}}}),
    }
    with DeployedHost(settings, folder) as host:
        assert 202 == host.deliver([event(17)]).status
        assert "started" == host.decisions(1)[0]["outcome"]


@needs_3_13
@pytest.mark.timeout(600)
def test_the_package_size_is_printed(package):
    _, built = package

    assert built.startswith("dist/model-trigger.zip: ")
    assert "MiB, unpacked" in built


@needs_3_13
@pytest.mark.timeout(600)
def test_every_module_has_bytecode_that_unpacking_cannot_make_stale(package):
    folder, _ = package
    modules = [path for path in folder.rglob("*.py") if "tests" not in path.parts]
    compiled = [path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc" for path in modules]

    assert modules
    for path in compiled:
        flags = int.from_bytes(path.read_bytes()[4:8], "little")
        assert 0b01 == flags, path  # hash-based and unchecked, as PEP 552 defines it


@needs_3_13
@pytest.mark.timeout(600)
def test_the_package_contains_only_the_app_and_its_dependencies(package):
    folder, _ = package

    assert {
        ".python_packages",
        "LICENSE",
        "__pycache__",
        "function_app.py",
        "host.json",
        "model_trigger",
        "requirements.txt",
    } == {path.name for path in folder.iterdir()}


@pytest.mark.skipif(
    sys.version_info[:2] == (3, 13), reason="this is the Python version of the deployment"
)
def test_another_python_is_refused_in_one_line(capsys):
    spec = importlib.util.spec_from_file_location("package", ROOT / "infra" / "package.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert 1 == module.main()
    assert 1 == len(capsys.readouterr().err.splitlines())
