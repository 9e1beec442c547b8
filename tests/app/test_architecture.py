"""Imports point one way. Here is the one table that says which."""

import ast
import sys

import pytest

from tests.sandbox.processes import ROOT

PACKAGE = ROOT / "model_trigger"
# Whoever is named first may import what follows, and itself. A module in a package is named where
# it may import more, or less, than its package.
TABLE = {
    "text": "",
    "deadline": "",
    "matching": "text",
    "registrations": "text deadline",
    "targets": "registrations text deadline",
    "rules": "targets registrations matching text",
    "decisions": "rules targets registrations text deadline",
    "claims": "decisions rules targets registrations matching text deadline",
    "reconcile": "claims decisions rules targets registrations matching text deadline",
    "pages": "reconcile claims decisions rules targets registrations text deadline",
    "settings": "rules targets registrations text",
    # Adapters: the SDKs, and what they share.
    "outbound": "",
    "identity": "text",
    "registrations.azure_ml": "outbound registrations text deadline",
    "targets.azure_devops": "outbound targets text deadline",
    "decisions.topic": "outbound decisions deadline",
    "ledger": "reconcile claims decisions rules targets registrations text deadline",
    # The roots, which put the rest together.
    "services": "*",
    "handlers": "*",
    "commands": "*",
    "__main__": "*",
}
SDKS = {
    "identity": "azure",
    "ledger": "azure",
    "outbound": "requests",
    "decisions.topic": "azure",
    "registrations.azure_ml": "azure",
    "targets.azure_devops": "azure msrest requests urllib3",
    "services": "azure",
}
# Only the roots and one another's modules know these.
ADAPTERS = {
    "decisions.topic",
    "identity",
    "ledger",
    "outbound",
    "registrations.azure_ml",
    "targets.azure_devops",
}
LIBRARIES = {
    "matching": "semver",
    "pages": "jinja2 markupsafe",
    "rules": "pydantic pydantic_core",
    "settings": "pydantic pydantic_settings",
    "targets": "pydantic pydantic_core",
}
CLOCKS = {"time.time", "time.monotonic", "time.sleep", "datetime.now", "datetime.utcnow"}
CLOCKED = {"handlers", "services", "commands"}
ENVIRONMENT = {"os.environ", "os.getenv"}
# `outbound` reads the proxies; azure-devops reads its cache folder while it is imported.
ENVIRONED = {"settings", "outbound", "targets.azure_devops"}


def named(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {named(path): path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"}


def unit(module):
    """Name the row of the table that a module belongs to: the longest that fits."""
    rows = [row for row in TABLE if f"{module}.".startswith(f"{row}.")]
    return max(rows, key=len, default="")


def imports(module):
    """List what a module imports, wherever in it, as dotted names."""
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(module):
    """List the modules of the package that a module imports."""
    for name in imports(module):
        parts = name.split(".")
        if parts[0] != "model_trigger":
            continue
        inner = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
        yield next((each for each in inner if each in MODULES), inner[0])


def outside(module):
    names = {name.partition(".")[0] for name in imports(module)}
    return names - {"model_trigger"} - sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_table_allows(module):
    allowed = TABLE[unit(module)].split()
    if "*" in allowed:
        return
    found = {unit(each) for each in inside(module)} - {unit(module)}

    assert set() == found - {*allowed}


@pytest.mark.parametrize("module", MODULES)
def test_only_adapters_and_what_builds_them_know_an_sdk(module):
    allowed = f"{SDKS.get(unit(module), '')} {LIBRARIES.get(unit(module), '')}".split()

    assert set() == outside(module) - {*allowed}


def test_adapters_are_known_to_those_who_build_them_only():
    users = {
        unit(module)
        for module in MODULES
        for each in inside(module)
        if unit(each) in ADAPTERS and unit(module) not in ADAPTERS
    }

    assert {"services"} == users


def test_no_module_imports_one_that_imports_it():
    seen, path = set(), []

    def visit(module):
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module not in seen:
            seen.add(module)
            path.append(module)
            for each in inside(module):
                visit(each)
            path.pop()

    for module in MODULES:
        visit(module)


def uses(module, names):
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    attributes = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return bool(names & {*attributes, *imports(module)})


def test_only_the_roots_have_a_clock():
    assert {unit(each) for each in MODULES if uses(each, CLOCKS)} == CLOCKED


def test_only_the_settings_read_the_environment():
    assert {unit(each) for each in MODULES if uses(each, ENVIRONMENT)} == ENVIRONED
