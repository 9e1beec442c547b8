"""Parse what Event Grid delivers into a Registration: one version of one model in one workspace.

Both schemas are read, Event Grid's and CloudEvents 1.0, as the documentation shows them and as
they differ on the wire: the names in `data` come in PascalCase and camelCase, the version as a
number and as text, tags and properties missing or null.

Sources: https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning and the payloads
in the Event Grid tests of https://github.com/Azure/azure-sdk-for-net/pull/10581.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from model_trigger.text import shown, well_formed

EVENT_TYPE = "Microsoft.MachineLearningServices.ModelRegistered"

_WORKSPACE_ID = re.compile(
    # `a`: without it the Kelvin sign would pass for a k, and another id for this workspace's.
    r"(?a:/subscriptions/)(?P<subscription_id>[^/\s]{1,260})"
    r"(?a:/resourceGroups/)(?P<resource_group>[^/\s]{1,260})"
    r"(?a:/providers/Microsoft\.MachineLearningServices/workspaces/)(?P<name>[^/\s]{1,260})/?",
    re.IGNORECASE,
)
# A registration is kept with its claim, in an entity of at most 1 MiB with at most 64 KiB a text:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_LONGEST_TEXT = 10_000
_LONGEST_TAGS = 100_000
_LONGEST_REGISTRATION = 250_000
# Years that Table Storage keeps; those at the ends of the calendar stand for "not set" and "never".
_FIRST_YEAR, _LAST_YEAR = 1601, 9998


class RejectedEventError(ValueError):
    """The text is not a readable ModelRegistered event; delivering it again cannot help.

    The message says what was expected and what came instead.
    """


@dataclass(frozen=True, slots=True)
class Workspace:
    """An Azure Machine Learning workspace, named by its resource id.

    Azure compares resource ids without case, and so does `key`.
    """

    id: str
    subscription_id: str
    resource_group: str
    name: str

    @property
    def key(self) -> str:
        """The resource id in lower case: the workspace's identity."""
        return self.id.lower()

    @classmethod
    def parse(cls, resource_id: str) -> "Workspace":
        """Read a workspace's resource id.

        Raises ValueError, with a sentence for users, when it is not one.
        """
        match = _WORKSPACE_ID.fullmatch(resource_id)
        if match is None:
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

    `version` is Azure ML's version as text, whatever the event's JSON made of it. `source` tells
    how the registration became known: `event`, or `reconcile` when it was found in the workspace.
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
        """The short form of the model's address in Azure ML."""
        return f"azureml:{self.model}:{self.version}"

    def to_json(self) -> str:
        """Write the registration as JSON text, as the ledger keeps it."""
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
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        fields["workspace"] = Workspace.parse(fields["workspace"])
        fields["registered_at"] = read_time(fields["registered_at"])
        return cls(**fields)


def parse_event(text: str) -> Registration:
    """Read the JSON text of one event, or of an array that holds one event.

    Raises RejectedEventError with the reason when it is anything else.
    """
    try:
        return _registration(_single_event(_load(text)))
    except RecursionError as error:
        msg = "the event is nested too deeply to be read"
        raise RejectedEventError(msg) from error


def lookup(texts: Mapping[str, str], key: str) -> str | None:
    """Return the value of a tag or property, its key compared without case; None when absent.

    The wire camel-cases the keys (`GITHUB_REPOSITORY` arrives as `githuB_REPOSITORY`; seen in
    https://github.com/Azure/aml-function), so the exact spelling is only preferred.
    """
    if key in texts:
        return texts[key]
    wanted = key.lower()
    return next((value for name, value in texts.items() if name.lower() == wanted), None)


def _load(text: str) -> object:
    try:
        loaded: object = json.loads(text)
        # Python reads more than JSON allows, which could be neither logged nor kept.
        json.dumps(loaded, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        msg = f"the event is not JSON ({error}): {shown(text)}"
        raise RejectedEventError(msg) from error
    return loaded


def _single_event(loaded: object) -> Mapping[str, object]:
    if isinstance(loaded, list):
        events = cast("list[object]", loaded)
        if len(events) != 1:
            msg = (
                f"the delivery holds {len(events)} events, expected one: "
                "set maxEventsPerBatch of the event subscription to 1"
            )
            raise RejectedEventError(msg)
        loaded = events[0]
    return _object(loaded, "the event")


def _registration(event: Mapping[str, object]) -> Registration:
    _check_type(event.get("eventType") or event.get("type"))
    data = _members(event.get("data"), "data")
    subject_model, subject_version = _subject(event.get("subject"))
    event_id = event.get("id")
    registration = Registration(
        workspace=_workspace(event.get("topic") or event.get("source")),
        model=_required(_member(data, "modelName"), subject_model, "data.modelName"),
        version=_required(_version(data), subject_version, "data.modelVersion"),
        tags=read_texts(_member(data, "modelTags"), "data.modelTags"),
        properties=read_texts(_member(data, "modelProperties"), "data.modelProperties"),
        registered_at=read_time(event.get("eventTime") or event.get("time")),
        event_id=event_id[:_LONGEST_TEXT] if isinstance(event_id, str) else "",
    )
    check_length(registration)
    return registration


def _check_type(event_type: object) -> None:
    if not isinstance(event_type, str) or event_type.lower() != EVENT_TYPE.lower():
        msg = (
            f"the event's type is {shown(event_type)}, expected {shown(EVENT_TYPE)}: "
            "let the event subscription include this type only"
        )
        raise RejectedEventError(msg)


def _object(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        msg = f"{path} is {shown(value)}, expected a JSON object"
        raise RejectedEventError(msg)
    return cast("dict[str, object]", value)


def _members(value: object, path: str) -> Mapping[str, object]:
    """Read a JSON object that may be missing."""
    return {} if value is None else _object(value, path)


def _member(data: Mapping[str, object], name: str) -> object:
    """Find the member by its name without case: documentation and wire disagree on it."""
    named = (value for key, value in data.items() if key.lower() == name.lower())
    return next((value for value in named if value is not None), None)


def _workspace(topic: object) -> Workspace:
    if not isinstance(topic, str):
        msg = f"the event's topic is {shown(topic)}, expected the resource id of a workspace"
        raise RejectedEventError(msg)
    try:
        return Workspace.parse(topic)
    except ValueError as error:
        msg = f"the event's topic {error}"
        raise RejectedEventError(msg) from error


def _subject(subject: object) -> tuple[str | None, str | None]:
    """Read model and version from `models/<name>:<version>`; a name may itself hold colons."""
    if not isinstance(subject, str) or not subject.lower().startswith("models/"):
        return None, None
    name, colon, version = subject[len("models/") :].rpartition(":")
    return (name, version) if colon else (None, None)


def _version(data: Mapping[str, object]) -> object:
    """Return the version, a whole number as text: 0 is a version too."""
    version = _member(data, "modelVersion")
    is_number = isinstance(version, int) and not isinstance(version, bool)
    return str(version) if is_number else version


def _required(value: object, fallback: str | None, path: str) -> str:
    text = fallback if value in (None, "") else value
    if not isinstance(text, str) or not text:
        msg = f"{path} is {shown(value)}, expected text; nor does the subject give it"
        raise RejectedEventError(msg)
    return read_name(text, path)


def read_name(value: object, path: str) -> str:
    """Read the name of a model or version.

    Raises RejectedEventError when it is empty or no text, or too long to be kept.
    """
    if not isinstance(value, str) or not value:
        msg = f"{path} is {shown(value)}, expected text"
        raise RejectedEventError(msg)
    _check_surrogates(value, path)
    if len(value) > _LONGEST_TEXT:
        msg = f"{path} has {len(value):,} characters, at most {_LONGEST_TEXT:,} are read"
        raise RejectedEventError(msg)
    return value


def read_texts(value: object, path: str) -> Mapping[str, str]:
    """Read tags or properties, which may be missing; what is no text becomes one.

    Raises RejectedEventError when they are no JSON object, or too long to be kept.
    """
    texts = {key: _text(item) for key, item in _members(value, path).items()}
    _check_surrogates("".join([*texts, *texts.values()]), path)
    length = len(json.dumps(texts))
    if length > _LONGEST_TAGS:
        msg = f"{path} has {length:,} characters as JSON, at most {_LONGEST_TAGS:,} are read"
        raise RejectedEventError(msg)
    return texts


def check_length(registration: Registration) -> None:
    """Raise RejectedEventError when all of a registration together is too long to be kept."""
    length = len(registration.to_json())
    if length > _LONGEST_REGISTRATION:
        msg = (
            f"the registration has {length:,} characters as JSON, "
            f"at most {_LONGEST_REGISTRATION:,} are read"
        )
        raise RejectedEventError(msg)


def _check_surrogates(text: str, path: str) -> None:
    if text != well_formed(text):
        msg = f"{path} contains an unpaired surrogate (invalid Unicode)"
        raise RejectedEventError(msg)


def _text(item: object) -> str:
    """Return a tag's value as text; null is an empty one."""
    if item is None:
        return ""
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def read_time(value: object) -> datetime | None:
    """Read a time, in UTC; None when it cannot be read or kept: no rule needs it."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None
