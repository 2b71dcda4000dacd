# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run demo check test test-all coverage soak bench fuzz lint openapi audit format lock vendor screenshots clean

PYTHON_BIN := .venv/bin/python
# Four processes keep two cores busy, because many tests wait. The tests of a file share services,
# so they run in one process; the longest files start first.
PYTEST := $(PYTHON_BIN) -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder
MINUTES ?= 10

# Paths and files are UTF-8 in any locale. Many images switch bytecode off, and then each start
# compiles all packages again. The other variables may be set for other projects.
export PYTHONUTF8 := 1
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONWARNINGS PYTHONIOENCODING

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Install if needed, start everything, and stay until Ctrl-C
	@scripts/venv.sh requirements-embedded.txt
	@exec $(PYTHON_BIN) scripts/run.py

demo: ## Start everything, run scripts/test_endpoints.sh, stop; the data stays
	@scripts/venv.sh requirements-embedded.txt
	@exec $(PYTHON_BIN) scripts/run.py demo

check: lint ## Check style, types and imports; run unit and API tests
	@$(PYTEST) tests/unit tests/api

test: ## Run all tests except the slow ones
	@scripts/venv.sh requirements-dev.txt
	@scripts/node.sh
	@$(PYTEST)

test-all: ## Run the slow tests, too
	@scripts/venv.sh requirements-dev.txt
	@scripts/node.sh
	@$(PYTEST) -m 'slow or not slow'

coverage: ## Run all tests and show which lines they cover
	@scripts/venv.sh requirements-dev.txt
	@scripts/node.sh
	@$(PYTEST) -m 'slow or not slow' --cov

soak: ## Run everything with random faults for MINUTES=10, then check that nothing was lost
	@scripts/venv.sh requirements-dev.txt
	@$(PYTHON_BIN) -m tests.soak --minutes $(MINUTES)

bench: ## Measure speed, against a minimal FastAPI service
	@scripts/venv.sh requirements-bench.txt
	@$(PYTHON_BIN) -m bench

fuzz: ## Fuzz the API with valid and invalid requests from openapi.json for MINUTES=10
	@scripts/venv.sh requirements-dev.txt
	@FUZZ_MINUTES=$(MINUTES) $(PYTHON_BIN) -m pytest -m slow --capture=no -o faulthandler_timeout=0 tests/system/test_fuzz.py

lint: ## Check style, types, the direction of imports, and that pins match pyproject.toml
	@scripts/venv.sh requirements-dev.txt
	@$(PYTHON_BIN) -m ruff check .
	@$(PYTHON_BIN) -m ruff format --check .
	@$(PYTHON_BIN) -m mypy
	@.venv/bin/lint-imports --no-logo
	@scripts/lock.sh --check
	@scripts/vendor.sh --check
	@scripts/node.sh biome check --error-on-warnings
	@scripts/node.sh tsc

openapi: ## Write openapi.json, asyncapi.json and postman.json, after a change of the API
	@scripts/venv.sh requirements-dev.txt
	@$(PYTHON_BIN) -m scripts.write_openapi
	@$(PYTHON_BIN) -m scripts.write_asyncapi
	@$(PYTHON_BIN) -m scripts.write_collection

audit: ## Look for known vulnerabilities in the dependencies; asks PyPI
	@scripts/venv.sh requirements-dev.txt
	@.venv/bin/uv tool run pip-audit --strict --disable-pip --require-hashes -r requirements-dev.txt

format: ## Format the code
	@scripts/venv.sh requirements-dev.txt
	@$(PYTHON_BIN) -m ruff check --fix .
	@$(PYTHON_BIN) -m ruff format .
	@scripts/node.sh biome check --write

lock: ## Pin the requirements again, after a change in pyproject.toml
	@scripts/venv.sh requirements-dev.txt
	@scripts/lock.sh

vendor: ## Copy the board's library from npm, after a change in package.json
	@scripts/venv.sh requirements-dev.txt
	@scripts/vendor.sh --update

screenshots: ## Make the picture of the board in docs/images
	@scripts/venv.sh requirements-dev.txt
	@$(PYTHON_BIN) -m tests.screenshots

clean: ## Remove .venv, node_modules and caches; the data in .billor/ stays
	rm -rf .venv node_modules docs/clients/node_modules .pytest_cache .ruff_cache .coverage*
