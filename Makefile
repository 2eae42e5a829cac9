# Everything a developer or a first user does. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV ?= .venv
# More arguments for pip, for example another index for a CPU build of torch.
PIP_ARGS ?=
# Arguments for the command behind the target: make run ARGS="--limit 5", make test ARGS="-k polar".
ARGS ?=
WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt $(PIP_ARGS)
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)",$$/\1/p' pyproject.toml)
# A stamp carries the checksum of what is asked for and of this file: what is installed is exactly that, and asking twice
# is free.
KEY := $(shell cat pyproject.toml constraints.txt Makefile | cksum | tr ' ' '-')
FOR_RUN := $(VENV)/installed-run-$(KEY)
FOR_WEB := $(VENV)/installed-web-$(KEY)
FOR_TEST := $(VENV)/installed-test-$(KEY)
SOURCES := $(wildcard adapters_core governance manage.py migrations tests benchmarks)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: run
run: fetch-base $(FOR_WEB) ## start the whole product on this machine, filled with the examples, and print its address
	@$(BIN)/python manage.py run $(ARGS)

.PHONY: demo
demo: fetch-base ## generate adapters for the documents in examples/ and show in a table what they change
	@$(BIN)/python -m adapters_core demo $(ARGS)

.PHONY: test
test: check fetch-base ## all checks, then all tests (the first run installs everything)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

.PHONY: check
check: $(FOR_TEST) ## style, types, import contracts, dependencies
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy $(SOURCES)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/deptry adapters_core governance

.PHONY: format
format: $(FOR_TEST) ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix $(SOURCES) || true
	@$(BIN)/ruff format $(SOURCES)

.PHONY: coverage
coverage: $(FOR_TEST) fetch-base ## the tests again, with the lines and branches they miss
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage report

.PHONY: bench
bench: $(FOR_TEST) fetch-base ## measure speed against its peers, one script a question
	@for name in generation query swap adaptation; do echo "== $$name"; $(BIN)/python -m benchmarks.$$name $(ARGS); done
	@$(BIN)/python -m benchmarks.summary

.PHONY: bench-governance
bench-governance: $(FOR_TEST) fetch-base ## measure the governance half (fills a ledger of 1,000,000 entries the first time)
	@for name in recording pages verifying serving; do echo "== $$name"; $(BIN)/python -m benchmarks.$$name $(ARGS); done
	@$(BIN)/python -m benchmarks.summary

.PHONY: screenshots
screenshots: $(FOR_TEST) ## take pictures of every page in both languages into docs/screenshots
	@$(BIN)/python -m tests.screenshots docs/screenshots $(ARGS)

.PHONY: constraints
constraints: ## take the newest releases that pyproject.toml allows, and write them down (run the tests before you commit)
	@rm -rf $(VENV)-newest && $(PYTHON) -m venv $(VENV)-newest
	@$(VENV)-newest/bin/python -m pip install -qq --disable-pip-version-check $(PIP_ARGS) $(TORCH)
	@$(VENV)-newest/bin/python -m pip install -qq --disable-pip-version-check $(PIP_ARGS) --editable '.[dev,web,postgres,llamacpp,cluster]'
	@{ sed -n '/^#/p' constraints.txt; $(VENV)-newest/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.new
	@mv constraints.new constraints.txt && rm -rf $(VENV)-newest

.PHONY: fetch-base
fetch-base: $(FOR_RUN) ## fetch the base model (93 MB), check it, convert it once
	@$(BIN)/python -m adapters_core fetch-base

.PHONY: clean
clean: ## remove the virtual environment and caches (results and the base model stay)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find adapters_core tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "Python 3.11 must be installed as $(PYTHON); or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# torch first and by itself: with it in place no other package can pull another build of it.
$(FOR_RUN): | $(BIN)/python
	@echo "installing $(TORCH) and Ringi into $(VENV) (minutes the first time)"
	@$(PIP) $(TORCH)
	@$(PIP) --editable .
	@rm -f $(VENV)/installed-run-* && touch $@

$(FOR_WEB): $(FOR_RUN)
	@echo "installing the web half into $(VENV)"
	@$(PIP) --editable '.[web]'
	@rm -f $(VENV)/installed-web-* && touch $@

$(FOR_TEST): $(FOR_RUN)
	@echo "installing what the tests need into $(VENV)"
	@$(PIP) --editable '.[dev,web,postgres,llamacpp,cluster]'
	@rm -f $(VENV)/installed-test-* && touch $@
