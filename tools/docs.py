"""Writes those parts of the docs that follow from the code, so that none of them is kept up by hand.

``uv run python -m tools.docs`` writes them; a test fails while they are out of date.
"""

from __future__ import annotations

import ast
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from target_sendgrid.report.rejections import MEANINGS
from target_sendgrid.settings.account_needs import SCOPE_RULES
from target_sendgrid.settings.checks import ENVIRONMENT_PREFIX
from target_sendgrid.settings.schema import CONFIG_SCHEMA
from target_sendgrid.target import TargetSendGrid
from tests.runs.faults.promises import PROMISES
from tests.runs.faults.world_promises import WORLD_PROMISES
from tools import kept_members, troubleshooting

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "target_sendgrid"

_KINDS = {
    "string": "string",
    "integer": "integer",
    "number": "decimal",
    "boolean": "boolean",
    "object": "object",
    "array": "array",
}
_READING_ORDER = ("start", "settings", "singer", "mapping", "audience", "delivery", "sendgrid", "report", "sandbox")
"""Packages in the order in which a run passes through them."""

_EXAMPLES = {
    "field_mapping": '{"email": "profile_email", "city": "home_address.city"}',
    "streams": '{"customers": {"list_name": "Customers"}}',
}
"""Values of settings that have no default."""

_ALIASES = {"api_key": ["SENDGRID_API_KEY"]}
_COMMANDS = {
    "about": {"args": "--about", "description": "Show every setting."},
    "check": {
        "args": "--check --config=ENV",
        "description": "Check key, lists, mapping and files, and write nothing.",
    },
    "suggest-mapping": {
        "args": "--suggest-mapping",
        "description": "Print a mapping for the streams of a tap, whose messages or catalog come on standard input.",
    },
    "look": {
        "executable": "target-sendgrid-sandbox",
        "args": "serve --port 0 --database $TARGET_SENDGRID_API_URL",
        "description": "Look into the sandbox's account in a browser.",
    },
    "show": {
        "executable": "target-sendgrid-sandbox",
        "args": "show --database $TARGET_SENDGRID_API_URL",
        "description": "Show what is in the sandbox's account.",
    },
}
_CAPABILITIES = ["about", "batch", "schema-flattening", "stream-maps", "structured-logging", "validate-records"]


def all_settings() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of every setting, those of the SDK included."""
    schema: dict[str, Any] = json.loads(json.dumps(CONFIG_SCHEMA))
    TargetSendGrid.append_builtin_config(schema)
    properties: dict[str, dict[str, Any]] = schema["properties"]
    return properties


def meltano_setting(name: str, prop: dict[str, Any]) -> dict[str, Any]:
    """Return a setting as Meltano describes it."""
    kinds = prop["type"] if isinstance(prop.get("type"), list) else [prop.get("type", "object")]
    kind = next(_KINDS[kind] for kind in kinds if kind != "null")
    choices = [choice for choice in prop.get("enum", []) if choice is not None]
    setting: dict[str, Any] = {"name": name, "kind": "options" if choices else kind}
    setting["label"] = prop.get("title", name.replace("_", " ").capitalize())
    setting["description"] = prop["description"]
    if prop.get("default") is not None:
        setting["value"] = prop["default"]
    if choices:
        setting["options"] = [{"label": choice.capitalize(), "value": choice} for choice in choices]
    if prop.get("secret"):
        setting["sensitive"] = True
    if name in _ALIASES:
        setting["env_aliases"] = _ALIASES[name]
    return setting


def plugin_definition() -> str:
    """Return the plugin definition that ``meltano add --from-ref`` takes."""
    definition = {
        "name": "target-sendgrid",
        "namespace": "target_sendgrid",
        "label": "SendGrid",
        "description": TargetSendGrid.__doc__,
        "variant": "target-sendgrid",
        "pip_url": "target-sendgrid[sandbox]",
        "executable": "target-sendgrid",
        "capabilities": _CAPABILITIES,
        "commands": _COMMANDS,
        "settings": meltano_settings(),
    }
    return "# Written by `python -m tools.docs` from the settings in the code.\n" + _yaml(definition)


def meltano_settings() -> list[dict[str, Any]]:
    """Return all settings as Meltano describes them."""
    return [meltano_setting(name, prop) for name, prop in all_settings().items()]


def settings_table() -> str:
    """Return the README's table of settings."""
    rows = ["| Setting | Kind | Default | Meaning |", "|---|---|---|---|"]
    for name in CONFIG_SCHEMA["properties"]:
        setting = meltano_setting(name, CONFIG_SCHEMA["properties"][name])
        choices = [f"`{option['value']}`" for option in setting.get("options", [])]
        kind = " or ".join(choices) or setting["kind"]
        default = "" if "value" not in setting else f"`{json.dumps(setting['value']).strip(chr(34))}`"
        rows.append(f"| `{name}` | {kind} | {default} | {setting['description']} |")
    return "\n".join(rows)


def scopes_table() -> str:
    """Return the README's table of the scopes that settings need."""
    rows = ["| Setting | Scopes besides access to Marketing |", "|---|---|"]
    for rule in SCOPE_RULES:
        setting = f"`{rule.setting}: {rule.value}`" if rule.value else f"`{rule.setting}`"
        group = "" if rule.in_group is None else f", {'with' if rule.in_group else 'without'} `suppression_group_id`"
        rows.append(f"| {setting}{group} | {_code(rule.scopes)} |")
    return "\n".join(rows)


def reasons_table() -> str:
    """Return the README's table of reason codes."""
    rows = ["| Reason code | Meaning |", "|---|---|"]
    rows += [f"| `{reason.value}` | {meaning} |" for reason, meaning in MEANINGS.items()]
    return "\n".join(rows)


def promises_table() -> str:
    """Return the tables of what can go wrong, from the promises that the tests in ``tests/runs/faults`` check."""
    groups = dict.fromkeys(promise.group for promise in [*PROMISES, *WORLD_PROMISES])
    return "\n\n".join(_promises_of(group) for group in groups)


def _promises_of(group: str) -> str:
    rows = [f"## {group}", "", "| What happens | What target-sendgrid does | What the log says | Exit code | State |"]
    rows.append("|---|---|---|---|---|")
    for promise in [*PROMISES, *WORLD_PROMISES]:
        if promise.group == group:
            words = f"`{promise.sees}`" if "`" not in promise.sees else f"`` {promise.sees} ``"
            state = "the last one" if promise.has_last_state else "the last one that is settled"
            cells = [promise.symptom, promise.reaction, words if promise.sees else "", str(promise.exit_code), state]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def package_list(*, of_sandbox: bool) -> str:
    """Return the packages of the target or of the sandbox: what each is for, and its modules.

    Raises:
        ValueError: `_READING_ORDER` does not name a package.
    """
    folders = [path.parent for path in PACKAGE.rglob("__init__.py")]
    chosen = [folder for folder in folders if (PACKAGE / "sandbox" in (folder, *folder.parents)) is of_sandbox]
    return "\n".join(line for folder in sorted(chosen, key=_place) for line in _package(folder))


def _place(folder: Path) -> tuple[int, Path]:
    parts = folder.relative_to(PACKAGE).parts
    return (_READING_ORDER.index(parts[0]) if parts else -1, folder)


def _package(folder: Path) -> Iterator[str]:
    name = folder.relative_to(ROOT if folder == PACKAGE else PACKAGE).as_posix()
    yield f"- **`{name}/`**: {_first_line(folder / '__init__.py')}"
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield f"  - `{path.relative_to(PACKAGE).as_posix()}`: {_first_line(path)}"


def _first_line(path: Path) -> str:
    """Return the first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return docstring.splitlines()[0] if docstring else ""


def import_contracts() -> str:
    """Return what the import linter checks: the layers from top to bottom, and who may import a library."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return "\n\n".join(_contract(contract) for contract in config["tool"]["importlinter"]["contracts"])


def _contract(contract: dict[str, Any]) -> str:
    if contract["type"] == "layers":
        folders = [f"{container.replace('.', '/')}/" for container in contract["containers"]]
        return "\n".join([f"{contract['name']} ({_code(folders)}):", "", "```text", *contract["layers"], "```"])
    importers = [line.partition(" -> ")[0].partition(".")[2] for line in contract["ignore_imports"]]
    paths = [f"{importer.replace('.', '/')}.py" for importer in importers]
    return f"{contract['name']}: {_code(contract['forbidden_modules'])} is imported only by {_code(paths)}."


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def environment_example() -> str:
    """Return ``.env.example``: every setting as an environment variable, in the syntax of a shell."""
    lines = [
        "# For those who run the target in a shell: every setting as an environment variable. Copy this file to",
        "# `.env`, fill in what you need, read it with `set -a; . ./.env; set +a`, and start the target with",
        "# `--config=ENV`. Values are quoted for the shell; objects are JSON.",
        "# In Meltano, settings belong into `meltano.yml`, by `meltano config set`, and the key into the project's",
        "# `.env`, as SENDGRID_API_KEY. Keep each `.env` out of version control: it holds your key.",
    ]
    for name, prop in CONFIG_SCHEMA["properties"].items():
        default = prop.get("default", _EXAMPLES.get(name))
        text = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        lines += ["", f"# {prop['description']}", f"# {ENVIRONMENT_PREFIX}{name.upper()}={shlex.quote(text)}"]
    return "\n".join(lines) + "\n"


def between(text: str, marker: str, content: str) -> str:
    """Return a text in which the lines between two marker lines are replaced.

    Raises:
        StopIteration: A marker line is missing.
    """
    begin, end = f"{marker} begin", f"{marker} end"
    lines = text.splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if begin in line)
    last = next(number for number, line in enumerate(lines) if end in line)
    return "".join(lines[: first + 1]) + content + "\n" + "".join(lines[last:])


def generated() -> dict[Path, str]:
    """Return what each file that holds generated parts should hold."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    readme = between(readme, "<!-- settings", settings_table())
    readme = between(readme, "<!-- scopes", scopes_table())
    readme = between(readme, "<!-- reasons", reasons_table())
    faults = (ROOT / "docs" / "what-can-go-wrong.md").read_text(encoding="utf-8")
    mistakes = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    mistakes = between(mistakes, "<!-- errors", troubleshooting.entries())
    mistakes = between(mistakes, "<!-- warnings", troubleshooting.warnings())
    kept = (ROOT / "docs" / "why-was-nobody-removed.md").read_text(encoding="utf-8")
    for part in ("mirror", "member", "row"):
        kept = between(kept, f"<!-- {part}", kept_members.table(part))
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    architecture = between(architecture, "<!-- packages", package_list(of_sandbox=False))
    architecture = between(architecture, "<!-- sandbox", package_list(of_sandbox=True))
    architecture = between(architecture, "<!-- contracts", import_contracts())
    meltano = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for marker, name in [("# pins", "constraints.txt"), ("# build pins", "build-constraints.txt")]:
        pins = (ROOT / name).read_text(encoding="utf-8").splitlines()
        pyproject = between(pyproject, marker, "\n".join(f'  "{pin}",' for pin in pins))
    indented = "".join(f"    {line}\n" for line in _yaml(meltano_settings()).splitlines())
    return {
        ROOT / "README.md": readme,
        ROOT / "docs" / "architecture.md": architecture,
        ROOT / "docs" / "what-can-go-wrong.md": between(faults, "<!-- promises", promises_table()),
        ROOT / "docs" / "troubleshooting.md": mistakes,
        ROOT / "docs" / "why-was-nobody-removed.md": kept,
        ROOT / "meltano.yml": between(meltano, "# settings", indented.rstrip("\n")),
        ROOT / "pyproject.toml": pyproject,
        ROOT / "target-sendgrid.yml": plugin_definition(),
        ROOT / ".env.example": environment_example(),
    }


def main() -> None:
    """Write all generated parts."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"Wrote {path.name}.\n")


def _yaml(value: object) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110))


if __name__ == "__main__":
    main()
