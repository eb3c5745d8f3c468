# Thin: each line is a command that you could type.
#   make all         the default study (params.yaml) from nothing to its report; STUDY=studies/NAME.yaml for another
#   make setup       create .venv from the hashed lock, with torch and posrec; does nothing while the lock is unchanged
#   make test        every test; tests on real data need POSREC_MIRROR
#   make quick       the tests that fail within a minute on a broken encoding, metric, id or study
#   make lint        style, types, workflow checks, known vulnerabilities of the locked packages
#   make scenarios   run every scenario of caching and faults (more than an hour) and write docs/measured/scenarios.md;
#                    ONLY=slurm runs those whose name contains "slurm" and replaces their rows
#   make bench       run the measurements behind docs/measured (benchmarks/)
#   make docs        rewrite the generated parts of docs/reference and build the site, with search, into site/
#   make same-bytes  BASE=COMMIT: compare data and runs of this checkout with those of a commit;
#                    STUDIES="protocols engines" compares only these
#   make pull        fetch the results of the default study from the DVC remote
#   make lock        compile envs/requirements.in and envs/docs.in into their locks
#   make wheelhouse  download every wheel of the lock, and torch, into wheelhouse/ for a machine without internet;
#                    make setup WHEELHOUSE=wheelhouse installs from that folder
# PYTHON=python3.12 selects the interpreter (3.11 to 3.13). TORCH_INDEX selects torch's package index; the CPU build, a
# tenth of the size, is at https://download.pytorch.org/whl/cpu.

PYTHON ?= python3
TORCH_INDEX ?=
WHEELHOUSE ?=
FROM := $(if $(WHEELHOUSE),--no-index --find-links $(WHEELHOUSE))
TORCH := 2.13.0
BIN := .venv/bin
INSTALLED := .venv/.installed
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

# A few golden runs, each formula and metric against hand-worked values, ids, study files, and one dry run of the workflow.
QUICK := tests/model/encodings/test_encoding_formulas.py tests/model/evaluate/test_metrics.py tests/plan/test_ids.py \
	tests/study/test_reading.py tests/study/test_study.py tests/test_docs.py tests/test_staircase.py \
	$(foreach case,none learnt learnt_con rmha4 rope,"tests/model/test_golden.py::test_results_of_this_version[$(case)]") \
	tests/workflow/test_studies.py::test_values_on_the_command_line_reach_the_rules_as_numbers

.PHONY: help all setup test quick lint scenarios bench docs same-bytes pull lock wheelhouse

help:
	@sed -n 's/^#   //p' Makefile

all: setup
	@$(RUN) posrec unlock $(STUDY)
	@$(RUN) posrec run $(STUDY)

setup: $(INSTALLED)

$(INSTALLED): envs/requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "posrec needs Python 3.11 to 3.13: make setup PYTHON=python3.12")'
	@echo "Installing $$(grep -c '^[a-z0-9].*==' envs/requirements.lock) packages and torch $(TORCH) into .venv: 2 to 5 minutes with a fast connection;"
	@echo "torch is 0.2 GB for the CPU (TORCH_INDEX=https://download.pytorch.org/whl/cpu), else about 3 GB. Done once."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(FROM) --require-hashes -r envs/requirements.lock
	$(BIN)/pip install --quiet $(or $(FROM),$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))) torch==$(TORCH)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

test: setup
	$(RUN) python -m pytest -rs --numprocesses auto --maxprocesses 4 --dist loadfile tests

quick: setup
	$(RUN) python -m pytest -x $(QUICK)

scenarios: setup
	$(RUN) python -m pytest -rs -o python_files='test_*.py scenario_*.py' tests/workflow tests/scenarios --scenarios docs/measured/scenarios.md $(if $(ONLY),-k "$(ONLY)")

bench: setup
	$(RUN) python -m benchmarks

docs: setup
	$(RUN) python -m docs.write
	test -x $(BIN)/mkdocs || $(BIN)/pip install --quiet $(FROM) --require-hashes --no-deps -r envs/docs.lock
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet --strict
	if test -f results/studies/default/report.html; then cp results/studies/default/report.html site/report.html; fi

same-bytes: setup
	$(RUN) python tests/same_bytes.py $(or $(BASE),$(error give the commit: make same-bytes BASE=COMMIT)) $(if $(STUDIES),--study $(STUDIES))

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
	$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes envs/docs.in -o envs/docs.lock --constraint envs/requirements.lock

# For this machine's Python and platform. Packages without a wheel are built at installation, with `wheel`.
# Torch's own dependencies have the versions of the lock.
wheelhouse:
	mkdir -p wheelhouse
	$(PYTHON) -m pip download --quiet --require-hashes -r envs/requirements.lock --dest wheelhouse
	sed -n 's/^\([a-z0-9].*==.*[^ ]\) *\\$$/\1/p' envs/requirements.lock >wheelhouse/versions.txt
	$(PYTHON) -m pip download --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) --constraint wheelhouse/versions.txt --find-links wheelhouse --dest wheelhouse torch==$(TORCH)
	$(PYTHON) -m pip download --quiet --constraint wheelhouse/versions.txt --dest wheelhouse wheel
