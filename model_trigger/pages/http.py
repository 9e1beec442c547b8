"""Answer the HTTP functions: JSON for machines, a page for people, and a sentence when in need."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from model_trigger.pages.lookup import Question, Reading, find
from model_trigger.pages.status import Configuration, gather, read_or_error
from model_trigger.rules.explain import explain_http

_BAD_REQUEST, _SERVER_ERROR, _UNAVAILABLE = 400, 500, 503
_JSON, _HTML = "application/json", "text/html"
_QUALITY = re.compile(r"q\s*=\s*([01](?:\.[0-9]{0,3})?)")
# The function key, where it came in the address: the links of a page need it too.
# https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger
_KEYS = ("code", "clientId")
# What is shown may be secret and is soon out of date; the address may hold the function key, which
# must not go along to Azure DevOps.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a browser or a machine asks: the decoded query, and the header Accept."""

    query: Mapping[str, str]
    accept: str = ""

    def wants_page(self, *, otherwise: bool) -> bool:
        """Tell whether HTML is preferred to JSON; `otherwise` when neither is."""
        page, data = (_quality(self.accept, kind) for kind in (_HTML, _JSON))
        return otherwise if page == data else page > data

    @property
    def keys(self) -> Mapping[str, str]:
        """The function key as it was given in the address."""
        return {name: self.query[name] for name in _KEYS if self.query.get(name)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: the HTTP status, the headers and the text."""

    status: int
    headers: Mapping[str, str]
    body: str


def answer_status(request: Request, reading: Reading, app: Configuration) -> Answer:
    """Answer with the status: a page, unless JSON is asked for; 503 when storage cannot be read."""
    try:
        question = Question.parse(request.query)
    except ValueError as error:
        return answer_error(request, _BAD_REQUEST, str(error))
    overview = gather(question, reading, app)
    code = _UNAVAILABLE if overview.ledger_error else 200
    if not request.wants_page(otherwise=True):
        return _data(code, asdict(overview))
    return _page(request, code, "status.html", reading.now, overview=overview, question=question)


def answer_explain(request: Request, reading: Reading, app: Configuration) -> Answer:
    """Answer with what each rule would do: JSON, or a page when one is asked for.

    The page also tells what the ledger knows. 500 when the rules cannot be read, 400 when the
    question cannot be.
    """
    book, rules_error = read_or_error(app.rules)
    explained: dict[str, Any] = {"error": rules_error}
    code = _SERVER_ERROR
    if book is not None:
        code, explained = explain_http(book, request.query)
    if not request.wants_page(otherwise=False):
        return _data(code, explained)
    try:
        question = Question.parse(request.query)
    except ValueError as error:
        return answer_error(request, _BAD_REQUEST, str(error))
    found, ledger_error = None, ""
    if question.model and question.version:
        found, ledger_error = read_or_error(lambda: find(question, reading))
    return _page(
        request,
        _UNAVAILABLE if ledger_error else code,
        "explain.html",
        reading.now,
        question=question,
        keyed=_keyed(request.query),
        explained=_sorted(explained),
        found=found,
        ledger_error=ledger_error,
    )


ANSWERS: Mapping[str, Callable[[Request, Reading, Configuration], Answer]] = {
    "status": answer_status,
    "explain": answer_explain,
}


def answer_error(request: Request, status: int, sentence: str) -> Answer:
    """Answer with a sentence."""
    if not request.wants_page(otherwise=False):
        return _data(status, {"error": sentence})
    return _page(request, status, "error.html", None, sentence=sentence)


def _quality(accept: str, kind: str) -> float:
    """Give how much a media type is preferred, 0 when it is not named."""
    for each in accept.lower().split(","):
        name, _, parameters = each.partition(";")
        if name.strip() == kind:
            quality = _QUALITY.search(parameters)
            return float(quality[1]) if quality else 1.0
    return 0.0


def _keyed(query: Mapping[str, str]) -> Mapping[str, str]:
    """Give the tags and properties that are asked about."""
    return {name: value for name, value in query.items() if name.startswith(("tag.", "property."))}


def _sorted(explained: dict[str, Any]) -> dict[str, Any]:
    """Part the rules that have to do with the model from the `others`, and put the closest first.

    Those that want it come before it, and of the rest the one with the fewest clauses to go.
    """
    about: list[dict[str, Any]] = []
    others: list[str] = []
    for decision in explained.get("decisions", ()):
        clauses = decision["clauses"]
        is_about = all(clause["met"] for clause in clauses if clause["clause"] == "model")
        if is_about or decision["rule"] == explained["closest"]:
            about.append({**decision, "failed": sum(not clause["met"] for clause in clauses)})
        else:
            others.append(decision["rule"])
    about.sort(
        key=lambda one: (
            not one["outcome"].startswith("would_"),
            one["rule"] != explained["closest"],
            one["failed"],
        )
    )
    return {**explained, "decisions": about, "others": others}


def _data(status: int, values: Mapping[str, object]) -> Answer:
    text = json.dumps(values, default=_time)
    return Answer(status, {**_HEADERS, "Content-Type": _JSON}, text)


def _time(value: datetime) -> str:
    return value.isoformat()


def _page(
    request: Request, status: int, template: str, now: datetime | None, **values: object
) -> Answer:
    # Jinja takes a while to import, and no event needs it.
    from model_trigger.pages import render as pages  # noqa: PLC0415

    headers = {
        **_HEADERS,
        "Content-Type": f"{_HTML}; charset=utf-8",
        "Content-Security-Policy": pages.content_security_policy(),
    }
    return Answer(status, headers, pages.render(template, request.keys, now, **values))
