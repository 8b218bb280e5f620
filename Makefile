# Commands for developers. If uv is not installed, it is fetched into .uv/.
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)

.PHONY: demo test lint docs pins check

demo: $(UV) ## move the sample profiles into the embedded sandbox
	$(UV) run meltano run demo

test: $(UV) ## run the tests
	$(UV) run pytest

lint: $(UV) ## linters, types, and which module may import which
	$(UV) run ruff check
	$(UV) run ruff format --check
	$(UV) run mypy
	$(UV) run lint-imports
	$(UV) run zizmor --offline --quiet .github
	$(UV) run check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(UV) run check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml

docs: $(UV) ## generate the parts of the docs that follow from the code
	$(UV) run python -m tools.docs

pins: $(UV) ## pin the newest versions of all dependencies
	@# Without --no-config, uv would keep every version at its pin in pyproject.toml.
	$(UV) pip compile --no-config --universal --python-version 3.10 --all-extras --group lint --group test --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links --upgrade --quiet --output-file constraints.txt pyproject.toml
	$(UV) run python -m tools.docs

check: ## all that CI checks
	.ci/run

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --constraint constraints.txt uv
