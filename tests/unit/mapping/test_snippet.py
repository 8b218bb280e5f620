from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from meltano.core.utils import expand_env_vars

from target_sendgrid.mapping.property_names import PHRASES
from target_sendgrid.mapping.snippet import as_json_config, as_meltano_yml
from target_sendgrid.settings.settings import Source
from tests.harness.mappings import planned

if TYPE_CHECKING:
    from target_sendgrid.mapping.snippet import StreamSchema

TEXT: dict[str, Any] = {"type": ["null", "string"]}
ODD = [
    "", " ", "null", "Yes", "- a", "a: b", "a #b", "#a", "'a'", '"a"', "a\\b", "{a}", "[a]", "&a", "*a", "!a",
    "%a", "@a", "1", "1.5", "1e3", "0x1", "2024-01-01", "é", "\ufeffa", "a\u200bb", "a\nb", "a\tb", "\u2028",
    "\U000e0001", "😀", "~", "$A", "${a}", "$a", "\\$A", "<<", "=", "?", "-", "a" * 300,
]  # fmt: skip


NAMES = st.sampled_from([*PHRASES, "Contact", "attributes", "billing", "a.b", "tier", "id", "$EMAIL"])
LEAVES = st.sampled_from([TEXT, {"type": "integer"}, {"type": ["string", "object"]}, {}, {"type": "array"}])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=5)},
            optional={"additionalProperties": st.booleans()},
        ),
        st.fixed_dictionaries({"type": st.just(["array", "null"]), "items": inner}),
    ),
)
OBJECTS = st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(NAMES, SCHEMAS)})


def stream(name: str, *names: str, **others: Any) -> StreamSchema:
    return name, {"type": "object", "properties": {**dict.fromkeys(names, TEXT), **others}}, None


def config_of(*streams: StreamSchema, text: str | None = None) -> Any:
    loaded = yaml.safe_load(as_meltano_yml(streams) if text is None else text)
    (loader,) = loaded["plugins"]["loaders"]
    assert loader["name"] == "target-sendgrid"
    return expand_env_vars(loader["config"], {})


def test_a_snippet_says_why() -> None:
    people = stream(
        "public-customers", "id", "Email", "work_email", "zip", "first_name", phones={"type": "array", "items": TEXT}
    )
    assert as_meltano_yml([people, stream("orders", "id", "state")]).splitlines()[1:] == [
        "plugins:",
        "  loaders:",
        "  - name: target-sendgrid",
        "    config:",
        "      streams:",
        "        public-customers:",
        "          list_name: Public customers",
        "          field_mapping:",
        "            email: Email  # the same name in other letters; less likely: work_email",
        "            first_name: first_name  # the same name",
        "            postal_code: zip  # its name says 'zip'",
        "            phone_number: phones.0  # its name says 'phones', the first one",
        "        orders:",
        "          enabled: false  # by name and type, no property is the email of a person",
    ]  # fmt: skip


def uncommented(text: str) -> str:
    """Return a snippet with all custom fields."""
    return re.sub(r"^( +)# ([\w\"]+: \{)", r"\1\2", text, flags=re.MULTILINE)


@given(OBJECTS, st.none() | OBJECTS)
def test_the_target_takes_what_is_suggested(schema: dict[str, Any], sample: dict[str, Any] | None) -> None:
    config = config_of(text=uncommented(as_meltano_yml([("people", schema, sample)])))
    mapping = config["streams"]["people"].get("field_mapping")
    if mapping is not None:
        sources = {name: Source(**one) if isinstance(one, dict) else one for name, one in mapping.items()}
        assert planned(sources, schema, custom_fields=(), can_create_fields=True).fields


def test_custom_fields_are_there_to_be_uncommented() -> None:
    people = stream("people", "email", "tier", ltv={"type": "number"})
    text = as_meltano_yml([people])
    assert config_of(text=text) == {"streams": {"people": {"list_name": "People", "field_mapping": {"email": "email"}}}}
    assert config_of(text=uncommented(text))["streams"]["people"]["field_mapping"] == {
        "email": "email", "ltv": {"property": "ltv", "type": "Number"}, "tier": {"property": "tier", "type": "Text"},
    }  # fmt: skip


def test_all_properties_are_offered_as_custom_fields_where_some_are() -> None:
    text = as_meltano_yml([stream("people", "email", "tier"), stream("guests", "email", "first_name")])
    assert text.count("\n          # custom_fields: all  # in place of these") == 1
    all_of_them = config_of(text=text.replace("# custom_fields", "custom_fields"))
    assert all_of_them["streams"]["people"]["custom_fields"] == "all"


def test_few_of_many_custom_fields_are_shown() -> None:
    text = as_meltano_yml([stream("people", "email", *(f"tier_{chr(97 + number)}" for number in range(20)))])
    assert text.count("type: Text") == 15
    assert "            # Not shown here: 5 more.\n" in text


def test_a_custom_field_has_one_type_in_all_streams() -> None:
    streams = [stream("a", "email", level={"type": kind}) for kind in ("number", "string", "number")]
    shown = re.findall(r"# (level\w*): \{property: level, type: (\w+)\}", as_meltano_yml(streams))
    assert shown == [("level", "Number"), ("level_text", "Text"), ("level", "Number")]


@pytest.mark.parametrize("name", ODD)
def test_any_name_of_a_stream_or_property_is_the_same_in_yaml(name: str) -> None:
    inner = {"type": "object", "properties": {"email": TEXT}}
    config = config_of(stream(name, "email", name), stream("b", **{f"contact{name}": inner}))
    assert list(config["streams"]) == [name.replace(".", "*"), "b"]
    text = as_meltano_yml([stream(name, "email", **{f"tier{name}x": TEXT})])
    assert all(line.isprintable() for line in text.splitlines())
    (own,) = config_of(text=uncommented(text))["streams"].values()
    sources = [one["property"] for one in own["field_mapping"].values() if isinstance(one, dict)]
    assert sources in ([], [f"tier{name}x"])


@pytest.mark.parametrize(
    ("name", "key", "list_name"),
    [
        ("db.public.people", "db*public*people", "Db public people"), ("crm_people", "crm_people", "Crm people"),
        ("---", "---", "People"), ("x" * 200, "x" * 200, "X" + "x" * 99), ("Leads", "Leads", "Leads"),
    ],
)  # fmt: skip
def test_a_stream_gets_a_key_that_meltano_keeps_and_a_list(name: str, key: str, list_name: str) -> None:
    assert config_of(stream(name, "email"))["streams"][key]["list_name"] == list_name


def test_a_variable_of_meltano_is_no_variable_in_a_name() -> None:
    people = stream("people", "$EMAIL", "$city")
    assert config_of(people)["streams"]["people"]["field_mapping"] == {"email": "$EMAIL", "city": "$city"}
    assert json.loads(as_json_config([people]))["streams"]["people"]["field_mapping"]["email"] == "$EMAIL"


def test_a_config_file_has_the_same_settings() -> None:
    streams = [stream("people", "Email"), stream("orders", "id")]
    assert json.loads(as_json_config(streams)) == config_of(*streams)


def test_settings_need_a_list_also_if_nothing_is_sent() -> None:
    streams = [stream("orders", "id"), stream("people", "first_name")]
    off = {"enabled": False}
    assert config_of(*streams) == {"list_name": "People", "streams": {"orders": off, "people": off}}
    assert json.loads(as_json_config(streams)) == config_of(*streams)
    (hint,) = (line for line in as_meltano_yml(streams).splitlines() if "identifier" in line)
    assert hint.endswith("the email of a person; to send it, map an identifier such as external_id")


def test_people_who_want_no_email_are_left_out_and_can_be_taken_in() -> None:
    people = stream("unsubscribes", "email")
    entry = {"enabled": False, "list_name": "Unsubscribes", "field_mapping": {"email": "email"}}
    assert config_of(people) == {"streams": {"unsubscribes": entry}} == json.loads(as_json_config([people]))
    (line,) = (line for line in as_meltano_yml([people]).splitlines() if "enabled" in line)
    assert line.strip() == (
        "enabled: false  # by its name, these people are not to be written to; to send it all the same, take this line"
        " away"
    )


def test_a_sample_adds_to_a_schema() -> None:
    sample = {"type": ["object"], "properties": {"document": {"type": ["object"], "properties": {"email": TEXT}}}}
    config = config_of(("people", {"properties": {"document": {"type": "object"}}}, sample))
    assert config["streams"]["people"]["field_mapping"] == {"email": "document.email"}
