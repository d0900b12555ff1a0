# Everything a person needs: `make demo` and `make test`. Both make the environment they need.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BANK := demo-bank
OUT := demo-out
WORKERS ?= 2
TORCH ?= default
EXTRAS := .[dev,sentence-transformers,serve]

.DEFAULT_GOAL := help
.PHONY: help install demo test torture lint format docs site clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "freeda needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "this Python cannot make environments; on Debian: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
ifeq ($(TORCH),cpu)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --torch-backend=cpu --editable '$(EXTRAS)'
else
	$(BIN)/python -m pip install --quiet --editable '$(EXTRAS)'
endif
	@touch $(READY)

install: $(READY)  ## make the environment (TORCH=cpu: PyTorch without CUDA, smaller by 4 GB)

demo: $(READY)  ## ingest the example captions with the tiny pack, segment a picture
	$(BIN)/freeda ingest examples/captions.jsonl --bank $(BANK) --preset tiny
	$(BIN)/freeda segment examples/car-and-tree.png -c "red car,tree,grass,sky" --bank $(BANK) --out $(OUT)
	$(BIN)/freeda bank stats --bank $(BANK)
	@echo
	@echo "The overlay: $(abspath $(OUT))/car-and-tree.overlay.png"
	@echo "The studio: $(BIN)/freeda serve --bank $(BANK) examples/"

test: $(READY)  ## run all tests, two at a time (WORKERS=4 for four)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

torture: $(READY)  ## kills, damages, full disks and bad input, for about an hour; docs/reliability.md
	$(BIN)/python -m tests.torture --kills 500 --damages 2000 --disks 200 --inputs 3000

lint: $(READY) site  ## ruff, mypy --strict, import rules, stale docs, the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	$(BIN)/lint-imports
	$(BIN)/python -m docs.cli_reference --check
	$(BIN)/python -m docs.presets_reference --check

format: $(READY)  ## format the code and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## write the generated pages of docs/
	$(BIN)/python -m docs.cli_reference
	$(BIN)/python -m docs.presets_reference

site: $(READY)  ## build the documentation, to be opened from disk: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

clean:  ## remove the demo's bank and output, and the site
	rm -rf $(BANK) $(OUT) site
