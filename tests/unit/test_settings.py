from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import ConfigError
from target_sendgrid.settings.checks import main_type
from target_sendgrid.settings.environment import asks_for_dry_run, environment_problems, given_variables, nested_again
from target_sendgrid.settings.schema import CONFIG_SCHEMA
from target_sendgrid.settings.settings import Settings, Source, StreamSettings

MARKER = "zaphod"
BASE = {"api_key": "SG.a.b", "data_privacy_consent": True, "list_name": "News"}
TYPES = {"string": str, "boolean": bool, "integer": int, "number": float, "object": Mapping, "array": Sequence}
SANDBOX = {"api_url": "sandbox", "list_name": "News"}


def settings_of(**changes: object) -> Settings:
    return Settings.from_config(BASE | changes)


def problems_of(config: dict[str, Any] | None = None, **changes: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Settings.from_config((BASE if config is None else config) | changes)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), (" TRUE ", True), ("1", True), ("yes", True), ("maybe", True)]
    + [(value, False) for value in ("", " ", "false", "False", "0", "no", "off")],
)
def test_the_variable_of_a_dry_run_counts_unless_it_says_no(value: str, *, expected: bool) -> None:
    assert asks_for_dry_run({"TARGET_SENDGRID_DRY_RUN": value}) is expected
    assert not asks_for_dry_run({})


def test_objects_that_meltano_flattens_in_variables_are_nested_again() -> None:
    flat = {
        "list_name": "a.b",
        "field_mapping": {"email": "mail.0", "ltv.property": "ltv", "ltv.type": "Number"},
        "streams": {"people.list_name": "People", "people.field_mapping.email": "mail", "guests": {"enabled": False}},
    }
    assert nested_again(flat) == {
        "list_name": "a.b",
        "field_mapping": {"email": "mail.0", "ltv": {"property": "ltv", "type": "Number"}},
        "streams": {
            "people": {"list_name": "People", "field_mapping": {"email": "mail"}},
            "guests": {"enabled": False},
        },
    }


class TestSchema:
    def test_every_setting_is_a_field_and_every_field_a_setting(self) -> None:
        assert [field.name for field in dataclasses.fields(Settings)] == list(CONFIG_SCHEMA["properties"])

    @pytest.mark.parametrize("name", list(CONFIG_SCHEMA["properties"]))
    def test_a_field_has_the_type_that_its_setting_takes(self, name: str) -> None:
        field_type = get_type_hints(Settings)[name]
        alternatives = get_args(field_type) if get_origin(field_type) is UnionType else [field_type]
        types = {get_origin(kind) or kind for kind in alternatives} - {NoneType}
        assert types == {TYPES[main_type(CONFIG_SCHEMA["properties"][name])]}

    @pytest.mark.parametrize("name", list(CONFIG_SCHEMA["properties"]))
    def test_every_setting_has_a_title_and_a_description(self, name: str) -> None:
        assert {"title", "description"} <= set(CONFIG_SCHEMA["properties"][name])

    def test_only_the_key_is_a_secret(self) -> None:
        secrets = [name for name, prop in CONFIG_SCHEMA["properties"].items() if prop.get("secret")]
        assert secrets == ["api_key"]

    def test_the_key_is_not_part_of_what_is_printed(self) -> None:
        assert MARKER not in repr(settings_of(api_key=MARKER))


class TestDefaults:
    @pytest.mark.parametrize(
        ("name", "default"),
        [
            ("region", "global"), ("create_list", True), ("create_custom_fields", False), ("null_handling", "omit"),
            ("profile_cap", 100_000), ("on_profile_cap", "fail"), ("batch_size_rows", 30_000),
            ("batch_size_bytes", 3_500_000), ("validate_records", True), ("validate_scope", "mapped"),
            ("max_rejected_percent", 10),
            ("job_timeout_seconds", 3600), ("request_timeout_seconds", 60), ("dry_run", False),
            ("field_mapping", None), ("streams", {}), ("custom_fields", "mapped"), ("default_phone_region", None),
            ("subscription_property", None), ("unsubscribed_values", None), ("skip_suppressed", False),
            ("account_contact_limit", None), ("on_account_limit", "fail"),
            ("rejected_records_path", None), ("report_path", None), ("on_behalf_of", None), ("api_url", None),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("is_null", [False, True])
    def test_a_setting_that_is_not_given_has_its_default(self, name: str, default: object, *, is_null: bool) -> None:
        changes: dict[str, Any] = {name: None} if is_null and name != "profile_cap" else {}
        assert getattr(settings_of(**changes), name) == default

    @pytest.mark.parametrize("region", ["GB", "gb"])
    def test_the_region_of_phone_numbers_is_in_capitals(self, region: str) -> None:
        assert settings_of(default_phone_region=region).default_phone_region == "GB"

    def test_consent_is_not_given_by_default(self) -> None:
        assert Settings.from_config(SANDBOX).data_privacy_consent is False

    @pytest.mark.parametrize("cap", [0, None])
    def test_a_cap_of_zero_or_null_is_no_cap(self, cap: int | None) -> None:
        assert settings_of(profile_cap=cap).profile_cap is None

    def test_blanks_around_the_key_are_not_part_of_it(self) -> None:
        assert settings_of(api_key=" SG.a.b\n").api_key == "SG.a.b"

    @pytest.mark.parametrize("value", ["0.5", 0.5, Decimal("0.5")])
    def test_a_number_may_come_as_text_or_as_a_decimal(self, value: object) -> None:
        assert settings_of(max_rejected_percent=value).max_rejected_percent == 0.5

    def test_the_config_is_not_changed(self) -> None:
        config = {**BASE, "max_rejected_percent": "5", "streams": {"a": {"enabled": None}}}
        before = copy.deepcopy(config)
        Settings.from_config(config)
        assert config == before


REGION_RULE = "must be the ISO code of a country in two letters, such as US, or GB for the United Kingdom"


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "value", "rule"),
        [
            ("batch_size_rows", 0, "must be at least 1"),
            ("batch_size_rows", 30_001, "must be at most 30000"),
            ("batch_size_bytes", 9_999, "must be at least 10000"),
            ("batch_size_bytes", 6_000_001, "must be at most 6000000"),
            ("profile_cap", -1, "must be at least 0"),
            ("profile_cap", True, "must be a whole number"),
            ("profile_cap", "100", "must be a whole number, without quotes"),
            ("profile_cap", 1.5, "must be a whole number"),
            ("max_rejected_percent", -0.1, "must be at least 0"),
            ("max_rejected_percent", 100.1, "must be at most 100"),
            ("max_rejected_percent", "many", "must be a number, without quotes"),
            ("max_rejected_percent", "nan", "must be a finite number"),
            ("max_rejected_percent", float("nan"), "must be a finite number"),
            ("request_timeout_seconds", 0, "must be more than 0"),
            ("request_timeout_seconds", "inf", "must be a finite number"),
            ("request_timeout_seconds", float("nan"), "must be a finite number"),
            ("job_timeout_seconds", 0, "must be at least 1"),
            ("region", "us", "must be one of: global, eu"),
            ("null_handling", "drop", "must be one of: omit, clear"),
            ("on_profile_cap", "stop", "must be one of: fail, truncate"),
            ("validate_scope", "some", "must be one of: mapped, all"),
            ("custom_fields", "none", "must be one of: mapped, all"),
            ("default_phone_region", "UK", REGION_RULE),
            ("default_phone_region", "Germany", REGION_RULE),
            ("default_phone_region", "+44", REGION_RULE),
            ("default_phone_region", 44, 'must be a text, such as "US"'),
            ("create_list", "true", "must be true or false, without quotes"),
            ("create_list", 1, "must be true or false"),
            ("list_name", 7, "must be a text, in quotes"),
            ("field_mapping", "email", 'must be a JSON object, such as {"email": "profile_email"}'),
            ("field_mapping", ["email"], 'must be a JSON object, such as {"email": "profile_email"}'),
            ("streams", ["people"], 'must be a JSON object, such as {"people": {"list_name": "Customers"}}'),
        ],
    )
    def test_a_value_out_of_bounds_is_refused_by_its_rule(self, name: str, value: object, rule: str) -> None:
        assert problems_of(BASE | {name: value}) == [f"The setting `{name}` {rule}."]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("batch_size_rows", 1), ("batch_size_rows", 30_000), ("batch_size_bytes", 10_000), ("profile_cap", 1),
            ("batch_size_bytes", 6_000_000), ("max_rejected_percent", 0), ("max_rejected_percent", 100),
            ("request_timeout_seconds", 0.1), ("job_timeout_seconds", 1), ("profile_cap", 10**12),
        ],
    )  # fmt: skip
    def test_a_value_on_a_bound_is_taken(self, name: str, value: float) -> None:
        assert getattr(settings_of(**{name: value}), name) == value


class TestUnknownSettings:
    def test_an_unknown_setting_is_named_with_the_nearest_known_one(self) -> None:
        problems = problems_of(batch_size_row=5)
        assert problems == ["There is no setting `batch_size_row`. Did you mean 'batch_size_rows'?"]

    def test_an_unknown_setting_of_a_stream_is_named_with_its_place(self) -> None:
        (problem,) = problems_of(streams={"people": {"list_nmae": MARKER}})
        assert problem == "There is no setting `list_nmae` in `streams.people`. Did you mean 'list_name'?"

    @pytest.mark.parametrize(("place", "where"), [({}, ""), ({"streams": {"people": {}}}, " in `streams.people`")])
    def test_a_list_is_meant_by_its_name(self, place: dict[str, Any], where: str) -> None:
        (place["streams"]["people"] if place else place)["list"] = MARKER
        assert problems_of(**place) == [f"There is no setting `list`{where}. Did you mean 'list_name'?"]
        (problem,) = environment_problems({"TARGET_SENDGRID_LIST": MARKER}, CONFIG_SCHEMA)
        assert problem.endswith("TARGET_SENDGRID_LIST. Did you mean 'LIST_NAME'?")

    def test_invisible_characters_of_names_are_shown(self) -> None:
        streams = {"a\u200b": {"list_nmae": "x"}, "b\ufeff": {"list_id": 7}}
        assert problems_of(streams={**streams, "c": {"enabled\u200b": False}}) == [
            "There is no setting `list_nmae` in `streams.a\\u200b`. Did you mean 'list_name'?",
            "The setting `streams.b\\ufeff.list_id` must be a text, in quotes.",
            "There is no setting `enabled\\u200b` in `streams.c`. Did you mean 'enabled'?",
        ]
        (problem,) = problems_of(streams={"a\u200b": {"list_id": " "}})
        assert problem == "The setting `streams.a\\u200b.list_id` is empty."

    def test_a_misspelt_variable_is_named(self) -> None:
        problems = environment_problems({"TARGET_SENDGRID_LISTNAME": "x", "TARGET_SENDGRID_LOGO": "x"}, CONFIG_SCHEMA)
        expected = (
            "There is no setting for the environment variable TARGET_SENDGRID_LISTNAME. Did you mean 'LIST_NAME'?"
        )
        assert problems == [expected]

    def test_all_problems_are_named_at_once(self) -> None:
        problems = problems_of(foo=1, bar=2, region="us", batch_size_rows=0, streams={"people": {"enabled": "no"}})
        assert sorted(problems) == [
            "The setting `batch_size_rows` must be at least 1.",
            "The setting `region` must be one of: global, eu.",
            "The setting `streams.people.enabled` must be true or false, without quotes.",
            "There is no setting `bar`.",
            "There is no setting `foo`.",
        ]

    def test_a_setting_of_the_sdk_is_known_where_the_schema_has_it(self) -> None:
        schema = copy.deepcopy(CONFIG_SCHEMA)
        schema["properties"]["stream_maps"] = {"type": ["object", "null"]}
        assert Settings.from_config(BASE | {"stream_maps": {}}, schema) == settings_of()


class TestLongMapping:
    @pytest.mark.parametrize(
        ("value", "problems"),
        [
            (7, ["The setting `{}` must be a text or a JSON object."]),
            ({}, ["The setting `{}` lacks `property`."]),
            ({"property": 7}, ["The setting `{}.property` must be a text, in quotes."]),
            ({"property": "spent", "type": "number"}, ["The setting `{}.type` must be one of: Text, Number, Date."]),
            ({"property": "spent", "tpye": "Number"}, ["There is no setting `tpye` in `{}`. Did you mean 'type'?"]),
        ],
    )
    def test_what_is_wrong_is_named_with_its_place(self, value: object, problems: list[str]) -> None:
        mapping = {"field_mapping": {"ltv": value}}
        assert problems_of(**mapping) == [problem.format("field_mapping.ltv") for problem in problems]
        in_stream = [problem.format("streams.people.field_mapping.ltv") for problem in problems]
        assert problems_of(streams={"people": mapping}) == in_stream


class TestKeyAndConsent:
    @pytest.mark.parametrize("key", [None, "", "  "])
    def test_a_key_is_required(self, key: str | None) -> None:
        (problem,) = problems_of(api_key=key)
        assert problem.startswith("The setting `api_key` is missing.")
        assert "TARGET_SENDGRID_API_KEY" in problem

    @pytest.mark.parametrize("key", ["SG.a b", "SG.zaphod\nX: y", "SG.zaphöd", "SG.\x00zaphod"])
    def test_a_key_of_odd_characters_is_refused(self, key: str) -> None:
        (problem,) = problems_of(api_key=key)
        assert (problem.startswith("The setting `api_key` holds"), MARKER in problem) == (True, False)

    @pytest.mark.parametrize("url", ["sandbox", "sandbox:/tmp/account.db"])
    def test_a_sandbox_needs_neither_key_nor_consent(self, url: str) -> None:
        assert Settings.from_config({"api_url": url, "list_name": "News"}).is_sandbox

    @pytest.mark.parametrize(
        "url", ["http://localhost:8000", "http://127.0.0.1:1", "http://[::1]:1", "https://LOCALHOST"]
    )
    def test_loopback_needs_a_key_and_no_consent(self, url: str) -> None:
        assert Settings.from_config({"api_url": url, "api_key": "k", "list_name": "News"}).base_url == url
        assert len(problems_of({"api_url": url, "list_name": "News"})) == 1

    @pytest.mark.parametrize("url", [None, "https://api.sendgrid.com", "https://localhost.example.com"])
    @pytest.mark.parametrize("consent", [None, False])
    def test_everything_else_needs_consent(self, url: str | None, consent: bool | None) -> None:  # noqa: FBT001 - a case
        (problem,) = problems_of(api_url=url, data_privacy_consent=consent)
        assert problem.startswith("Set `data_privacy_consent` to true to confirm")

    @pytest.mark.parametrize("value", ["sub\nuser", "sub\r\nX: y", "süb", "\x00"])
    def test_a_subuser_that_no_header_takes_is_refused(self, value: str) -> None:
        assert problems_of(on_behalf_of=value) == [
            "The setting `on_behalf_of` holds characters that no subuser's name has."
        ]

    @pytest.mark.parametrize("value", ["subuser", "account-id 123", " subuser\n"])
    def test_a_subuser_is_trimmed(self, value: str) -> None:
        assert settings_of(on_behalf_of=value).on_behalf_of == value.strip()


class TestAddress:
    @pytest.mark.parametrize(
        ("changes", "address"),
        [
            ({}, "https://api.sendgrid.com"),
            ({"region": "eu"}, "https://api.eu.sendgrid.com"),
            ({"api_url": "https://proxy.example.com/sendgrid/", "region": "eu"}, "https://proxy.example.com/sendgrid"),
        ],
    )
    def test_the_region_picks_the_host_unless_one_is_given(self, changes: dict[str, str], address: str) -> None:
        assert settings_of(**changes).base_url == address

    @pytest.mark.parametrize(
        "url",
        [
            "zaphod", "zaphod.com", "ftp://zaphod.com", "https://", "https:///zaphod", "https://[::zaphod",
            "https://zaphod.com:port", "https://zaphod.com:99999", "https://zaphod\u2100.com", "sandboxes",
            "https://zaphod.com ", "https://zap hod.com", "https://zaphod\n.com",
        ],
    )  # fmt: skip
    def test_what_is_not_an_address_is_refused(self, url: str) -> None:
        assert problems_of(api_url=url) == [
            "The setting `api_url` must be an https:// address, `sandbox` or `sandbox:PATH.db`."
        ]

    @pytest.mark.parametrize("url", ["http://zaphod.com", "http://127.0.0.1.zaphod.com", "HTTP://zaphod.com"])
    def test_plain_http_is_refused_except_on_loopback(self, url: str) -> None:
        (problem,) = problems_of(api_url=url)
        assert problem.startswith("The setting `api_url` must start with https://")

    @pytest.mark.parametrize(
        "url", ["https://zaphod@example.com", "https://zaphod:beeble@example.com", "http://:zaphod@localhost"]
    )
    def test_an_address_with_a_password_is_refused(self, url: str) -> None:
        (problem,) = problems_of(api_url=url)
        assert (problem.startswith("The setting `api_url` must not hold"), MARKER in problem) == (True, False)

    @pytest.mark.parametrize(
        ("url", "database"), [("sandbox", None), ("sandbox:account.db", "account.db"), ("sandbox:C:/a.db", "C:/a.db")]
    )
    def test_a_sandbox_may_name_a_file(self, url: str, database: str | None) -> None:
        assert settings_of(api_url=url).sandbox_database == database

    def test_a_sandbox_without_a_file_after_its_colon_is_refused(self) -> None:
        (problem,) = problems_of(api_url="sandbox:")
        assert "names no file after `sandbox:`" in problem

    def test_an_address_is_not_a_sandbox_and_has_no_file(self) -> None:
        settings = settings_of(api_url="https://api.sendgrid.com")
        assert (settings.is_sandbox, settings.sandbox_database) == (False, None)


class TestLists:
    @pytest.mark.parametrize("changes", [{"list_name": None}, {"list_name": None, "streams": {"people": {}}}])
    def test_some_list_is_required(self, changes: dict[str, Any]) -> None:
        assert problems_of(**changes) == [
            "No list is set. Set `list_name` (or `list_id`), or one for each stream under `streams`."
        ]

    def test_an_id_and_a_name_together_are_refused(self) -> None:
        assert problems_of(list_id="id", streams={"people": {"list_id": "a", "list_name": "b"}}) == [
            "Give either `list_id` or `list_name`, not both.",
            "Give either `streams.people.list_id` or `streams.people.list_name`, not both.",
        ]

    def test_an_empty_list_name_is_refused(self) -> None:
        assert "The setting `streams.people.list_name` is empty." in problems_of(streams={"people": {"list_name": " "}})

    def test_names_and_ids_of_lists_are_trimmed(self) -> None:
        streams = {"a": {"list_name": "A\u00a0"}, "b": {"list_id": "\n1"}, "c": {"list_name": "x" * 100 + " "}}
        settings = settings_of(list_name=" News ", streams=streams)
        assert settings.all_lists() == (["1"], ["News", "A", "x" * 100])
        assert settings.for_stream("a").list_name == "A"

    @pytest.mark.parametrize(("length", "is_taken"), [(100, True), (101, False)])
    def test_a_name_has_a_hundred_characters_at_most(self, length: int, *, is_taken: bool) -> None:
        if is_taken:
            assert settings_of(list_name="x" * length).list_name == "x" * length
        else:
            (problem,) = problems_of(list_name="x" * length)
            assert problem == "The setting `list_name` is longer than the 100 characters SendGrid takes."

    def test_all_lists_of_enabled_streams_are_returned(self) -> None:
        streams = {"a": {"list_id": "1"}, "b": {"list_name": "B"}, "c": {"list_name": "C", "enabled": False}, "d": {}}
        assert settings_of(streams=streams).all_lists() == (["1"], ["News", "B", "News"])

    def test_the_list_of_a_pattern_is_returned_unless_it_is_not_enabled(self) -> None:
        streams = {"*": {"enabled": False}, "a_*": {"list_name": "A"}, "b_*": {"list_name": "B", "enabled": False}}
        assert settings_of(list_name=None, streams=streams).all_lists() == ([], ["A"])


class TestStreams:
    def test_a_stream_without_settings_has_those_of_all(self) -> None:
        stream = settings_of(field_mapping={"email": "mail"}).for_stream("people")
        assert stream == StreamSettings(
            None, "News", {"email": Source("mail")}, is_enabled=True, on_delete="remove_from_list"
        )

    def test_a_stream_may_have_a_list_of_its_own(self) -> None:
        stream = settings_of(streams={"people": {"list_id": "1"}}).for_stream("people")
        assert (stream.list_id, stream.list_name) == ("1", None)

    def test_a_stream_may_have_a_mapping_of_its_own(self) -> None:
        settings = settings_of(field_mapping={"email": "mail"}, streams={"people": {"field_mapping": {"email": "m"}}})
        assert settings.for_stream("people").field_mapping == {"email": Source("m")}

    def test_a_mapping_may_say_the_type_of_a_field(self) -> None:
        mapping = {"email": "mail", "ltv": {"property": "spent", "type": "Number"}, "vip": {"property": "flag"}}
        expected = {"email": Source("mail"), "ltv": Source("spent", "Number"), "vip": Source("flag")}
        assert settings_of(field_mapping=mapping).for_stream("people").field_mapping == expected
        own = {"people": {"field_mapping": mapping}}
        assert settings_of(streams=own).for_stream("people").field_mapping == expected

    def test_a_type_of_null_is_not_given(self) -> None:
        settings = settings_of(field_mapping={"vip": {"property": "flag", "type": None}})
        assert settings.for_stream("people").field_mapping == {"vip": Source("flag")}

    def test_a_stream_may_be_left_out(self) -> None:
        assert settings_of(streams={"people": {"enabled": False}}).for_stream("people").is_enabled is False

    def test_an_entry_with_a_star_is_for_all_streams_that_it_matches(self) -> None:
        settings = settings_of(streams={"crm_*": {"list_name": "CRM"}, "*": {"enabled": False}})
        assert settings.for_stream("crm_people").list_name == "CRM"
        assert not settings.for_stream("companies").is_enabled

    @pytest.mark.parametrize(
        ("keys", "stream", "entry"),
        [
            (["crm_*", "crm_people"], "crm_people", "crm_people"),
            (["*", "crm_*", "c*"], "crm_people", "crm_*"),
            (["*_people", "crm_*"], "crm_people", "*_people"),
            (["b*d", "a*d"], "abd", "a*d"),
            (["*b", "a*"], "ab", "*b"),
            (["a*", "*b"], "ab", "*b"),
            (["*"], "", "*"),
            (["a*c"], "ac", "a*c"),
            (["a*c"], "a\nb/c", "a*c"),
            (["a*"], "A1", None),
            (["a?c", "a[b]c"], "abc", None),
            (["a?*", "a[b]*", "[a]b*"], "abc", None),
            (["a?*"], "a?c", "a?*"),
            (["a[b]*"], "a[b]c", "a[b]*"),
            (["a*b"], "a*b", "a*b"),
            (["people"], "peoples", None),
        ],
    )
    def test_an_exact_name_comes_before_a_longer_pattern_and_that_before_a_shorter_one(
        self, keys: list[str], stream: str, entry: str | None
    ) -> None:
        assert settings_of(streams={key: {} for key in keys}).entry_of(stream) == entry

    def test_streams_that_are_all_left_out_are_a_problem(self) -> None:
        left_out = {"enabled": False}
        (problem,) = problems_of(streams={"*": left_out, "people": left_out})
        assert problem == (
            'The setting `streams` leaves out all streams. Give those to be sent an entry, such as `"people": {}`.'
        )
        for streams in ({"people": left_out}, {"*": left_out, "people": {}}, {"*": {}, "people": left_out}):
            assert settings_of(streams=streams).streams == streams

    def test_only_one_entry_applies_and_the_settings_of_all_streams_where_it_has_none(self) -> None:
        streams = {"crm_*": {"list_name": "CRM", "enabled": False}, "crm_people": {"field_mapping": {"email": "m"}}}
        stream = settings_of(streams=streams).for_stream("crm_people")
        assert stream == StreamSettings(
            None, "News", {"email": Source("m")}, is_enabled=True, on_delete="remove_from_list"
        )

    def test_an_entry_is_unused_if_its_name_or_pattern_fits_no_stream(self) -> None:
        settings = settings_of(streams={"people": {}, "crm_*": {}, "*": {}, "others": {}, "old_*": {}})
        assert settings.unused_entries(["people", "crm_people"]) == ["others", "old_*"]

    def test_a_null_of_a_stream_counts_as_not_given(self) -> None:
        nulls = dict.fromkeys(["list_id", "list_name", "field_mapping", "enabled"])
        settings = settings_of(field_mapping={"email": "mail"}, streams={"people": nulls})
        assert settings.for_stream("people") == settings.for_stream("others")


class TestEnvironment:
    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("FIELD_MAPPING", MARKER, 'a JSON object, such as {"email": "profile_email"}'),
            ("FIELD_MAPPING", '["zaphod"]', 'a JSON object, such as {"email": "profile_email"}'),
            ("STREAMS", "{zaphod", 'a JSON object, such as {"people": {"list_name": "Customers"}}'),
            ("STREAMS", "null", 'a JSON object, such as {"people": {"list_name": "Customers"}}'),
            ("PROFILE_CAP", MARKER, "a whole number"),
            ("BATCH_SIZE_ROWS", "1.5", "a whole number"),
        ],
    )
    def test_a_variable_that_can_not_be_read_is_named(self, name: str, value: str, problem: str) -> None:
        variable = f"TARGET_SENDGRID_{name}"
        expected = [f"The environment variable {variable} must be {problem}."]
        assert environment_problems({variable: value}, CONFIG_SCHEMA) == expected

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("FIELD_MAPPING", '{"email": "mail"}'), ("STREAMS", "{}"), ("PROFILE_CAP", "100"), ("API_KEY", "anything"),
            ("MAX_REJECTED_PERCENT", "5.5"), ("CREATE_LIST", "true"), ("NO_SETTING", "{"),
        ],
    )  # fmt: skip
    def test_a_variable_that_can_be_read_is_no_problem(self, name: str, value: str) -> None:
        assert environment_problems({f"TARGET_SENDGRID_{name}": value}, CONFIG_SCHEMA) == []

    @pytest.mark.parametrize("blank", ["", " ", "\t\n"])
    def test_an_empty_variable_is_the_same_as_none(self, blank: str) -> None:
        names = [*CONFIG_SCHEMA["properties"], "flattening_enabled", "stream_maps", "list_names"]
        assert environment_problems({f"TARGET_SENDGRID_{name.upper()}": blank for name in names}, CONFIG_SCHEMA) == []

    def test_meltano_has_put_an_empty_address_in_place_of_the_one_in_its_project(self) -> None:
        empty = {f"TARGET_SENDGRID_{name}": "" for name in ("API_URL", "ON_BEHALF_OF", "LIST_NAME", "PROFILE_CAP")}
        assert given_variables(empty) == {}
        exported = empty | {"TARGET_SENDGRID__DIALECT": "target_sendgrid"}
        assert given_variables(exported) == {"API_URL": "", "ON_BEHALF_OF": "", "_DIALECT": "target_sendgrid"}

    def test_meltano_gives_the_properties_of_objects_variables_of_their_own(self) -> None:
        variables = {"TARGET_SENDGRID_FIELD_MAPPING_CITY": "city", "TARGET_SENDGRID_LISTNAME": "x"}
        assert len(environment_problems(variables, CONFIG_SCHEMA)) == 2
        exported = variables | {"TARGET_SENDGRID__DIALECT": "target_sendgrid"}
        (problem,) = environment_problems(exported, CONFIG_SCHEMA)
        assert "TARGET_SENDGRID_LISTNAME" in problem

    @pytest.mark.parametrize("name", ["VIP_LIST_NAME", "VIP_FIELD_MAPPING", "VIP_FIELD_MAPPING_CITY", "VIP_API_KEY"])
    def test_meltano_exports_the_settings_of_inherited_loaders_too(self, name: str) -> None:
        exported = {f"TARGET_SENDGRID_{name}": "x", "TARGET_SENDGRID__DIALECT": "target_sendgrid_vip"}
        assert environment_problems(exported, CONFIG_SCHEMA) == []

    def test_all_problems_are_named_at_once(self) -> None:
        assert (
            len(
                environment_problems(
                    {"TARGET_SENDGRID_STREAMS": "{", "TARGET_SENDGRID_PROFILE_CAP": "x"}, CONFIG_SCHEMA
                )
            )
            == 2
        )


class TestEmptyTexts:
    """Meltano writes an empty environment variable into the config file as an empty text."""

    @pytest.mark.parametrize("blank", ["", " ", "\n"])
    @pytest.mark.parametrize("name", ["list_id", "rejected_records_path", "report_path"])
    def test_an_empty_text_counts_as_not_given(self, name: str, blank: str) -> None:
        assert settings_of(**{name: blank}) == settings_of()

    @pytest.mark.parametrize("blank", ["", " ", "\n"])
    @pytest.mark.parametrize("name", ["api_url", "on_behalf_of"])
    def test_an_empty_text_is_refused_where_it_would_send_people_elsewhere(self, name: str, blank: str) -> None:
        (problem,) = problems_of(BASE | {name: blank})
        assert problem == (
            f"The setting `{name}` is empty. Leave it out. In a Meltano project, unset TARGET_SENDGRID_{name.upper()},"
            " in `.env` too: an empty variable replaces what `meltano.yml` says."
        )

    def test_no_key_and_no_consent_are_asked_for_while_the_address_is_empty(self) -> None:
        assert len(problems_of({"api_url": "", "list_name": "News"})) == 1

    def test_an_empty_region_is_refused(self) -> None:
        assert problems_of(region="") == ["The setting `region` must be one of: global, eu."]

    def test_an_empty_list_of_a_stream_is_refused_since_another_list_would_get_its_people(self) -> None:
        assert problems_of(streams={"people": {"list_id": ""}}) == ["The setting `streams.people.list_id` is empty."]

    @pytest.mark.parametrize("name", ["create_list", "profile_cap", "max_rejected_percent", "streams", "field_mapping"])
    def test_an_empty_text_is_no_boolean_number_or_object(self, name: str) -> None:
        (problem,) = problems_of(BASE | {name: ""})
        assert problem.startswith(f"The setting `{name}` must be ")


MARKED = st.recursive(
    st.sampled_from(
        [MARKER, f"https://{MARKER}@x.com", f"http://{MARKER}.com", f"{MARKER} {MARKER}", "", None, 7, -1.5]
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "list_id"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*CONFIG_SCHEMA["properties"], "unknown"]), MARKED))
def test_no_error_ever_quotes_a_value_that_was_given(config: dict[str, Any]) -> None:
    try:
        Settings.from_config(config)
    except ConfigError as error:
        assert (MARKER in str(error), error.__suppress_context__ or error.__context__ is None) == (False, True)  # noqa: PT017 - more than one error is caught


@given(st.dictionaries(st.sampled_from([name.upper() for name in CONFIG_SCHEMA["properties"]]), MARKED.map(json.dumps)))
def test_no_error_ever_quotes_a_variable(environment: dict[str, str]) -> None:
    variables = {f"TARGET_SENDGRID_{name}": value for name, value in environment.items()}
    assert MARKER not in "".join(environment_problems(variables, CONFIG_SCHEMA))


class TestSubscriptions:
    def test_what_says_that_somebody_has_unsubscribed_has_no_default(self) -> None:
        (problem,) = problems_of(subscription_property="wants_mail")
        assert problem.startswith("Set `unsubscribed_values`, too: the values of `subscription_property`")

    def test_values_need_a_property(self) -> None:
        (problem,) = problems_of(unsubscribed_values=[False])
        assert problem == ("Set `subscription_property`, too: the property with one of `unsubscribed_values`.")

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ([], "must not be empty"),
            ("no", 'must be a JSON array, such as ["unsubscribed"]'),
            ([None], "must be a text or a number or true or false"),
            ([["no"]], "must be a text or a number or true or false"),
        ],
    )
    def test_values_are_texts_numbers_or_booleans(self, values: object, words: str) -> None:
        (problem,) = problems_of(subscription_property="status", unsubscribed_values=values)
        assert words in problem

    def test_a_stream_has_settings_of_its_own(self) -> None:
        own = {"subscription_property": "opt_out", "unsubscribed_values": [True], "suppression_group_id": 7}
        settings = settings_of(
            subscription_property="wants", unsubscribed_values=[False], streams={"b": own, "c": {"max_suppressions": 5}}
        )
        first, second, third = (settings.for_stream(name) for name in "abc")
        assert (first.subscription_property, first.unsubscribed_values, first.suppression_group_id) == (
            "wants", [False], None,
        )  # fmt: skip
        assert (second.subscription_property, second.unsubscribed_values, second.suppression_group_id) == (
            "opt_out", [True], 7,
        )  # fmt: skip
        assert (third.subscription_property, third.max_suppressions) == ("wants", 5)
        assert settings.suppression_groups() == [None, 7]

    def test_an_entry_with_a_property_of_its_own_may_take_over_the_values(self) -> None:
        streams = {"b": {"subscription_property": "status"}}
        settings = settings_of(subscription_property="wants", unsubscribed_values=["no"], streams=streams)
        assert settings.for_stream("b").unsubscribed_values == ["no"]
        (problem,) = problems_of(streams=streams)
        assert problem.startswith("Set `streams.b.unsubscribed_values`, too")

    def test_a_group_without_a_use_is_named(self) -> None:
        (problem,) = problems_of(suppression_group_id=7)
        assert problem.startswith("`suppression_group_id` has no effect without `subscription_property` or")
        assert settings_of(suppression_group_id=7, skip_suppressed=True).suppression_groups() == []

    def test_streams_that_are_left_out_need_no_group(self) -> None:
        own = {"subscription_property": "wants", "unsubscribed_values": [0], "enabled": False}
        assert settings_of(streams={"b": own}).suppression_groups() == []

    def test_settings_of_all_streams_do_not_count_where_a_pattern_replaces_them(self) -> None:
        rest = {"*": {"list_name": "Rest", "suppression_group_id": 3}}
        settings = settings_of(subscription_property="wants", unsubscribed_values=[0], streams=rest)
        assert settings.suppression_groups() == [3]
        assert [prefix for prefix, _ in settings.enabled_streams()] == ["streams.*."]


def test_settings_about_the_snapshot_must_fit() -> None:
    (problem,) = problems_of(allow_erased=True)
    assert problem.startswith("`allow_erased` has no effect without `snapshot_path`.")
    (problem,) = problems_of(snapshot_path="a.db", report_path="a.db")
    assert problem.startswith("`snapshot_path` and `report_path` name the same file.")
