# Everything needs Python 3.11 or newer, make and a package index; nothing else.
PYTHON ?= python3
VENV := .venv/bin/python
PORT ?= 8000
export PORT
unexport VIRTUAL_ENV

.PHONY: run test check requirements clean environment environment-dev

run: environment  ## the whole site on this machine: http://localhost:8000/ (PORT=8001 for another)
	@$(VENV) -m config.local run

environment:
	@$(PYTHON) config/local/bootstrap.py

environment-dev:
	@$(PYTHON) config/local/bootstrap.py --dev
