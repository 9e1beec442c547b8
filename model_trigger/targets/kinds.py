"""The only list of the kinds of targets.

To add a kind, add a module beside `release.py` and a line here, a client class for its service, and
a line for that class in CLIENTS of `azure_devops/client.py`.
"""

from collections.abc import Mapping
from typing import Any

from model_trigger.targets.kind import Kind
from model_trigger.targets.pipeline import PipelineKind
from model_trigger.targets.release import ReleaseKind
from model_trigger.targets.request import StartRequest

KINDS: Mapping[str, Kind[Any, Any]] = {
    "release": ReleaseKind(),
    "pipeline": PipelineKind(),
}


def read_request(text: str) -> StartRequest:
    """Read a request as the ledger stores it. Raises KeyError for an unknown kind."""
    request = StartRequest.from_json(text)
    KINDS[request.kind]
    return request


def may_be_mistaken(request: StartRequest, other: StartRequest) -> bool:
    """Whether what `other` started may look like what `request` started."""
    kind = KINDS[request.kind]
    return request.target == other.target and kind.looks_alike(request.body, other.body)
