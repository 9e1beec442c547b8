"""Answer the HTTP functions: JSON for programs, pages for people."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from model_trigger.pages.lookup import Question, find
from model_trigger.pages.shown import Reading
from model_trigger.pages.status import Configuration, gather, read_or_error
from model_trigger.rules.explain import explain_http

_BAD_REQUEST, _SERVER_ERROR, _UNAVAILABLE = 400, 500, 503
_JSON, _HTML = "application/json", "text/html"
# The function key, if it came in the address: the links of a page need it too.
# https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger
_KEYS = ("code", "clientId")
# What is shown may be confidential and is soon out of date; the address may hold the function key,
# which must not be sent to Azure DevOps as the referrer.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: the decoded query, and the Accept header."""

    query: Mapping[str, str]
    accept: str = ""

    def wants_page(self, *, otherwise: bool) -> bool:
        """Whether HTML is preferred to JSON; `otherwise` if the client prefers neither."""
        # Parameters such as charset are ignored: either type is sent in UTF-8 only.
        accepted = MIMEAccept(
            (media.partition(";")[0], quality)
            for media, quality in parse_accept_header(self.accept)
        )
        types = (_HTML, _JSON) if otherwise else (_JSON, _HTML)
        return accepted.best_match(types, default=types[0]) == _HTML

    @property
    def keys(self) -> Mapping[str, str]:
        """The function key as it was given in the address."""
        return {name: self.query[name] for name in _KEYS if self.query.get(name)}

    @property
    def labels(self) -> Mapping[str, str]:
        """The parameters that set a tag or a property."""
        kinds = ("tag.", "property.")
        return {name: value for name, value in self.query.items() if name.startswith(kinds)}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response: the status, the headers and the body."""

    status: int
    headers: Mapping[str, str]
    body: str

    @classmethod
    def of_json(cls, status: int, values: Mapping[str, object]) -> "Answer":
        """Return a JSON response; times are written in ISO 8601."""
        body = json.dumps(values, default=datetime.isoformat)
        return cls(status, {**_HEADERS, "Content-Type": _JSON}, body)

    @classmethod
    def of_template(
        cls, status: int, template: str, request: Request, now: datetime | None, **values: object
    ) -> "Answer":
        """Return a page, whose links keep the function key of the request."""
        # Jinja takes a while to import, and no event needs it.
        from model_trigger.pages import render  # noqa: PLC0415

        headers = {
            **_HEADERS,
            "Content-Type": f"{_HTML}; charset=utf-8",
            "Content-Security-Policy": render.content_security_policy(),
        }
        return cls(status, headers, render.render(template, request.keys, now, **values))


def answer_status(request: Request, reading: Reading, app: Configuration) -> Answer:
    """Return the status: a page unless JSON is preferred, 503 if storage cannot be read."""
    try:
        question = Question.parse(request.query)
    except ValueError as error:
        return answer_error(request, _BAD_REQUEST, str(error))
    overview = gather(question, reading, app)
    code = _UNAVAILABLE if overview.ledger_error else 200
    if not request.wants_page(otherwise=True):
        values = asdict(overview)
        for trouble in values["troubles"]:
            # The names by which programs have read these before.
            urls = trouble["release_url"], trouble["second_release_url"]
            trouble |= {"what": trouble["state"], "release_urls": urls if all(urls) else ()}
        return Answer.of_json(code, values)
    values = {"overview": overview, "question": question}
    return Answer.of_template(code, "status.html", request, reading.now, **values)


def answer_explain(request: Request, reading: Reading, app: Configuration) -> Answer:
    """Return what each rule would do: JSON unless a page is preferred.

    The page also shows what the ledger knows. 500 if the rules cannot be read, 400 if the query is
    invalid.
    """
    book, rules_error = read_or_error(app.rules)
    explained: dict[str, Any] = {"error": rules_error}
    code = _SERVER_ERROR
    if book is not None:
        code, explained = explain_http(book, request.query)
    if not request.wants_page(otherwise=False):
        return Answer.of_json(code, explained)
    try:
        question = Question.parse(request.query)
    except ValueError as error:
        return answer_error(request, _BAD_REQUEST, str(error))
    found, ledger_error = None, ""
    if question.model and question.version:
        found, ledger_error = read_or_error(lambda: find(question, reading))
    values = {
        "question": question,
        "labels": request.labels,
        "explained": closest_first(explained),
        "found": found,
        "ledger_error": ledger_error,
    }
    code = _UNAVAILABLE if ledger_error else code
    return Answer.of_template(code, "explain.html", request, reading.now, **values)


def answer_error(request: Request, status: int, sentence: str) -> Answer:
    """Return an error as one sentence."""
    if not request.wants_page(otherwise=False):
        return Answer.of_json(status, {"error": sentence})
    return Answer.of_template(status, "error.html", request, None, sentence=sentence)


def closest_first(explained: dict[str, Any]) -> dict[str, Any]:
    """Return the explanation with the rules for other models as `others`, and the rest sorted.

    Rules that match come first, then the closest one, then those with the fewest unmet clauses.
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


ANSWERS: Mapping[str, Callable[[Request, Reading, Configuration], Answer]] = {
    "status": answer_status,
    "explain": answer_explain,
}
