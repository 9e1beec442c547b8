"""Pages that cannot be read, links that lead elsewhere, and waits without end."""

import json
from dataclasses import replace
from itertools import islice

import pytest

from model_trigger.registrations.listing import AzureMLError, WorkspaceAccessError
from tests.sandbox.azure_devops.messages import answer

UNREADABLE_PAGES = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"value": null}',
    b'{"value": {}}',
    b'{"value": [], "nextLink": {}}',
    b'{"value": [], "nextLink": "https://[x"}',
    b'{"value": [' + b"[" * 200_000,
    b'{"value": [' + b"[" * 200_000 + b"]" * 200_000 + b"]}",
    b"\xff",
]


@pytest.mark.parametrize("page", [0, 2], ids=["first", "second"])
@pytest.mark.parametrize("body", UNREADABLE_PAGES, ids=range(len(UNREADABLE_PAGES)))
def test_an_invalid_page_never_ends_the_list_early(trial, page, body):
    for _ in range(4):
        trial.register("churn")
    versions = trial.versions("churn")
    assert page == len(list(islice(versions, page)))
    trial.change_page(lambda made, _: replace(made, body=body))

    with pytest.raises(AzureMLError, match="could not list the versions of model 'churn' in work"):
        list(versions)


@pytest.mark.parametrize(
    "link", ["http://localhost/x", "https://127.0.0.1@example.com/x", "//example.com/x", "5"]
)
def test_a_link_to_another_host_does_not_receive_the_token(trial, link):
    trial.change_page(lambda *_: answer({"value": [], "nextLink": link}))
    with pytest.raises(AzureMLError, match="would send the token to another host"):
        list(trial.versions("churn"))
    assert 1 == len(trial.sandbox.requests)


def test_a_list_that_links_back_to_itself_is_an_error_and_not_endless(trial):
    for _ in range(3):
        trial.register("churn")

    def linked(made, request):
        link = f"{trial.sandbox.url}{request.path}?$skip=2"
        return answer({**json.loads(made.body), "nextLink": link})

    trial.change_page(linked)
    with pytest.raises(AzureMLError, match="a page links to an earlier one"):
        list(trial.versions("churn"))


@pytest.mark.parametrize("seconds", ["600", "9" * 12, "9" * 400, "1e99", "-1"])
@pytest.mark.parametrize("status", [429, 503])
def test_the_deadline_holds_however_long_the_service_asks_to_wait(trial, status, seconds):
    trial.sandbox.fault("error", status=status, retry_after=seconds, times=None)
    with pytest.raises(AzureMLError):
        list(trial.models())
    assert sum(trial.pauses) <= 25


def test_an_error_is_reported_on_one_short_line(trial):
    message = "x" * 10_000 + "\u2028decision {}\x1b[2J"
    error = {"error": {"code": "a\ud800", "message": message}}
    trial.change_page(lambda *_: answer(error, 400))
    with pytest.raises(WorkspaceAccessError) as caught:
        list(trial.versions("it's\n" * 500))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2_000
