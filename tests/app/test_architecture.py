"""Imports point one way, as listed in one table."""

import ast
import sys

import pytest

from tests.sandbox.processes import ROOT

PACKAGE = ROOT / "model_trigger"
# Each row may import itself and what follows. A module in a package has its own row if it may
# import more, or less, than its package.
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
    # The roots, which assemble the rest.
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
# Only the roots and other adapters may import these.
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
    "pages": "isodate jinja2 markupsafe werkzeug",
    "rules": "pydantic pydantic_core",
    "settings": "pydantic pydantic_settings",
    "targets": "pydantic pydantic_core",
}
# What the core may use of the standard library: nothing that knows the time, the environment or the
# network, and nothing that imports by name.
PURE = {
    "abc",
    "base64",
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "http",
    "ipaddress",
    "itertools",
    "json",
    "logging",
    "operator",
    "pathlib",
    "re",
    "textwrap",
    "threading",
    "typing",
    "urllib",
    "uuid",
}
CORE = {
    "claims",
    "deadline",
    "decisions",
    "matching",
    "pages",
    "reconcile",
    "registrations",
    "rules",
    "targets",
    "text",
}
# The only units that read the clock or the environment, or open a connection, by themselves.
SOURCES = {
    "time": {"handlers", "services", "commands"},
    "os": {"settings", "outbound", "targets.azure_devops"},
    "socket": set(),
    "subprocess": {"identity"},
}
# Methods that read the clock.
CLOCKS = {"now", "utcnow", "today"}


def named(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {named(path): path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"}


def unit(module):
    """Return the row of the table that a module belongs to: the longest match."""
    rows = [row for row in TABLE if f"{module}.".startswith(f"{row}.")]
    return max(rows, key=len, default="")


def imports(module):
    """Yield the dotted names that a module imports anywhere."""
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(module):
    """Yield the modules of the package that a module imports."""
    for name in imports(module):
        parts = name.split(".")
        if parts[0] != "model_trigger":
            continue
        inner = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
        yield next((each for each in inner if each in MODULES), inner[0])


def first(name):
    return name.partition(".")[0]


def outside(module):
    names = {*map(first, imports(module))}
    return names - {"model_trigger"} - sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_table_allows(module):
    allowed = TABLE[unit(module)].split()
    if "*" in allowed:
        return
    found = {unit(each) for each in inside(module)} - {unit(module)}

    assert set() == found - {*allowed}


@pytest.mark.parametrize("module", MODULES)
def test_only_adapters_and_services_import_an_sdk(module):
    allowed = f"{SDKS.get(unit(module), '')} {LIBRARIES.get(unit(module), '')}".split()

    assert set() == outside(module) - {*allowed}


@pytest.mark.parametrize("module", [each for each in MODULES if unit(each) in CORE])
def test_the_core_knows_no_clock_environment_or_network(module):
    names = {*imports(module)}
    calls = {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8")))
        if isinstance(node, ast.Call)
    }

    assert set() == {*map(first, names)} & sys.stdlib_module_names - PURE
    assert set() == {name for name in names if name.startswith(("http.", "urllib."))} - {
        "http.HTTPStatus",
        "urllib.parse.parse_qsl",
        "urllib.parse.quote",
        "urllib.parse.urlencode",
        "urllib.parse.urlsplit",
    }
    assert set() == calls & (CLOCKS | {"__import__", "eval", "exec"})


@pytest.mark.parametrize("library", SOURCES)
def test_only_the_listed_units_use_the_clock_the_environment_or_the_network_directly(library):
    users = {unit(each) for each in MODULES if library in {*map(first, imports(each))}}

    assert SOURCES[library] == users


def test_packages_do_nothing_when_they_are_imported():
    for path in PACKAGE.rglob("__init__.py"):
        (docstring,) = ast.parse(path.read_text("utf-8")).body
        assert isinstance(docstring, ast.Expr), path


def test_the_triggers_call_the_handlers_and_nothing_else():
    tree = ast.parse((ROOT / "function_app.py").read_text("utf-8"))
    froms = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    assert {each for each in froms if each.startswith("model_trigger")} == {
        "model_trigger",
        "model_trigger.pages.http",
        "model_trigger.services",
        "model_trigger.settings",
    }


def test_only_services_imports_adapters():
    users = {
        unit(module)
        for module in MODULES
        for each in inside(module)
        if unit(each) in ADAPTERS and unit(module) not in ADAPTERS
    }

    assert {"services"} == users


def test_no_imports_are_circular():
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
