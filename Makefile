# Needs Python 3.11 or later, make and a package index; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help serve test test-all check bench docs prices fix lock clean

help: ## show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

serve: $(VENV)/.serve ## start the gateway on http://127.0.0.1:8000 (HOST, PORT)
	@$(BIN)/llm-api-converter serve

test: $(VENV)/.test ## run every test that needs nothing but Python
	$(BIN)/python -m pytest -n 2 --dist worksteal -ra $(ARGS)

test-all: $(VENV)/.test ## install the real clients and engines (Debian) and run the tests that need them
	sh scripts/install-engines.sh
	$(BIN)/python -m pytest -ra -m engine $(ARGS)

check: $(VENV)/.test ## lint and types
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.serve ## measure CPU per request and chunk beside nginx; writes bench/RESULTS.md
	$(BIN)/python bench/run.py $(ARGS)

docs: $(VENV)/.test ## renew the pages that are made from the code
	$(BIN)/python -m tests.docs.losses > docs/protocols/losses.md.new && mv docs/protocols/losses.md.new docs/protocols/losses.md
	$(BIN)/python -m tests.docs.pages

fix: $(VENV)/.test ## mend what lint can mend
	$(BIN)/ruff check --fix .

prices: $(VENV)/.test ## renew the published prices from the package in the test lock
	$(BIN)/python -m tests.usage.published > published.new && mv published.new src/llm_api_converter/providers/published.json

lock: $(VENV)/.test ## renew the hashed lock files
	$(PIP) install uv
	$(BIN)/uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes pyproject.toml --extra aws --group build -o requirements/serve.lock
	$(BIN)/uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes pyproject.toml --all-extras --group build -o requirements/image.lock
	$(BIN)/uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes pyproject.toml --extra aws --group build --group test --group check -o requirements/test.lock

clean: ## remove what was made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; say which with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: $(VENV)/bin/python requirements/serve.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements/serve.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/bin/python requirements/test.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements/test.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.serve
