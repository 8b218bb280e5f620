"""The ``TARGET_SENDGRID_`` variables of the environment: what they give, and what is wrong with them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from target_sendgrid.settings.checks import (
    ENVIRONMENT_PREFIX,
    GENERAL_KEY_VARIABLE,
    NEVER_EMPTY,
    WANTED,
    example,
    main_type,
    suggest_setting,
)
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MELTANO_VARIABLE = f"{ENVIRONMENT_PREFIX}_DIALECT"
"""Meltano sets this variable together with those of the settings."""

_SHOWN_VARIABLES = 3
"""Number of environment variables that an error names."""


def is_from_meltano(environment: Mapping[str, str]) -> bool:
    """Return whether Meltano has exported its settings as variables."""
    return _MELTANO_VARIABLE in environment


def asks_for_dry_run(environment: Mapping[str, str]) -> bool:
    """Return whether the variable of the setting `dry_run` is set to anything but false.

    It counts even where no other variable is read: nobody who sets it wants a run that writes. A Meltano project may
    have a plugin definition that is older than the setting, and Meltano then passes it on as a variable only.
    """
    return environment.get(f"{ENVIRONMENT_PREFIX}DRY_RUN", "").strip().lower() not in {"", "false", "0", "no", "off"}


def given_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the ``TARGET_SENDGRID_`` variables without this prefix. An empty one is the same as none.

    Meltano exports the settings that it has resolved. There an empty variable has replaced what ``meltano.yml`` says,
    which is lost: settings that must not be empty stay, so that they become an error.
    """
    never_empty = {name.upper() for name in NEVER_EMPTY} if is_from_meltano(environment) else set()
    given = {
        variable.removeprefix(ENVIRONMENT_PREFIX): value
        for variable, value in environment.items()
        if variable.startswith(ENVIRONMENT_PREFIX)
    }
    return {name: value for name, value in given.items() if value.strip() or name in never_empty}


def environment_problems(environment: Mapping[str, str], schema: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the ``TARGET_SENDGRID_`` variables, one sentence each, quoting no value."""
    problems = []
    given = given_variables(environment)
    known = {name.upper(): main_type(prop) for name, prop in schema["properties"].items()}
    for name, kind in known.items():
        if name in given and kind in _FITS and not _FITS[kind](given[name]):
            wanted = f"{WANTED[kind]}{example(schema['properties'][name.lower()])}"
            problems.append(f"The environment variable {ENVIRONMENT_PREFIX}{name} must be {wanted}.")
    is_exported = _exported_names(known) if is_from_meltano(environment) else None
    for name in sorted(given.keys() - known):
        near = "" if is_exported and is_exported.match(name) else suggest_setting(name, known)
        if near:
            variable = ENVIRONMENT_PREFIX + name
            problems.append(f"There is no setting for the environment variable {variable}.{near}")
    return problems


def _exported_names(kinds: Mapping[str, str]) -> re.Pattern[str]:
    """Return what matches the names of variables that Meltano exports beside those of the settings.

    They are those of the properties of an object, and those of a loader that inherits from this one, which have the
    rest of its name in front: ``TARGET_SENDGRID_VIP_LIST_NAME`` for ``target-sendgrid-vip``.

    Args:
        kinds: JSON types of the settings, by their names in upper case.
    """
    objects = "|".join(name for name, kind in kinds.items() if kind == "object")
    return re.compile(f"(?:{objects})_|.+_(?:{'|'.join(kinds)})(?:_|$)")


def unread_variables(environment: Mapping[str, str], schema: Mapping[str, Any]) -> list[str]:
    """Return the variables that would be read with ``--config=ENV``. Meltano writes its own into a config file."""
    if is_from_meltano(environment):
        return []
    given = given_variables(environment)
    given.pop("DRY_RUN", None)  # which is always read
    names = [f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in schema["properties"] if name.upper() in given]
    return [GENERAL_KEY_VARIABLE, *names] if environment.get(GENERAL_KEY_VARIABLE, "").strip() else names


def unread_problem(variables: Sequence[str]) -> str:
    """Return a sentence about variables that are set and not read."""
    names = " and ".join(variables) if len(variables) <= _SHOWN_VARIABLES else _cut(variables)
    is_one = len(variables) == 1
    return (
        f"{names} {'is' if is_one else 'are'} set, but not read. Add `--config=ENV` to the command line: without it,"
        " settings come from config files alone."
    )


def _cut(variables: Sequence[str]) -> str:
    more = counted(len(variables) - _SHOWN_VARIABLES, "more variable")
    return f"{', '.join(variables[:_SHOWN_VARIABLES])} and {more}"


def _is_json(kind: type, text: str) -> bool:
    try:
        return isinstance(json.loads(text), kind)
    except ValueError:
        return False


_FITS: Mapping[str, Callable[[str], bool]] = {
    "object": functools.partial(_is_json, dict),
    "array": functools.partial(_is_json, list),
    "integer": lambda text: re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text) is not None,
    "boolean": lambda text: text.lower() in {"true", "false", "1", "0", "yes", "no", "on", "off"},
}


def nested_again(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config that Meltano has exported as variables, its objects as Meltano writes them into a config file.

    In variables the keys of inner objects are joined with dots, such as ``{"people.list_name": "Customers"}``. A dot in
    a name is lost either way.
    """
    return {name: _nested(value) if isinstance(value, Mapping) else value for name, value in config.items()}


def _nested(value: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for path, inner in value.items():
        *outer, last = path.split(".")
        place = result
        for name in outer:
            found = place.get(name)
            place[name] = place = found if isinstance(found, dict) else {}
        place[last] = inner
    return result
