# `make demo` and `make test` do everything on a fresh machine; the rest is for those who work on the code.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Modules are compiled when they are first imported, and stay so: pip would compile all that nobody imports, and where
# the environment forbids to keep them every process that a test starts would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# Two at a time, each one's output in one piece where make can do that.
TOGETHER := --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: demo test browser validate map bench coverage dist docs lint types style layers format clean

demo: $(VENV)/.demo
	@$(BIN)/python -m experiments.information_spiral demo --out out/demo

# The demo needs the package and what reports and statistics are made with; everything else the test extra too.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lob_sim needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	@echo "installing lob_sim into $(VENV) ..."
	@$(PIP_INSTALL) -e '.[report,sweep]'
	@touch $@

$(INSTALLED): $(VENV)/bin/python pyproject.toml
	@echo "installing lob_sim and its test tools into $(VENV) ..."
	@$(PIP_INSTALL) -e '.[test,bench]'
	@touch $@ $(VENV)/.demo

lint: style layers types

types: $(INSTALLED)
	$(BIN)/mypy

style: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

layers: $(INSTALLED)
	$(BIN)/lint-imports

# The tests of the report page drive a browser and are skipped where there is none. Root on Debian is given one.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null 2>&1 && exit 0; done; \
	[ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null 2>&1 || exit 0; \
	echo "installing chromium for the tests of the report page ..."; export DEBIAN_FRONTEND=noninteractive; \
	quietly="-qq -o Acquire::Retries=0 -o Acquire::http::Timeout=20"; \
	{ apt-get install $$quietly -y chromium || { apt-get update $$quietly && apt-get install $$quietly -y chromium; }; } \
	>/dev/null 2>&1 || echo "chromium could not be installed: the tests of the report page are skipped"

test: $(INSTALLED)
	@$(MAKE) $(TOGETHER) lint browser
	$(BIN)/pytest -n 2 --dist worksteal -m "not validate"

# Everything that takes long: the long tests, among them the faults of the engine that the tests must catch, then every
# experiment once, the dearest with fewer seeds than their own pages have; docs/validation.md keeps the verdicts. Tests are
# handed out one by one, since some take minutes and most a second.
validate: $(INSTALLED)
	$(BIN)/pytest -n 2 --dist load --maxschedchunk 1 -m validate
	$(BIN)/python -m experiments.validation.report

# Where fear and limits feed each other: calibrations with a calm in order, then the factorial on each. Takes an hour; what
# is done stays done in out/history and out/map.
map: $(INSTALLED)
	$(BIN)/python -m experiments.history_matching out/history --points 256 $(if $(wildcard out/history/yardstick),--resume)
	$(BIN)/python -m experiments.information_spiral publish-map --history out/history --out out/map

# A target of its own: counting lines takes three times as long as the tests do.
coverage: $(INSTALLED)
	$(BIN)/pytest -n 2 --dist worksteal -m "not validate" --cov --cov-report=term:skip-covered

# Wheel and source distribution; the wheel is made from the latter, and used where there is nothing else.
dist: $(INSTALLED)
	rm -rf dist build/empty
	$(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/empty
	build/empty/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd build/empty && bin/lob-sim run dealer_market --set horizon=15min --out run && bin/lob-sim replay run --verify

bench: $(INSTALLED)
	$(BIN)/python -m tests.bench

# The reference of parameters comes from the code; the site goes to site/ and opens from disk.
docs: $(INSTALLED)
	$(BIN)/lob-sim list parameters > docs/parameters.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) out dist build site .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
