# Every target sets up what it needs: see .ci/setup, which finds a Python ≥ 3.12 and installs pinned requirements into .venv.
.PHONY: help demo test lint format bench docs clean lock
.DEFAULT_GOAL := help

BIN := .venv/bin

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: ## Build a lake from the bundled sample and query it; no service, no system package
	@.ci/setup
	@examples/demo.sh

test: ## Run the whole test suite
	@.ci/setup dev
	@.ci/browser >/dev/null || [ $$? -eq 77 ] # it cannot be had: its tests are skipped, in CI they fail
	$(BIN)/pytest -n auto --dist loadgroup

lint: ## Check style, types of imports, import direction and that the dbt project parses in every target
	@.ci/setup dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@echo "dbt parse, in every target"
	@printf '%s\n' local dev prod motherduck | xargs -P 2 -I TARGET $(BIN)/dbt --quiet --warn-error parse --project-dir eo-pv-elt --profiles-dir . \
	  --target TARGET --target-path $(CURDIR)/.venv/dbt/TARGET --log-path $(CURDIR)/.venv/dbt/TARGET

format: ## Format the code and fix what can be fixed
	@.ci/setup dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: ## Run the benchmarks (minutes)
	@.ci/setup dev
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.build
	$(BIN)/python -m benchmarks.entity_resolution
	$(BIN)/python -m benchmarks.cubes
	$(BIN)/python -m benchmarks.context
	$(BIN)/python -m benchmarks.energy
	$(BIN)/python -m benchmarks.publish
	$(BIN)/python -m benchmarks.statistics

docs: ## Build the documentation into site/
	@.ci/setup dev
	$(BIN)/mkdocs build --strict

clean: ## Remove what was generated: environment, demo lake, caches (not db/local)
	rm -rf .venv db/demo site eo-pv-elt/target eo-pv-elt/logs logs .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

lock: ## Freeze the transitive closure of the requirements
	@.ci/setup dev
	{ echo "# Every package that requirements.txt, requirements/dev.txt, requirements/cubes.txt and requirements/analysis.txt bring in, at the tested version."; \
	  echo "# Regenerate with 'make lock'."; \
	  $(BIN)/uv pip compile --quiet --no-header --no-annotate requirements.txt requirements/dev.txt requirements/cubes.txt requirements/analysis.txt; } > requirements/lock.txt.part
	mv requirements/lock.txt.part requirements/lock.txt
