"""Check the rules and say what they would do, on the command line."""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_trigger.claims.store import LedgerError
from model_trigger.commands.forget import InFlightError
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules import warnings as lint
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.explain import ANY_WORKSPACE
from model_trigger.rules.explain import explain as explained
from model_trigger.rules.explain_text import render
from model_trigger.rules.problems import Problem, problem
from model_trigger.rules.rule import Rule
from model_trigger.rules.schema import schema_text
from model_trigger.rules.sources import RulesUnreadableError, gather
from model_trigger.rules.summary import summarize
from model_trigger.settings import (
    SettingsError,
    read_rules,
    read_settings,
    read_target_settings,
)
from model_trigger.targets.hosts import Recipients

if TYPE_CHECKING:
    from model_trigger.commands.online import Finding

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
_CHECK = """\
Check the rules, and the app settings in the environment. Prints what each valid
rule does, then every problem, then warnings about what is valid but probably a
mistake. A rule whose organization may not receive the app's credential is a
problem, too: a personal access token goes only to the host of
AZURE_DEVOPS_ORG_URL, an identity's token only to Azure DevOps Services.

Without --online, the only settings that count for the rules of a FILE are
AZURE_DEVOPS_ORG_URL and AZURE_DEVOPS_PAT.

Exit code: 0 when there is no problem, 1 when there is one, 2 on a usage error.
"""
_EXPLAIN = """\
Print what each rule would do with one version of a model, and why: every clause
of the rule, what it expects and what the model has. The answer comes from the
rules alone: what was started before is not looked at.

Exit code: 0 whatever the answer is, 1 when the rules cannot be read, 2 on a
usage error.
"""


_SCHEMA = """\
Print the JSON Schema of a file of rules, with which editors complete and check
them: infra/rules.schema.json, which infra/rules.json names.
"""
_FORGET = """\
Remove a claim from the ledger, or all claims of a model and the mark of its
newest version, and print what was removed: so that the next event starts it
again. Needs the app's storage settings; AzureWebJobsStorage or
AzureWebJobsStorage__accountName.

Exit code: 0 when something was removed, 1 when nothing was or may be, 2 on
a usage error.
"""
_MISTAKE = 1
_AddCommand = Callable[..., argparse.ArgumentParser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a console cannot show in its encoding is shown by its number.
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (RulesUnreadableError, SettingsError, InFlightError, LedgerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _MISTAKE


def check(options: argparse.Namespace) -> int:
    """Print what the valid rules do, all problems and all warnings; 1 when there is a problem."""
    try:
        sources = _read_sources(options.file)
    except RulesUnreadableError as error:
        if not options.json:
            raise
        _print_json(_check_json([], [Problem("", "", str(error))], []))
        return _MISTAKE
    of_settings, recipients = _check_settings(options)
    book = RuleBook.read(sources)
    if recipients:
        book = lint.refuse(book, sources, recipients)
    problems, warnings = (*of_settings, *book.problems), lint.warnings(book)
    findings = _find_online(book) if options.online and recipients else []
    if options.json:
        online = {"online": [asdict(finding) for finding in findings]} if options.online else {}
        _print_json(_check_json(book.rules.values(), problems, warnings) | online)
    else:
        print("\n\n".join(_report(book, problems, warnings, findings)))
    return 0 if not problems and all(finding.ok for finding in findings) else _MISTAKE


def forget(options: argparse.Namespace) -> int:
    """Remove a claim, or all claims and the mark of a model, and print what was removed."""
    from model_trigger.commands import connected  # noqa: PLC0415 - it imports the SDKs

    told = list(connected.forget(options.rule, options.workspace, options.model, options.version))
    for removed in told or ["nothing to forget"]:
        print(removed)
    return 0 if told else _MISTAKE


def _find_online(book: RuleBook) -> "list[Finding]":
    from model_trigger.commands import connected  # noqa: PLC0415 - it imports the SDKs

    return list(connected.check_online(book))


def explain(options: argparse.Namespace) -> int:
    """Print what each rule would do with the model that the options describe."""
    registration = Registration(
        workspace=options.workspace,
        model=options.model,
        version=options.version,
        tags=dict(options.tag),
        properties=dict(options.property),
    )
    explanation = explained(RuleBook.read(_read_sources(options.rules)), registration)
    if options.json:
        _print_json(explanation.to_dict())
    else:
        print(render(explanation))
    return 0


def schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema of a rules file."""
    print(schema_text(), end="")
    return 0


def _check_settings(options: argparse.Namespace) -> tuple[Sequence[Problem], Recipients | None]:
    """Return what is wrong with the settings, and who may receive the credential if that is known.

    For the rules of a file, only the settings count by which these are checked.
    """
    try:
        settings = (
            read_target_settings() if options.file and not options.online else read_settings()
        )
    except SettingsError as error:
        return error.problems, None
    recipients, url = settings.recipients, settings.azure_devops_org_url
    refusal = recipients.refusal(url) if url else ""
    return [problem("AZURE_DEVOPS_ORG_URL", refusal, url)] if refusal else [], recipients


def _read_sources(file: str | None) -> Mapping[str, RuleSource]:
    """Read the rules of a file, or of the environment. Raises RulesUnreadableError."""
    if file is None:
        return read_rules()
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        msg = f"{file} cannot be read: {error}"
        raise RulesUnreadableError(msg) from error
    return gather({}, text, file)


def _check_json(
    rules: Iterable[Rule], problems: Iterable[Problem], warnings: Iterable[Problem]
) -> dict[str, object]:
    found = [asdict(problem) for problem in problems]
    return {
        "valid": not found,
        "rules": {rule.name: summarize(rule) for rule in rules},
        "problems": found,
        "warnings": [asdict(warning) for warning in warnings],
    }


def _report(
    book: RuleBook,
    problems: Sequence[Problem],
    warnings: Sequence[Problem],
    findings: "Sequence[Finding]",
) -> Iterator[str]:
    """Write the parts of the report of `check`; the last one is the result."""
    if book.rules:
        yield "\n".join(f"{name}: {summarize(rule)}" for name, rule in book.rules.items())
    for title, found in (("problem", problems), ("warning", warnings)):
        if found:
            yield "\n".join([f"{_count(len(found), title)}:", *(f"  {one}" for one in found)])
    if findings:
        lines = (f"  {'ok' if one.ok else 'NO'}  {one.subject}: {one.sentence}" for one in findings)
        yield "\n".join(["online:", *lines])
    valid, broken = len(book.rules), len(book.broken)
    if valid or broken:
        yield f"{_count(valid + broken, 'rule')}: {valid:,} valid, {broken:,} broken"
    else:
        yield "no rules, so that nothing will start: set RULES or RULES_FILE, or name a file"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m model_trigger", **_written(_ABOUT, _EXAMPLES))
    add_command = parser.add_subparsers(metavar="COMMAND", required=True).add_parser
    _add_check(add_command)
    _add_explain(add_command)
    _add_schema(add_command)
    return parser


def _add_check(add_command: _AddCommand) -> None:
    command = add_command("check", help="check the rules", **_written(_CHECK))
    command.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="JSON file of rules, instead of those in the environment",
    )
    command.add_argument(
        "--online",
        action="store_true",
        help="also ask Azure DevOps and the workspaces; needs the app's settings, starts nothing",
    )
    _add_json(command)
    command.set_defaults(run=check)


def _add_explain(add_command: _AddCommand) -> None:
    about = "say what each rule would do with a model, and why"
    command = add_command("explain", help=about, **_written(_EXPLAIN))
    add = command.add_argument
    add("--model", metavar="NAME", type=_text, required=True, help="the model's name")
    add("--version", metavar="V", type=_text, required=True, help="its version in Azure ML")
    add(
        "--workspace",
        metavar="ID",
        type=_workspace,
        default=ANY_WORKSPACE,
        help="resource id of the workspace; without it, what a rule asks of it counts as met",
    )
    for option in ("tag", "property"):
        add(
            f"--{option}",
            metavar="KEY=VALUE",
            type=_pair,
            action="append",
            default=[],
            help=f"a {option} of the model; may be repeated",
        )
    add("--rules", metavar="FILE", help="JSON file of rules, instead of those in the environment")
    _add_json(command)
    command.set_defaults(run=explain)


def _add_schema(add_command: _AddCommand) -> None:
    _add_forget(add_command)
    about = "print the JSON Schema that completes rules in editors"
    command = add_command("schema", help=about, **_written(_SCHEMA))
    command.set_defaults(run=schema)


def _add_forget(add_command: _AddCommand) -> None:
    about = "let something be started again: remove its claim from the ledger"
    command = add_command("forget", help=about, **_written(_FORGET))
    add = command.add_argument
    add("--rule", metavar="NAME", type=_text, required=True, help="the rule's name")
    add("--workspace", metavar="ID", type=_workspace, required=True, help="its resource id")
    add("--model", metavar="NAME", type=_text, required=True, help="the model's name")
    add("--version", metavar="V", type=_text, help="one version; without it, all and the mark")
    command.set_defaults(run=forget)


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON, for programs")


def _written(description: str, epilog: str = "") -> dict[str, Any]:
    return {
        "description": description,
        "epilog": epilog,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def _text(argument: str) -> str:
    if not argument:
        msg = "it is empty"
        raise argparse.ArgumentTypeError(msg)
    return argument


def _pair(argument: str) -> tuple[str, str]:
    key, equals, value = argument.partition("=")
    if not key or not equals:
        msg = f"{argument!r} is not KEY=VALUE, such as stage=prod"
        raise argparse.ArgumentTypeError(msg)
    return key, value


def _workspace(argument: str) -> Workspace:
    try:
        return Workspace.parse(argument)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
