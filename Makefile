# make lab        set up what is missing, then open JupyterLab on the first notebook
# make test       set up what is missing, then every check
# make test-long  the tests that take too long for every change
# make notebooks  the notebooks, made anew of notebooks/source
# make clean      remove what the set-up made; saved runs stay
#
# Variables: PYTHON (the interpreter to build on), ARGS (for `jupyter lab` or pytest),
# TORCH_INDEX (where PyTorch comes from; for the small CPU build on Linux:
# https://download.pytorch.org/whl/cpu).

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
CANDIDATES := $(PYTHON) python3 python3.13 python3.12 python3.11 python
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# The notebooks as a student gets them, and solved; both from top to bottom.
TEST_NOTEBOOKS = rm -rf build/notebook-models build/solutions && \
  $(BIN)/python notebooks/build.py --solutions build/solutions --expected && \
  RLPLAY_CI=1 RLPLAY_MODELS="$(CURDIR)/build/notebook-models" \
  $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --nbval-lax notebooks build/solutions
# Seconds that all of them may take.
MOST_SECONDS := 240

.PHONY: help lab test test-long notebooks clean

help:
	@sed -n 's/^# make/make/p' Makefile

lab: $(VENV)/.lab-ready
	@$(BIN)/rlplay lab $(ARGS)

test: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)
	$(TEST_NOTEBOOKS)
	@if chromium=$$($(BIN)/python tests/browser/chromium.py); then \
	  echo "Browser tests with $$chromium"; \
	  $(BIN)/python -m pytest tests/browser --numprocesses 2 --dist worksteal || { \
	    echo "BROWSER TESTS FAILED ONCE; those that failed run again, by themselves:"; \
	    $(BIN)/python -m pytest tests/browser --last-failed --last-failed-no-failures none || { \
	      echo "BROWSER TESTS FAILED TWICE; those that failed run a last time:"; \
	      $(BIN)/python -m pytest tests/browser --last-failed --last-failed-no-failures none; \
	    }; \
	  }; \
	else \
	  echo "BROWSER TESTS NOT RUN: no Chromium found. Install Chromium or Chrome, or set RLPLAY_CHROMIUM to its path."; \
	fi

test-long: $(VENV)/.test-ready
	$(BIN)/python -m pytest -m long $(ARGS)
	$(BIN)/python -m pytest -m long tests/browser
	$(BIN)/python tests/benchmarks/playground_speed.py memory --minutes 60
	for time in 1 2 3 4 5 6 7 8 9 10; do \
	  echo "The notebooks, time $$time of 10"; \
	  began=$$(date +%s); \
	  { $(TEST_NOTEBOOKS); } || exit 1; \
	  took=$$(( $$(date +%s) - began )); \
	  echo "All notebooks took $$took s"; \
	  if [ $$took -gt $(MOST_SECONDS) ]; then \
	    echo "THE NOTEBOOKS TOOK LONGER THAN $(MOST_SECONDS) s. On a machine of 2 cores that has nothing else to do, they must not."; \
	    exit 1; \
	  fi; \
	done

notebooks: $(VENV)/.test-ready
	$(BIN)/python notebooks/build.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find rlplay widgets tests -name __pycache__ -prune -exec rm -rf {} +

# Each step of the set-up leaves a mark, and is done again only when what it was made of changed.

$(VENV)/.made:
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then touch $@; exit 0; fi; \
	for python in $(CANDIDATES); do \
	  if $$python -c '$(SUPPORTED)' 2>/dev/null; then break; fi; \
	  python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "rlplay needs Python 3.11, 3.12 or 3.13, and none of these is one: $(CANDIDATES)."; \
	  echo "Install one from https://www.python.org/downloads/, or name yours: make lab PYTHON=/path/to/python3.12"; \
	  exit 1; \
	fi; \
	echo "Setting rlplay up with $$($$python --version) in $(VENV): once, a few minutes."; \
	rm -rf $(VENV); \
	if ! $$python -m venv $(VENV); then \
	  rm -rf $(VENV); \
	  echo "Python's venv module does not work. On Debian and Ubuntu: sudo apt install python3-venv"; \
	  exit 1; \
	fi; \
	touch $@

$(VENV)/.lab-ready: pyproject.toml constraints.txt | $(VENV)/.made
ifdef TORCH_INDEX
	$(PIP) --no-deps --index-url $(TORCH_INDEX) torch
endif
	$(PIP) --editable '.[lab]'
	$(BIN)/rlplay warmup
	@touch $@

$(VENV)/.test-ready: $(VENV)/.lab-ready
	$(PIP) --editable '.[lab,test,dev]'
	@# A test grades with nbgrader; its menus have no place in the JupyterLab of `make lab`.
	@$(BIN)/jupyter labextension disable --level=sys_prefix @jupyter/nbgrader >/dev/null
	@touch $@
