"""What can be wrong with a config: one sentence for each problem, none quoting a value that was given."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from target_sendgrid.errors import Code, Problem
from target_sendgrid.settings.stream_map_checks import stream_map_problems
from target_sendgrid.start.quick_check import surely_fits
from target_sendgrid.wording import shown, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jsonschema import ValidationError

ENVIRONMENT_PREFIX = "TARGET_SENDGRID_"

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Host names that plain http is allowed for: what is sent there stays on this machine."""

NEVER_EMPTY = ("api_url", "on_behalf_of", "region")
"""Settings that say which account people are sent to: without them, another account would get the people."""

GENERAL_KEY_VARIABLE = "SENDGRID_API_KEY"
"""Variable in which many programs expect the API key."""

_MAX_LIST_NAME = 100


def is_missing_setting(problem: str) -> bool:
    """Return whether a problem is that a required setting is not given."""
    return isinstance(problem, Problem) and problem.code in {Code.KEY_MISSING, Code.CONSENT_MISSING, Code.LIST_MISSING}


def main_type(prop: Mapping[str, Any]) -> str:
    """Return the JSON type of a setting, apart from null."""
    kinds = prop.get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return next((kind for kind in kinds if kind != "null"), "string")


def config_file_problems(paths: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with config files: one sentence for each that is missing or holds no JSON object."""
    for path in paths:
        if path.lstrip().startswith("{"):
            yield "`--config` takes the path of a file, not JSON: a command line is no place for a key."
            continue
        problem = _config_file_problem(Path(path))
        if problem:
            is_environment = path.strip().upper() == "ENV"
            next_step = ", or write `--config=ENV` for the environment." if is_environment else "."
            yield f"The config file {path} {problem}{next_step}"


def _config_file_problem(path: Path) -> str:
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError:
        return "can't be read. Check the path"
    except UnicodeDecodeError:
        return "is not in UTF-8. Save it in this encoding"
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        return f"is not valid JSON: {place}. Check its commas, quotes and braces"
    except RecursionError:
        return "is not valid JSON: it is nested too deeply"
    except ValueError:
        return "is not valid JSON: a number is too long"
    return "" if isinstance(content, dict) else "is not a JSON object, which has braces around it"


WANTED = {
    "string": "a text",
    "object": "a JSON object",
    "array": "a JSON array",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def suggest_setting(name: str, known: Iterable[str]) -> str:
    """Return a clause that offers the nearest known setting. A list is most often meant by its name."""
    return suggest(f"{name}_name" if name.lower() == "list" else name, known)


def schema_problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what breaks the schema of the settings, unknown names included."""
    checked = _without_stream_maps(schema)
    if surely_fits(config, checked):
        return
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes a fifth of an empty run to load

    validator = Draft202012Validator(checked)
    for error in sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path]):
        path = shown(".".join(str(part) for part in error.absolute_path))
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            for name in sorted(set(error.instance) - set(known)):
                where = f" in `{path}`" if path else ""
                yield f"There is no setting `{shown(name)}`{where}.{suggest_setting(name, known)}"
        else:
            yield f"The setting `{path}` {_rule(error)}."


def _without_stream_maps(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Leave what is in `stream_maps` to `stream_map_problems`: the SDK's schema of it is no valid JSON schema."""
    properties = {
        name: {"type": prop["type"]} if name == "stream_maps" else prop for name, prop in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _rule(error: ValidationError) -> str:
    """Return the rule that a setting breaks in words, without the value that breaks it."""
    wanted: Any = error.validator_value
    schema: Any = error.schema
    given: Any = error.instance
    if error.validator == "type":
        kinds = [wanted] if isinstance(wanted, str) else [kind for kind in wanted if kind != "null"]
        return "must be " + " or ".join(WANTED[kind] for kind in kinds) + (example(schema) or _quotes(kinds, given))
    if error.validator == "required":
        return "lacks " + " and ".join(f"`{name}`" for name in wanted if name not in given)
    if error.validator == "enum":
        return "must be one of: " + ", ".join(str(value) for value in wanted if value is not None)
    if error.validator in {"minimum", "exclusiveMinimum"}:
        return f"must be {'at least' if error.validator == 'minimum' else 'more than'} {wanted}"
    others = {"maximum": f"must be at most {wanted}", "minItems": "must not be empty"}
    return others.get(str(error.validator), f"breaks the rule {error.validator}")


def example(schema: Mapping[str, Any]) -> str:
    """Return the first example of a setting as a clause, or nothing where it has none."""
    return "".join(f", such as {json.dumps(example)}" for example in schema.get("examples", [])[:1])


def _quotes(kinds: list[str], given: object) -> str:
    """Return what to do about quotes, where a value may only have too many or too few."""
    if isinstance(given, str) and {"boolean", "integer", "number"}.intersection(kinds):
        return ", without quotes"
    return ", in quotes" if isinstance(given, (int, float)) and kinds == ["string"] else ""


def cross_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a config that fits the schema: settings that are missing or contradict each other."""
    for name, value in config.items():
        if isinstance(value, float) and not math.isfinite(value):  # NaN passes every bound of the schema
            yield f"The setting `{name}` must be a finite number."
    empty = [name for name in NEVER_EMPTY if not config.get(name, name).strip()]
    for name in empty:
        yield (
            f"The setting `{name}` is empty. Leave it out. In a Meltano project, unset"
            f" {ENVIRONMENT_PREFIX}{name.upper()}, in `.env` too: an empty variable replaces what `meltano.yml` says."
        )
    if "api_url" not in empty:
        yield from _address_problems(config)
    if not all(" " <= char <= "~" for char in (config.get("on_behalf_of") or "").strip()):
        yield "The setting `on_behalf_of` holds characters that no subuser's name has."
    if config.get("flattening_enabled") and config.get("flattening_max_depth") is None:
        yield "Set `flattening_max_depth`, too: `flattening_enabled` needs to know how deep to go."
    yield from (
        Problem(problem, code=Code.WRONG_STREAM_MAP) for problem in stream_map_problems(config.get("stream_maps", {}))
    )
    yield from _region_problems(config.get("default_phone_region"))
    yield from _list_problems(config)
    yield from _snapshot_problems(config)
    yield from _mode_problems(config)
    yield from _subscription_problems(config)
    streams = config.get("streams", {})
    if "*" in streams and not any(own.get("enabled", True) for own in streams.values()):
        yield 'The setting `streams` leaves out all streams. Give those to be sent an entry, such as `"people": {}`.'


def _address_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the address, and what is missing for that address."""
    url = config.get("api_url", "")
    is_sandbox = is_sandbox_address(url)
    if is_sandbox_address(url.lower()) and not is_sandbox:
        yield "The setting `api_url` must spell `sandbox` in lower case."
        return
    if url == "sandbox:":
        yield "The setting `api_url` names no file after `sandbox:`. Write `sandbox` or `sandbox:PATH.db`."
    if not is_sandbox:
        yield from _url_problems(url)
        yield from _key_problems(config.get("api_key"))
    if not is_sandbox and not is_loopback(url) and not config.get("data_privacy_consent", False):
        yield Problem(
            "Set `data_privacy_consent` to true to confirm that you may move these people's personal data to SendGrid:"
            " nothing is sent without it.",
            code=Code.CONSENT_MISSING,
        )


def is_sandbox_address(url: str | None) -> bool:
    """Return whether an `api_url` asks for the embedded sandbox."""
    return url is not None and (url == "sandbox" or url.startswith("sandbox:"))


def _url_problems(url: str) -> Iterator[str]:
    parts = _parts(url)
    if not url:
        return
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        yield "The setting `api_url` must be an https:// address, `sandbox` or `sandbox:PATH.db`."
    elif parts.scheme == "http" and not is_loopback(url):
        yield (
            "The setting `api_url` must start with https://: plain http would send the API key and personal data in"
            " the clear, and is allowed on loopback only."
        )
    elif parts.username or parts.password:
        yield "The setting `api_url` must not hold a user name or password; set `api_key` instead."


def is_loopback(url: str) -> bool:
    """Return whether what is sent to an address stays on this machine."""
    parts = _parts(url)
    return parts is not None and parts.hostname in LOOPBACK_HOSTS


def host_of(url: str) -> str:
    """Return the host of an address, with its port if it has one. That of the embedded sandbox is this machine."""
    return urlsplit(url).netloc or "127.0.0.1"


def _parts(url: str) -> SplitResult | None:
    """Return the parts of an address, or ``None`` if it is not one: Python's own error would quote it."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading the port checks it
    except ValueError:
        return None
    return None if any(char.isspace() for char in url) else parts


def _key_problems(key: str | None) -> Iterator[str]:
    if not (key or "").strip():
        yield Problem(
            "The setting `api_key` is missing. Make a key in SendGrid under Settings > API Keys and set"
            f" {ENVIRONMENT_PREFIX}API_KEY, or set `api_url` to `sandbox` to try without an account.",
            code=Code.KEY_MISSING,
        )
    elif key is not None and not all("!" <= char <= "~" for char in key.strip()):
        yield "The setting `api_key` holds blanks or characters that no SendGrid key has. Copy the key again."


def _region_problems(region: str | None) -> Iterator[str]:
    if region is None:
        return
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - few runs need it

    if region.upper() not in SUPPORTED_REGIONS:
        yield (
            "The setting `default_phone_region` must be the ISO code of a country in two letters, such as US, or GB for"
            " the United Kingdom."
        )


def _places(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the settings for all streams and those of each stream, with what their names begin with."""
    streams = config.get("streams", {})
    return [("", config), *((f"streams.{shown(name)}.", own) for name, own in sorted(streams.items()))]


def _mode_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield contradictions between what all records do and what single records ask for."""
    for prefix, own in _places(config):
        place = {name: own.get(name, config.get(name)) for name in ("sync_mode", "membership_property")}
        is_own = not own.keys().isdisjoint(place)
        if is_own and place["sync_mode"] == "remove" and place["membership_property"]:
            yield (
                f"With `{prefix}sync_mode` set to `remove` all records take people off the list, so"
                " `membership_property` has no meaning there. Leave one of them out."
            )


def _subscription_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is missing or has no effect among the settings about people who have unsubscribed."""
    names = ("subscription_property", "unsubscribed_values", "suppression_group_id")
    for prefix, own in _places(config):
        if own.keys().isdisjoint(names):
            continue
        name, values, group = (own.get(name, config.get(name)) for name in names)
        if name and not values:
            yield (
                f"Set `{prefix}unsubscribed_values`, too: the values of `{prefix}subscription_property` that say that"
                " somebody has unsubscribed, such as [false] where the property says who wants email, or [true] where"
                " it says who wants none. SendGrid takes unsubscribed people back only one by one."
            )
        if values and not name:
            yield f"Set `{prefix}subscription_property`, too: the property with one of `{prefix}unsubscribed_values`."
        if group and not name and not config.get("skip_suppressed"):
            yield (
                f"`{prefix}suppression_group_id` has no effect without `{prefix}subscription_property` or"
                " `skip_suppressed`. Set one of them, or leave it out."
            )


def _snapshot_problems(config: Mapping[str, Any]) -> Iterator[str]:
    path = config.get("snapshot_path")
    if config.get("allow_erased") and not path:
        yield "`allow_erased` has no effect without `snapshot_path`. Set it, or leave `allow_erased` out."
    for name in ("rejected_records_path", "report_path"):
        if path and path == config.get(name):
            yield f"`snapshot_path` and `{name}` name the same file. Give each a file of its own."


def _list_problems(config: Mapping[str, Any]) -> Iterator[str]:
    ways = ("list_id", "list_name", "list_property")
    for prefix, place in _places(config):
        given = [f"`{prefix}{name}`" for name in ways if place.get(name)]
        if len(given) > 1:
            yield f"Give either {' or '.join(given)}, not both."
        for name in ways:
            if name in place and not str(place[name]).strip():
                yield f"The setting `{prefix}{name}` is empty."
        if len(place.get("list_name") or "") > _MAX_LIST_NAME:
            yield f"The setting `{prefix}list_name` is longer than the {_MAX_LIST_NAME} characters SendGrid takes."
        yield from _list_property_problems(prefix, place)
    if not any(place.get(name) for _, place in _places(config) for name in ways):
        yield Problem(
            "No list is set. Set `list_name` (or `list_id`), or one for each stream under `streams`.",
            code=Code.LIST_MISSING,
        )


def _list_property_problems(prefix: str, place: Mapping[str, Any]) -> Iterator[str]:
    names = place.get("lists") or {}
    if place.get("list_property") and not names:
        yield f'Set `{prefix}lists`, too: the list for each value of `{prefix}list_property`, such as {{"vip": "VIP"}}.'
    if names and not place.get("list_property"):
        yield f"Set `{prefix}list_property`, too: the property whose values `{prefix}lists` has lists for."
    for value, name in names.items():
        if not name.strip():
            yield f"The list for '{shown(value)}' in `{prefix}lists` has no name."
        elif len(name) > _MAX_LIST_NAME:
            yield f"A name in `{prefix}lists` is longer than the {_MAX_LIST_NAME} characters SendGrid takes."
