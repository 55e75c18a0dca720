# Three commands: `make quickstart`, `make test` and `make bench`. Everything is installed into .venv; nothing else is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= quickstart
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart test bench lint types annotations clean help

help:
	@echo "make quickstart   install into .venv, run the whole story on the built-in world, print where the page is"
	@echo "make test         install into .venv, then lint, types and tests"
	@echo "make bench        install into .venv, measure speed and memory, write benchmarks.json (about a quarter of an hour)"

quickstart: $(VENV)/.installed
	$(BIN)/rebind quickstart --out $(OUT)

test: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 -m slow

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks --json benchmarks.json

lint: $(VENV)/.installed-for-tests
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

types: $(VENV)/.installed-for-tests
	$(BIN)/mypy

# Tests on the real annotation files of SugarCrepe and COCO, for those who have them.
annotations: $(VENV)/.installed-for-tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m annotations

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) found; install Python 3.10 or newer, or say make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "make: $$($(PYTHON) --version) is too old; rebind needs Python 3.10 or newer: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "make: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing rebind into $(VENV) (a minute or two) …"
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-for-tests: $(VENV)/.installed
	$(PIP) --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
