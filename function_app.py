"""The triggers of Model Trigger: each unpacks what it is given and calls one handler."""

import azure.functions as func

from model_trigger.handlers import handle_event
from model_trigger.services import services

app = func.FunctionApp()


# As text, since the worker cannot index a parameter of two types, and would turn an event that it
# cannot read into a failure before it is seen here.
@app.event_grid_trigger(arg_name="event")
def on_model_registered(event: str) -> None:
    handle_event(event, services())
