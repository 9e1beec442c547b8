"""Parse what Azure ML lists: a page, and on it models or the versions of one."""

import json
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from model_trigger.registrations.listing import ModelSummary
from model_trigger.registrations.registration import (
    Registration,
    Workspace,
    check_length,
    read_name,
    read_texts,
    read_time,
)
from model_trigger.text import cut, quoted, shown, well_formed

# It is only compared with the version of an earlier list.
_LONGEST_LATEST = 1_000


def parse_page(text: str, url: str) -> tuple[list[object], str | None]:
    """Parse a page that came from an address; return its elements and the link to the next page.

    Numbers stay text, of any size. Raises ValueError or TypeError if the page is invalid.
    """
    page: object = json.loads(text, parse_int=str, parse_float=str)
    found, link = part(page, "value"), part(page, "nextLink")
    if not isinstance(found, list) or not isinstance(link, str | None):
        msg = f"a page of the list is {shown(page)}"
        raise TypeError(msg)
    if link and urlsplit(link).hostname != urlsplit(url).hostname:
        msg = f"the link to the next page, {shown(link)}, would send the token to another host"
        raise ValueError(msg)
    return cast("list[object]", found), link or None


def parse_model(document: object) -> ModelSummary:
    """Parse a model of a list. Raises RejectedEventError."""
    latest = part(document, "properties", "latestVersion")
    return ModelSummary(
        read_name(part(document, "name"), "name"),
        cut(well_formed(latest), _LONGEST_LATEST) if isinstance(latest, str) else None,
        read_time(part(document, "systemData", "lastModifiedAt")),
    )


def parse_version(document: object, workspace: Workspace, model: str) -> Registration:
    """Parse a version of a list. Raises RejectedEventError."""
    registration = Registration(
        workspace=workspace,
        model=model,
        version=read_name(part(document, "name"), "name"),
        tags=read_texts(part(document, "properties", "tags"), "tags"),
        properties=read_texts(part(document, "properties", "properties"), "properties"),
        registered_at=read_time(part(document, "systemData", "createdAt")),
        source="reconcile",
    )
    check_length(registration)
    return registration


def name_of(document: object) -> str:
    """Return the name of a listed model or version, whatever it is, for a message."""
    name = part(document, "name")
    return quoted(name) if isinstance(name, str) else shown(name)


def part(document: object, *names: str) -> object:
    """Return the value at a path of member names; None if there is none."""
    for name in names:
        if not isinstance(document, Mapping):
            return None
        document = cast("Mapping[str, object]", document).get(name)
    return document
