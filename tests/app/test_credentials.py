"""No credential is sent to an unknown host: servers that record requests, at every entry point."""

import json
from argparse import _SubParsersAction
from functools import partial

import pytest

from model_trigger import __main__ as commands
from model_trigger import handlers, services
from model_trigger.handlers import DeliverAgainError
from tests.sandbox.azure_devops.messages import answer
from tests.sandbox.credentials import IDENTITY_HEADER
from tests.support.build import WORKSPACE_ID
from tests.support.strangers import SERVICES, deliver, rules

COMMANDS = {
    "check": ("check", "--online"),
    "explain": ("explain", "--model", "churn", "--version", "17"),
    "forget": ("forget", "--rule", "churn", "--model", "churn", "--workspace", WORKSPACE_ID),
    "schema": ("schema",),
}


def reconcile():
    deliver()
    handlers.reconcile(services.services())


def page(show, **query):
    return show(query, "text/html", services.services)


ENTRIES = {
    "an event": deliver,
    "reconcile": reconcile,
    "the status page": partial(page, handlers.status_page, model="churn", version="17"),
    "the explain page": partial(page, handlers.explanation, model="churn", version="17"),
    **{f"the command {name}": partial(commands.main, line) for name, line in COMMANDS.items()},
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize("setting", ["with_pat", "with_identity", "with_identity_and_server"])
def test_an_unknown_host_is_sent_nothing(request, stranger, setting, entry):
    request.getfixturevalue(setting)(stranger)
    entry()

    assert [] == stranger.requests


def test_every_command_is_listed_as_an_entry_point():
    (action,) = (
        one
        for one in commands._parser()._actions  # noqa: SLF001 - argparse shows them nowhere else
        if isinstance(one, _SubParsersAction)
    )
    assert set(COMMANDS) == set(action.choices)


@pytest.mark.parametrize("setting", ["with_pat", "with_identity", "with_identity_and_server"])
def test_a_start_at_an_unknown_host_fails_and_names_what_is_allowed(
    request, stranger, setting, caplog
):
    request.getfixturevalue(setting)(stranger)
    with caplog.at_level("INFO", "model_trigger"):
        deliver()

    decisions = [json.loads(one.partition(" ")[2]) for one in caplog.messages]
    assert ["failed", "failed"] == [one["outcome"] for one in decisions]
    assert all(one["reason"].startswith(stranger.address) for one in decisions)
    allowed = "AZURE_DEVOPS_ORG_URL, the only one" if setting == "with_pat" else "only to https://"
    assert all(allowed in one["reason"] for one in decisions)


def test_an_event_that_waits_for_a_token_is_delivered_again(configure, listen):
    endpoint = listen(lambda _: answer({"statusCode": 503, "message": "busy"}, 503))
    configure(
        IDENTITY_ENDPOINT=endpoint.url,
        IDENTITY_HEADER=IDENTITY_HEADER,
        AZURE_DEVOPS_ORG_URL=SERVICES,
        RULES=rules(None),
    )
    with pytest.raises(DeliverAgainError, match="the identity endpoint returned HTTP 503: busy"):
        deliver()
