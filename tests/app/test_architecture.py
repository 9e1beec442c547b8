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
NETWORK = {"http.client", "http.server", "socket", "ssl", "subprocess", "urllib.request"}
CLOCKS = {"time.time", "time.monotonic", "time.sleep", "datetime.now", "datetime.utcnow"}
CLOCKED = {"handlers", "services", "commands"}
ENVIRONMENT = {"os.environ", "os.getenv"}
# `outbound` reads proxies; importing azure-devops needs the variable of its cache folder.
ENVIRONED = {"settings", "outbound", "targets.azure_devops"}


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
def test_only_adapters_and_services_import_an_sdk(module):
    allowed = f"{SDKS.get(unit(module), '')} {LIBRARIES.get(unit(module), '')}".split()

    assert set() == outside(module) - {*allowed}


def test_only_adapters_reach_the_network():
    names = {module: {*imports(module)} for module in MODULES}
    parents = {each: {name.rpartition(".")[0] for name in found} for each, found in names.items()}

    assert {unit(each) for each in MODULES if NETWORK & (names[each] | parents[each])} <= ADAPTERS


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


def uses(module, names):
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    attributes = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return bool(names & {*attributes, *imports(module)})


def test_only_the_roots_use_a_clock():
    assert {unit(each) for each in MODULES if uses(each, CLOCKS)} == CLOCKED


def test_only_the_settings_read_the_environment():
    assert {unit(each) for each in MODULES if uses(each, ENVIRONMENT)} == ENVIRONED
