# Thin: each line is a command that a person could type.
#   make all      the default study (params.yaml), or STUDY=studies/NAME.yaml, from nothing to its report
#   make setup    .venv from the hashed lock, torch, and posrec itself; nothing while the lock is unchanged
#   make test     every test; the ones on real data need POSREC_MIRROR
#   make scenarios  every scenario of caching and faults for real (over an hour), and docs/measured/scenarios.md from them;
#                 ONLY=slurm: those whose name holds that, and their rows
#   make bench    the measurements behind the figures in docs (benchmarks/)
#   make lint     style, types, the workflow's form, known vulnerabilities of the lock
#   make pull     results of the default study from the DVC remote
#   make lock     envs/requirements.in -> envs/requirements.lock
#   make wheelhouse  every wheel of the lock and torch in wheelhouse/, for a machine without internet:
#                    there, make setup WHEELHOUSE=wheelhouse installs from that folder and asks no index
# PYTHON=python3.12 chooses the interpreter (3.11 to 3.13), TORCH_INDEX the index of torch: the CPU build, ten times
# smaller, is at https://download.pytorch.org/whl/cpu.

PYTHON ?= python3
TORCH_INDEX ?=
WHEELHOUSE ?=
FROM := $(if $(WHEELHOUSE),--no-index --find-links $(WHEELHOUSE))
TORCH := 2.13.0
BIN := .venv/bin
INSTALLED := .venv/.installed
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: help all setup test scenarios bench lint pull lock wheelhouse

help:
	@sed -n 's/^#   //p' Makefile

all: setup
	$(RUN) posrec unlock $(STUDY)
	$(RUN) snakemake --cores all all $(if $(STUDY),--configfile $(STUDY))
	@echo "The report is results/studies/$$(sed -n 's/^study: *//p' $(or $(STUDY),params.yaml))/report.html"

setup: $(INSTALLED)

$(INSTALLED): envs/requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "posrec needs Python 3.11 to 3.13: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(FROM) --require-hashes -r envs/requirements.lock
	$(BIN)/pip install --quiet $(or $(FROM),$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))) torch==$(TORCH)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

test: setup
	$(RUN) python -m pytest -rs tests

scenarios: setup
	$(RUN) python -m pytest -rs -o python_files='test_*.py scenario_*.py' tests/workflow tests/scenarios --scenarios docs/measured/scenarios.md $(if $(ONLY),-k "$(ONLY)")

bench: setup
	$(RUN) python -m benchmarks

lint: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint
	$(RUN) .ci/audit

pull: setup
	$(RUN) dvc pull

lock: setup
	$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes envs/requirements.in -o envs/requirements.lock

# For this machine's Python and platform. Packages that have no wheel are built where they are installed, with `wheel`.
# Torch's own dependencies come at the versions of the lock.
wheelhouse:
	mkdir -p wheelhouse
	$(PYTHON) -m pip download --quiet --require-hashes -r envs/requirements.lock --dest wheelhouse
	sed -n 's/^\([a-z0-9].*==.*[^ ]\) *\\$$/\1/p' envs/requirements.lock >wheelhouse/versions.txt
	$(PYTHON) -m pip download --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) --constraint wheelhouse/versions.txt --find-links wheelhouse --dest wheelhouse torch==$(TORCH)
	$(PYTHON) -m pip download --quiet --constraint wheelhouse/versions.txt --dest wheelhouse wheel
