# `make` lists the targets. Each works on a fresh checkout: it makes .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Where this is set, each of the hundreds of processes that tests start compiles all it imports
unexport PYTHONDONTWRITEBYTECODE
# Public clients that the tests try: those for Python in their own environment, those for node beside it
CLIENTS := .venv-clients/.ready
NODE_CLIENTS := tests/clients/node/node_modules/.package-lock.json
# What looks for barriers in the console's pages, by the same way
AXE := tests/browser/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help demo lab test compiled restarts test-fast e2e-all chaos simulate simulate-long failovers floods attacks bench bench-large bench-plot screenshots effects packages sbom deb deb-check lint fmt schemas docs lock clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Leasewire needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Without a network or npm their tests skip with a reason: an error here is no failure.
$(CLIENTS): requirements-clients.lock tests/clients/install.py
	-$(PYTHON) tests/clients/install.py $(@D) requirements-clients.lock

$(NODE_CLIENTS): tests/clients/node/package-lock.json
	-cd $(<D) && npm ci --silent && touch node_modules/.package-lock.json

$(AXE): tests/browser/package-lock.json
	-cd $(<D) && npm ci --silent && touch node_modules/.package-lock.json

demo: $(READY) ## the whole story on this machine, every step checked
	$(BIN)/leasewire demo

lab: $(READY) ## Leasewire, its gateway with console and a simulated router, in the folder lab
	mkdir -p lab && cd lab && ../$(BIN)/leasewire up --lab --console

test: $(CLIENTS) $(NODE_CLIENTS) $(AXE) ## all that CI runs: lint, types, imports, tests
	$(MAKE) -j2 lint compiled
	$(BIN)/python -m pytest -n 6 --dist worksteal

# Once beside lint, which has one processor: else each process of pytest would do it again
compiled: $(READY)
	$(BIN)/python -m pytest --collect-only -q > /dev/null || true

restarts: $(READY) ## kill Redis 20 times under load; the workers must be back within 15 s
	LEASEWIRE_REDIS_KILLS=20 $(BIN)/python -m pytest -s tests/e2e/test_redis_restarts.py

test-fast: $(READY) ## the tests that need no server and no socket
	$(BIN)/python -m pytest -m "not redis and not router and not e2e" -q

e2e-all: $(READY) ## the end-to-end tests once for each transport and kind of entry (RESUME=1: what has not passed yet)
	$(BIN)/python -m tests.e2e.everywhere $(if $(RESUME),--resume)

chaos: $(READY) ## all faults at once, and what must hold then (SEED=, MINUTES=)
	$(BIN)/python -m tests.faults.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))
	PUT_BACK=all $(BIN)/python -m pytest -n 2 -q tests/faults/test_put_back.py
	EFFECT_EXAMPLES=2000 $(BIN)/python -m pytest -n 2 -q tests/core/test_effect_acting.py

simulate: $(READY) ## play histories of a whole installation in virtual time (SECONDS=; SEED= replays one, to STEPS=)
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps $(STEPS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SCALE),--scale '$(SCALE)')

simulate-long: $(READY) ## the same for a night (MINUTES=480); what fails goes to build/simulation, Ctrl-C sums up
	$(BIN)/python -m tests.simulation --seconds $$((60 * $(or $(MINUTES),480))) --failures build/simulation

failovers: $(READY) ## two hosts, three Sentinels, 28 failovers under load, and what must hold then
	unshare -Urn $(BIN)/python -m tests.failovers

floods: $(READY) ## measure how long callers of the gateway wait while others flood it (some minutes)
	$(BIN)/python -m tests.gateway.floods

attacks: $(READY) ## attack a gateway of its own, and print the result of each attack
	$(BIN)/python -m tests.gateway.attacks

bench: $(READY) $(CLIENTS) ## measure, with peers in the same run for comparison (under 10 minutes)
	$(BIN)/python -m benchmarks

bench-large: $(READY) $(CLIENTS) ## the same in the sizes of the targets (takes long)
	$(BIN)/python -m benchmarks --large

effects: $(READY) ## play each kind of change on each kind of router: the table of docs/effect.md
	$(BIN)/python -m benchmarks.effects

bench-plot: $(READY) ## draw docs/benchmarks.svg from the last run
	$(BIN)/python -m benchmarks.plot

screenshots: $(READY) ## draw the console's pages on 50,000 services: docs/screenshots/ (needs chromium)
	$(BIN)/python -m tests.browser.screenshots

packages: $(READY) ## sdist, wheel and client in build/packages; the demo of the wheel in each Python
	$(BIN)/python -m tests.packages.demo

sbom: $(READY) ## deploy/sbom.cdx.json: the libraries of requirements.lock, as the image has them
	$(BIN)/python deploy/debian/sbom.py

deb: $(READY) ## the Debian package in build/, for the Python of this Debian
	$(BIN)/python deploy/debian/build.py

deb-check: deb ## install it in a clean Debian that systemd boots, and try all of it (as root; some minutes)
	$(BIN)/python -m tests.deb.clean_debian build/leasewire_*.deb

lint: $(READY) ## style, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(READY) ## format, and fix what can be fixed
	$(BIN)/ruff check --fix-only --quiet . || true
	$(BIN)/ruff format .

schemas: $(READY) ## write contracts/schemas/ from the models
	$(BIN)/python -m contracts.schemas

docs: $(READY) ## write docs/reference/ from the code, build the site in build/docs, check its links
	$(BIN)/python -m docs.generate
	$(BIN)/sphinx-build -q -W --keep-going -b dirhtml -c docs -d build/doctrees . build/docs
	@echo "See build/docs/docs/index.html"

lock: $(READY) ## pin every dependency with hashes (no index is named in the result)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --extra console --extra alerts --extra metrics --extra outbox pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --all-extras pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade tests/clients/requirements.in -o requirements-clients.lock
	cd tests/clients/node && npm update --package-lock-only
	cd tests/browser && npm update --package-lock-only

clean: ## remove what the targets made
	rm -rf $(VENV) lab .venv-clients tests/clients/node/node_modules tests/browser/node_modules build *.egg-info clients/python/build clients/python/leasewire_client* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
