"""The parameter files, the workflow and the example rules give what the templates ask for."""

import re

import pytest

from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.sources import read_rules_text
from tests.sandbox.processes import ROOT
from tests.support.bicep import INFRA, PARAMETER_FILES, code, declarations, relative


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=relative)
def test_a_parameter_file_gives_what_its_template_asks_for(path):
    text = code(path)
    using = re.search(r"^using '(.+)'$", text, re.MULTILINE)
    assert using
    parameters = declarations(path.parent / using[1], "param")
    given = set(re.findall(r"^param (\w+) = ", text, re.MULTILINE))
    required = {name for name, one in parameters.items() if not one.default}
    assert (set(), set()) == (given - set(parameters), required - given)


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=relative)
def test_a_parameter_that_a_comment_suggests_exists(path):
    using = re.search(r"^using '(.+)'$", path.read_text(), re.MULTILINE)
    assert using
    suggested = re.findall(r"^//   param (\w+) = ", path.read_text(), re.MULTILINE)
    assert suggested
    assert set() == set(suggested) - set(declarations(path.parent / using[1], "param"))


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=relative)
def test_every_file_that_a_parameter_file_loads_exists(path):
    found = re.findall(r"load\w+Content\('([^']+)'", code(path))
    assert [] == [name for name in found if not (path.parent / name).is_file()]


def test_the_second_stage_takes_outputs_of_the_first():
    taken = re.findall(
        r"readEnvironmentVariable\('([a-z]\w+)'", code(INFRA / "subscribe.bicepparam")
    )
    assert taken
    assert set() == set(taken) - set(declarations(INFRA / "main.bicep", "output"))


def test_the_workflow_gives_the_parameter_files_what_they_ask_for():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    asked = {
        name
        for path in PARAMETER_FILES
        for name in re.findall(r"readEnvironmentVariable\('(\w+)'\)", code(path))
    }
    assert set() == asked - set(re.findall(r"^ {6}(\w+): \S", workflow, re.MULTILINE))


def test_the_workflow_may_only_read_the_repository():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert ["contents: read"] == re.findall(r"^permissions:\n  (.*)\n", workflow, re.MULTILINE)
    assert 1 == workflow.count("permissions:")


def test_the_example_rules_are_valid():
    rules = read_rules_text((INFRA / "rules.json").read_text(), "rules.json")
    assert (
        () == RuleBook.read({name: RuleSource(fields) for name, fields in rules.items()}).problems
    )
