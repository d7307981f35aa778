# All of this needs Python 3.11 or newer, make and a package index; nothing else.
# PORT, DATABASE_URL, DATABASE_OWNER_URL, REDIS_URL, DEMO and CHROMIUM are settings: see README.md.
suits = import sys; sys.exit(sys.version_info < (3, 11))
NAMES = python3 python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(shell for name in $(NAMES); do \
	$$name -c '$(suits)' 2>/dev/null && echo $$name && exit; done; echo python3)
VENV := .venv/bin/python
PORT ?= 8000
TESTS ?= tests
# Side by side, by file: one more than two cores, as a third of the time is waiting. 0 runs all in
# one process, for a debugger.
TEST_PROCESSES ?= 3
export PORT
export PLAYWRIGHT_BROWSERS_PATH ?= $(CURDIR)/var/browsers
unexport VIRTUAL_ENV

.PHONY: run sandbox test check bench chaos requirements clean environment environment-dev

run: environment  ## the site on this machine, with everything that it needs
	@$(VENV) -m config.local run

# A port of its own unless one was asked for, so that it runs beside `make run`.
sandbox: export PORT := $(if $(filter file,$(origin PORT)),8001,$(PORT))
sandbox: environment  ## a company to try things in, beside the other: reaches nobody
	@$(VENV) -m config.local run --sandbox

test: environment-dev  ## every test, against servers of their own (TESTS=tests/orders for some)
	@$(VENV) -m config.local browser
	@$(VENV) -m config.local with-services --state var/test --fast -- \
		$(VENV) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(TESTS)

check: environment-dev  ## format, lint, import contracts, templates, types, migrations, settings
	@$(VENV) -m ruff format --check --quiet .
	@$(VENV) -m ruff check --quiet .
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/djlint templates --check
	@.venv/bin/djlint templates --lint --quiet
	@$(VENV) -m mypy .
	@DJANGO_SETTINGS_MODULE=config.settings.test $(VENV) -W ignore::RuntimeWarning \
		manage.py makemigrations --check --dry-run
	@DJANGO_SETTINGS_MODULE=config.settings.test $(VENV) manage.py check --fail-level WARNING

bench: environment-dev  ## measurements, as a table and in var/bench.json (BENCH=engine for some)
	@DJANGO_SETTINGS_MODULE=config.settings.test $(VENV) -m config.local with-services \
		--state var/bench -- $(VENV) -m tests.bench $(BENCH_OPTIONS)

chaos: environment-dev  ## kill and stop everything under load, then judge (CHAOS_OPTIONS=--long)
	@$(VENV) -m tests.chaos $(CHAOS_OPTIONS)

requirements: environment  ## which requirements the last `make test` has proven
	@$(VENV) -m config.requirements

clean:  ## forget the environment and all data that `make run` and `make test` made
	@if [ -x $(VENV) ]; then $(VENV) -m config.local clean; fi
	@rm -rf .venv

environment:
	@$(PYTHON) config/local/bootstrap.py

environment-dev:
	@$(PYTHON) config/local/bootstrap.py --dev
