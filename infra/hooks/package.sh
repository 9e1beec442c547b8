#!/bin/sh
# Builds the package and lays it out for azd, which makes its own zip of a folder.
set -eu
cd "$(dirname "$0")/../.."

make package
rm -rf dist/package
python3 -m zipfile -e dist/model-trigger.zip dist/package
# Without a .funcignore azd leaves every __pycache__ out, and each cold start would compile all modules.
: > dist/package/.funcignore
