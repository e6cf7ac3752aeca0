# Every target makes its own environment: .venv from hash-locked requirements. Needs Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export ARGS

.DEFAULT_GOAL := help
.PHONY: help demo test check fast lint types contracts unit e2e bench chaos lock schemas docs stubs licences audit-deps sbom clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@echo "Making $(VENV) from requirements/runtime.txt (hash-locked) ..."
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/runtime.txt
	@printf '%s\n' "$(CURDIR)" > "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/handoff-source.pth"
	@printf '#!/bin/sh\nexec "%s/python" -m connector "$$@"\n' "$(CURDIR)/$(BIN)" > $(BIN)/handoff && chmod +x $(BIN)/handoff
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "Adding the test tools from requirements/dev.txt (hash-locked) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.runtime ## the main job on this machine: sandbox CRMs, daemon, status page (ARGS="--help" for more)
	@# At a terminal the demo gets Ctrl-C alone, so that make ends as it does: with 0.
	@if [ -t 0 ]; then set -m; fi; $(BIN)/python -m connector demo $(ARGS)

test: $(VENV)/.dev ## every test: unit, contract, property, store on SQLite and PostgreSQL, system, browser
	@tests/prepare.sh
	@# Once, not in each of the four workers and in every process that they start.
	@$(BIN)/python -m compileall -q -j 0 connector chaos && $(BIN)/python -m compileall -q -l tests
	@$(BIN)/python tests/rewrite_asserts.py
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint types contracts unit ## the fast gate: ruff, format, mypy --strict, import contracts, unit tests

lint: $(VENV)/.dev ## ruff and its formatter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy

contracts: $(VENV)/.dev ## the import contracts of the architecture
	@$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev ## unit tests alone, a few seconds
	@$(BIN)/python -m pytest -q tests/unit tests/architecture $(ARGS)

e2e: $(VENV)/.dev ## the browser tests alone; writes the pictures in docs/pictures
	@tests/prepare.sh
	@HANDOFF_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/e2e $(ARGS)

bench: $(VENV)/.runtime ## calls, latency, memory and CPU, printed and kept in bench/results.md
	@$(BIN)/python -m bench $(ARGS)

chaos: $(VENV)/.dev ## break everything, under half an hour: what was broken, how often, lost and doubled (ARGS=--short: 4 minutes)
	@$(BIN)/python -m chaos $(ARGS)

licences: $(VENV)/.dev ## the licence of every locked package against the list in pyproject.toml
	@$(BIN)/python -m supply licences

# pip-audit and what it needs stay out of the test environment: nothing that is tested or shipped may depend on them.
.venv-audit/.made: requirements/audit.txt
	@$(PYTHON) -m venv --clear .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/audit.txt
	@touch $@

audit-deps: .venv-audit/.made ## known vulnerabilities of every locked package; fails when none could be looked up
	@.venv-audit/bin/python -m supply licences --of auditor
	@.venv-audit/bin/python -m supply audit

sbom: $(VENV)/.runtime ## the bill of materials that the image holds, as CycloneDX, on standard output
	@$(BIN)/python -m supply sbom

docs: $(VENV)/.runtime ## documents/ from the shipped mappings, and the sample and picture of it in docs
	@$(BIN)/python -m connector docs --config config.example.toml --out documents --format md,html,pdf,png
	@cp documents/sf/quick-reference-card.md docs/samples/quick-reference-card.md
	@cp documents/sf/quick-reference-card.png docs/pictures/card.png

schemas: $(VENV)/.runtime ## write the JSON Schemas that editors use beside the mappings
	@$(BIN)/python -m connector check --write-schemas mappings/schemas

STUBS := connector/crm/salesforce/pubsub
stubs: $(VENV)/.dev ## make the stubs of the event bus anew from their .proto
	@$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. $(STUBS)/eventbus.proto

lock: ## resolve the hash-locked requirements anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --extra postgres --extra pubsub --extra oidc --extra pdf --extra otel -o requirements/runtime.txt pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --group dev -c requirements/runtime.txt -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements/audit.txt requirements/audit.in

clean: ## remove the environment and caches (never your state folders)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
