"""The content of the stand-in for Azure ML: workspaces, their models, and the models' versions.

The documents have the shape of recorded ones: Azure/azure-sdk-for-python,
sdk/ml/azure-ai-ml/tests/recordings/model/e2etests (from 2022).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from tests.sandbox.azure_devops.messages import Json

WORKSPACE = (
    "/subscriptions/5f1c2d3e-0000-4000-8000-00000000ab1e/resourceGroups/fabrikam-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/fabrikam"
)


@dataclass
class Version:
    """A version of a model, listed from `listed_from` on."""

    name: str
    tags: Mapping[str, str]
    properties: Mapping[str, str]
    created: datetime
    modified: datetime
    listed_from: datetime
    archived: bool = False


@dataclass
class Model:
    """A model, which the service calls a container of versions, in order of registration."""

    id: str
    name: str
    created: datetime
    modified: datetime
    archived: bool = False
    versions: dict[str, Version] = field(default_factory=dict)

    @property
    def newest_first(self) -> list[Version]:
        """The versions by creation time, as the service lists them."""
        return sorted(self.versions.values(), key=lambda version: version.created, reverse=True)

    @property
    def next_version(self) -> str:
        """The version assigned to a registration without one."""
        numbers = [int(name) for name in self.versions if name.isdecimal()]
        return str(max(numbers, default=0) + 1)

    def document(self) -> Json:
        """The container as the service's JSON.

        In the recordings, registering a version changes latestVersion at once, and never
        lastModifiedAt.
        """
        newest = next(iter(self.newest_first), None)
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.MachineLearningServices/workspaces/models",
            "properties": {
                "description": None,
                "tags": {},
                "properties": {},
                "isArchived": self.archived,
                "latestVersion": newest and newest.name,
                "nextVersion": self.next_version,
            },
            "systemData": _system_data(self.created, self.modified),
        }

    def version_document(self, version: Version) -> Json:
        """Return a version as the service's JSON."""
        return {
            "id": f"{self.id}/versions/{version.name}",
            "name": version.name,
            "type": "Microsoft.MachineLearningServices/workspaces/models/versions",
            "properties": {
                "description": None,
                "tags": dict(version.tags),
                "properties": dict(version.properties),
                "isArchived": version.archived,
                "isAnonymous": False,
                "flavors": {},
                "modelType": "custom_model",
                "modelUri": f"azureml://datastores/workspaceblobstore/paths/{self.name}",
                "jobName": None,
            },
            "systemData": _system_data(version.created, version.modified),
        }


@dataclass
class Workspaces:
    """Every workspace by its case-insensitive resource id, with its models."""

    ids: tuple[str, ...]
    _models: dict[str, dict[str, Model]] = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._models = {workspace.lower(): {} for workspace in self.ids}

    def has(self, workspace: str) -> bool:
        """Whether there is such a workspace."""
        return workspace.lower() in self._models

    def model(self, workspace: str, name: str) -> Model | None:
        """Return a model, or None if there is none of this name."""
        return self._models[workspace.lower()].get(name)

    def models(self, workspace: str) -> list[Model]:
        """Return the models of a workspace, newest first."""
        with self._lock:
            models = list(self._models[workspace.lower()].values())
        return sorted(models, key=lambda model: model.created, reverse=True)

    def register(self, workspace: str, name: str, version: str | None, given: Version) -> str:
        """Store a version, by default the next one; registering it again changes only tags."""
        with self._lock:
            models = self._models[workspace.lower()]
            fresh = Model(f"{workspace}/models/{name}", name, given.created, given.created)
            model = models.setdefault(name, fresh)
            given.name = version or model.next_version
            known = model.versions.setdefault(given.name, given)
            known.tags, known.properties = given.tags, given.properties
            known.modified = given.modified
        return known.name

    def documents(self) -> Iterator[Json]:
        """Return every model with its versions, for inspection from another process."""
        for workspace in self.ids:
            for model in self.models(workspace):
                versions = [model.version_document(each) for each in model.newest_first]
                yield {**model.document(), "versions": versions}


def _system_data(created: datetime, modified: datetime) -> Json:
    by = {"By": "Fabrikam", "ByType": "User"}
    return {
        "createdAt": _timestamp(created),
        "lastModifiedAt": _timestamp(modified),
        **{
            f"{event}{key}": value
            for event in ("created", "lastModified")
            for key, value in by.items()
        },
    }


def _timestamp(moment: datetime) -> str:
    """Return a time in the service's format, with seven digits after the seconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0+00:00"
