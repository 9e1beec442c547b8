"""The triggers of Model Trigger: each unpacks its argument and calls one handler."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import azure.functions as func

from model_trigger import handlers
from model_trigger.services import services
from model_trigger.settings import reconcile_schedule

if TYPE_CHECKING:
    from model_trigger.pages.http import Answer

app = func.FunctionApp()


# The event is text: the worker cannot index a parameter of two types, and would fail on an invalid
# event before this function sees it.
@app.event_grid_trigger(arg_name="event")
def on_model_registered(event: str) -> None:
    handlers.handle_event(event, services())


# Concurrent runs are harmless: a lease protects each start in flight.
@app.timer_trigger(arg_name="timer", schedule=reconcile_schedule(), use_monitor=True)
def reconcile(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    handlers.reconcile(services())


@app.route(
    "status", trigger_arg_name="request", methods=["GET"], auth_level=func.AuthLevel.FUNCTION
)
def status(request: func.HttpRequest) -> func.HttpResponse:
    return _response(handlers.status_page(request.params, _accept(request), services))


@app.route(
    "explain", trigger_arg_name="request", methods=["GET"], auth_level=func.AuthLevel.FUNCTION
)
def explain(request: func.HttpRequest) -> func.HttpResponse:
    return _response(handlers.explanation(request.params, _accept(request), services))


def _accept(request: func.HttpRequest) -> str:
    return cast("Mapping[str, str]", request.headers).get("accept", "")


def _response(answer: "Answer") -> func.HttpResponse:
    return func.HttpResponse(answer.body, status_code=answer.status, headers=dict(answer.headers))
