# `make` lists the targets. Each works on a fresh checkout: it makes .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint fmt schemas lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Leasewire needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(READY) ## the whole story on this machine, every step checked
	$(BIN)/leasewire demo

test: lint ## all that CI runs: lint, types, imports, tests
	$(BIN)/python -m pytest

test-fast: $(READY) ## the tests that need no server and no socket
	$(BIN)/python -m pytest -m "not redis and not router and not e2e" -q

lint: $(READY) ## style, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(READY) ## format and mend what can be mended
	$(BIN)/ruff check --fix-only --quiet . || true
	$(BIN)/ruff format .

schemas: $(READY) ## write contracts/schemas/ from the models
	$(BIN)/python -m contracts.schemas

lock: $(READY) ## pin every dependency with hashes (no index is named in the result)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --all-extras pyproject.toml -o requirements-dev.lock

clean: ## remove what the targets made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
