# `make demo` and `make test` do everything on a fresh machine; the rest is for those who work on the code.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test validate bench lint format clean

demo: $(VENV)/.demo
	@$(BIN)/python -m experiments.information_spiral demo --out out/demo

# The demo needs the package alone; everything else needs the tools of the test extra too.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lob_sim needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	@echo "installing lob_sim into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(INSTALLED): $(VENV)/bin/python pyproject.toml
	@echo "installing lob_sim and its test tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,bench]'
	@touch $@ $(VENV)/.demo

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -n 2 --dist worksteal -m "not validate"

# Everything that takes long: the long tests, the faults that the tests must catch, then every experiment in full, once, whose
# verdicts docs/validation.md keeps.
validate: $(INSTALLED)
	$(BIN)/pytest -n 2 --dist worksteal -m validate
	$(BIN)/python tests/mutation/run_mutations.py
	$(BIN)/python -m experiments.validation.report

bench: $(INSTALLED)
	$(BIN)/python -m tests.bench

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) out dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
