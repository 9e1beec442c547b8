"""Whatever is registered, the log of the real host has one complete line per decision."""

import json

import pytest

from model_trigger.text import utf16_units
from tests.sandbox.processes import HostProcess
from tests.support.build import event

RULES = {
    "any": {"model": "*", "scheme": "integer", "start": "every", "release": {"definition": 1}},
    "notes": {"model": "*", "tags": {"notes": "fine"}, "release": {"definition": 1}},
}
FORGED = 'ERROR decision {"outcome": "failed", "rule": "any", "model": "churn"}'
TEXTS = {
    "plain": "churn",
    "line feed": f"x\n{FORGED}",
    "carriage return": f"x\r{FORGED}",
    "both": f"x\r\n{FORGED}\r\n",
    "next line": f"x\x85{FORGED}",
    "line separator": f"x\u2028{FORGED}\u2029{FORGED}",
    "vertical tab, form feed": f"x\x0b{FORGED}\x0c{FORGED}",
    "separators": f"x\x1c{FORGED}\x1d{FORGED}\x1e{FORGED}",
    "ANSI escapes": f"\x1b[2K\x1b[1A\x1b[31m{FORGED}\x1b[0m",
    "backspaces": "x\b\b\b\b\b\b\b\b\b\bdecision",
    "end of the JSON": f'"}}\n{FORGED}\n{{"a": "',
    "null character": f"x\x00\n{FORGED}",
    "directions": "\u202e}\u2066churn",
    "the duplicate alert": "duplicate_release",
    "its whole line": 'duplicate_release {"rule": "any"}',
    "formats": "%s %(x)s {0} {x} $(x) ${x}",
    "long": "x" * 9_998,
    "long in UTF-16": "\N{GRINNING FACE}" * 9_000,
    "long when escaped": "\x01" * 8_000,
    "long with quotes": '"\\' * 4_900,
}
FIELDS = ("outcome", "rule", "model", "version", "workspace", "reason", "release_id")


@pytest.fixture(name="settings")
def _settings(settings_for):
    return settings_for(RULES)


def printed(settings, events):
    """Deliver events one by one, and return every line that the host prints meanwhile."""
    with HostProcess(settings) as host:
        marks = []
        for one in ({"eventType": "the start"}, *events, {"eventType": "the end"}):
            assert 202 == host.deliver([one]).status
        for mark in ("the start", "the end"):
            (found,) = host.wait_for(mark)
            marks.append(host.lines.index(found.string))
        return host.lines[marks[0] + 1 : marks[1]]


def check(line):
    """Check that a line is a complete, valid decision, and return its fields."""
    level, kind, text = line.split(" ", 2)
    assert (level, kind) in {("INFO", "decision"), ("ERROR", "decision")}
    assert line.isprintable()
    assert utf16_units(f"{kind} {text}") <= 30_000
    found = json.loads(text)
    assert FIELDS == tuple(found)[: len(FIELDS)]
    return found


def shows(shown, text):
    """Whether a field shows a text, or the beginning of it."""
    return shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


@pytest.mark.timeout(120)
def test_no_name_version_or_event_id_breaks_forges_or_hides_a_line(settings):
    names = [{**event(17, text), "id": text[:2_000]} for text in TEXTS.values()]
    versions = [event(f"17{text}") for text in TEXTS.values()]

    lines = printed(settings, names + versions)

    assert 2 * len(TEXTS) == len(lines)
    for text, about_name, about_version in zip(
        TEXTS.values(), lines[: len(TEXTS)], lines[len(TEXTS) :], strict=True
    ):
        assert shows(check(about_name)["model"], text)
        assert shows(check(about_version)["version"], f"17{text}")
        assert check(about_name)["outcome"] in {"started", "failed"}


@pytest.mark.timeout(120)
def test_no_rejected_event_breaks_forges_or_hides_a_line(settings):
    texts = [*TEXTS.values(), "\ud800\n"]
    events = [
        {**event(17), field: text} for field in ("eventType", "topic", "data") for text in texts
    ]

    lines = printed(settings, events)

    assert ["rejected"] * len(events) == [check(line)["outcome"] for line in lines]
