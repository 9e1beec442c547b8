"""Values that could change what a deployment script does: each refused, unless it is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.registrations.registration import Workspace
from model_trigger.targets.values import UnsafeValueError
from tests.support.build import registration
from tests.support.drawn import relaxed
from tests.support.values import HARMLESS, filled, hostile


def misread(text: str) -> bool:
    """Whether a script could read the text, or a word of it, as an option or a file."""
    return any(text.startswith(one) for one in "-@ ") or any(
        pair in text for pair in (" -", " @", "=@")
    )


@relaxed
@given(hostile)
def test_harmless_values_are_passed_on_unless_they_could_be_misread(value):
    described = registration(tags={"x": value})
    if misread(value):
        with pytest.raises(
            UnsafeValueError, match=r"^\{tag\.x\} (begins with|contains) '[ =]?[-@ ]', "
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
        ("$(rm -rf /)", "contains '$'"),
        ("a`b`", "contains '`'"),
        ("a\nb", r"contains '\n'"),
        ("##vso[task]", "contains '#'"),
        ("a;b", "contains ';'"),
        ('a"b', "contains '\"'"),
        ("ä", "contains 'ä'"),
        ("\u2028", r"contains '\u2028'"),
        ("-rf", "begins with '-'"),
        ("-$", "begins with '-'"),
        ("@/etc/passwd", "begins with '@'"),
        (" x", "begins with ' '"),
        (" --force", "begins with ' '"),
        ("x --force", "contains ' -'"),
        ("x @/etc/passwd", "contains ' @'"),
        ("key=@/etc/passwd", "contains '=@'"),
        ("a=b=@c", "contains '=@'"),
        ("k=\u212a", "contains '\u212a'"),
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
    pytest.param("{tag.a}-{tag.b}", {"a": "x ", "b": "rf"}, "tag.a", "contains ' -'", id="option"),
    pytest.param("{tag.a}@{tag.b}", {"a": "k=", "b": "/f"}, "tag.a", "contains '=@'", id="file"),
    pytest.param("{tag.a}@{tag.b}", {"a": "", "b": "/f"}, "tag.a", "begins with '@'", id="@"),
    pytest.param("k={tag.a}@{tag.b}", {"a": "", "b": "/f"}, "tag.a", "contains '=@'", id="emptied"),
    pytest.param(
        "k={tag.a}{tag.b}@x", {"a": "", "b": ""}, "tag.b", "contains '=@'", id="two-empty"
    ),
    pytest.param("x {tag.a}-v", {"a": ""}, "tag.a", "contains ' -'", id="emptied-after-a-space"),
    pytest.param("'{tag.a}-v'", {"a": ""}, "tag.a", 'contains "\'-"', id="in-quotes"),
    pytest.param('{{"a":"{tag.a}@x"}}', {"a": ""}, "tag.a", "contains '\"@'", id="in-json"),
    pytest.param("x\n{tag.a}-v", {"a": ""}, "tag.a", r"contains '\n-'", id="in-a-new-line"),
]


@pytest.mark.parametrize(("text", "tags", "name", "where"), SEAMS)
def test_a_value_must_not_turn_the_text_after_it_into_an_option_or_a_file(text, tags, name, where):
    described = registration(tags=tags)

    with pytest.raises(UnsafeValueError) as caught:
        filled(text, described)
    assert str(caught.value).startswith(
        f"{{{name}}} together with the text after it {where}, which could "
    )
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
def test_the_literal_text_of_a_template_is_not_restricted(text, tags, expected):
    assert expected == filled(text, registration(tags=tags))


literals = st.text(st.sampled_from("ab-@= '{}\n"), max_size=4)


@relaxed
@given(st.lists(st.tuples(literals, hostile), min_size=1, max_size=4), literals)
def test_only_the_literal_text_of_a_template_can_be_misread(pairs, end):
    """An option or a file always begins within one literal of the template."""
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

    with pytest.raises(UnsafeValueError, match=rf"^\{{{name}\}} contains '\$'"):
        filled(f"{{{name}}}", registration("$", "$", workspace=workspace))


def test_only_listed_placeholders_may_contain_anything():
    described = registration(tags={"Notes": "$", "other": "$"})

    assert "$" == filled("{tag.nOtes}", described, allow_unsafe=["tag.NOTES"])
    with pytest.raises(UnsafeValueError, match=r"^\{tag\.other\} contains"):
        filled("{tag.notes}{tag.other}", described, allow_unsafe=["tag.notes"])
