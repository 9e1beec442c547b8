"""Shared by the commands: options, usage errors, output."""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model_trigger.deadline import Deadline
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import RuleSource
from model_trigger.rules.sources import RulesUnreadableError, gather
from model_trigger.settings import read_rules

MISTAKE = 1
# A person is waiting, not an event: Azure DevOps may delay a request by half a minute
# (https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits).
_SECONDS = 60.0

AddCommand = Callable[..., argparse.ArgumentParser]


def described(description: str, epilog: str = "") -> dict[str, Any]:
    """Return the options of a parser that keeps the line breaks of its help."""
    return {
        "description": description,
        "epilog": epilog,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option --json."""
    command.add_argument("--json", action="store_true", help="print JSON, for programs")


def text(argument: str) -> str:
    """Parse an argument that must not be empty."""
    if not argument:
        msg = "must not be empty"
        raise argparse.ArgumentTypeError(msg)
    return argument


def pair(argument: str) -> tuple[str, str]:
    """Parse an argument KEY=VALUE."""
    key, equals, value = argument.partition("=")
    if not key or not equals:
        msg = f"{argument!r} is not KEY=VALUE, such as stage=prod"
        raise argparse.ArgumentTypeError(msg)
    return key, value


def workspace(argument: str) -> Workspace:
    """Parse the resource id of a workspace."""
    try:
        return Workspace.parse(argument)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def read_sources(file: str | None) -> Mapping[str, RuleSource]:
    """Read the rules from a file or the environment. Raises RulesUnreadableError."""
    if file is None:
        return read_rules()
    try:
        content = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        msg = f"{file} cannot be read: {error}"
        raise RulesUnreadableError(msg) from error
    return gather({}, content, file)


def print_json(value: object) -> None:
    """Print a value as JSON for programs."""
    print(json.dumps(value, indent=2))


def new_deadline() -> Deadline:
    """Return the deadline of a command that calls live services."""
    return Deadline(time.monotonic() + _SECONDS, time.monotonic, time.sleep)
