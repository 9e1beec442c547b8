"""`python -m model_trigger`: check the rules, see what they would do, and operate the ledger."""

import argparse
import io
import sys
from collections.abc import Sequence

from model_trigger.claims.store import LedgerError
from model_trigger.commands import check, explain, forget, schema
from model_trigger.commands.common import MISTAKE, described
from model_trigger.commands.forget import InFlightError
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.settings import SettingsError

_ABOUT = """\
Check the rules of Model Trigger, and see what they would do with a model.

`check` and `explain` start and change nothing, and need nothing but the rules:
those of the app settings RULES_FILE, RULES and RULES__<rule>__<field> in the
environment, or those of a JSON file.
"""
_EXAMPLES = """\
examples:
  python -m model_trigger check infra/rules.json
  python -m model_trigger explain --rules infra/rules.json --model churn \\
    --version 17 --tag stage=prod

  # one filter changed, before it is changed in the app
  RULES_FILE=infra/rules.json RULES__churn__version='>=20' \\
    python -m model_trigger explain --model churn --version 17
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a console cannot show in its encoding is shown by its number.
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (RulesUnreadableError, SettingsError, InFlightError, LedgerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m model_trigger", **described(_ABOUT, _EXAMPLES))
    add_command = parser.add_subparsers(metavar="COMMAND", required=True).add_parser
    for command in (check, explain, forget, schema):
        command.add(add_command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
