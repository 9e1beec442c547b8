#!/bin/sh
# Reject rules that the app would reject, before anything is deployed.
set -eu
cd "$(dirname "$0")/../.."

make setup

"${VENV:-.venv}/bin/python" -m model_trigger check infra/rules.json
