"""Decide what a fault means for a read, which may be repeated, and a start, which may not."""

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


def checked(read: Callable[[], Result]) -> Result:
    """Perform a read and translate its faults.

    Raises TargetError when a person must act, AzureDevOpsError when a retry may succeed.
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
        msg = f"the request to Azure DevOps failed: {cause_of(fault)}"
        raise AzureDevOpsError(msg, answered=answered(fault)) from fault


def checked_item(read: Callable[[], Result]) -> Result:
    """Perform a read of an item that a list has shown; the errors are those of `checked`.

    An item that was deleted meanwhile proves nothing: the list has to be read again.
    """

    def found() -> Result:
        try:
            return read()
        except AnswerError as answer:
            if answer.status == HTTPStatus.NOT_FOUND and answer.is_json:
                msg = f"an item that was just listed is gone: {answer.message}"
                raise AzureDevOpsError(msg) from answer
            raise

    return checked(found)


def result(fault: Exception, *, post_was_sent: bool) -> StartResult:
    """Return the result of a start that raised a fault: before the POST, nothing was started."""
    match fault:
        case NoTokenError():
            return NotStarted(str(fault)) if fault.may_pass else Refused(str(fault))
        case PauseError():
            return NotStarted(str(fault), fault.seconds)
        case AnswerError() if fault.refuses or (fault.lasts and not post_was_sent):
            return Refused(fault.sentence)
        case AnswerError(status=HTTPStatus.TOO_MANY_REQUESTS):
            return NotStarted(f"Azure DevOps is throttling: {fault.message}", fault.retry_after)
        case _:
            reason = f"no usable response from Azure DevOps: {cause_of(fault)}"
    if not post_was_sent:
        forget_locations()
    elif not (isinstance(fault, ClientRequestError) and was_never_made(fault)):
        return Unknown(reason, answered=answered(fault))
    return NotStarted(reason, answered=answered(fault))
