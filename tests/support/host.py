"""A function app for the sandbox's Functions host, with a trigger of each kind."""

import json
import textwrap

from tests.sandbox.processes import HostProcess

HOST_JSON = {"version": "2.0"}

APP = '''
import json
import logging
import os
import sys
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
barrier = threading.Barrier(int(os.environ.get("TOGETHER", "1")))


@app.event_grid_trigger(arg_name="event")
def on_event(event: str) -> None:
    """Logs what came; waits for as many others as TOGETHER says."""
    barrier.wait(float(os.environ.get("PATIENCE", "60")))
    fields = json.loads(event)
    setting = os.environ.get("SETTING")
    logging.info("decision %s", json.dumps({"event": fields, "text": event, "setting": setting}))
    if fields["id"] == "bad":
        raise RuntimeError("boom")


@app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
def tidy(timer: func.TimerRequest) -> None:
    if timer.past_due or os.environ.get("TIDY") == "fail":
        raise RuntimeError("untidy")
    logging.info("tidied")


@app.route("shelves/{shelf}/books", methods=["GET", "POST"])
def books(req: func.HttpRequest) -> func.HttpResponse:
    query, parameters = dict(req.params), dict(req.route_params)
    heard = [req.method, req.url, parameters, query, req.get_body().decode()]
    headers = {"X-Heard": req.headers["x-say"]}
    return func.HttpResponse(json.dumps(heard), status_code=202, headers=headers)


@app.route("shelves/top/books")
def top(req: func.HttpRequest) -> str:
    return "top"


@app.route("broken")
def broken(req: func.HttpRequest) -> str:
    raise ValueError("secret")


@app.route("path")
def path(req: func.HttpRequest) -> str:
    return json.dumps([os.getcwd(), *sys.path])
'''
EVENT = {"id": "1", "data": {"name": "churn ü", "at": "2026-01-02T03:04:05.0000000Z"}}


def write_app(folder, source=APP, host_json=HOST_JSON, **settings):
    (folder / "function_app.py").write_text(textwrap.dedent(source))
    (folder / "host.json").write_text(json.dumps(host_json))
    if settings:
        values = {"IsEncrypted": False, "Values": settings}
        (folder / "local.settings.json").write_text(json.dumps(values))
    return folder


def start(folder, *options, **settings):
    return HostProcess({"SCHEDULE": "0 0 0 1 1 *", **settings}, folder, *options)
