"""`check`: check the rules and the settings; with --online also what they name."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from model_trigger.commands.common import (
    MISTAKE,
    AddCommand,
    add_json,
    described,
    new_deadline,
    print_json,
    read_sources,
)
from model_trigger.commands.online import Finding, check_rules, check_workspaces
from model_trigger.rules import warnings as lint
from model_trigger.rules.book import RuleBook
from model_trigger.rules.problems import Problem, problem
from model_trigger.rules.rule import Rule
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.rules.summary import summarize
from model_trigger.settings import SettingsError, read_settings, read_target_settings
from model_trigger.targets.hosts import Recipients

_ABOUT = """\
Check the rules, and the app settings in the environment. Prints what each valid
rule does, then every problem, then warnings about what is valid but probably a
mistake. A rule whose organization may not receive the app's credential is a
problem, too: a personal access token goes only to the host of
AZURE_DEVOPS_ORG_URL, an identity's token only to Azure DevOps Services.

Without --online, the only settings that count for the rules of a FILE are
AZURE_DEVOPS_ORG_URL and AZURE_DEVOPS_PAT.

Exit code: 0 when there is no problem, 1 when there is one, 2 on a usage error.
"""


def add(add_command: AddCommand) -> None:
    """Add the command."""
    command = add_command("check", help="check the rules", **described(_ABOUT))
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
    add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what the valid rules do, all problems and all warnings; 1 when there is a problem."""
    try:
        sources = read_sources(options.file)
    except RulesUnreadableError as error:
        if not options.json:
            raise
        print_json(_check_json([], [Problem("", "", str(error))], []))
        return MISTAKE
    of_settings, recipients = _check_settings(options)
    book = RuleBook.read(sources)
    if recipients:
        book = lint.refuse(book, sources, recipients)
    problems, warnings = (*of_settings, *book.problems), lint.warnings(book)
    findings = list(_find_online(book)) if options.online and recipients else []
    if options.json:
        online = {"online": [asdict(finding) for finding in findings]} if options.online else {}
        print_json(_check_json(book.rules.values(), problems, warnings) | online)
    else:
        print("\n\n".join(_report(book, problems, warnings, findings)))
    return 0 if not problems and all(finding.ok for finding in findings) else MISTAKE


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
    findings: Sequence[Finding],
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


def _find_online(book: RuleBook) -> Iterator[Finding]:
    """Check the valid rules, and the workspaces of WORKSPACES, against what is really there.

    Raises SettingsError.
    """
    from model_trigger.services import services  # noqa: PLC0415 - it imports the SDKs

    parts = services()
    yield from check_rules(book.rules.values(), parts.targets(), parts.defaults, new_deadline)
    if parts.workspaces:
        yield from check_workspaces(parts.workspaces, parts.models().models, new_deadline)
