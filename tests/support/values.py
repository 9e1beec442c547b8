"""Fills templates with the values of a registration."""

import string

from hypothesis import strategies as st

from model_trigger.targets.values import Template, Values
from tests.support.build import registration

HARMLESS = string.ascii_letters + string.digits + " ._:/@+,=-"
TAGGED = registration(tags={"Stage": "prod", "team:owner": "ml"}, properties={"run.id": "r1"})


def values(described=TAGGED, **fields) -> Values:
    return Values(described, "churn_prod", **fields)


def filled(text: str, described=TAGGED, **fields) -> str:
    return values(described, **fields).fill(Template.parse(text))


def described_as(text: str, described=TAGGED) -> str:
    return values(described).describe(Template.parse(text))


hostile = st.text(st.sampled_from("-@ =aA0"), max_size=6) | st.text(HARMLESS)
