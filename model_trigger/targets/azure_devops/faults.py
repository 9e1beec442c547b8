"""Decide what a fault means for a reading, which may be repeated, and a start, which may not."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from msrest.exceptions import ClientRequestError

from model_trigger.targets.azure_devops.answers import (
    FAULTS,
    AnswerError,
    NoTokenError,
    PauseError,
    answered,
    cause_of,
    was_never_made,
)
from model_trigger.targets.azure_devops.connection import forget_locations
from model_trigger.targets.request import (
    AzureDevOpsError,
    NotStarted,
    Refused,
    StartResult,
    TargetError,
    Unknown,
)

Result = TypeVar("Result")


def asked(read: Callable[[], Result]) -> Result:
    """Read something that may be read again.

    Raises TargetError when a person must act, AzureDevOpsError when it may pass.
    """
    try:
        return read()
    except TargetError:
        raise
    except FAULTS as fault:
        if isinstance(fault, AnswerError) and fault.lasts:
            raise TargetError(fault.sentence) from fault
        if isinstance(fault, NoTokenError) and not fault.may_pass:
            raise TargetError(str(fault)) from fault
        if isinstance(fault, ValueError | TypeError):
            forget_locations()
        msg = f"Azure DevOps could not be asked: {cause_of(fault)}"
        raise AzureDevOpsError(msg, answered=answered(fault)) from fault


def asked_by_itself(read: Callable[[], Result]) -> Result:
    """Read by itself what a list has shown; the errors are those of `asked`.

    One that was deleted meanwhile proves nothing: the list has to be read again.
    """

    def found() -> Result:
        try:
            return read()
        except AnswerError as answer:
            if answer.status == HTTPStatus.NOT_FOUND and answer.is_json:
                msg = f"what was just listed is gone: {answer.told}"
                raise AzureDevOpsError(msg) from answer
            raise

    return asked(found)


def result(fault: Exception, *, post_was_sent: bool) -> StartResult:
    """Return what a fault means for a start: before the POST was sent, nothing was started."""
    match fault:
        case NoTokenError():
            return NotStarted(str(fault)) if fault.may_pass else Refused(str(fault))
        case PauseError():
            return NotStarted(str(fault), fault.seconds)
        case AnswerError() if fault.refuses or (fault.lasts and not post_was_sent):
            return Refused(fault.sentence)
        case AnswerError(status=HTTPStatus.TOO_MANY_REQUESTS):
            return NotStarted(f"Azure DevOps is throttling: {fault.told}", fault.retry_after)
        case _:
            reason = f"Azure DevOps gave no readable answer: {cause_of(fault)}"
    if not post_was_sent:
        forget_locations()
    elif not (isinstance(fault, ClientRequestError) and was_never_made(fault)):
        return Unknown(reason, answered=answered(fault))
    return NotStarted(reason, answered=answered(fault))
