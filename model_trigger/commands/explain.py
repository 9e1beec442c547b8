"""`explain`: print what each rule would do with a model, and why."""

import argparse

from model_trigger.commands.common import (
    AddCommand,
    add_json,
    described,
    pair,
    print_json,
    read_sources,
    text,
    workspace,
)
from model_trigger.registrations.registration import Registration
from model_trigger.rules.book import RuleBook
from model_trigger.rules.explain import ANY_WORKSPACE, explain
from model_trigger.rules.explain_text import render

_ABOUT = """\
Print what each rule would do with one version of a model, and why: every clause
of the rule, the value it expects, and the value of the model. The result
depends on the rules alone, not on what was started before.

Exit code: 0 whatever the result, 1 if the rules cannot be read, 2 on a usage
error.
"""


def add(add_command: AddCommand) -> None:
    """Add the command."""
    about = "print what each rule would do with a model, and why"
    command = add_command("explain", help=about, **described(_ABOUT))
    option = command.add_argument
    option("--model", metavar="NAME", type=text, required=True, help="the model's name")
    option("--version", metavar="V", type=text, required=True, help="its version in Azure ML")
    option(
        "--workspace",
        metavar="ID",
        type=workspace,
        default=ANY_WORKSPACE,
        help="resource id of the workspace; by default any workspace that a rule allows",
    )
    for name in ("tag", "property"):
        option(
            f"--{name}",
            metavar="KEY=VALUE",
            type=pair,
            action="append",
            default=[],
            help=f"a {name} of the model; can be repeated",
        )
    option(
        "--rules", metavar="FILE", help="JSON file of rules, instead of those in the environment"
    )
    add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what each rule would do with the model that the options describe."""
    registration = Registration(
        workspace=options.workspace,
        model=options.model,
        version=options.version,
        tags=dict(options.tag),
        properties=dict(options.property),
    )
    explanation = explain(RuleBook.read(read_sources(options.rules)), registration)
    if options.json:
        print_json(explanation.to_dict())
    else:
        print(render(explanation))
    return 0
