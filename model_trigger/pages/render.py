"""Render the pages with Jinja: everything is escaped, because much of it was written by others."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from model_trigger.text import one_line

# Servers refuse long addresses, Azure's front ends at about 8 KiB.
_LONGEST_LINK = 4000
_UNITS = (("day", 86400), ("h", 3600), ("min", 60))


def printable(value: object) -> object:
    """Escape what is not printable: it could reverse the reading direction, or hide letters."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_FOLDER = Path(__file__).parent / "templates"
_STYLE = (_FOLDER / "style.css").read_text(encoding="utf-8")
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=printable,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, keys: Mapping[str, str], now: datetime | None, **values: object) -> str:
    """Return a rendered template; every link and form of the page keeps the parameters `keys`."""

    def ago(moment: datetime) -> str:
        return distance(moment - now) if now else ""

    style = Markup(_STYLE)  # noqa: S704 - our own file
    tools = {"style": style, "links": Links(keys), "is_safe_link": is_safe_link, "ago": ago}
    return _TEMPLATES.get_template(template).render(**tools, keys=keys, now=now, **values)


def content_security_policy() -> str:
    """Return the policy that allows a page's own style and forms, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def is_safe_link(url: str) -> bool:
    """Whether an address leads to a web page, so that following it runs no script here."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def distance(away: timedelta) -> str:
    """Return how far away a moment is: `3 min ago`, `in 2 h`."""
    seconds = abs(away.total_seconds())
    for unit, length in _UNITS:
        if seconds >= length:
            number = int(seconds // length)
            text = f"{number} {unit}{'s' if unit == 'day' and number > 1 else ''}"
            return f"in {text}" if away > timedelta() else f"{text} ago"
    return "just now"


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of the app's own pages, each with the parameters `keys`."""

    keys: Mapping[str, str]

    def status(self, model: str = "", version: str = "", before: str = "") -> str:
        """Return the address of the status page, and on it what is known about a model."""
        return self.to("status", {"model": model, "version": version, "before": before})

    def explain(
        self, model: str = "", version: str = "", workspace: str = "", **labels: Mapping[str, str]
    ) -> str:
        """Return the address of an explanation, without tags and properties that are too long."""
        asked = {"model": model, "version": version, "workspace": workspace}
        texts = {f"{kind}.{key}": text for kind, of in labels.items() for key, text in of.items()}
        whole = self.to("explain", {**asked, **texts})
        return whole if len(whole) <= _LONGEST_LINK else self.to("explain", asked)

    def to(self, page: str, parameters: Mapping[str, str]) -> str:
        """Return the address of a page with those parameters that have a value."""
        given = {name: value for name, value in parameters.items() if value}
        return f"{page}?{urlencode({**given, **self.keys})}".removesuffix("?")
