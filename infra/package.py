"""Build dist/model-trigger.zip: the app with its dependencies for Linux, and bytecode.

    python3.13 infra/package.py

Run it with the Python version that the app is deployed on: pip evaluates the markers in
requirements.txt for the running Python, and the bytecode is compiled for it. The bytecode is
`unchecked-hash`, so unpacking cannot make it stale (https://peps.python.org/pep-0552/). The layout
is the one that Azure Functions expects of a package without a remote build:
https://learn.microsoft.com/azure/azure-functions/functions-reference-python
"""

import compileall
import hashlib
import shutil
import subprocess
import sys
import tempfile
import venv
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "dist" / "model-trigger.zip"
DEPENDENCIES = ROOT / "dist" / "dependencies"
APP = ("function_app.py", "host.json", "requirements.txt", "LICENSE")
PACKAGES = ".python_packages/lib/site-packages"
DEPLOYED = (3, 13)
# The image of Flex Consumption is Debian 12 on x86-64.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")
A_TIME = (2000, 1, 1, 0, 0, 0)


def main() -> int:
    """Build the package and return the exit code."""
    if sys.version_info[:2] != DEPLOYED:
        running = ".".join(map(str, sys.version_info[:2]))
        sys.stderr.write(f"The app is deployed on Python 3.13, but this is {running}.\n")
        return 1
    install(ROOT / "requirements.txt", DEPENDENCIES)
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder)
        copy_app(app)
        compile_all(app)
        files = [*listed(app, ""), *listed(DEPENDENCIES, f"{PACKAGES}/")]
        write_zip(TARGET, files)
        size = sum(path.stat().st_size for _, path in files)
    sys.stdout.write(
        f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 2**20:.1f} MiB, "
        f"unpacked {size / 2**20:.0f} MiB in {len(files):,} files\n"
    )
    return 0


def install(requirements: Path, folder: Path) -> None:
    """Install the dependencies into a folder, unless they are already installed there."""
    digest = hashlib.sha256(requirements.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    stamp = folder.with_suffix(".sha256")
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as builder:
        venv.create(builder, with_pip=True)
        pip = [str(Path(builder, "bin", "python")), "-m", "pip", "--disable-pip-version-check"]
        where = ["--target", str(folder), "--no-compile", "--only-binary", ":all:"]
        platforms = [option for each in PLATFORMS for option in ("--platform", each)]
        wanted = ["--requirement", str(requirements), "-qq"]
        subprocess.run([*pip, "install", *where, *platforms, *wanted], check=True)  # noqa: S603
    compile_all(folder)
    stamp.write_text(digest)


def compile_all(folder: Path) -> None:
    """Compile every module to bytecode, without paths of this machine."""
    with warnings.catch_warnings():
        # Some dependencies have invalid escapes in their docstrings.
        warnings.simplefilter("ignore", SyntaxWarning)
        compileall.compile_dir(
            folder,
            quiet=2,
            stripdir=str(folder),
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )


def copy_app(folder: Path) -> None:
    """Copy the app's own files."""
    for name in APP:
        shutil.copy(ROOT / name, folder)
    without_bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "model_trigger", folder / "model_trigger", ignore=without_bytecode)


def listed(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder, each with its name in the package."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"{prefix}{path.relative_to(folder).as_posix()}", path


def write_zip(target: Path, files: list[tuple[str, Path]]) -> None:
    """Write the package reproducibly: the same files give the same bytes."""
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as package:
        for name, path in files:
            entry = zipfile.ZipInfo(name, A_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            package.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
