# Every target needs only make and a Python >= 3.11; `install` brings the rest into .venv.
# Measuring targets take their arguments as N=… SEED=…; extra ones as ARGS="…". Tests take PYTEST_ARGS="…".

SHELL := /bin/sh
# Compiled modules may be kept: every process that tests start would compile all of ours again. `clean` removes them.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help install demo dev test check format bench chaos mutate journeys lock clean

BIN := .venv/bin
MEASURE = $(if $(N),--n $(N)) $(if $(SEED),--seed $(SEED)) $(ARGS)

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

install: ## make .venv from the lock files (needs no Docker, Postgres or Redis)
	@PYTHON="$(PYTHON)" sh scripts/bootstrap.sh

demo: install ## run the main job on real input, report, and exit
	@$(BIN)/app demo $(ARGS)

dev: install ## start everything and stay up
	@$(BIN)/app dev $(ARGS)

test: install ## run all tests
	@$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

check: install ## the fast checks: format, lint, types, import contracts, unit and house tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q tests/unit tests/house $(PYTEST_ARGS)

format: install ## rewrite the sources as the checks want them
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## measure throughput and latency next to the machine's floor
	@$(BIN)/app bench $(MEASURE)

chaos: install ## break everything under load and check every promise against the provider's ledger
	@$(BIN)/app chaos $(MEASURE)

mutate: install ## change random tokens of the core and tell whether the unit tests notice
	@$(BIN)/python -m scripts.mutate $(MEASURE)

journeys: install ## count the functions and files a message passes (ARGS=--tree: every call)
	@$(BIN)/python scripts/journeys.py $(ARGS)

lock: install ## resolve pyproject.toml into the lock files again (LOCK_ARGS=--upgrade for newer versions)
	@sh scripts/lock.sh $(LOCK_ARGS)

clean: ## remove what install, tests and tools made in this checkout
	rm -rf .venv .install.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
