"""Parse what Event Grid delivers into a Registration: one version of one model in one workspace.

Both schemas are accepted, Event Grid's and CloudEvents 1.0, as documented and as they differ on the
wire: names in `data` are PascalCase or camelCase, the version is a number or text, tags and
properties are missing or null.

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
    """Parse the JSON text of one event, or of an array that holds one event.

    Raises RejectedEventError with the reason if it is anything else.
    """
    try:
        return _registration(_single_event(text))
    except RecursionError as error:
        msg = "the event is nested too deeply"
        raise RejectedEventError(msg) from error


def _single_event(text: str) -> Mapping[str, object]:
    try:
        loaded: object = json.loads(text)
        # Python accepts more than JSON allows, which could be neither logged nor stored.
        json.dumps(loaded, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        msg = f"the event is not JSON ({error}): {shown(text)}"
        raise RejectedEventError(msg) from error
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
    event_type = event.get("eventType") or event.get("type")
    if not isinstance(event_type, str) or event_type.lower() != EVENT_TYPE.lower():
        msg = (
            f"the event's type is {shown(event_type)}, expected {shown(EVENT_TYPE)}: "
            "limit the event subscription to this type"
        )
        raise RejectedEventError(msg)
    data = read_data(event)
    model, version = parse_subject(event.get("subject"))
    number = data.get("modelversion")
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    event_id = event.get("id")
    registration = Registration(
        workspace=parse_topic(event.get("topic") or event.get("source")),
        model=_required(data.get("modelname"), model, "data.modelName"),
        version=_required(number, version, "data.modelVersion"),
        tags=read_texts(data.get("modeltags"), "data.modelTags"),
        properties=read_texts(data.get("modelproperties"), "data.modelProperties"),
        registered_at=read_time(event.get("eventTime") or event.get("time")),
        event_id=event_id[:LONGEST_TEXT] if isinstance(event_id, str) else "",
    )
    check_length(registration)
    return registration


def read_data(event: Mapping[str, object]) -> Mapping[str, object]:
    """Return the members of `data` that are not null, by their names in lower case.

    Documentation and wire differ in the case of the names.
    """
    data: dict[str, object] = {}
    for name, value in read_members(event.get("data"), "data").items():
        if value is not None:
            data.setdefault(name.lower(), value)
    return data


def parse_topic(topic: object) -> Workspace:
    """Parse the workspace that sent an event. Raises RejectedEventError."""
    if not isinstance(topic, str):
        msg = f"the event's topic is {shown(topic)}, expected the resource id of a workspace"
        raise RejectedEventError(msg)
    try:
        return Workspace.parse(topic)
    except ValueError as error:
        msg = f"the event's topic {error}"
        raise RejectedEventError(msg) from error


def parse_subject(subject: object) -> tuple[str, str]:
    """Parse the model and version of `models/<name>:<version>`; "" if it is anything else."""
    if not isinstance(subject, str) or not subject.lower().startswith("models/"):
        return "", ""
    # A name may itself contain colons.
    name, colon, version = subject[len("models/") :].rpartition(":")
    return (name, version) if colon else ("", "")


def _required(value: object, fallback: str, path: str) -> str:
    """Return a name or version, or the fallback if it is missing."""
    text = fallback if value in (None, "") else value
    if not isinstance(text, str) or not text:
        msg = f"{path} is {shown(value)}, expected text here or in the subject"
        raise RejectedEventError(msg)
    return read_name(text, path)
