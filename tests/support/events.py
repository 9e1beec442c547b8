"""Makes events from the files in tests/payloads and from the one of tests.support.build."""

import json
from pathlib import Path

from tests.support.build import event

PAYLOADS = Path(__file__).parents[1] / "payloads"


def payload(name: str) -> str:
    return (PAYLOADS / f"{name}.json").read_text("utf-8")


def changed(**fields) -> str:
    return json.dumps(event() | fields)


def with_data(**data) -> str:
    return changed(data=event()["data"] | data)
