"""Parse what Event Grid delivers into a Registration: one version of one model in one workspace.

Both schemas are read, Event Grid's and CloudEvents 1.0, as the documentation shows them and as
they differ on the wire: the names in `data` come in PascalCase and camelCase, the version as a
number and as text, tags and properties missing or null.

Sources: https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning and the payloads
in the Event Grid tests of https://github.com/Azure/azure-sdk-for-net/pull/10581.
"""

import json
from collections.abc import Mapping
from typing import cast

from model_trigger.registrations.registration import (
    LONGEST_TEXT,
    Registration,
    RejectedEventError,
    Workspace,
    check_length,
    read_members,
    read_name,
    read_object,
    read_texts,
    read_time,
)
from model_trigger.text import shown

EVENT_TYPE = "Microsoft.MachineLearningServices.ModelRegistered"


def parse_event(text: str) -> Registration:
    """Read the JSON text of one event, or of an array that holds one event.

    Raises RejectedEventError with the reason when it is anything else.
    """
    try:
        return _registration(_single_event(_load(text)))
    except RecursionError as error:
        msg = "the event is nested too deeply to be read"
        raise RejectedEventError(msg) from error


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
    return read_object(loaded, "the event")


def _registration(event: Mapping[str, object]) -> Registration:
    _check_type(event.get("eventType") or event.get("type"))
    data = read_members(event.get("data"), "data")
    subject_model, subject_version = _subject(event.get("subject"))
    event_id = event.get("id")
    registration = Registration(
        workspace=_workspace(event.get("topic") or event.get("source")),
        model=_required(_member(data, "modelName"), subject_model, "data.modelName"),
        version=_required(_version(data), subject_version, "data.modelVersion"),
        tags=read_texts(_member(data, "modelTags"), "data.modelTags"),
        properties=read_texts(_member(data, "modelProperties"), "data.modelProperties"),
        registered_at=read_time(event.get("eventTime") or event.get("time")),
        event_id=event_id[:LONGEST_TEXT] if isinstance(event_id, str) else "",
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
