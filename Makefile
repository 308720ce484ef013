# The two commands of the README are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
# img2dataset wants an older OpenCV and an older pandas than the project has. imagededup is there
# for its search, which needs no torch.
PEERS := .peers
BIN := $(VENV)/bin
# Tests of daemons and of hung workers mostly wait: one more than two cores have.
WORKERS ?= 3
STAMP := $(VENV)/.installed
UV_PIN := $(shell sed -n 's/^uv==\([^ ;]*\).*/\1/p' requirements.lock)
export DAGSTER_HOME := $(CURDIR)/.dagster

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-long live check format bench peers lock clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(STAMP) ## make .venv from requirements.lock (a second run costs nothing)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 11) else f"Python {v} found, 3.11 or newer needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/uv || { $(PYTHON) -m venv --clear $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_PIN); }
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run the whole DAG for the embedded subject `patchwork`
	@$(BIN)/wunderkammer demo

up: setup ## Dagster UI and daemon, with schedules and automation, on 127.0.0.1
	@$(BIN)/wunderkammer up

test: setup ## run the tests
	@$(BIN)/pytest -n $(WORKERS) --dist load --maxschedchunk 1

test-long: setup ## run the tests that take minutes each, which `make test` leaves out
	@$(BIN)/pytest -v -m long

live: setup ## ask a real site if it still answers as expected: make live SOURCE=inaturalist
	@$(BIN)/pytest -v -m live tests/live$(if $(SOURCE),/test_live_$(SOURCE).py)

check: setup ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup ## rewrite the code in the common format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## run the benchmarks
	@set -e; for script in $(wildcard benchmarks/*.py); do $(BIN)/python $$script; done

peers: setup ## make .peers, with what the benchmarks of downloads and of duplicates compare with
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@VIRTUAL_ENV=$(CURDIR)/$(PEERS) $(BIN)/uv pip sync --quiet benchmarks/peers.txt

lock: setup ## resolve pyproject.toml into requirements.lock, and the peers apart
	@printf '%s ; sys_platform == "never"\n' opencv-python openvino-telemetry > $(VENV)/overrides.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		--overrides $(VENV)/overrides.txt --extra dev pyproject.toml --output-file requirements.lock
	@printf '%s ; sys_platform == "never"\n' torch torchvision > $(VENV)/overrides.txt
	@printf '%s\n' img2dataset requests faiss-cpu imagededup | $(BIN)/uv pip compile --quiet \
		--universal --python-version 3.11 --no-header --no-annotate \
		--overrides $(VENV)/overrides.txt - --output-file benchmarks/peers.txt

clean: ## remove .venv and .peers (not the data)
	@rm -rf $(VENV) $(PEERS)
