"""A registration: one version of one model registered in one workspace."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from model_trigger.text import quoted, shown, well_formed

_WORKSPACE_ID = re.compile(
    # `a`: without it the Kelvin sign would pass for a k, and another id for this workspace's.
    r"(?a:/subscriptions/)(?P<subscription_id>[^/\s]{1,260})"
    r"(?a:/resourceGroups/)(?P<resource_group>[^/\s]{1,260})"
    r"(?a:/providers/Microsoft\.MachineLearningServices/workspaces/)(?P<name>[^/\s]{1,260})/?",
    re.IGNORECASE,
)
# A registration is stored with its claim, in an entity of at most 1 MiB with at most 64 KiB a text:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
LONGEST_TEXT = 10_000
_LONGEST_TAGS = 100_000
_LONGEST_REGISTRATION = 250_000
# The years that Table Storage stores, without the last one, which stands for "never".
_FIRST_YEAR, _LAST_YEAR = 1601, 9998
# The kinds of labels, and the fields of a registration and of a rule that hold them.
LABELS = {"tag": "tags", "property": "properties"}


class RejectedEventError(ValueError):
    """The text is not a valid ModelRegistered event; a retry cannot help.

    The message says what was expected and what was received.
    """


@dataclass(frozen=True, slots=True)
class Workspace:
    """An Azure Machine Learning workspace, identified by its resource id.

    Resource ids are case-insensitive: compare workspaces by `key`.
    """

    id: str
    subscription_id: str
    resource_group: str
    name: str

    @property
    def key(self) -> str:
        """The resource id in lower case, which identifies the workspace."""
        return self.id.lower()

    @classmethod
    def parse(cls, resource_id: str) -> "Workspace":
        """Parse the resource id of a workspace. Raises ValueError with a sentence for users."""
        match = _WORKSPACE_ID.fullmatch(resource_id)
        # No letter may become an ASCII letter in lower case, as the Kelvin sign does: the key would
        # be that of another workspace.
        key = resource_id.lower()
        plain, lower = (text.encode("ascii", "ignore") for text in (resource_id, key))
        if match is None or not resource_id.isprintable() or plain.lower() != lower:
            msg = (
                f"{shown(resource_id)} is not the resource id of a workspace; expected "
                "/subscriptions/<id>/resourceGroups/<group>/providers/"
                "Microsoft.MachineLearningServices/workspaces/<name>"
            )
            raise ValueError(msg)
        return cls(id=resource_id.rstrip("/"), **match.groupdict())


@dataclass(frozen=True, slots=True)
class Registration:
    """One version of one model registered in one workspace.

    `version` is Azure ML's version as text, even if it is a number in the event. `source` is how
    the registration became known: `event`, or `reconcile` if it was found in the workspace.
    """

    workspace: Workspace
    model: str
    version: str
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    registered_at: datetime | None = None
    event_id: str = ""
    source: str = "event"

    @property
    def uri(self) -> str:
        """The short form of the model's URI in Azure ML."""
        return f"azureml:{self.model}:{self.version}"

    def to_json(self) -> str:
        """Return the registration as JSON text, as the ledger stores it."""
        moment = self.registered_at.isoformat() if self.registered_at else None
        fields = {
            "workspace": self.workspace.id,
            "model": self.model,
            "version": self.version,
            "tags": dict(self.tags),
            "properties": dict(self.properties),
            "registered_at": moment,
            "event_id": self.event_id,
            "source": self.source,
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> "Registration":
        """Parse what `to_json` returned."""
        fields: dict[str, Any] = json.loads(text)
        fields["workspace"] = Workspace.parse(fields["workspace"])
        fields["registered_at"] = read_time(fields["registered_at"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Label:
    """A tag or a property, by its kind (one of LABELS) and its key."""

    kind: str
    key: str

    def of(self, registration: Registration) -> str | None:
        """Return the value in a registration; None if it is absent."""
        return lookup(getattr(registration, LABELS[self.kind]), self.key)

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.key)}"


def lookup(texts: Mapping[str, str], key: str) -> str | None:
    """Return the value of a tag or property, whose key is case-insensitive; None if it is absent.

    The wire camel-cases the keys (`GITHUB_REPOSITORY` arrives as `githuB_REPOSITORY`; seen in
    https://github.com/Azure/aml-function), so the exact spelling is only preferred.
    """
    if key in texts:
        return texts[key]
    wanted = key.lower()
    return next((value for name, value in texts.items() if name.lower() == wanted), None)


def read_object(value: object, path: str) -> Mapping[str, object]:
    """Return a JSON object. Raises RejectedEventError if it is anything else."""
    if not isinstance(value, dict):
        msg = f"{path} is {shown(value)}, expected a JSON object"
        raise RejectedEventError(msg)
    return cast("dict[str, object]", value)


def read_members(value: object, path: str) -> Mapping[str, object]:
    """Return a JSON object, empty if it is missing."""
    return {} if value is None else read_object(value, path)


def read_name(value: object, path: str) -> str:
    """Return the name of a model or version.

    Raises RejectedEventError if it is empty, not text, or too long to be stored.
    """
    if not isinstance(value, str) or not value:
        msg = f"{path} is {shown(value)}, expected text"
        raise RejectedEventError(msg)
    _check_surrogates(value, path)
    if len(value) > LONGEST_TEXT:
        msg = f"{path} has {len(value):,} characters; the limit is {LONGEST_TEXT:,}"
        raise RejectedEventError(msg)
    return value


def read_texts(value: object, path: str) -> Mapping[str, str]:
    """Return tags or properties, which may be missing; their values are converted to text.

    Raises RejectedEventError if they are not a JSON object, or too long to be stored.
    """
    texts = {key: _text(item) for key, item in read_members(value, path).items()}
    _check_surrogates("".join([*texts, *texts.values()]), path)
    length = len(json.dumps(texts))
    if length > _LONGEST_TAGS:
        msg = f"{path} has {length:,} characters as JSON; the limit is {_LONGEST_TAGS:,}"
        raise RejectedEventError(msg)
    return texts


def check_length(registration: Registration) -> None:
    """Raise RejectedEventError if a registration as a whole is too long to be stored."""
    length = len(registration.to_json())
    if length > _LONGEST_REGISTRATION:
        msg = (
            f"the registration has {length:,} characters as JSON; "
            f"the limit is {_LONGEST_REGISTRATION:,}"
        )
        raise RejectedEventError(msg)


def _check_surrogates(text: str, path: str) -> None:
    if text != well_formed(text):
        msg = f"{path} contains an unpaired surrogate (invalid Unicode)"
        raise RejectedEventError(msg)


def _text(item: object) -> str:
    """Return the value of a tag as text; null is empty."""
    if item is None:
        return ""
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def read_time(value: object) -> datetime | None:
    """Parse a time, in UTC; None if it is invalid or cannot be stored, since no rule needs it."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None
