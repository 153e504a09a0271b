.DEFAULT_GOAL := help
.PHONY: help setup run test check fmt bench contracts lock clean browser

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Newer than what the environment was made from, or setup has something to do.
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Each writes its own files, in contracts/ or deploy/.
GENERATORS := contracts.schema services.http_api.openapi deploy.generate
# The same names as in tests/rig/browser.py.
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
# `make test ARGS="tests/domain -k budget"` runs a part.
ARGS ?=
# Each process has servers of its own, and a file stays in one. The order is that of tests/conftest.py.
AT_ONCE := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

help:  ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## Create the environment from the hashed lock file

run: setup  ## Start everything on this machine, until Ctrl-C
	@$(BIN)/vito up

test: setup browser  ## Run the tests, on real servers and in a real browser
	$(BIN)/python -m pytest -q $(AT_ONCE) $(ARGS)

check: setup  ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fmt: setup  ## Format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## Measure against the raw servers, in one run
	$(BIN)/vito bench $(ARGS)

contracts: setup  ## Regenerate contracts/*.json and deploy/nats; read the diff
	@for module in $(GENERATORS); do $(BIN)/python -m $$module || exit 1; done
	@git --no-pager diff --stat -- contracts deploy

# No annotations and no addresses: the lock says what, not from where.
lock: setup  ## Resolve the dependencies again into requirements.lock
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	  d = p["project"]; \
	  print(*d["dependencies"], *sum(d["optional-dependencies"].values(), []), \
	    *p["dependency-groups"]["dev"], sep="\n")' \
	| $(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
	  --no-header --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --output-file requirements.lock -
	@! grep -n '://' requirements.lock

# Without one the tests of pages fail, and say so; all others run.
browser:
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the tests of pages; the first time this takes a minute."; \
	  apt-get -qq update && apt-get -qq -y install --no-install-recommends chromium >/dev/null; \
	else \
	  echo "The tests of pages need Chromium. Install it, on Debian and Ubuntu with:" >&2; \
	  echo "  sudo apt-get install chromium" >&2; \
	fi

clean:  ## Remove the environment and caches; the data in .vito stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed. If you have one: make setup PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=python$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get -qq update && apt-get -qq -y install $$package; \
	  else \
	    echo "Python's venv module is missing. Install it, on Debian and Ubuntu with:" >&2; \
	    echo "  sudo apt-get install $$package" >&2; exit 1; \
	  fi; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what requirements.lock names; the first time this takes a minute or two."
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(STAMP)
