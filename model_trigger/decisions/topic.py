"""Publish decisions to an Event Grid topic, one CloudEvent each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.messaging import CloudEvent

from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome, OutcomeError
from model_trigger.outbound import client_options

_TYPES = {
    Outcome.STARTED: "ModelTrigger.ReleaseStarted",
    Outcome.FAILED: "ModelTrigger.ReleaseFailed",
    Outcome.GIVEN_UP: "ModelTrigger.ReleaseFailed",
    Outcome.SUPERSEDED: "ModelTrigger.ReleaseSuperseded",
}
_LONGEST_CALL = 5.0


@dataclass
class OutcomeTopic:
    """An Event Grid topic for CloudEvents; `credential` is called once, when first needed.

    The identity needs the role EventGrid Data Sender on the topic:
    https://learn.microsoft.com/azure/event-grid/authenticate-with-microsoft-entra-id
    """

    endpoint: str
    credential: Callable[[], TokenCredential]
    _client: Any = field(default=None, init=False)

    def publish(self, decision: Decision, milliseconds: int, deadline: Deadline) -> None:
        """Publish a decision if its outcome has an event type. Raises OutcomeError."""
        event = cloud_event(decision, milliseconds)
        seconds = min(_LONGEST_CALL, deadline.remaining)
        if event is None or not seconds:
            return
        try:
            self._opened().send(event, connection_timeout=seconds, read_timeout=seconds)
        except (AzureError, ValueError) as error:
            cause = next(iter(str(error).splitlines()), type(error).__name__)
            msg = (
                f"the outcome event was not accepted by {self.endpoint}: {cause}; it must take "
                "CloudEvents, and the app's identity needs the role EventGrid Data Sender there"
            )
            raise OutcomeError(msg) from error

    def _opened(self) -> Any:  # noqa: ANN401 - the client is imported when needed
        if self._client is None:
            from azure.eventgrid import EventGridPublisherClient  # noqa: PLC0415

            self._client = EventGridPublisherClient(
                self.endpoint, self.credential(), retry_total=0, **client_options(self.endpoint)
            )
        return self._client


def cloud_event(decision: Decision, milliseconds: int) -> CloudEvent[Any] | None:
    """Return the event for a decision; None if its outcome is not published."""
    event_type, registration = _TYPES.get(decision.outcome), decision.registration
    if event_type is None or registration is None:
        return None
    return CloudEvent(
        source=registration.workspace.id,
        type=event_type,
        subject=f"models/{registration.model}:{registration.version}",
        data=decision.log_fields(milliseconds),
    )
