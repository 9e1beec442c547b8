"""Render the pages with Jinja: all is escaped, since much of it was written by others."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from model_trigger.text import one_line

_FOLDER = Path(__file__).parent / "templates"
# Servers refuse long addresses; Azure's front ends 8 KiB or so.
_LONGEST_LINK = 4000
_UNITS = (("day", 86400), ("h", 3600), ("min", 60))


def render(template: str, keys: Mapping[str, str], now: datetime | None, **values: object) -> str:
    """Render a template; `keys` are parameters that every link and form of the page keeps."""

    def ago(moment: datetime) -> str:
        return _distance(moment - now) if now else ""

    style = Markup(_style())  # noqa: S704 - our own file
    tools = {"style": style, "links": _Links(keys), "is_safe_link": is_safe_link, "ago": ago}
    return _environment().get_template(template).render(**tools, keys=keys, now=now, **values)


def content_security_policy() -> str:
    """Allow the page's own style and its forms, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def is_safe_link(url: str) -> bool:
    """Tell whether an address leads to a web page, and runs nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


@dataclass(frozen=True, slots=True)
class _Links:
    """Links to the app's own pages, with the parameters that each keeps."""

    keys: Mapping[str, str]

    def status(self, model: str = "", version: str = "", before: str = "") -> str:
        """Lead to the status, and to what is known of a model."""
        return self._to("status", {"model": model, "version": version, "before": before})

    def explain(
        self, model: str = "", version: str = "", workspace: str = "", **keyed: Mapping[str, str]
    ) -> str:
        """Lead to the explanation, with tags and properties if these are not too long."""
        asked = {"model": model, "version": version, "workspace": workspace}
        texts = {f"{kind}.{key}": text for kind, of in keyed.items() for key, text in of.items()}
        whole = self._to("explain", {**asked, **texts})
        return whole if len(whole) <= _LONGEST_LINK else self._to("explain", asked)

    def _to(self, page: str, parameters: Mapping[str, str]) -> str:
        given = {name: value for name, value in parameters.items() if value}
        return f"{page}?{urlencode({**given, **self.keys})}".removesuffix("?")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words=_words, name=_name)
    return environment


@cache
def _style() -> str:
    return (_FOLDER / "style.css").read_text(encoding="utf-8")


def _printable(value: object) -> object:
    """Escape what is not printable, which could turn the reading direction or hide letters."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _words(name: str) -> str:
    """Write a name such as `not_matched` in words."""
    return name.replace("_", " ")


def _name(resource_id: str) -> str:
    """Give the last part of a resource id."""
    return resource_id.rpartition("/")[2]


def _distance(away: timedelta) -> str:
    """Say how far away a moment is: `3 min ago`, `in 2 h`."""
    seconds = abs(away.total_seconds())
    for unit, length in _UNITS:
        if seconds >= length:
            number = int(seconds // length)
            text = f"{number} {unit}{'s' if unit == 'day' and number > 1 else ''}"
            return f"in {text}" if away > timedelta() else f"{text} ago"
    return "just now"
