# Commands for developers. If uv is not installed, it is fetched into .uv/.
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
# Without --no-config, uv would keep every version at its pin in pyproject.toml.
COMPILE = $(UV) pip compile --no-config --universal --python-version 3.10 --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --upgrade --quiet

.PHONY: help demo test test-unit lint docs pins check full

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1: \2/p' Makefile

demo: $(UV) ## move the sample profiles into the embedded sandbox
	$(UV) run meltano run demo

test: $(UV) ## run all tests that need nothing but Python packages
	$(UV) run pytest

test-unit: $(UV) ## run the tests of single modules
	$(UV) run pytest tests/unit

lint: $(UV) ## linters, types, which module may import which, which package is declared
	$(UV) run --quiet ruff check
	$(UV) run ruff format --check
	$(UV) run mypy
	$(UV) run lint-imports
	$(UV) run deptry target_sendgrid
	$(UV) run deptry demo tests tools --ignore DEP002,DEP004
	$(UV) run zizmor --offline --quiet .github
	$(UV) run check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(UV) run check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(UV) run check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/problem.yml .github/ISSUE_TEMPLATE/wish.yml

docs: $(UV) ## generate the parts of the docs that follow from the code
	$(UV) run python -m tools.docs

pins: $(UV) ## pin the newest versions of all dependencies, and of the tools that build the wheel
	$(COMPILE) --all-extras --group full --group lint --group test --output-file constraints.txt pyproject.toml
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(COMPILE) --output-file build-constraints.txt -
	$(UV) run python -m tools.docs

check: ## all that is checked before a change is merged
	.ci/run

full: ## all that is checked before a release: needs a browser and other programs
	.ci/full

.uv/bin/uv:
	@python3 -m venv .uv || { echo "Install uv (https://docs.astral.sh/uv/), or Python 3 with its module venv."; exit 1; }
	.uv/bin/pip install --quiet --constraint constraints.txt uv
