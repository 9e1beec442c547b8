"""`schema`: print the JSON Schema of a rules file."""

import argparse

from model_trigger.commands.common import AddCommand, described
from model_trigger.rules.schema import schema_text

_ABOUT = """\
Print the JSON Schema of a rules file, which editors use to complete and check
rules. It is the content of infra/rules.schema.json, to which infra/rules.json
refers.
"""


def add(add_command: AddCommand) -> None:
    """Add the command."""
    about = "print the JSON Schema of a rules file, for editors"
    command = add_command("schema", help=about, **described(_ABOUT))
    command.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the JSON Schema of a rules file."""
    print(schema_text(), end="")
    return 0
