#!/bin/sh
# Refuses rules that the app would refuse, before anything is deployed.
set -eu
cd "$(dirname "$0")/../.."

make setup

"${VENV:-.venv}/bin/python" -m model_trigger check infra/rules.json
