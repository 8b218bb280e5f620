"""The docs are right: generated parts are up to date, examples are true, and every promise is tested."""

from __future__ import annotations

import ast
import importlib
import itertools
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, ClassVar

import pytest
import yaml

from demo import tap_profiles
from target_sendgrid.mapping.planner import MappingRules, plan_mapping
from target_sendgrid.sendgrid.contact import encode
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue
from target_sendgrid.settings.settings import Source
from tests.harness.runs import SCRIPTS
from tests.runs.faults.promises import PROMISES
from tests.runs.faults.world_promises import WORLD_PROMISES
from tools import docs as generate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(("path", "text"), generate.generated().items(), ids=lambda value: getattr(value, "name", ""))
def test_generated_parts_are_up_to_date(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "Run `uv run python -m tools.docs`."


def test_meltano_takes_the_plugin_definition(tmp_path: Path) -> None:
    definition = generate.ROOT / "target-sendgrid.yml"
    project = "version: 1\nproject_id: test\nsend_anonymous_usage_stats: false\ncli: {disable_version_check: true}\n"
    (tmp_path / "meltano.yml").write_text(project, encoding="utf-8")
    added = subprocess.run(
        [str(SCRIPTS / "meltano"), "add",
         "--no-install", "--plugin-type", "loader", "--from-ref", str(definition), "target-sendgrid"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert added.returncode == 0, added.stderr.decode()
    assert "field_mapping" in (tmp_path / "meltano.yml").read_text(encoding="utf-8")


def test_the_worked_example_of_the_readme_is_a_profile_of_the_demo_and_what_becomes_of_it() -> None:
    readme = (generate.ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", readme, re.DOTALL)]
    profile, contact = next(pair for pair in itertools.pairwise(blocks) if "customer_id" in pair[0])
    profiles = (generate.ROOT / "demo" / "profiles" / "newsletter_subscribers.jsonl").read_text(encoding="utf-8")
    assert profile in [json.loads(line) for line in profiles.splitlines()]
    meltano = yaml.safe_load((generate.ROOT / "meltano.yml").read_text(encoding="utf-8"))
    config = meltano["plugins"]["loaders"][0]["config"]
    plan = plan_mapping(
        "newsletter_subscribers",
        tap_profiles.SCHEMA,
        {field: Source(name) for field, name in config["field_mapping"].items()},
        FieldCatalogue([]),
        MappingRules(can_create_fields=True),
    )
    mapping = plan.compile(clears_nulls=False, create_field=lambda new: CustomField(new.name, new.name, new.field_type))
    assert json.loads(encode(mapping.contact(profile))) == contact


def test_the_demo_has_the_commands_of_the_plugin_definition() -> None:
    meltano = yaml.safe_load((generate.ROOT / "meltano.yml").read_text(encoding="utf-8"))
    definition = yaml.safe_load(generate.plugin_definition())
    assert meltano["plugins"]["loaders"][0]["commands"] == definition["commands"]


def test_a_shell_can_read_the_example_of_an_env_file_as_it_says(tmp_path: Path) -> None:
    example = generate.environment_example()
    load = re.search(r"`(set -a; .*?)`", example)[1]  # type: ignore[index]  # it is there
    lines = example.replace("API_URL=''", "API_URL='sandbox'").replace("# TARGET", "TARGET")
    (tmp_path / ".env").write_text(lines, encoding="utf-8")
    environment = {name: text for name, text in os.environ.items() if "SENDGRID" not in name}
    environment["PATH"] = os.pathsep.join([str(SCRIPTS), environment["PATH"]])
    process = subprocess.run(
        ["sh", "-eu", "-c", f"{load}; target-sendgrid --config=ENV --check"],
        cwd=tmp_path, env=environment, input="", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr
    assert "The list 'Customers'" in process.stdout


def test_every_module_named_in_the_docs_is_there() -> None:
    pages = [generate.ROOT / "README.md", *(generate.ROOT / "docs").glob("*.md")]
    for name in re.findall(r"`([\w/]+\.py)`", "".join(page.read_text(encoding="utf-8") for page in pages)):
        assert [*generate.ROOT.glob(f"target_sendgrid/**/{name}"), *generate.ROOT.glob(name)], name


def test_every_path_command_and_name_in_the_pages_for_contributors_is_there() -> None:
    page = (generate.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", page)
    paths = {word for span in spans for word in span.split() if re.search(r"/|\.(md|py|toml|ya?ml)$", word)}
    names = {span for span in spans if re.fullmatch(r"[A-Z]\w+(\.\w+)?", span)}
    targets = {span.removeprefix("make ") for span in spans if span.startswith("make ")}
    assert min(len(paths), len(names), len(targets)) > 1
    folders = (generate.ROOT, generate.ROOT / "tests" / "runs")
    assert {path for path in paths if not any((folder / path).exists() for folder in folders)} == set()
    code = [*generate.PACKAGE.rglob("*.py"), *(generate.ROOT / "tests" / "runs").rglob("*.py")]
    assert names - paths <= {name for path in code for name in names_defined_in(path)}
    made = re.findall(r"^([\w-]+):", (generate.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets <= set(made)


def test_the_tree_for_contributors_has_every_package_of_the_target_and_of_the_tests() -> None:
    page = (generate.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    packages = [*generate.ROOT.glob("target_sendgrid/*/__init__.py"), *generate.ROOT.glob("tests/*/__init__.py")]
    found = {f"{path.parent.relative_to(generate.ROOT).as_posix()}/" for path in packages}
    assert found <= set(re.findall(r"`([\w/]+/)`", page))


def names_defined_in(path: Path) -> Iterator[str]:
    """Yield functions, classes and constants of a module as ``name``, methods and attributes as ``Class.name``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        yield from names_defined_by(node)
        if isinstance(node, ast.ClassDef):
            members = [name for member in node.body for name in names_defined_by(member)]
            own = [target for target in ast.walk(node) if isinstance(target, ast.Attribute) and is_set_on_self(target)]
            yield from (f"{node.name}.{name}" for name in [*members, *(target.attr for target in own)])


def names_defined_by(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_set_on_self(target: ast.Attribute) -> bool:
    return isinstance(target.ctx, ast.Store) and isinstance(target.value, ast.Name) and target.value.id == "self"


class TestArchitecture:
    """Checks of ``docs/architecture.md``, in whose text each code span is a path or a name of the target's code."""

    page = (generate.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    text = re.sub(r"<!-- (\w+) begin -->.*?<!-- \1 end -->|```.*?```", "", page, flags=re.DOTALL)
    """The page without its generated parts and without the diagrams."""
    names: ClassVar = {
        path.relative_to(generate.PACKAGE).as_posix(): set(names_defined_in(path))
        for path in generate.PACKAGE.rglob("*.py")
    }
    """Names by module."""

    def test_every_code_span_is_a_path_or_a_name_of_the_code(self) -> None:
        known = set().union(*self.names.values())
        spans = dict.fromkeys(re.findall(r"`([^`]+)`", self.text))
        unknown = [span for span in spans if span not in known]
        folders = (generate.PACKAGE, generate.ROOT)
        assert [span for span in unknown if not any((folder / span).exists() for folder in folders)] == []
        assert len(unknown) < len(spans)

    def test_every_name_is_in_the_module_that_is_given_with_it(self) -> None:
        given = re.findall(r"`([\w.]+)`\s+\(`([\w/]+\.py)`\)", self.text)
        assert given
        assert [pair for pair in given if pair[0] not in self.names.get(pair[1], ())] == []

    def test_every_path_in_the_diagrams_is_there(self) -> None:
        diagrams = re.findall(r"```mermaid\n(.*?)```", self.page, re.DOTALL)
        paths = re.findall(r"\b\w+(?:/\w+)*(?:/|\.py)", "".join(diagrams))
        assert paths
        assert [path for path in paths if not (generate.PACKAGE / path).exists()] == []


def test_every_promise_of_the_docs_is_tested() -> None:
    folder = generate.ROOT / "tests" / "runs" / "faults"
    names = [f"tests.runs.faults.{path.stem}" for path in folder.glob("test_*.py")]
    values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    proved = {promise for value in values for promise in getattr(value, "promises", ())}
    assert [promise.symptom for promise in [*PROMISES, *WORLD_PROMISES] if promise not in proved] == []
