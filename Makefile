# Everything a bare machine needs is here: Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help setup demo test test-all lint format bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## create .venv with the tested, pinned packages

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## calibrate the shipped model on real text and show what comes out
	$(BIN)/invarlock calibrate null-sweep --config configs/calibration/null_sweep_demo.yaml --out reports/demo/null_sweep --fresh
	$(BIN)/invarlock calibrate ve-sweep --config configs/calibration/ve_sweep_demo.yaml --out reports/demo/ve_sweep --n-seeds 3 --fresh

lint: $(STAMP)  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

test: lint  ## lint, types and the fast tests, on two cores
	$(BIN)/pytest --numprocesses 2 --dist loadfile

test-all: lint  ## every test, the slow ones too
	$(BIN)/pytest -m ''

bench: $(STAMP)  ## measure, and rewrite docs/benchmarks.md
	$(BIN)/python -m benchmarks

clean:  ## remove the environment and the local stores
	rm -rf $(VENV) .invarlock
