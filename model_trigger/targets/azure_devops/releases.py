# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# azure-devops and msrest carry no types; what leaves this module is typed.
"""Classic releases: read a release definition, start a release, find one again."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from model_trigger.targets.azure_devops.answers import AnswerError
from model_trigger.targets.azure_devops.connection import (
    Authorization,
    Exchange,
    HardenedReleaseClient,
    HardenedSecurityClient,
    Model,
    Pace,
    started,
    unparsed,
)
from model_trigger.targets.azure_devops.faults import checked, checked_item
from model_trigger.targets.azure_devops.names import Listed
from model_trigger.targets.azure_devops.plain_json import (
    document,
    identifier,
    items,
    page_of,
    text,
)
from model_trigger.targets.azure_devops.readings import Documents, Readings, Wish
from model_trigger.targets.release import ReleaseDefinition, key_mark, last_key_mark
from model_trigger.targets.request import (
    Absent,
    Definition,
    Found,
    Release,
    Sighting,
    StartRequest,
    TargetAddress,
    TargetError,
)

# Release management, and the permissions to start a release and look it up. Their bits:
# https://gist.github.com/akanieski/f90e9edd9b202e525be51e8e9238ad11
_NAMESPACE = "c788c23e-1b46-4162-8f5e-d7585343b5de"
_PERMISSIONS = {"View releases": 32, "Create releases": 64}
_PROJECT_ID = re.compile(
    r"/(?P<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})/_apis/", re.IGNORECASE
)
_SERVICES = re.compile(r"https://dev\.azure\.com/(?P<organization>[^/]+)", re.IGNORECASE)
_VISUAL_STUDIO = re.compile(
    r"https://(?P<organization>[^./]+)\.visualstudio\.com(/DefaultCollection)?", re.IGNORECASE
)
_PAGE = 100
_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class _Releases:
    """The releases of a definition, by the keys at the end of their descriptions."""

    by_key: Mapping[str, Sequence[Release]]
    # Those whose descriptions the list does not show.
    undescribed: tuple[Release, ...]


@dataclass(frozen=True, slots=True)
class ReleaseDefinitions:
    """The release definitions of an organization, and their releases."""

    client: HardenedReleaseClient
    security: HardenedSecurityClient
    _lists: Readings[_Releases] = field(default_factory=Readings[_Releases])
    # The key in each description that was read separately, or "".
    _keys: Documents[str] = field(default_factory=lambda: Documents[str](lambda _: True))
    permissions: ClassVar[str] = "View release pipeline, View releases and Create releases"
    # A definition can change at any time, and determines what a release accepts.
    remembered: ClassVar[float] = 60.0

    @classmethod
    def of(
        cls, organization_url: str, credentials: Authorization, pace: Pace
    ) -> "ReleaseDefinitions":
        """Return the release definitions of an organization; nothing is sent yet."""
        url = release_url(organization_url)
        return cls(
            HardenedReleaseClient(url, credentials, pace),
            HardenedSecurityClient(url, credentials, pace),
        )

    def during(self, exchange: Exchange) -> "ReleaseDefinitions":
        """Bind the clients to one exchange; what has been read is shared."""
        return replace(
            self, client=self.client.during(exchange), security=self.security.during(exchange)
        )

    def listed(self, project: str, name: str | None) -> Iterator[Listed]:
        """List the definitions with a name, or all of the project."""
        found: list[Model] = self.client.get_release_definitions(
            project, search_text=name, is_exact_name_match=name is not None, top=_MOST_LISTED
        )
        return (Listed(one.id, one.name, one.path or "\\") for one in found)

    def read(self, address: TargetAddress, definition_id: int) -> ReleaseDefinition:
        """Read which values a release accepts."""
        read: Model = self.client.get_release_definition(address.project, definition_id)
        if read is None or read.id is None:
            msg = "a release definition without its id"
            raise ValueError(msg)
        variables: Mapping[str, Any] = read.variables or {}
        artifacts: Collection[Model] = read.artifacts or ()
        azure_ml = [one for one in artifacts if "azureml" in (one.type or "").lower()]
        models = {one.alias: _model_of(one) for one in azure_ml if one.alias}
        triggers: Collection[Model] = read.triggers or ()
        triggering = [one.get("artifactAlias", "") for one in triggers if isinstance(one, dict)]
        return ReleaseDefinition(
            id=read.id,
            name=read.name or "",
            variables={name: bool(one.allow_override) for name, one in variables.items()},
            artifacts=dict.fromkeys(one.alias for one in artifacts) | models,
            triggers=tuple(alias for alias in models if alias in triggering),
        )

    def start(self, request: StartRequest) -> Release | None:
        """Send the POST; return None if the response does not identify the release."""
        return started(self.client.start(request.project, request.body), partial(_page, request))

    def find(self, request: StartRequest, key: str, wish: Wish) -> Sighting:
        """Look for the release with this key. Raises TargetError, AzureDevOpsError."""
        releases = self._lists.get(
            (request.project, request.definition),
            wish,
            lambda since: checked(lambda: self._releases(request, since)),
        )
        ending = key_mark(key)
        keyed = [
            *releases.by_key.get(ending, ()),
            *(
                release
                for release in releases.undescribed
                if self._key_of(release, request.project, wish) == ending
            ),
        ]
        return Found.of(keyed) if keyed else Absent()

    def dry_run(self, request: StartRequest) -> str:
        """Check the permissions that a start needs; a release itself cannot be previewed.

        Return what could not be verified. Raises TargetError for a missing permission.
        """
        token = self._security_token(request)
        # Permissions are read from the release service, which stores them:
        # https://github.com/microsoft/azure-devops-dotnet-samples/pull/111
        has = partial(self.security.has_permissions, _NAMESPACE, tokens=token)
        try:
            missing = [name for name, bit in _PERMISSIONS.items() if not all(has(bit))]
        except (AnswerError, ValueError) as error:
            return f"whether the identity may view and create its releases: {error}"
        if missing:
            msg = (
                f"the app's identity lacks {' and '.join(missing)} on release definition "
                f"{request.definition}: grant it there, under Security"
            )
            raise TargetError(msg)
        return ""

    def learned(
        self,
        definition: Definition,
        request: StartRequest,
        answer: AnswerError,
    ) -> None:
        """Return None: the definition may have changed, and must be read again."""

    def corrected(
        self,
        request: StartRequest,
        answer: AnswerError,
        key: str,
    ) -> None:
        """Return None: a release has no parameter of the app's own."""

    def _releases(self, request: StartRequest, since: datetime) -> _Releases:
        """Read the list to its last page."""
        client = unparsed(self.client)
        listed = items(
            lambda token: client.get_releases(
                request.project,
                definition_id=request.definition,
                min_created_time=since,
                query_order="ascending",
                top=_PAGE,
                continuation_token=token,
            )
        )
        by_key: dict[str, list[Release]] = defaultdict(list)
        undescribed: list[Release] = []
        for item in listed:
            number, description = identifier(item), text(item, "description")
            release = Release(number, page_of(item) or _page(request, number))
            if description is None:
                undescribed.append(release)
            elif key := last_key_mark(description):
                by_key[key].append(release)
        return _Releases(by_key, tuple(undescribed))

    def _key_of(self, release: Release, project: str, wish: Wish) -> str:
        """Read the key of a single release; without a description, it has none."""

        def read() -> str:
            whole = document(unparsed(self.client).get_release(project, release.id))
            return last_key_mark(text(whole, "description") or "")

        return self._keys.get((project, release.id), wish.deadline, lambda: checked_item(read))

    def _security_token(self, request: StartRequest) -> str:
        """Return the token that identifies the definition's permissions: project, folders and id.

        `_getPermissionInheritanceInfo` in https://github.com/MethodsAndPractices/vsteam; the id of
        the project is part of the definition's own address.
        """
        read: Model = self.client.get_release_definition(request.project, request.definition)
        project = _PROJECT_ID.search(read.url or "")
        folders = [folder for folder in (read.path or "").split("\\") if folder]
        return "/".join([project["id"] if project else request.project, *folders, str(read.id)])


def release_url(organization_url: str) -> str:
    """Return the address of an organization's release service.

    `https://dev.azure.com/<org>` and `https://<org>.visualstudio.com` have a separate host for
    releases; Azure DevOps Server uses the same address.
    """
    services = _SERVICES.fullmatch(organization_url)
    if services:
        return f"https://vsrm.dev.azure.com/{services['organization']}"
    older = _VISUAL_STUDIO.fullmatch(organization_url)
    if older:
        return f"https://{older['organization']}.vsrm.visualstudio.com"
    return organization_url


def _model_of(artifact: Model) -> str | None:
    """Return the model of an AzureML artifact, or None if it does not name one."""
    reference: Mapping[str, Any] = artifact.definition_reference or {}
    model = reference.get("definition")
    return model.name or model.id if model else None


def _page(request: StartRequest, release_id: int) -> str:
    project = f"{request.organization_url}/{quote(request.project)}"
    return f"{project}/_releaseProgress?releaseId={release_id}"
