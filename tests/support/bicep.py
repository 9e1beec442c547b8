"""Reads the Bicep files as text, so that neither the compiler nor Azure is needed."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox.processes import ROOT

INFRA = ROOT / "infra"
MODULES = INFRA / "modules"
TEMPLATES = sorted(INFRA.rglob("*.bicep"))
PARAMETER_FILES = sorted(INFRA.rglob("*.bicepparam"))
FUNCTIONS = {"on_model_registered", "reconcile"}  # that templates and queries name


@dataclass(frozen=True)
class Parameter:
    """A parameter or an output of a template; `decorators` is the text above it."""

    name: str
    type: str
    default: str
    decorators: str


def code(path: Path) -> str:
    """Give the text without comments; `//` inside a string is none."""
    return re.sub(r"('(?:\\.|[^'\\])*')|//.*", lambda match: match[1] or "", path.read_text())


def declarations(path: Path, keyword: str) -> dict[str, Parameter]:
    pattern = rf"((?:^@.*\n)*)^{keyword} (\w+)(?: ([\w\[\]]+))?(?: = (.*))?$"
    return {
        name: Parameter(name, kind, default, decorators)
        for decorators, name, kind, default in re.findall(pattern, code(path), re.MULTILINE)
    }


def values(text: str, name: str) -> set[str]:
    """Give every value that a property of this name has in the text."""
    return set(re.findall(rf"\b{name}: ('[^']*'|\w+)", text))


def settings_block() -> str:
    return code(INFRA / "main.bicep").partition("module settings ")[2].partition("\n}\n")[0]


def run(
    *command: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - only files of this project and its checker
        command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
