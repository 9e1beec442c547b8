"""`schema`: print the JSON Schema of a rules file."""

import argparse

from model_trigger.commands.common import AddCommand, described
from model_trigger.rules.schema import schema_text

_ABOUT = """\
Print the JSON Schema of a file of rules, with which editors complete and check
them: infra/rules.schema.json, which infra/rules.json names.
"""


def add(add_command: AddCommand) -> None:
    """Add the command."""
    about = "print the JSON Schema that completes rules in editors"
    command = add_command("schema", help=about, **described(_ABOUT))
    command.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the JSON Schema of a rules file."""
    print(schema_text(), end="")
    return 0
