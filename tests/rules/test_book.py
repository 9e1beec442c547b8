"""All rules together: the index by model, broken rules, and the closest rule if none matches."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.fields import Mode
from model_trigger.rules.rule import Rule
from tests.support.build import registration, rulebook
from tests.support.drawn import relaxed

RELEASE = {"definition": 1}
ALLOWED = (
    "is not a valid rule name; allowed: at most 24 of a-z, 0-9 and single _, "
    "starting with a letter and not ending with _"
)

names = st.text("ab-", max_size=4)
globs = st.text("ab-*?[]!", min_size=1, max_size=5).filter(lambda glob: glob != "!")
models = globs | st.lists(globs, min_size=1, max_size=3)


def read(mode=Mode.LIVE, **rules) -> RuleBook:
    return RuleBook.read({name: RuleSource(fields) for name, fields in rules.items()}, mode)


def matching(book: RuleBook, **described) -> list[str]:
    return [one.rule.name for one in book.evaluate(registration(**described)) if one.matched]


def closest(book: RuleBook, **described) -> str | None:
    found = book.closest(registration(**described))
    return found.rule.name if found else None


@relaxed
@given(st.lists(models, max_size=6), names)
def test_the_index_finds_the_rules_with_a_matching_model_in_order(written, model):
    book = rulebook(**{f"r{place}": {"model": one} for place, one in enumerate(written)})
    described = registration(model=model)
    fitting = [one for one in book.evaluate_all(described) if one.rule.fits_model(model)]

    assert fitting == list(book.evaluate(described))
    assert [one.rule for one in fitting] == list(book.about(model))


def test_the_index_examines_only_a_few_of_many_rules(monkeypatch):
    asked = []
    fits_model = Rule.fits_model
    monkeypatch.setattr(
        Rule, "fits_model", lambda rule, model: asked.append(rule.name) or fits_model(rule, model)
    )
    others = {f"r{number}": {"model": f"model-{number}"} for number in range(300)}
    prefixed = {f"p{number}": {"model": f"team{number}-*"} for number in range(300)}
    book = rulebook(**others, **prefixed, churn={}, all={"model": "*"})

    assert ["churn", "all"] == matching(book)
    assert ["churn", "all"] == asked


def test_several_rules_can_match_one_registration():
    book = rulebook(prod={"tags": {"stage": "prod"}}, all={"model": "ch*"}, other={"model": "x"})

    assert ["prod", "all"] == matching(book, tags={"stage": "prod"})
    assert ["all"] == matching(book, tags={"stage": "dev"})
    assert [] == matching(book, model="fraud")


def test_a_model_that_matches_several_globs_of_a_rule_is_one_match():
    book = rulebook(churn={"model": ["churn", "ch*", "*", "churn*"]})

    assert ["churn"] == matching(book)


@pytest.mark.parametrize(
    ("app", "rule", "expected"),
    [
        (Mode.LIVE, "observe", Mode.OBSERVE),
        (Mode.OBSERVE, "live", Mode.OBSERVE),
        (Mode.OFF, "observe", Mode.OFF),
    ],
)
def test_the_stricter_mode_of_app_and_rule_wins(app, rule, expected):
    assert expected is rulebook(app, churn={"mode": rule}).rules["churn"].mode


# Broken rules.


def test_a_broken_rule_affects_no_other():
    book = rulebook(good={}, bad={"start": "newst"}, worse={"version": 10})

    assert ["good"] == matching(book)
    assert ["good"] == list(book.rules)
    assert ["bad", "worse"] == list(book.broken)
    expected = (
        'invalid rule: bad.start: "newst" is not one of newer, latest, every; '
        "did you mean 'newer'?"
    )
    assert expected == book.broken["bad"].reason


def test_all_problems_of_all_rules_are_reported():
    book = rulebook(a={"start": "newst", "mode": "on"}, b={"version": ">>1"}, c={})

    assert ["a.start", "a.mode", "b.version"] == [one.path for one in book.problems]
    assert book.broken["a"].reason.count("; a.mode: ") == 1


def test_a_problem_found_while_gathering_breaks_an_otherwise_valid_rule():
    problem = rulebook(a={"start": 1}).problems[0]
    sources = {"churn": RuleSource({"model": "churn", "release": RELEASE}, {}, (problem,))}
    book = RuleBook.read(sources)

    assert {} == book.rules
    assert (problem,) == book.problems


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        pytest.param({"model": "churn", "start": 1}, ["churn"], id="name"),
        pytest.param({"model": "ch*", "release": 1}, ["churn", "chess"], id="glob"),
        pytest.param({"model": ["*", "!churn"]}, ["chess", "fraud"], id="exclusion"),
        pytest.param({"model": 5}, ["churn", "chess", "fraud"], id="broken-model"),
        pytest.param({}, ["churn", "chess", "fraud"], id="no-model"),
        pytest.param("text", ["churn", "chess", "fraud"], id="no-rule"),
        pytest.param({"model": "*", "mode": "off"}, [], id="off"),
    ],
)
def test_a_broken_rule_knows_which_models_it_may_match(fields, wanted):
    book = read(broken=fields)
    asked = ["churn", "chess", "fraud"]
    (broken,) = book.broken.values()

    assert wanted == [one for one in asked if book.unreadable_for(registration(model=one))]
    assert wanted == [one for one in asked if broken.may_want(registration(model=one))]
    assert wanted == [one for one in asked if broken in book.about(one)]


@pytest.mark.parametrize("fields", [{"model": "churn"}, {}, "text"], ids=repr)
def test_a_broken_rule_matches_nothing_while_the_app_is_off(fields):
    assert () == read(Mode.OFF, broken=fields).unreadable_for(registration())


@pytest.mark.parametrize(
    "name", ["a", "churn", "churn_prod", "r2_d2", "a1", "a" * 24, "churn_2026_eu"]
)
def test_a_rule_name_is_letters_digits_and_single_underscores(name):
    assert [name] == list(rulebook(**{name: {}}).rules)


@pytest.mark.parametrize(
    ("name", "path", "nearest"),
    [
        pytest.param("Churn-Prod", "Churn-Prod", "churn_prod", id="case-and-hyphen"),
        pytest.param("churn__prod", "churn__prod", "churn_prod", id="double-underscore"),
        pytest.param("churn_", "churn_", "churn", id="underscore-at-the-end"),
        pytest.param("_churn", "_churn", "churn", id="underscore-at-the-beginning"),
        pytest.param("2churn", "2churn", "churn", id="digit-at-the-beginning"),
        pytest.param("churn prod.eu", "churn prod.eu", "churn_prod_eu", id="space-and-dot"),
        pytest.param("a" * 25, "a" * 25, "a" * 24, id="too-long"),
        pytest.param("a" * 23 + "_b", "a" * 23 + "_b", "a" * 23, id="truncated-at-an-underscore"),
        pytest.param("чурн", "чурн", None, id="not-a-latin-letter"),
        pytest.param("", '""', None, id="empty"),
        pytest.param(" \n", r'" \n"', None, id="white-space"),
    ],
)
def test_an_invalid_name_is_reported_with_the_closest_valid_one(name, path, nearest):
    (problem,) = rulebook(**{name: {}}).problems

    hint = f"; did you mean '{nearest}'?" if nearest else ""
    assert f"{path}: {ALLOWED}{hint}" == str(problem)
    assert not nearest or [nearest] == list(rulebook(**{nearest: {}}).rules)


@relaxed
@given(st.text(st.characters(codec=None)))
def test_any_name_is_valid_or_reported_on_one_line(name):
    book = rulebook(**{name: {}})

    assert 1 == len(book.rules) + len(book.problems)
    assert all(str(problem).isprintable() for problem in book.problems)


# The closest rule.


def test_the_closest_rule_is_the_one_with_the_fewest_failed_clauses():
    book = rulebook(
        other={"model": "x"},
        far={"version": ">=9", "tags": {"stage": "prod", "owner": "*"}},
        near={"version": ">=50"},
    )

    assert "near" == closest(book)
    assert "far" == closest(book, tags={"stage": "prod"})


def test_of_equally_close_rules_the_first_is_named():
    book = rulebook(one={"version": ">=50"}, two={"version": ">=60"})

    assert "one" == closest(book)


def test_a_rule_for_the_model_is_closer_than_one_with_a_similar_name():
    book = rulebook(
        churns={"model": "churns"}, all={"model": "*", "version": ">=50", "mode": "off"}
    )

    assert "all" == closest(book)


@pytest.mark.parametrize(
    "model",
    ["chrun", "Churn", "churm", "hurn", "churnn", "cchurn", "churn_v2"],
)
def test_if_no_rule_is_for_the_model_the_one_with_the_most_similar_name_is_closest(model):
    book = rulebook(fraud={"model": "fraud"}, churn={"model": "churn"}, x={"model": ["!*"]})

    assert "churn" == closest(book, model=model)


@pytest.mark.parametrize("model", ["Churn", "churm", "hurn", "churnn", "xchurn", "churn-2"])
def test_the_most_similar_name_is_found_among_many(model):
    initials = string.ascii_lowercase
    others = {
        f"{initial}{number}": {"model": f"{initial}{number}-model"}
        for initial in initials
        for number in range(30)
    }
    book = rulebook(**others, churn={"model": "churn"})

    assert "churn" == closest(book, model=model)


def test_case_does_not_make_a_model_name_less_similar():
    assert "churn" == closest(rulebook(churn={"model": "CHURN"}), model="Churn")
    assert "churn" == closest(rulebook(churn={"model": "churn"}), model="CHURN")


def test_a_glob_is_similar_if_its_prefix_is_similar():
    assert "eu" == closest(rulebook(eu={"model": "churn-eu-*"}), model="chrun-eu-1")


def test_no_rule_is_close_to_a_model_with_a_dissimilar_name():
    assert closest(rulebook(churn={}, all_b={"model": "b*"}), model="sklearn") is None
    assert closest(rulebook()) is None
