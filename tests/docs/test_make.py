"""The commands find what they need, report what is missing, and run what they document."""

import json
import os
import shutil
import subprocess

import pytest

from tests.sandbox.processes import ROOT

SETTINGS = ("PYTHON", "PYENV_ROOT", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def run(command, folder=ROOT, **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(  # noqa: S603 (the project's own commands)
        command,
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def put(folder, programs):
    """Write programs that print their text, or, if it is None, fail like a pyenv shim."""
    for name, text in programs.items():
        program = folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n" + ("exit 127" if text is None else f"echo {text}"))
        program.chmod(0o755)


def find(script, folder, *arguments, **environment):
    """Run tests/<script> with only the folders `bin` and `more` on the PATH."""
    places = {"PATH": f"{folder}/bin:{folder}/more", "HOME": str(folder)}
    return run(["/bin/sh", ROOT / "tests" / script, *arguments], folder, **places | environment)


SHIM = {"bin/python3.13": None}


@pytest.mark.parametrize(
    ("programs", "taken"),
    [
        pytest.param(
            {"bin/python3.11": "3.11", "bin/python3.12": "3.12", "more/python3.13": "3.13"},
            "more/python3.13",
            id="the-newest",
        ),
        pytest.param(
            SHIM | {"bin/python3.12": "3.12"},
            "bin/python3.12",
            id="a-failing-shim-is-skipped",
        ),
        pytest.param(
            SHIM | {"more/python3.13": "3.13"}, "more/python3.13", id="one-behind-a-failing-shim"
        ),
        pytest.param(
            SHIM | {".pyenv/versions/3.13.2/bin/python3.13": "3.13", "bin/python3.12": "3.12"},
            ".pyenv/versions/3.13.2/bin/python3.13",
            id="an-inactive-version-of-pyenv",
        ),
        pytest.param(
            {"bin/python3.11": None, "more/python3": "3.11"},
            "more/python3",
            id="python3-of-a-wanted-version",
        ),
        pytest.param(
            {"bin/python3": "3.10", "bin/python": "3.12"},
            "bin/python",
            id="not-one-that-is-too-old",
        ),
        pytest.param(
            {"bin/python3.14": "3.14", "bin/python3.11": "3.11"},
            "bin/python3.11",
            id="3.14-comes-last",
        ),
    ],
)
def test_the_newest_usable_python_is_chosen(tmp_path, programs, taken):
    put(tmp_path, programs)

    found = find("find-python", tmp_path)

    assert (0, f"{tmp_path}/{taken}\n", "") == (found.returncode, found.stdout, found.stderr)


def test_pyenv_is_searched_in_its_root(tmp_path):
    put(tmp_path, SHIM | {"elsewhere/versions/3.13.0/bin/python3.13": "3.13"})

    found = find("find-python", tmp_path, PYENV_ROOT=f"{tmp_path}/elsewhere")

    assert f"{tmp_path}/elsewhere/versions/3.13.0/bin/python3.13\n" == found.stdout


def test_a_named_python_takes_precedence_over_a_newer_one(tmp_path):
    put(tmp_path, {"bin/python3.13": "3.13", "mine/python": "3.11"})

    found = find("find-python", tmp_path, PYTHON=f"{tmp_path}/mine/python")

    assert f"{tmp_path}/mine/python\n" == found.stdout


def test_only_the_given_versions_are_searched(tmp_path):
    put(tmp_path, {"bin/python3.13": "3.13", "bin/python3": "3.11"})

    assert f"{tmp_path}/bin/python3\n" == find("find-python", tmp_path, "3.11").stdout


@pytest.mark.parametrize(
    ("script", "programs", "environment", "words"),
    [
        pytest.param("find-python", {}, {}, "Python is missing", id="no-python"),
        pytest.param("find-python", SHIM, {}, "Python is missing", id="none-runs"),
        pytest.param(
            "find-python", {"bin/python3": "3.9"}, {}, "Python is missing", id="none-new-enough"
        ),
        pytest.param(
            "find-python",
            {"bin/python3.13": "3.13", "mine/python": "3.9"},
            {"PYTHON": "mine/python"},
            "PYTHON=mine/python cannot be used",
            id="a-named-one-that-is-too-old",
        ),
        pytest.param("find-node", {}, {}, "Node.js 18 or newer is missing", id="no-node"),
        pytest.param(
            "find-node", {"bin/node": None}, {}, "Node.js 18 or newer is missing", id="node-too-old"
        ),
        pytest.param("find-node", {"bin/node": ""}, {}, "npm is missing", id="no-npm"),
    ],
)
def test_what_is_missing_is_reported_in_one_line_with_the_fix(
    tmp_path, script, programs, environment, words
):
    put(tmp_path, programs)

    found = find(script, tmp_path, **environment)

    assert (1, "") == (found.returncode, found.stdout)
    assert found.stderr.startswith(words)
    assert 1 == found.stderr.count("\n")
    assert "https://" in found.stderr or "name another" in found.stderr


def test_node_with_npm_is_enough(tmp_path):
    put(tmp_path, {"bin/node": "", "bin/npm": "10"})

    found = find("find-node", tmp_path)

    assert (0, "", "") == (found.returncode, found.stdout, found.stderr)


def test_make_alone_lists_the_commands():
    listed = run(["make"]).stdout

    names = [line.split()[1] for line in listed.splitlines()]
    commands = "help setup run test serve check bench package clean"
    assert commands == " ".join(names)


@pytest.mark.parametrize(
    ("target", "command"),
    [
        pytest.param("run", "python -m tests.sandbox.demo", id="run"),
        pytest.param("test", "python -m pytest --numprocesses 3 --dist worksteal", id="test"),
        pytest.param("serve", "python -m tests.sandbox.serve", id="serve"),
        pytest.param("check", "ruff format --check .", id="check-format"),
        pytest.param("check", "ruff check .", id="check-lint"),
        pytest.param("check", "pyright --pythonpath other/bin/python", id="check-types"),
        pytest.param("bench", "python -m tests.benchmarks", id="bench"),
    ],
)
def test_a_command_runs_setup_first_and_then_uses_the_named_folder(target, command):
    lines = run(["make", "--dry-run", target, "VENV=other"]).stdout.splitlines()

    installed = next(number for number, line in enumerate(lines) if "touch other/installed" in line)
    assert installed < lines.index(f"other/bin/{command}")


def test_the_folder_for_packages_is_not_read_from_the_environment():
    assert "precious" not in run(["make", "--dry-run", "clean"], VENV="precious").stdout


def test_the_ci_script_is_executable():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert 0 == run(["bash", "-n", ".ci/run"]).returncode


KEPT = [
    "function_app.py",
    "host.json",
    "requirements.txt",
    "model_trigger/rules/rule.py",
    "model_trigger/pages/templates/status.html",
    ".python_packages/lib/site-packages/azure/core/__init__.py",
    ".python_packages/lib/site-packages/azure/core/__pycache__/__init__.cpython-313.pyc",
    ".python_packages/lib/site-packages/strictyaml/tests/data.yaml",
]
LEFT_OUT = [
    ".ci/run",
    ".git/config",
    ".gitignore",
    ".github/workflows/ci.yml",
    ".venv/bin/python",
    ".venv-3.11/bin/python",
    ".vscode/settings.json",
    "Makefile",
    "README.md",
    "__pycache__/function_app.cpython-313.pyc",
    "dist/model-trigger.zip",
    "infra/main.bicep",
    "local.settings.json",
    "model_trigger/__pycache__/settings.cpython-313.pyc",
    "pyproject.toml",
    "tests/sandbox/node_modules/azurite/package.json",
    "tests/rules/test_rule.py",
]


def test_the_deployment_contains_only_the_app_and_its_packages_with_their_bytecode(tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is needed: its patterns are those of .funcignore")
    run(["git", "init", "--quiet"], tmp_path)
    patterns = f"core.excludesFile={ROOT / '.funcignore'}"

    ignored = run(["git", "-c", patterns, "check-ignore", *KEPT, *LEFT_OUT], tmp_path)

    assert LEFT_OUT == ignored.stdout.split()


def test_application_insights_keeps_every_decision_line():
    logging = json.loads((ROOT / "host.json").read_text())["logging"]

    excluded = logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    assert "Trace" in excluded
    assert "Information" == logging["logLevel"]["default"]
