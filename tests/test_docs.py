"""The docs are right: generated parts are up to date, examples are true, and every promise is tested."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from demo import tap_profiles
from target_sendgrid.mapping.compiler import compile_mapping
from target_sendgrid.sendgrid.contact import encode
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue
from tests.docs import generate
from tests.faults.promises import PROMISES
from tests.faults.world_promises import WORLD_PROMISES
from tests.support import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("path", "text"), generate.generated().items(), ids=lambda value: getattr(value, "name", ""))
def test_generated_parts_are_up_to_date(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "Run `uv run python -m tests.docs.generate`."


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
    mapping = compile_mapping(
        "newsletter_subscribers",
        tap_profiles.SCHEMA,
        config["field_mapping"],
        FieldCatalogue([]),
        clears_nulls=False,
        create_field=lambda name, field_type: CustomField(name, name, field_type),
    )
    assert json.loads(encode(mapping.contact(profile))) == contact


def test_every_module_named_in_the_docs_is_there() -> None:
    pages = [generate.ROOT / "README.md", *(generate.ROOT / "docs").glob("*.md")]
    for name in re.findall(r"`([\w/]+\.py)`", "".join(page.read_text(encoding="utf-8") for page in pages)):
        assert [*generate.ROOT.glob(f"target_sendgrid/**/{name}"), *generate.ROOT.glob(name)], name


def test_every_promise_of_the_docs_is_tested() -> None:
    names = [f"tests.faults.{path.stem}" for path in (generate.ROOT / "tests" / "faults").glob("test_*.py")]
    values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    proved = {promise for value in values for promise in getattr(value, "promises", ())}
    assert [promise.symptom for promise in [*PROMISES, *WORLD_PROMISES] if promise not in proved] == []
