"""A workspace of the stand-in for Azure ML whose documents and pages can be changed."""

import json
from datetime import UTC, datetime

from model_trigger.deadline import Deadline
from model_trigger.registrations.azure_ml import AzureMachineLearning
from model_trigger.registrations.registration import Workspace
from tests.sandbox.azure_ml.service import Service
from tests.sandbox.azure_ml.workspaces import WORKSPACE, Model
from tests.sandbox.credentials import StaticCredential

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
FABRIKAM = Workspace.parse(WORKSPACE)


class Trial:
    """A workspace whose documents can be changed, and what the app makes of its lists."""

    def __init__(self, sandbox, monkeypatch, caplog):
        self.sandbox = sandbox
        self.register = sandbox.register
        self.azure_ml = AzureMachineLearning(StaticCredential)
        self.pauses = []
        self.monkeypatch = monkeypatch
        self._caplog = caplog

    def deadline(self):
        """Make a deadline on a clock that advances only during pauses."""
        return Deadline(25, lambda: sum(self.pauses), self.pauses.append)

    def models(self):
        return self.azure_ml.models(FABRIKAM, self.deadline())

    def versions(self, model="evil"):
        return self.azure_ml.versions(FABRIKAM, model, self.deadline())

    @property
    def lines(self):
        """What the app has logged."""
        return [one.getMessage() for one in self._caplog.records if one.name == "model_trigger"]

    def change_model(self, change):
        """Change the document of the model `evil`."""
        self._change("document", change, lambda model: model.name == "evil")

    def change_version(self, change):
        """Change the document of version 1 of each model."""
        self._change("version_document", change, lambda _, version: version.name == "1")

    def _change(self, method, change, is_meant):
        plain = getattr(Model, method)

        def document(*about):
            made = plain(*about)
            if not is_meant(*about):
                return made
            if isinstance(change, str):
                return json.loads(change)
            change(made)
            return made

        self.monkeypatch.setattr(Model, method, document)

    def change_page(self, change):
        """Change the answer to every request from now on."""
        plain = Service.answer
        self.monkeypatch.setattr(
            Service, "answer", lambda service, request: change(plain(service, request), request)
        )
