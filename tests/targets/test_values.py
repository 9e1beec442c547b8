"""Templates: the values of placeholders, what is refused, and what a description may contain."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.registrations.registration import Label
from model_trigger.targets.values import (
    PLACEHOLDERS,
    Placeholder,
    Template,
    UnsafeValueError,
)
from tests.support.build import registration
from tests.support.drawn import relaxed
from tests.support.values import described_as, filled, hostile, values

ALLOWED = (
    "allowed: model_name, model_version, model_uri, workspace, resource_group, subscription_id, "
    "registered_at, rule, tag.<key>, property.<key>"
)


MEANINGS = {
    "model_name": "churn",
    "model_version": "17",
    "model_uri": "azureml:churn:17",
    "workspace": "ml-prod-ws",
    "resource_group": "ml-prod",
    "subscription_id": "00000000-0000-0000-0000-000000000001",
    "registered_at": "2026-11-22T12:00:00Z",
    "rule": "churn_prod",
    "tag.Stage": "prod",
    "tag.stage": "prod",
    "tag.team:owner": "ml",
    "property.RUN.ID": "r1",
}


@pytest.mark.parametrize(
    ("name", "meaning"), [pytest.param(*row, id=row[0]) for row in MEANINGS.items()]
)
def test_each_placeholder_has_its_value(name, meaning):
    assert meaning == filled(f"{{{name}}}")
    assert meaning == described_as(f"{{{name}}}")


def test_every_placeholder_has_a_meaning():
    assert set(PLACEHOLDERS) == {name for name in MEANINGS if "." not in name}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("as it is, $(x) and all", "as it is, $(x) and all"),
        ("{model_name}-{model_version}!", "churn-17!"),
        ("{{model_name}}", "{model_name}"),
        ("{{{model_name}}}", "{churn}"),
        ('{{"model": "{model_name}"}}', '{"model": "churn"}'),
    ],
    ids=["empty", "text", "several", "doubled-braces", "a-value-in-braces", "json"],
)
def test_text_around_placeholders_is_unchanged(text, expected):
    assert expected == filled(text)


def test_an_unknown_time_becomes_empty_text():
    assert "" == filled("{registered_at}", registration(registered_at=None))


LONE = "has an unmatched brace; write {{ or }} for a literal brace"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{model_name", LONE, id="not-closed"),
        pytest.param("model_name}", LONE, id="not-opened"),
        pytest.param("{{model_name}", LONE, id="doubled-on-one-side"),
        pytest.param("{a{b}", LONE, id="brace-in-a-placeholder"),
        pytest.param("{}", f"has {{}}, which is not a placeholder; {ALLOWED}", id="no-name"),
        pytest.param(
            "{tag.}",
            f"has {{tag.}}, which is not a placeholder; {ALLOWED}; did you mean 'tag.<key>'?",
            id="no-key",
        ),
        pytest.param(
            "{model_nme}",
            f"has {{model_nme}}, which is not a placeholder; {ALLOWED}; did you mean 'model_name'?",
            id="misspelled",
        ),
        pytest.param(
            "x {modelVersion} y",
            f"has {{modelVersion}}, which is not a placeholder; {ALLOWED}; "
            "did you mean 'model_version'?",
            id="other-style",
        ),
        pytest.param(
            "{tags.stage}",
            f"has {{tags.stage}}, which is not a placeholder; {ALLOWED}; did you mean 'tag.stage'?",
            id="plural",
        ),
        pytest.param(
            "{prop.stage}",
            f"has {{prop.stage}}, which is not a placeholder; {ALLOWED}; "
            "did you mean 'property.stage'?",
            id="short",
        ),
        pytest.param(
            "{model_name:>10}",
            f"has {{model_name:>10}}, which is not a placeholder; {ALLOWED}; "
            "did you mean 'model_name'?",
            id="with-a-format",
        ),
    ],
)
def test_an_invalid_template_is_refused(text, message):
    with pytest.raises(ValueError, match=r"^has ") as caught:
        Template.parse(text)
    assert message == str(caught.value)


def test_an_unknown_placeholder_is_reported_with_the_closest_one():
    message = f"is not a placeholder; {ALLOWED}; did you mean 'tag.notes'?"

    with pytest.raises(ValueError, match=r"^is not") as caught:
        Placeholder.parse("{tag.notes}")
    assert message == str(caught.value)
    assert Placeholder("tag.notes", Label("tag", "notes")) == Placeholder.parse("tag.notes")


@relaxed
@given(st.text("{}a.:", max_size=8) | st.text())
def test_any_text_is_a_template_or_refused(text):
    try:
        parsed = Template.parse(text)
    except ValueError:
        return
    assert text == parsed.text
    if "{" not in text.replace("{{", ""):
        assert text.replace("{{", "{").replace("}}", "}") == values().fill(parsed)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tag.gone", "{tag.gone} has no value: the model has no tag 'gone'"),
        ("property.gone", "{property.gone} has no value: the model has no property 'gone'"),
    ],
)
def test_an_absent_value_is_not_invented(name, message):
    with pytest.raises(UnsafeValueError) as caught:
        filled(f"{{{name}}}", allow_unsafe=[name])
    assert message == str(caught.value)
    assert "" == described_as(f"{{{name}}}")


def test_an_empty_value_is_a_value():
    assert "" == filled("{tag.x}", registration(tags={"x": ""}))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        (
            "{model_version}: {tag.x}",
            "$(a)\r\n\tb\x00\x1b[31m\u2028c\u202ed",
            "17: __a____b___31m_c_d",
        ),
        ("{tag.x}", "`id`;a|b&c<d>e'f\"g\\h%i%!j*k~", "_id__a_b_c_d_e_f_g_h_i__j_k_"),
        ("{tag.x}", "caf\u00e9 \u6a21\u578b \U0001f600", "caf_ __ _"),
        ("{tag.x}", "A-Z a.b_c:d/e@f+g,h=i", "A-Z a.b_c:d/e@f+g,h=i"),
        ("{tag.x}", "@/etc/passwd", "_/etc/passwd"),
        ("of {tag.x}", "-rf", "of _rf"),
        ("{tag.x}", " -rf", "_-rf"),
        ("{tag.x}", "x --force @f k=@g", "x _-force _f k=_g"),
        ("{tag.x}-prod", "", "_prod"),
        ("{tag.x}@home", "k=", "k=_home"),
        ("{tag.x}-b", "a ", "a _b"),
        ("a\n{tag.x}-b", "", "a _b"),
        ("-a @b k=@c {tag.x}", "v", "-a @b k=@c v"),
        ("caf\u00e9 $(x)\r\n\tb\u2028 {tag.x}", "v", "caf\u00e9 $(x) b  v"),
    ],
)
def test_a_description_contains_the_template_with_harmless_values(text, value, expected):
    assert expected == described_as(text, registration(tags={"x": value}))


def test_a_description_is_restricted_even_if_a_value_is_allowed_elsewhere():
    allowing = values(registration(tags={"x": "$(id)"}), allow_unsafe=["tag.x"])

    assert "__id_" == allowing.describe(Template.parse("{tag.x}"))


@relaxed
@given(hostile | st.text())
def test_a_value_in_a_description_would_also_be_accepted_elsewhere(value):
    described = described_as("{tag.x}", registration(tags={"x": value[:1_000]}))

    assert described == filled("{tag.x}", registration(tags={"x": described}))


def test_a_long_description_is_cut_to_leave_room_for_the_key():
    described = registration(tags={"x": "x" * 1_100})

    assert "x" * 1_000 == described_as("{tag.x}", registration(tags={"x": "x" * 1_000}))
    assert "x" * 1_000 + "…" == described_as("{tag.x}", described)


pieces = st.lists(
    st.sampled_from(["[", "model", "-trigger", ":", "]", "\n", "\x00", " ", "MODEL-", "\u202e"])
    | st.text(max_size=3)
    | st.just("[model-trigger:0123]"),
    max_size=10,
).map("".join)


@relaxed
@given(pieces, pieces, pieces)
def test_no_template_and_no_value_can_yield_a_key(before, value, after):
    around = [text.replace("{", "{{").replace("}", "}}") for text in (before, after)]
    text = "{tag.x}".join(around) + "{model_name}{tag.x}"
    found = described_as(text, registration(model=value, tags={"x": value}))

    assert not re.search(r"\[model-trigger:", found, re.IGNORECASE)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", found)
