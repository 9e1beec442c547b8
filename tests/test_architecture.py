"""Imports point one way, and few may reach outside: beyond what the lint rules can tell apart."""

import ast
import sys

import pytest

from tests.sandbox.processes import ROOT

PACKAGE = ROOT / "model_trigger"
# Values in, values out.
CORE = {
    "claims",
    "conditions",
    "deadline",
    "decisions",
    "events",
    "explain",
    "explain_text",
    "grammar",
    "history",
    "hosts",
    "lint",
    "overlap",
    "passes",
    "problems",
    "rule_sources",
    "rulebook",
    "rules",
    "schema",
    "summary",
    "targets",
    "templates",
    "versions",
    "wording",
}
# What the handlers need from outside, and the steps that they take with it.
SHELL = {
    "forget",
    "handlers",
    "holding",
    "online",
    "open_claims",
    "overview",
    "pages",
    "ports",
    "starting",
    "status",
    "troubles",
    "whereabouts",
    "workspaces",
}
ADAPTERS = {
    "azure_devops": {"azure", "msrest", "requests", "urllib3"},
    "azure_devops_answers": {"azure", "msrest", "requests", "urllib3"},
    "azure_devops_client": {"azure", "msrest", "requests", "urllib3"},
    "azure_devops_json": {"requests"},
    "azure_devops_names": set(),
    "azure_devops_pipelines": {"azure", "msrest"},
    "azure_devops_readings": set(),
    "azure_devops_releases": {"azure", "msrest"},
    "azure_devops_results": {"azure", "msrest"},
    "azure_ml": {"azure"},
    "identity": {"azure"},
    "ledger": {"azure"},
    "outbound": {"requests"},
    "outcomes": {"azure"},
    "rows": set(),
}
# They put the rest together.
ROOTS = {"__init__", "__main__", "connected", "services", "settings"}
LIBRARIES = {"jinja2", "markupsafe", "pydantic", "pydantic_core", "pydantic_settings", "semver"}


def imports(module):
    """List what a module imports, wherever in it: `model_trigger.x` as x, others by first name."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (named(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "model_trigger":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield named(node.module)


def named(path):
    first, _, rest = path.partition(".")
    return rest.partition(".")[0] if first == "model_trigger" else first


def outside(module):
    return {
        name
        for name in imports(module)
        if not (PACKAGE / f"{name}.py").exists() and name not in sys.stdlib_module_names
    }


def inside(module):
    return {name for name in imports(module) if (PACKAGE / f"{name}.py").exists()}


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")}

    assert modules == CORE | SHELL | set(ADAPTERS) | ROOTS


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_imports_the_core_and_no_sdk(module):
    assert set() == inside(module) - CORE
    assert set() == outside(module) - LIBRARIES


@pytest.mark.parametrize("module", sorted(SHELL))
def test_the_shell_knows_no_adapter_and_no_sdk(module):
    assert set() == inside(module) - CORE - SHELL - {"settings"}
    assert set() == outside(module) - LIBRARIES


@pytest.mark.parametrize("module", sorted(ADAPTERS))
def test_an_adapter_knows_the_core_its_sdk_and_of_other_adapters_only_outbound(module):
    family = {name for name in ADAPTERS if name.startswith("azure_devops")}
    own = family if module in family else {"ledger", "rows"} & {module, "rows"}

    assert set() == inside(module) - CORE - {"ports", "outbound"} - own
    assert set() == outside(module) - ADAPTERS[module]


def test_only_the_handlers_and_those_who_build_have_a_clock():
    clocked = {
        module for module in CORE | SHELL | set(ADAPTERS) | ROOTS if {"time"} & set(imports(module))
    }

    assert {"handlers", "services", "connected"} == clocked
