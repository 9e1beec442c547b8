"""Gathers rules from settings, RULES and a file, all given as text."""

import json

from model_trigger.rules.book import RuleBook
from model_trigger.rules.sources import gather

CHURN = {"model": "churn", "release": {"definition": 1}}


def gathered(settings=None, rules=None, file=""):
    """Return the rules from settings, RULES as a value or a text, and the text of a file."""
    inline = (
        rules
        if isinstance(rules, str)
        else json.dumps({"churn": CHURN} if rules is None else rules)
    )
    return gather({"RULES": inline} | (settings or {}), file, "RULES_FILE rules.json")


def fields(settings=None, rules=None):
    """Return the resulting fields of the rule churn."""
    return gathered(settings, rules)["churn"].fields


def reported(settings=None, rules=None) -> list[str]:
    return [str(one) for one in RuleBook.read(gathered(settings, rules)).problems]
