# The commands of this project: run `make help`. PYTHON= selects another Python, and `make VENV=...`
# another virtual environment. VENV is not read from the environment, because the folder is emptied.

VENV := .venv
PYTHON ?=
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check -qq
NODE_MODULES := tests/sandbox/node_modules
# one setup at a time, where flock(1) is available
LOCK := $(if $(shell command -v flock),flock .make/lock)

.PHONY: help setup installed run test serve check bench package clean FORCE
.DELETE_ON_ERROR:

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the other commands need, into this folder
	@mkdir -p .make && $(LOCK) $(MAKE) --no-print-directory installed

run: setup ## demo: deliver sample events to the app and print each decision
	@$(VENV)/bin/python -m tests.sandbox.demo

test: setup ## run all tests
	@$(VENV)/bin/python -m pytest --numprocesses 3 --dist worksteal

serve: setup ## run the app in the sandbox, with its page at http://localhost:7071/api/status
	@$(VENV)/bin/python -m tests.sandbox.serve

check: setup ## check format, lint and types
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

bench: setup ## measure speed and size
	@$(VENV)/bin/python -m tests.benchmarks

package: ## build dist/model-trigger.zip, the deployment package with its dependencies
	@python=$$(sh tests/find-python 3.13) || exit 1; "$$python" infra/package.py

clean: ## remove everything the commands created
	rm -rf $(VENV) .venv-3.* .make dist $(NODE_MODULES) .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

installed: $(VENV)/installed $(NODE_MODULES)/.package-lock.json

# This recipe always runs, but rewrites pyvenv.cfg, and so triggers an installation, only if the
# Python version has changed or an earlier installation did not finish.
$(VENV)/pyvenv.cfg: FORCE
	@python=$$(PYTHON='$(PYTHON)' sh tests/find-python) || exit 1; \
	minor='import sys; print(*sys.version_info[:2])'; \
	if ! [ -f $(VENV)/installed ] \
	|| [ "$$($(VENV)/bin/python -c "$$minor" 2>&1)" != "$$("$$python" -c "$$minor")" ]; then \
		echo "Creating $(VENV) with $$python"; "$$python" -m venv --clear $(VENV); \
	fi

# The worker library requires Python 3.13 but works on older versions, for development only.
$(VENV)/installed: $(VENV)/pyvenv.cfg requirements.txt pyproject.toml
	@echo "Installing Python packages into $(VENV)"
	@$(PIP) install pip==26.3
	@$(PIP) install -r requirements.txt --group dev
	@$(PIP) install --ignore-requires-python --no-deps $$(sed -nE \
		's/^(azure-functions-runtime|azurefunctions-extensions-base)(==[^ ;]+).*/\1\2/p' requirements.txt)
	@touch $@

$(NODE_MODULES)/.package-lock.json: tests/sandbox/package-lock.json
	@sh tests/find-node
	@echo "Installing Azurite into $(NODE_MODULES)"
	@cd tests/sandbox && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
