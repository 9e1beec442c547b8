"""Read the JSON of Azure DevOps without models; an unexpected shape is an error, never empty."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from requests import Response

# A JSON object.
Json: TypeAlias = Mapping[str, object]


def document(response: "Response") -> Json:
    """Read a JSON object. Raises TypeError for any other JSON, ValueError for invalid JSON."""
    return _object(json.loads(response.content))


def items(ask: Callable[[str | None], "Response"]) -> Iterator[Json]:
    """Yield the items of a list to its last page; `ask` reads the page of a continuation token.

    Raises TypeError or ValueError for anything other than a list that ends.
    """
    token = None
    while True:
        response = ask(token)
        values = document(response).get("value")
        if not isinstance(values, list):
            msg = "a list without its items"
            raise TypeError(msg)
        yield from map(_object, cast("list[object]", values))
        before, token = token, response.headers.get("X-MS-ContinuationToken")
        if not token:
            return
        if token == before:
            msg = "a list that repeats its page"
            raise ValueError(msg)


def identifier(item: Json) -> int:
    """Return the id of an item. Raises TypeError if there is none."""
    value = item.get("id")
    if not isinstance(value, int) or isinstance(value, bool):
        msg = "an item without its id"
        raise TypeError(msg)
    return value


def part(item: Json, name: str) -> Json | None:
    """Return an object within an item, or None if it is absent.

    Raises TypeError for any other JSON.
    """
    value = item.get(name)
    return None if value is None else _object(value)


def text(item: Json, name: str) -> str | None:
    """Return a string within an item, or None if it is absent. Raises TypeError otherwise."""
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        msg = f"{name} that is not a string"
        raise TypeError(msg)
    return value


def moment(item: Json, name: str) -> datetime | None:
    """Return a time within an item, in UTC unless it has an offset, or None without a valid one."""
    try:
        read = datetime.fromisoformat(text(item, name) or "")
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def page_of(item: Json) -> str | None:
    """Return the address of an item's web page, or None if it has none."""
    page: object = item
    for name in ("_links", "web", "href"):
        page = cast("Json", page).get(name) if isinstance(page, dict) else None
    return page if isinstance(page, str) else None


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        msg = f"expected an object, not {type(value).__name__}"
        raise TypeError(msg)
    return cast("Json", value)
