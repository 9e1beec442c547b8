"""Templates: what placeholders stand for, what is refused, what a description may hold."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_trigger.registrations.registration import Label, Workspace
from model_trigger.targets.values import (
    PLACEHOLDERS,
    Placeholder,
    Template,
    UnsafeValueError,
    Values,
)
from tests.support.build import registration

relaxed = settings(deadline=None)
HARMLESS = string.ascii_letters + string.digits + " ._:/@+,=-"
TAGGED = registration(tags={"Stage": "prod", "team:owner": "ml"}, properties={"run.id": "r1"})
ALLOWED = (
    "allowed: model_name, model_version, model_uri, workspace, resource_group, subscription_id, "
    "registered_at, rule, tag.<key>, property.<key>"
)


def values(described=TAGGED, **fields) -> Values:
    return Values(described, "churn_prod", **fields)


def filled(text: str, described=TAGGED, **fields) -> str:
    return values(described, **fields).fill(Template.parse(text))


def described_as(text: str, described=TAGGED) -> str:
    return values(described).describe(Template.parse(text))


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
def test_each_placeholder_stands_for_what_it_says(name, meaning):
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
def test_text_around_placeholders_stays_as_it_is(text, expected):
    assert expected == filled(text)


def test_a_time_that_is_not_known_becomes_empty_text():
    assert "" == filled("{registered_at}", registration(registered_at=None))


LONE = "has a brace without its counterpart; a brace that stands for itself is doubled"


@pytest.mark.parametrize(
    ("text", "told"),
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
def test_a_template_that_cannot_be_read_is_refused(text, told):
    with pytest.raises(ValueError, match=r"^has ") as caught:
        Template.parse(text)
    assert told == str(caught.value)


def test_a_name_in_braces_is_not_a_placeholder_but_near_one():
    told = f"is not a placeholder; {ALLOWED}; did you mean 'tag.notes'?"

    with pytest.raises(ValueError, match=r"^is not") as caught:
        Placeholder.parse("{tag.notes}")
    assert told == str(caught.value)
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


def misread(text: str) -> bool:
    """Whether a script could take the text, or a word of it, for an option or for a file."""
    return any(text.startswith(one) for one in "-@ ") or any(
        pair in text for pair in (" -", " @", "=@")
    )


hostile = st.text(st.sampled_from("-@ =aA0"), max_size=6) | st.text(HARMLESS)


@relaxed
@given(hostile)
def test_harmless_values_are_handed_over_unless_they_could_be_misread(value):
    described = registration(tags={"x": value})
    if misread(value):
        with pytest.raises(
            UnsafeValueError, match=r"^\{tag\.x\} (begins with|holds) '[ =]?[-@ ]', "
        ):
            filled("{tag.x}", described)
    else:
        assert value == filled("{tag.x}", described)


@relaxed
@given(
    st.text(HARMLESS, max_size=5), st.characters(exclude_characters=HARMLESS), st.text(max_size=5)
)
def test_every_other_character_is_refused_wherever_it_stands(before, bad, after):
    described = registration(tags={"x": f"{before}{bad}{after}"})

    with pytest.raises(UnsafeValueError):
        filled("{tag.x}", described)
    assert f"{before}{bad}{after}" == filled("{tag.x}", described, allow_unsafe=["tag.x"])


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("$(rm -rf /)", "holds '$'"),
        ("a`b`", "holds '`'"),
        ("a\nb", r"holds '\n'"),
        ("##vso[task]", "holds '#'"),
        ("a;b", "holds ';'"),
        ('a"b', "holds '\"'"),
        ("ä", "holds 'ä'"),
        ("\u2028", r"holds '\u2028'"),
        ("-rf", "begins with '-'"),
        ("-$", "begins with '-'"),
        ("@/etc/passwd", "begins with '@'"),
        (" x", "begins with ' '"),
        (" --force", "begins with ' '"),
        ("x --force", "holds ' -'"),
        ("x @/etc/passwd", "holds ' @'"),
        ("key=@/etc/passwd", "holds '=@'"),
        ("a=b=@c", "holds '=@'"),
        ("k=\u212a", "holds '\u212a'"),
    ],
)
def test_a_dangerous_value_is_refused_by_placeholder_and_character(value, where):
    with pytest.raises(UnsafeValueError) as caught:
        filled("{tag.x}", registration(tags={"x": value}))
    expected = (
        f"{{tag.x}} {where}, which could change what a deployment script does: "
        "change it, or add 'tag.x' to the rule's allow_unsafe"
    )
    assert expected == str(caught.value)


@pytest.mark.parametrize("value", ["", "x", "a@b", "a-b", "a- b", "k=v", "a==", "x ", "1.0+cu12-1"])
def test_at_signs_and_hyphens_within_words_are_harmless(value):
    assert value == filled("{tag.x}", registration(tags={"x": value}))


SEAMS = [
    pytest.param("{tag.a}-{tag.b}", {"a": "", "b": "rf"}, "tag.a", "begins with '-'", id="begin"),
    pytest.param("{tag.a}-{tag.b}", {"a": "x ", "b": "rf"}, "tag.a", "holds ' -'", id="option"),
    pytest.param("{tag.a}@{tag.b}", {"a": "k=", "b": "/f"}, "tag.a", "holds '=@'", id="file"),
    pytest.param("{tag.a}@{tag.b}", {"a": "", "b": "/f"}, "tag.a", "begins with '@'", id="@"),
    pytest.param("k={tag.a}@{tag.b}", {"a": "", "b": "/f"}, "tag.a", "holds '=@'", id="emptied"),
    pytest.param("k={tag.a}{tag.b}@x", {"a": "", "b": ""}, "tag.b", "holds '=@'", id="two-empty"),
    pytest.param("x {tag.a}-v", {"a": ""}, "tag.a", "holds ' -'", id="emptied-after-a-space"),
    pytest.param("'{tag.a}-v'", {"a": ""}, "tag.a", 'holds "\'-"', id="in-quotes"),
    pytest.param('{{"a":"{tag.a}@x"}}', {"a": ""}, "tag.a", "holds '\"@'", id="in-json"),
    pytest.param("x\n{tag.a}-v", {"a": ""}, "tag.a", r"holds '\n-'", id="in-a-new-line"),
]


@pytest.mark.parametrize(("text", "tags", "name", "where"), SEAMS)
def test_a_value_must_not_make_the_text_behind_it_an_option_or_a_file(text, tags, name, where):
    described = registration(tags=tags)

    with pytest.raises(UnsafeValueError) as caught:
        filled(text, described)
    assert str(caught.value).startswith(f"{{{name}}} and the text behind it {where}, which could ")
    assert filled(text, described, allow_unsafe=["tag.a", "tag.b"])


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("{tag.a}-{tag.b}", {"a": "x", "b": "y"}, "x-y"),
        ("{tag.a}@{tag.b}", {"a": "x", "b": "y"}, "x@y"),
        ("{tag.a}{tag.b}", {"a": "k=", "b": "v"}, "k=v"),
        ("-{tag.a} -x @y k=@z", {"a": "v"}, "-v -x @y k=@z"),
        (" {tag.a}", {"a": "v"}, " v"),
        ("--name={tag.a}", {"a": "v"}, "--name=v"),
        ("{tag.a} -x", {"a": ""}, " -x"),
        ("churn{tag.a}-prod", {"a": ""}, "churn-prod"),
    ],
)
def test_what_the_template_itself_says_is_its_own(text, tags, expected):
    assert expected == filled(text, registration(tags=tags))


literals = st.text(st.sampled_from("ab-@= '{}\n"), max_size=4)


@relaxed
@given(st.lists(st.tuples(literals, hostile), min_size=1, max_size=4), literals)
def test_only_what_the_template_itself_says_can_be_misread(pairs, end):
    """Wherever an option or a file begins, it begins within one literal of the template."""
    tags = {f"t{place}": value for place, (_, value) in enumerate(pairs)}
    doubled = [
        text.replace("{", "{{").replace("}", "}}") for text in (*(one for one, _ in pairs), end)
    ]
    text = "".join(f"{literal}{{tag.t{place}}}" for place, literal in enumerate(doubled[:-1]))
    try:
        found = filled(text + doubled[-1], registration(tags=tags))
    except UnsafeValueError:
        return
    owners: list[tuple[str, int]] = []
    for place, (literal, value) in enumerate(pairs):
        owners += [("literal", place)] * len(literal) + [("value", place)] * len(value)
    owners += [("literal", len(pairs))] * len(end)
    for at, char in enumerate(found):
        before = found[at - 1] if at else " "
        if char in "-@" and (before == " " or (before + char) == "=@"):
            begins = at == 0 and bool(pairs[0][0])
            assert begins or (owners[at][0] == "literal" and owners[at] == owners[at - 1])


@pytest.mark.parametrize("name", ["model_name", "model_version", "workspace", "resource_group"])
def test_no_placeholder_is_trusted(name):
    workspace = Workspace("/x", "$", "$", "$")

    with pytest.raises(UnsafeValueError, match=rf"^\{{{name}\}} holds '\$'"):
        filled(f"{{{name}}}", registration("$", "$", workspace=workspace))


def test_only_what_is_named_may_hold_anything():
    described = registration(tags={"Notes": "$", "other": "$"})

    assert "$" == filled("{tag.nOtes}", described, allow_unsafe=["tag.NOTES"])
    with pytest.raises(UnsafeValueError, match=r"^\{tag\.other\} holds"):
        filled("{tag.notes}{tag.other}", described, allow_unsafe=["tag.notes"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tag.gone", "{tag.gone} has no value: the model has no tag 'gone'"),
        ("property.gone", "{property.gone} has no value: the model has no property 'gone'"),
    ],
)
def test_a_value_that_is_absent_is_not_made_up(name, told):
    with pytest.raises(UnsafeValueError) as caught:
        filled(f"{{{name}}}", allow_unsafe=[name])
    assert told == str(caught.value)
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
def test_a_description_holds_harmless_values_in_what_the_template_says(text, value, expected):
    assert expected == described_as(text, registration(tags={"x": value}))


def test_a_description_goes_to_scripts_also_where_a_value_is_allowed_elsewhere():
    allowing = values(registration(tags={"x": "$(id)"}), allow_unsafe=["tag.x"])

    assert "__id_" == allowing.describe(Template.parse("{tag.x}"))


@relaxed
@given(hostile | st.text())
def test_a_described_value_is_one_that_would_be_handed_over(value):
    described = described_as("{tag.x}", registration(tags={"x": value[:1_000]}))

    assert described == filled("{tag.x}", registration(tags={"x": described}))


def test_a_long_description_is_cut_so_that_the_key_has_room():
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
