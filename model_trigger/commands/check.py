"""`check`: check the rules and the settings; with --online also what they refer to."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

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
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.rules.summary import summarize
from model_trigger.settings import SettingsError, read_settings, read_target_settings
from model_trigger.targets.hosts import Recipients

_ABOUT = """\
Check the rules, and the app settings in the environment. Print what each valid
rule does, then every problem, then warnings about what is valid but probably a
mistake. It is also a problem if a rule names an organization that must not
receive the app's credential: a personal access token is sent only to the host
of AZURE_DEVOPS_ORG_URL, the token of an identity only to Azure DevOps Services.

To check the rules in FILE without --online, only the settings
AZURE_DEVOPS_ORG_URL and AZURE_DEVOPS_PAT are read.

Exit code: 0 if there are no problems, 1 if there are, 2 on a usage error.
"""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check; `findings` is None without --online."""

    book: RuleBook
    problems: Sequence[Problem]
    warnings: Sequence[Problem] = ()
    findings: Sequence[Finding] | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing has to be fixed."""
        return not self.problems and all(finding.ok for finding in self.findings or ())

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON values."""
        report: dict[str, object] = {
            "valid": not self.problems,
            "rules": {name: summarize(rule) for name, rule in self.book.rules.items()},
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": [asdict(warning) for warning in self.warnings],
        }
        if self.findings is not None:
            report["online"] = [asdict(finding) for finding in self.findings]
        return report

    def paragraphs(self) -> Iterator[str]:
        """Yield the paragraphs of the report; the last one is the result."""
        rules, broken = self.book.rules, len(self.book.broken)
        if rules:
            yield "\n".join(f"{name}: {summarize(rule)}" for name, rule in rules.items())
        for title, found in (("problem", self.problems), ("warning", self.warnings)):
            if found:
                yield "\n".join([f"{counted(len(found), title)}:", *(f"  {one}" for one in found)])
        if self.findings:
            lines = (
                f"  {'ok' if one.ok else 'NO'}  {one.subject}: {one.sentence}"
                for one in self.findings
            )
            yield "\n".join(["online:", *lines])
        if rules or broken:
            total = counted(len(rules) + broken, "rule")
            yield f"{total}: {len(rules):,} valid, {broken:,} broken"
        else:
            yield "no rules, so nothing will start: set RULES or RULES_FILE, or name a file"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 rule`, `2,000 rules`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def add(add_command: AddCommand) -> None:
    """Add the command."""
    command = add_command("check", help="check the rules and the settings", **described(_ABOUT))
    command.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="JSON file of rules, instead of those in the environment",
    )
    command.add_argument(
        "--online",
        action="store_true",
        help="also check against Azure DevOps and the workspaces; needs the app's settings, "
        "starts nothing",
    )
    add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what the valid rules do, all problems and all warnings; return the exit code."""
    try:
        report = check(options.file, online=options.online)
    except RulesUnreadableError as error:
        if not options.json:
            raise
        report = Report(RuleBook({}, {}), [Problem("", "", str(error))])
    if options.json:
        print_json(report.to_dict())
    else:
        print("\n\n".join(report.paragraphs()))
    return 0 if report.ok else MISTAKE


def check(file: str | None, *, online: bool) -> Report:
    """Check the rules of a file, or those in the environment. Raises RulesUnreadableError."""
    sources = read_sources(file)
    of_settings, recipients = check_settings(targets_only=file is not None and not online)
    book = RuleBook.read(sources)
    if recipients:
        book = lint.refuse(book, sources, recipients)
    findings = None
    if online:
        findings = list(check_online(book)) if recipients else []
    return Report(book, [*of_settings, *book.problems], lint.warnings(book), findings)


def check_settings(*, targets_only: bool) -> tuple[Sequence[Problem], Recipients | None]:
    """Return the problems of the settings, and who may receive the credential if that is known.

    `targets_only` reads only the settings that the rules of a file are checked against.
    """
    try:
        settings = read_target_settings() if targets_only else read_settings()
    except SettingsError as error:
        return error.problems, None
    recipients, url = settings.recipients, settings.azure_devops_org_url
    refusal = recipients.refusal(url) if url else ""
    return [problem("AZURE_DEVOPS_ORG_URL", refusal, url)] if refusal else [], recipients


def check_online(book: RuleBook) -> Iterator[Finding]:
    """Check the valid rules and the workspaces in WORKSPACES against live services.

    Raises SettingsError.
    """
    from model_trigger.services import services  # noqa: PLC0415 - it imports the SDKs

    parts = services()
    yield from check_rules(book.rules.values(), parts.targets(), parts.defaults, new_deadline)
    if parts.workspaces:
        yield from check_workspaces(parts.workspaces, parts.models().models, new_deadline)
