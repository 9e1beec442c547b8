"""The content of an organization in the stand-in for Azure DevOps, declared in a few lines."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from uuid import NAMESPACE_URL, uuid5

SPECIFY_AT_RELEASE = "selectDuringReleaseCreationType"
LATEST = "latestType"


@dataclass(frozen=True)
class Variable:
    """A release variable; `allow_override` is the checkbox "Settable at release time"."""

    value: str = ""
    allow_override: bool = True


@dataclass(frozen=True)
class Artifact:
    """An artifact of a release definition.

    `reference` is where it comes from, as key → id. `latest` is the version that a release uses by
    default, or None if none is available. With `default_version` SPECIFY_AT_RELEASE, a release must
    specify a version.
    """

    alias: str
    type: str
    reference: Mapping[str, str]
    latest: str | None = "1"
    default_version: str = LATEST


def azure_ml_model(alias: str, model: str, **options: str | None) -> Artifact:
    """Return an AzureML model artifact.

    The JSON of the extension "ms-air-aiagility.vss-services-azureml" is not public. This one has
    what the artifacts of other extensions have in common, a `connection` and a `definition`:
    https://github.com/microsoft/azure-pipelines-extensions/blob/master/docs/authoring/artifactextension.md
    """
    return Artifact(alias, "AzureML", {"connection": "azure-ml", "definition": model}, **options)


def build_artifact(alias: str, definition: str, **options: str | None) -> Artifact:
    """Return an artifact produced by a build; its versions are build ids."""
    return Artifact(alias, "Build", {"project": "ml", "definition": definition}, **options)


@dataclass(frozen=True)
class ReleaseDefinition:
    """A classic release definition; new versions of the aliases in `triggers` start it."""

    id: int
    name: str
    path: str = "\\"
    variables: Mapping[str, Variable] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    triggers: tuple[str, ...] = ()
    stages: tuple[str, ...] = ("Production",)


@dataclass(frozen=True)
class Parameter:
    """A parameter that a YAML pipeline declares; without a default it is required."""

    name: str
    type: str = "string"
    default: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A YAML pipeline; `variables` are those that can be set at queue time."""

    id: int
    name: str
    folder: str = "\\"
    parameters: tuple[Parameter, ...] = ()
    variables: tuple[str, ...] = ()
    stages: tuple[str, ...] = ("Deploy",)
    default_branch: str = "refs/heads/main"
    branches: tuple[str, ...] = ("refs/heads/main",)


@dataclass(frozen=True)
class Project:
    """A project; names are unique in an organization and case-insensitive."""

    name: str
    release_definitions: tuple[ReleaseDefinition, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()

    @cached_property
    def id(self) -> str:
        """An id that is the same in every run."""
        return str(uuid5(NAMESPACE_URL, self.name))


@dataclass(frozen=True)
class Identity:
    """The owner of a personal access token or a bearer token, and its permissions.

    The two collections hold ids of definitions; None means all of them.
    """

    name: str
    secret: str
    view: bool = True
    create_releases: Collection[int] | None = None
    queue_builds: Collection[int] | None = None
    expired: bool = False


@dataclass(frozen=True)
class Organization:
    """An organization; without identities, any credentials have full access.

    `highest_version` is the highest version of the API: 6.0 for Azure DevOps Server 2020.
    """

    name: str
    projects: tuple[Project, ...] = ()
    identities: tuple[Identity, ...] = ()
    highest_version: float = 7.2


CHURN = ReleaseDefinition(
    1,
    "Deploy churn",
    variables={
        "modelName": Variable(),
        "modelVersion": Variable(),
        "modelUri": Variable(),
        "environment": Variable("production", allow_override=False),
    },
    artifacts=(azure_ml_model("_churn", "churn"),),
)
FRAUD = ReleaseDefinition(
    2, "Deploy fraud", variables={"modelName": Variable(), "modelVersion": Variable()}
)
DEPLOY_CHURN = Pipeline(
    5,
    "deploy-churn",
    parameters=(
        Parameter("modelName"),
        Parameter("modelVersion"),
        Parameter("modelTriggerKey", default=""),
    ),
)
FABRIKAM = Organization(
    "fabrikam",
    (
        Project("ml", (CHURN, FRAUD), (DEPLOY_CHURN,)),
        Project("My Project", (CHURN,)),
    ),
)
