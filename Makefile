# The one list of commands; `make` alone prints it. CI runs the same targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-
UV_VERSION := 0.13.9
OUT ?= demo-out

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# A venv without pip (Debian ships python3-venv apart) is made by the virtualenv that pip can install.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: apt-get install python3-venv (Debian, Ubuntu)"; rm -rf $(VENV); exit 1; }

$(BIN)/uv: | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP)core: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "Installing skureel into $(VENV) …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable .
	@touch $@

$(STAMP)dev: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "Installing skureel and its development tools into $(VENV) …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev,gpu,c2pa,ocr]'
	@touch $@ $(STAMP)core

.PHONY: install
install: $(STAMP)core ## Install skureel into .venv
.PHONY: develop
develop: $(STAMP)dev ## Install skureel and its development tools into .venv

.PHONY: gpu
gpu: $(STAMP)core ## Install what the wan engine needs as well (PyTorch, diffusers: some gigabytes)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[gpu]'

.PHONY: demo
demo: $(STAMP)core ## Make the sample catalog's clips on this machine alone: no GPU, no Kafka, no Docker
	@$(BIN)/skureel demo --out $(OUT)

.PHONY: test
test: $(STAMP)dev ## Check everything: lint, types, architecture, tests on real Kafka, MinIO and PostgreSQL
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory pytest

.PHONY: check
check: $(STAMP)dev ## Lint, format, types and import contracts; changes nothing
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Four workers on two cores, for many tests wait for a broker or a process; one set of servers for all of them, unless
# addresses are given. tests/pace.py puts the files in order. A process that cannot keep its bytecode takes twice as
# long to start.
JOBS ?= 4
SERVED := $(BIN)/python -m tests.services
FOLDERS := tests/faults tests/integration tests/unit
PYTEST := $(BIN)/python -m coverage run -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(FOLDERS)

.PHONY: pytest
pytest: export PYTHONDONTWRITEBYTECODE :=
pytest: $(STAMP)dev ## The tests alone, with coverage
	@$(BIN)/python -m coverage erase
	@if [ -n "$$SKUREEL_TEST_KAFKA" ]; then $(PYTEST); \
	elif $(SERVED) fetch; then $(SERVED) run -- $(PYTEST); \
	elif [ -n "$$CI" ]; then exit 1; \
	else $(PYTEST); fi
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report --fail-under=90

.PHONY: acceptance
acceptance: export PYTHONDONTWRITEBYTECODE :=
acceptance: $(STAMP)dev ## The same laws at full size, for an hour: 1,000 products, 20 kills a role, a burst of promotions
	@$(SERVED) run -- $(BIN)/pytest tests/acceptance

.PHONY: faults
faults: export PYTHONDONTWRITEBYTECODE :=
faults: $(STAMP)dev ## The table of faults, on real services; prints it and keeps tests/faults/README.md
	@$(BIN)/python -m tests.services run -- $(BIN)/pytest -p tests.faults.table $$(grep -rl --include='test_*.py' 'def test_fault_' tests)

MINUTES ?= 10
.PHONY: soak
soak: export PYTHONDONTWRITEBYTECODE :=
soak: $(STAMP)dev ## Ten minutes (MINUTES=…) under a nemesis on real servers, and a checker: tests/soak/README.md
	@$(BIN)/python -m tests.soak run --minutes $(MINUTES)

.PHONY: gpu-test
gpu-test: $(STAMP)dev ## The laws that only a GPU can show; skipped, by name, without one
	@$(BIN)/pytest tests/gpu

.PHONY: unit
unit: $(STAMP)dev ## The fast tests, which need no service
	@$(BIN)/pytest tests/unit

.PHONY: fix
fix: $(STAMP)dev ## Mend what lint and format can mend
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: docs
docs: $(STAMP)dev ## Write what documents repeat from the code: settings, metrics, modules
	@$(BIN)/python -m tests.unit.docs.pages

.PHONY: bench
bench: $(STAMP)dev ## The benchmarks: tables, and one JSON line each
	@$(BIN)/python -m tests.bench

.PHONY: services
services: $(STAMP)dev ## Start Kafka, MinIO and PostgreSQL on free loopback ports (stop: make services-down)
	@$(BIN)/python -m tests.services up
.PHONY: services-down
services-down: $(STAMP)dev ## Stop what `make services` started
	@$(BIN)/python -m tests.services down

.PHONY: clean
clean: ## Remove what the tools left behind, .venv included
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* htmlcov dist build *.egg-info
