#!/bin/sh
# Build the package and unpack it for azd, which zips a folder itself.
set -eu
cd "$(dirname "$0")/../.."

make package
rm -rf dist/package
python3 -m zipfile -e dist/model-trigger.zip dist/package
# Without a .funcignore, azd excludes every __pycache__, and each cold start would compile all modules.
: > dist/package/.funcignore
