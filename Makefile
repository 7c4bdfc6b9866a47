# Two commands do all set-up: `make run` and `make test`. Everything lives in .venv.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
SOURCES := $(shell git ls-files '*.py' pyproject.toml)

SOAK ?= 10
.PHONY: run test soak lint bench recording comparison clean

.venv/installed: pyproject.toml $(filter runtime/% shell/% transports/%,$(SOURCES))
	@test -n "$(PYTHON)" || { echo "pysh needs Python 3.11 or newer: install it, or run: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-warn-script-location '.'
	@rm -rf build *.egg-info
	@touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check '.[test]'
	@rm -rf build *.egg-info
	@touch $@

run: .venv/installed
	PATH="$(CURDIR)/.venv/bin:$$PATH" pysh examples/wordcount.pysh

test: .venv/tested
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 4 --dist worksteal $(PYTEST)

soak: .venv/tested
	$(BIN)/python -m pytest -n 2 --soak $(SOAK) $(PYTEST)

lint: .venv/tested
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: .venv/tested
	$(BIN)/python -m pip install -q --disable-pip-version-check '.[bench]'
	$(BIN)/python -m benchmarks

recording: .venv/tested
	$(BIN)/python -m docs.record

comparison: .venv/tested
	@test -x .venv/peers/bin/xonsh || python3.13 -m venv .venv/peers || $(PYTHON) -m venv .venv/peers
	.venv/peers/bin/python -m pip install -q --disable-pip-version-check ipython==9.18.1 ptpython==3.0.32 xonsh==0.25.0
	$(BIN)/python -m docs.compare

clean:
	rm -rf .venv build *.egg-info
