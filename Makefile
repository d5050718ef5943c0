# `make` sets up .venv and serves the sample cassettes; `make test` sets up and runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PORT ?= 8080
# How many processes the tests run in, and more arguments for pytest.
JOBS ?= auto
PYTEST ?=

export HAIKU = {"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"A haiku about tests"}]}

.PHONY: serve demo test lint typecheck check bench clean
.DEFAULT_GOAL := serve

# Forward proxy at PORT, reverse proxy at PORT+1, both offline from recordings/.
serve: $(VENV)/.runtime
	@echo "A forward proxy is at http://127.0.0.1:$(PORT), a reverse proxy at http://127.0.0.1:$$(($(PORT) + 1)):"
	@echo "both answer from recordings/, nothing goes out. Ctrl-C ends them. Try, in another terminal:"
	@echo
	@echo "    curl -N http://127.0.0.1:$$(($(PORT) + 1))/v1/chat/completions -d '$$HAIKU'"
	@echo
	@exec $(BIN)/mitmdump -q -s addon/vcr.py --listen-host 127.0.0.1 \
	    --mode regular@$(PORT) --mode reverse:https://api.openai.com@$$(($(PORT) + 1)) \
	    --set vcr_mode=replay --set vcr_cassette=haiku --set vcr_repeat=any

demo: $(VENV)/.upstream
	@$(BIN)/python -m tests.demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

typecheck: $(VENV)/.dev
	$(BIN)/mypy

check: lint typecheck test

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(BENCH)

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mitmvcr needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@touch $@

$(VENV)/.runtime: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.upstream: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group upstream
	@touch $@

$(VENV)/.dev: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@ $(VENV)/.runtime $(VENV)/.upstream
