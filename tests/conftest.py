"""The parts that tests run against: real storage protocol, and a stand-in for Azure DevOps."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import HealthCheck, settings

from model_trigger.ledger.ledger import Ledger
from model_trigger.registrations.azure_ml import AzureMachineLearning as AzureMLAdapter
from model_trigger.rules.fields import Mode
from model_trigger.services import Services
from model_trigger.targets.azure_devops.client import AzureDevOps as AzureDevOpsAdapter
from model_trigger.targets.request import TargetDefaults
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.azure_ml.stand_in import AzureMachineLearning
from tests.sandbox.azurite import Azurite
from tests.sandbox.credentials import StaticCredential
from tests.support.build import POLICY, WORKSPACE, rulebook
from tests.support.trial import App, Trial, with_changes

_prefixes = count(1)

# Time says nothing on a busy machine; and what a test finds must not depend on chance, or it fails
# for somebody who changed something else. `--hypothesis-profile=default` looks further.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests of chance have noted: what they did, and the seed that repeats it."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azurite, once for all tests."""
    with Azurite() as running:
        yield running


@pytest.fixture
def azure_devops() -> Iterator[AzureDevOps]:
    """The stand-in for Azure DevOps, empty."""
    with AzureDevOps() as running:
        yield running


@pytest.fixture
def azure_ml(monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureMachineLearning]:
    """The stand-in for Azure ML with one workspace, empty."""
    with AzureMachineLearning((WORKSPACE.id,)) as running:
        for name, value in running.settings.items():
            monkeypatch.setenv(name, value)
        # The client sets this one itself; so it is taken back.
        monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")
        yield running


@pytest.fixture
def ledger(azurite: Azurite) -> Iterator[Ledger]:
    """An empty ledger in Azurite."""
    with TableServiceClient.from_connection_string(
        azurite.connection_string, retry_total=0
    ) as tables:
        yield Ledger.open(tables, f"test{next(_prefixes)}")


@pytest.fixture
def make_services(ledger: Ledger, azure_devops: AzureDevOps) -> Callable[..., Services]:
    """Services with the real adapters; keywords replace single settings, `rules` gives the book."""
    releases = AzureDevOpsAdapter(lambda _: "Basic Om5vdC1hLXNlY3JldA==", time.monotonic)
    models = AzureMLAdapter(StaticCredential)
    services = Services(
        ledger=ledger,
        targets=lambda: releases,
        models=lambda: models,
        publisher=None,
        rules=partial(rulebook, churn={}),
        workspaces=(),
        defaults=TargetDefaults(azure_devops.url, "ml"),
        mode=Mode.LIVE,
        policy=POLICY,
    )
    return partial(with_changes, services)


@pytest.fixture
def churn(make_services: Callable[..., Services], azure_devops: AzureDevOps) -> Trial:
    """A rule for churn, and what was done about it."""
    return Trial(make_services(), azure_devops)


@pytest.fixture
def app(
    make_services: Callable[..., Services],
    azure_devops: AzureDevOps,
    azure_ml: AzureMachineLearning,
    caplog: pytest.LogCaptureFixture,
) -> App:
    """The app, just deployed."""
    caplog.set_level("INFO", "model_trigger")
    return App(make_services(workspaces=[WORKSPACE]), azure_devops, azure_ml, caplog)


@pytest.fixture
def settled(app: App) -> App:
    """The app a week after it was deployed."""
    app.reconcile()
    app.let_a_pass_be(timedelta(days=7))
    return app


@pytest.fixture
def settings_for(
    azurite: Azurite, azure_devops: AzureDevOps, ledger: Ledger
) -> Callable[..., dict[str, str]]:
    """Makes the settings of a host that has these rules, and whatever else is given."""

    def settings_for(rules: object, **others: str) -> dict[str, str]:
        return {
            "AzureWebJobsStorage": azurite.connection_string,
            "AZURE_DEVOPS_ORG_URL": azure_devops.url,
            "AZURE_DEVOPS_PROJECT": "ml",
            "AZURE_DEVOPS_PAT": "any",
            "LEDGER_PREFIX": ledger.claims.table.client.table_name.removesuffix("releases"),
            "RULES": json.dumps(rules),
            **others,
        }

    return settings_for
