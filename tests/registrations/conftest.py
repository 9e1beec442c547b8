"""A workspace whose documents and pages can be changed."""

import pytest

from tests.sandbox.azure_ml.stand_in import AzureMachineLearning as Sandbox
from tests.support.listing import FABRIKAM, NOON, Trial


@pytest.fixture
def trial(monkeypatch, caplog):
    caplog.set_level("INFO", "model_trigger")
    with Sandbox((FABRIKAM.id,), page_size=2, clock=lambda: NOON) as sandbox:
        for name, value in sandbox.settings.items():
            monkeypatch.setenv(name, value)
        # The client sets this one itself; so it is taken back.
        monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")
        yield Trial(sandbox, monkeypatch, caplog)
