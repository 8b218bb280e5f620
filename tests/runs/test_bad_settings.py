"""Wrong settings, keys and lists: the run ends with exit code 1 and one clear sentence, before anything is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.target import TargetSendGrid
from tests.harness.messages import record, schema, singer
from tools.docs import all_settings

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.harness.account import Account

LINES = singer(schema(mail="string"), record(mail="ada@example.com"), {"type": "STATE", "value": {"n": 1}})
GOOD: dict[str, Any] = {"list_name": "Everybody", "field_mapping": {"email": "mail"}}


@pytest.fixture(autouse=True)
def _customers(sandbox: SandboxServer) -> None:
    sandbox.seed(lists=["Customers"], fields={"score": "Number"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"api_key": ""}, "The setting `api_key` is missing."),
        ({"api_key": "SG.unknown.key"}, "SendGrid refused the API key (401)"),
        ({"api_key": "two words"}, "The setting `api_key` holds blanks"),
        ({"list_name": None}, "No list is set. Set `list_name`"),
        ({"list_name": None, "list_id": "b1c9a5ac-0000-4000-8000-000000000000"}, "SendGrid has no list with the id"),
        ({"list_id": "x"}, "Give either `list_id` or `list_name`, not both."),
        (
            {"list_name": "Costumers", "create_list": False},
            "SendGrid has no list named 'Costumers', and `create_list` is false. Did you mean 'Customers'?",
        ),
        ({"list_name": "customers"}, "SendGrid has no list named 'customers', but one named 'Customers'."),
        (
            {"field_mapping": {"email": "mail", "scor": "mail"}},
            "SendGrid has no contact field 'scor'. Did you mean 'score'?",
        ),
        ({"field_mapping": {"email": "male"}}, "has no property 'male' to fill 'email'. Did you mean 'mail'?"),
        ({"field_mapping": {"first_name": "mail"}}, "Stream 'people' has no field that identifies a contact"),
        ({"field_mapping": None}, 'Write `field_mapping: {"email": "mail"}`'),
        ({"field_mapping": {"email": "mail", "created_at": "mail"}}, "'created_at' is set by SendGrid itself"),
        ({"profil_cap": 3}, "There is no setting `profil_cap`. Did you mean 'profile_cap'?"),
        (
            {"streams": {"people": {"list": "x"}}},
            "There is no setting `list` in `streams.people`. Did you mean 'list_name'?",
        ),
        ({"api_url": "http://sendgrid.example.com"}, "The setting `api_url` must start with https://"),
        ({"api_url": "https://sendgrid.example.com"}, "Set `data_privacy_consent` to true"),
        ({"api_url": "ftp://localhost"}, "must be an https:// address, `sandbox` or `sandbox:PATH.db`"),
        ({"region": "mars"}, "The setting `region` must be one of: global, eu."),
        ({"batch_size_rows": 30_001}, "The setting `batch_size_rows` must be at most 30000."),
        ({"rejected_records_path": "/dev/null/no"}, "can't be opened for appending"),
        ({"report_path": "/dev/null/no/report.json"}, "`report_path`: no report can be written to"),
        ({"report_path": "/"}, "`report_path`: no report can be written to"),
        (
            {"field_mapping": {"email": "male"}, "report_path": "/proc/report.json"},
            # Only root's run passes the first check of the folder, and fails to write the report at its end.
            "has no property 'male'" if os.geteuid() == 0 else "`report_path`: no report can be written to",
        ),
        ({"stream_maps": "x"}, "The setting `stream_maps` must be a JSON object."),
        (
            {"stream_maps": {"people": {"mail": "mail.("}}},
            "The setting `stream_maps.people.mail` is not an expression.",
        ),
        ({"stream_maps": {"__else__": "x"}}, "The setting `stream_maps.__else__` must be null, or left out."),
        ({"flattening_enabled": True}, "Set `flattening_max_depth`, too"),
        ({"api_url": "Sandbox"}, "must spell `sandbox` in lower case"),
        ({"api_url": "sandbox:no-such-folder/account.db"}, "Check the path in `api_url`"),
    ],
)
def test_a_wrong_setting_is_one_sentence(changes: dict[str, Any], sentence: str, account: Account) -> None:
    run = account.run_process(LINES, **(GOOD | changes))
    assert run.exit_code == 1
    assert sentence in run.log
    assert "Traceback" not in run.log
    assert "Internal error" not in run.log
    assert run.states == []
    assert account.sandbox.contacts() == []


def test_all_problems_of_a_config_are_shown_at_once(account: Account) -> None:
    run = account.run_process(LINES, regoin="eu", profile_cap=-1, null_handling="perhaps")
    assert all(name in run.log for name in ("`regoin`", "`profile_cap`", "`null_handling`"))


def test_two_lists_of_one_name_are_an_error(account: Account) -> None:
    account.sandbox.seed(lists=["Pair", "Pair"])
    run = account.run_process(LINES, **(GOOD | {"list_name": "Pair"}))
    assert run.exit_code == 1
    assert "SendGrid has 2 lists named 'Pair'. Give `list_id` instead: one of " in run.log


def test_a_key_without_marketing_access_ends_the_run_with_the_scope_it_needs(account: Account) -> None:
    key = account.sandbox.add_key(("mail.send",))
    run = account.run_process(LINES, **(GOOD | {"api_key": key}))
    assert run.exit_code == 1
    assert "scope `marketing.read`" in run.log
    assert key not in run.log


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "can't be read. Check the path."),
        (b'{"a": 1,\n "b": 2,}', "is not valid JSON: line 2, column 9. Check its commas, quotes and braces."),
        (b"{", "is not valid JSON: line 1, column 2."),
        (b"", "is not valid JSON: line 1, column 1."),
        (b"[]", "is not a JSON object, which has braces around it."),
        (b'{"a": ' + 100_000 * b"[" + 100_000 * b"]" + b"}", "is not valid JSON: it is nested too deeply."),
        (b'{"a": ' + 5_000 * b"1" + b"}", "is not valid JSON: a number is too long."),
        ('{"list_name": "N"}'.encode("utf-16"), "is not in UTF-8. Save it in this encoding."),
        (b'{"list_name": "\xe4"}', "is not in UTF-8. Save it in this encoding."),
    ],
)
def test_a_config_file_that_cannot_be_used_is_one_sentence(
    content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    run = subprocess.run(
        [sys.executable, "-m", "target_sendgrid", "--config", str(path)], capture_output=True, check=False, input=b""
    )
    assert run.returncode == 1
    assert sentence in run.stderr.decode()
    assert "Traceback" not in run.stderr.decode()


def test_a_config_file_may_begin_with_a_byte_order_mark(account: Account) -> None:
    path = account.folder / "marked.json"
    path.write_text(json.dumps(account.settings(**GOOD)), encoding="utf-8-sig")
    run = run_with_environment(account, LINES, f"--config={path}")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", ["env", "Env", " ENV"])
def test_the_environment_is_named_in_capitals(name: str, account: Account) -> None:
    run = run_with_environment(account, LINES, f"--config={name}")
    assert run.returncode == 1
    assert f"The config file {name} can't be read. Check the path, or write `--config=ENV` for the" in run.stderr


def run_with_environment(
    account: Account, lines: bytes, *arguments: str, general_key: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the target as a process with the settings of these variables and, where it has none, of `GOOD`."""
    given = {
        "API_URL": account.sandbox.url,
        "API_KEY": account.sandbox.api_key,
        "FIELD_MAPPING": json.dumps(GOOD["field_mapping"]),
        "LIST_NAME": GOOD["list_name"],
    } | variables
    return subprocess.run(
        [sys.executable, "-m", "target_sendgrid", *(arguments or ("--config=ENV",))],
        env=os.environ | {f"TARGET_SENDGRID_{name}": value for name, value in given.items()}
        | {"SENDGRID_API_KEY": general_key},
        cwd=account.folder, input=lines.decode(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_config_comes_from_the_environment_nested_objects_included(account: Account) -> None:
    environment = os.environ | {
        "TARGET_SENDGRID_API_URL": account.sandbox.url,
        "TARGET_SENDGRID_API_KEY": account.sandbox.api_key,
        "TARGET_SENDGRID_FIELD_MAPPING": '{"email": "mail"}',
        "TARGET_SENDGRID_STREAMS": '{"people": {"list_name": "From the environment"}}',
        "TARGET_SENDGRID_MAX_REJECTED_PERCENT": "7.5",
        "TARGET_SENDGRID_PROFILE_CAP": "5",
    }
    run = subprocess.run(
        [sys.executable, "-m", "target_sendgrid", "--config=ENV"],
        capture_output=True, check=False, input=LINES, env=environment, cwd=account.folder,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    assert [contact["lists"] for contact in account.sandbox.contacts()] == [["From the environment"]]


NAMES = sorted(name.upper() for name in all_settings())


@pytest.mark.parametrize("blank", ["", "  "])
def test_empty_variables_are_the_same_as_none(blank: str, account: Account) -> None:
    """Of every setting, the SDK's included; those that a run needs are in a file."""
    path = account.folder / "settings.json"
    path.write_text(json.dumps(account.settings(**GOOD)), encoding="utf-8")
    variables = dict.fromkeys(NAMES, blank)
    run = run_with_environment(account, LINES, "--config=settings.json", "--config=ENV", **variables)
    assert run.returncode == 0, run.stderr
    assert account.emails("Everybody") == ["ada@example.com"]


def test_an_empty_address_leaves_the_sandbox_of_the_file(account: Account) -> None:
    path = account.folder / "settings.json"
    path.write_text(json.dumps(GOOD | {"api_url": "sandbox"}), encoding="utf-8")
    empty = {"API_URL": "", "DATA_PRIVACY_CONSENT": "true"}
    run = run_with_environment(account, LINES, "--config=settings.json", "--config=ENV", **empty)
    assert (run.returncode, "1 upserted" in run.stderr) == (0, True), run.stderr
    assert account.sandbox.requests() == []


def test_variables_that_are_not_read_are_named_where_a_setting_is_missing(account: Account) -> None:
    path = account.folder / "settings.json"
    path.write_text(json.dumps({"api_url": account.sandbox.url, "list_name": "News"}), encoding="utf-8")
    run = run_with_environment(account, LINES, "--config=settings.json")
    assert run.returncode == 1
    assert "The setting `api_key` is missing." in run.stderr
    assert (
        "TARGET_SENDGRID_API_KEY, TARGET_SENDGRID_API_URL, TARGET_SENDGRID_LIST_NAME and 1 more variable are set, but"
        " not read. Add `--config=ENV` to the command line" in run.stderr
    )
    assert account.sandbox.api_key not in run.stderr
    in_meltano = run_with_environment(account, LINES, "--config=settings.json", _DIALECT="x")
    assert "The setting `api_key` is missing." in in_meltano.stderr
    assert "not read" not in in_meltano.stderr
    path.write_text(json.dumps(account.settings(**GOOD, profile_cap=-1)), encoding="utf-8")
    complete = run_with_environment(account, LINES, "--config=settings.json")
    assert "`profile_cap` must be at least 0" in complete.stderr
    assert "not read" not in complete.stderr


@pytest.mark.parametrize("key", ["", "  "])
def test_the_general_variable_of_the_key_is_read_with_the_environment(account: Account, key: str) -> None:
    run = run_with_environment(account, LINES, API_KEY=key, general_key=account.sandbox.api_key)
    assert run.returncode == 0, run.stderr
    wins = run_with_environment(account, LINES, general_key="SG.unknown.key")
    assert wins.returncode == 0, wins.stderr
    path = account.folder / "settings.json"
    path.write_text(json.dumps({"api_key": account.sandbox.api_key}), encoding="utf-8")
    arguments = ("--config=settings.json", "--config=ENV")
    file_wins = run_with_environment(account, LINES, *arguments, API_KEY=key, general_key="SG.x.y")
    assert file_wins.returncode == 0, file_wins.stderr


def test_the_general_variable_of_the_key_is_named_where_it_is_not_read(account: Account) -> None:
    path = account.folder / "settings.json"
    path.write_text(json.dumps({"api_url": account.sandbox.url, "list_name": "News"}), encoding="utf-8")
    environment = os.environ | {"SENDGRID_API_KEY": account.sandbox.api_key}
    run = subprocess.run(
        [sys.executable, "-m", "target_sendgrid", f"--config={path}"],
        capture_output=True, check=False, input=LINES, env=environment,
    )  # fmt: skip
    assert run.returncode == 1
    assert "SENDGRID_API_KEY is set, but not read. Add `--config=ENV`" in run.stderr.decode()


def test_an_empty_variable_in_a_file_of_variables_is_the_same_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("TARGET_SENDGRID_PROFILE_CAP=\nTARGET_SENDGRID_API_URL=sandbox\n", encoding="utf-8")
    monkeypatch.setattr("singer_sdk.configuration._dict_config.find_dotenv", lambda: str(dotenv))
    monkeypatch.setattr(os, "environ", {"TARGET_SENDGRID_LIST_NAME": "News"})
    target = TargetSendGrid(parse_env_config=True)
    assert {name: target.config[name] for name in ("api_url", "list_name")} == {
        "api_url": "sandbox",
        "list_name": "News",
    }
    assert target.settings.profile_cap == 100_000


@pytest.mark.parametrize("name", ["stream_maps", "stream_map_config", "flattening_separator", "faker_config"])
def test_a_setting_of_the_sdk_that_is_null_counts_as_not_given(name: str, account: Account) -> None:
    run = account.run_process(LINES, **(GOOD | {name: None}))
    assert run.exit_code == 0, run.log


def test_an_empty_separator_of_flattened_names_counts_as_not_given(account: Account) -> None:
    home = {"type": "object", "properties": {"city": {"type": "string"}}}
    lines = singer(schema(mail="string", home=home), record(mail="ada@example.com", home={"city": "London"}))
    flattening: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 1, "flattening_separator": ""}
    run = account.run_process(lines, **flattening, field_mapping={"email": "mail", "city": "home__city"})
    assert (run.exit_code, account.sandbox.contacts()[0]["city"]) == (0, "London"), run.log


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FIELD_MAPPING", "email=mail"),
        ("PROFILE_CAP", "many"),
        ("STREAMS", "[1]"),
        ("VALIDATE_RECORDS", "enabled"),
        ("STREAM_MAPS", "{bad"),
        ("FLATTENING_MAX_DEPTH", "deep"),
    ],
)  # fmt: skip
def test_an_unusable_environment_variable_is_named_and_not_quoted(name: str, value: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "target_sendgrid", "--config=ENV"],
        capture_output=True, check=False, input=b"", env=os.environ | {f"TARGET_SENDGRID_{name}": value},
    )  # fmt: skip
    assert run.returncode == 1
    assert f"The environment variable TARGET_SENDGRID_{name} must be" in run.stderr.decode()
    assert value not in run.stderr.decode()


def test_about_is_printed_in_all_formats() -> None:
    for arguments in ([], ["--format=json"], ["--format=markdown"]):
        run = subprocess.run(
            [sys.executable, "-m", "target_sendgrid", "--about", *arguments], capture_output=True, check=True
        )
        assert b"data_privacy_consent" in run.stdout
    settings = json.loads(
        subprocess.run(
            [sys.executable, "-m", "target_sendgrid", "--about", "--format=json"], capture_output=True, check=True
        ).stdout
    )["settings"]["properties"]
    assert not {"load_method", "add_record_metadata", "batch_config"} & set(settings)


def test_a_wrong_later_stream_ends_the_run_with_the_state_of_what_was_settled(account: Account) -> None:
    config = GOOD | {"batch_size_rows": 1, "streams": {"later": {"field_mapping": {"email": "mial"}}}}
    lines = singer(
        schema(mail="string"), record(mail="a@example.com"), {"type": "STATE", "value": 1}, record(mail="b@example.com")
    )
    run = account.run_process(lines + singer(schema("later", mail="string")), **config)
    assert run.exit_code == 1
    assert "Stream 'later' has no property 'mial'" in run.log
    assert run.states == ["1"]
    stream = run.report["streams"]["people"]
    assert stream["upserted"] + stream["unsettled"] == 2
    assert run.report["import_jobs"] == len(account.sandbox.jobs())


def test_a_misspelt_stream_in_the_settings_is_named_when_the_stream_comes(account: Account) -> None:
    run = account.run_process(LINES, **(GOOD | {"streams": {"poeple": {"field_mapping": {"email": "mail"}}}}))
    assert run.exit_code == 0
    assert "Stream 'people' has no entry in `streams`. Did you mean 'poeple'?" in run.log
    assert run.log.count("Did you mean") == 1


@pytest.mark.parametrize("own", [{"enabled": False}, {"list_name": "VIP"}, {"list_id": "b1c9"}])
def test_a_stream_whose_name_is_misspelt_in_the_settings_is_not_sent_as_all_others(
    account: Account, own: dict[str, Any]
) -> None:
    if "list_id" in own:
        account.sandbox.seed(lists=["VIP"])
        own = {"list_id": account.list_id("VIP")}
    run = account.run_process(LINES, **(GOOD | {"streams": {"poeple": own}}))
    assert run.exit_code == 1
    assert "Stream 'people' has no entry in `streams`, but nearly the name of the entry 'poeple'" in run.log
    assert 'give this one an entry of its own: `streams: {"people": {}}`' in run.log
    assert account.puts() == []
    run = account.run_process(LINES, **(GOOD | {"streams": {"poeple": own, "people": {}}}))
    assert run.exit_code == 0


def test_a_stream_is_not_taken_for_misspelt_beside_one_that_came_or_that_is_another(account: Account) -> None:
    streams = {name: {"enabled": False} for name in ("peoplez", "peoples", "people2")}
    run = account.run_process(singer(schema("peoplez", mail="string")) + LINES, **(GOOD | {"streams": streams}))
    assert run.exit_code == 0, run.log


def test_a_stream_whose_name_is_misspelt_in_stream_maps_is_not_sent_as_it_is(account: Account) -> None:
    maps = {"poeple": {"mail": "mail.lower()"}, "others": {}, "gr?up": {}}
    run = account.run_process(LINES, **GOOD, stream_maps=maps)
    assert run.exit_code == 1
    assert "Stream 'people' has no entry in `stream_maps`, but nearly the name of the entry 'poeple'" in run.log
    assert account.puts() == []
    for entry in ("people", "p*"):
        run = account.run_process(LINES, **GOOD, stream_maps=maps, streams={entry: {}})
        assert run.exit_code == 0, run.log
        assert "Stream 'poeple' is in the setting `stream_maps`, but never came." in run.log
        assert "Stream 'others' is in the setting `stream_maps`, but never came." in run.log
        assert "The pattern 'gr?up' in the setting `stream_maps` matches no stream that came." in run.log


@pytest.mark.parametrize(
    "entry",
    [{"poeple": None, "people": {}}, {"poeple": None, "p*": {"mail": "mail"}}, {"poeple": {"__source__": "people"}}],
)
def test_a_stream_with_a_stream_map_is_not_taken_for_misspelt(account: Account, entry: dict[str, Any]) -> None:
    run = account.run_process(LINES, **GOOD, stream_maps=entry)
    assert run.exit_code == 0, run.log
    assert "Stream 'people' is in" not in run.log


def test_a_pattern_that_matches_no_stream_is_named_at_the_end(account: Account) -> None:
    run = account.run_process(LINES, **(GOOD | {"streams": {"poeple*": {}, "*": {}, "others": {}}}))
    assert run.exit_code == 0
    assert "The pattern 'poeple*' in the setting `streams` matches no stream that came." in run.log
    assert "Stream 'others' is in the setting `streams`, but never came." in run.log
    assert "'*'" not in run.log


def test_a_stream_that_a_pattern_matches_is_not_taken_for_misspelt(account: Account) -> None:
    run = account.run_process(LINES, **(GOOD | {"streams": {"poeple": {}, "p*": {}}}))
    assert run.exit_code == 0
    assert "has no entry" not in run.log


def test_an_entry_that_was_never_used_is_named_with_the_stream_that_may_be_meant(account: Account) -> None:
    run = account.run_process(LINES, **(GOOD | {"streams": {"poeple": {}, "*": {"enabled": False}}}))
    assert run.exit_code == 0
    assert "Stream 'poeple' is in the setting `streams`, but never came. Did you mean 'people'?" in run.log


def test_a_pattern_leaves_out_all_streams_without_an_entry_and_needs_no_list(account: Account) -> None:
    streams = {"people": {"list_name": "People"}, "*": {"enabled": False}}
    config: dict[str, Any] = {
        "list_name": None,
        "create_list": False,
        "field_mapping": {"email": "mail"},
        "streams": streams,
    }
    account.sandbox.seed(lists=["People"])
    companies = singer(schema("companies", mail="string"), record("companies", mail="info@example.com"))
    run = account.run_process(LINES + companies, **config)
    assert run.exit_code == 0, run.log
    assert account.emails("People") == ["ada@example.com"]
    assert run.report["streams"]["companies"]["ignored"] == 1


def test_a_stream_without_a_list_is_named_with_the_ways_out(account: Account) -> None:
    run = account.run_process(LINES, list_name=None, streams={"others": {"list_name": "Others"}})
    assert run.exit_code == 1
    assert "`streams.people.enabled` to false, or `streams.*.enabled` to leave out every stream without" in run.log


def test_a_cap_of_zero_is_no_cap_also_from_the_environment(account: Account) -> None:
    people = [record(mail=f"{number}@example.com") for number in range(3)]
    run = run_with_environment(account, singer(schema(mail="string"), *people), PROFILE_CAP="0")
    assert (run.returncode, len(account.sandbox.contacts())) == (0, 3), run.stderr


def test_a_mapping_with_types_may_come_from_the_environment(account: Account) -> None:
    mapping = {"email": "mail", "ltv": {"property": "spent", "type": "Number"}}
    variables = {"FIELD_MAPPING": json.dumps(mapping), "CREATE_CUSTOM_FIELDS": "true"}
    lines = singer(schema(mail="string", spent="string"), record(mail="ada@example.com", spent="9.50"))
    run = run_with_environment(account, lines, **variables)
    assert run.returncode == 0, run.stderr
    (ada,) = account.sandbox.contacts()
    assert ada["custom_fields"] == {"ltv": 9.5}


def test_a_misspelt_contact_field_is_named_when_it_is_created(account: Account) -> None:
    config = GOOD | {
        "create_custom_fields": True,
        "field_mapping": {"email": "mail", "adres_line_1": "mail", "tier": "mail"},
    }
    run = account.run_process(LINES, **config)
    assert run.exit_code == 0, run.log
    assert (
        run.log.count("SendGrid has no contact field 'adres_line_1', so it is created. Did you mean 'address_line_1'?")
        == 1
    )
    assert run.log.count("SendGrid has no contact field 'tier', so it is created.") == 1


def test_a_name_that_is_meant_for_a_reserved_field_creates_none(account: Account) -> None:
    config = GOOD | {"create_custom_fields": True, "field_mapping": {"email": "mail", "frist_name": "mail"}}
    run = account.run_process(LINES, **config)
    assert run.exit_code == 1
    assert "SendGrid has no contact field 'frist_name'. Did you mean 'first_name'?" in run.log
    assert (account.puts(), account.count("POST", "/field_definitions")) == ([], 0)


def test_properties_that_are_not_used_are_named_once(account: Account) -> None:
    lines = singer(schema(mail="string", vip="boolean"), schema(mail="string", vip="boolean", plan="string"))
    run = account.run_process(lines, **GOOD)
    assert run.exit_code == 0, run.log
    assert run.log.count("Stream 'people': not used: vip.") == run.log.count("not used") == 1


def test_a_nested_property_is_suggested_whole(account: Account) -> None:
    home = {"type": "object", "properties": {"city": {"type": "string"}}}
    config = GOOD | {"field_mapping": {"email": "mail", "city": "home.ciyt"}}
    run = account.run_process(singer(schema(mail="string", home=home)), **config)
    assert "Did you mean 'home.city'?" in run.log


def test_a_config_given_as_json_is_not_quoted(account: Account) -> None:
    run = account.run_process(LINES, arguments=["--config", ' {"api_key": "SG.canary.key"}'], **GOOD)
    assert run.exit_code == 1
    assert "`--config` takes the path of a file, not JSON" in run.log
    assert "canary" not in run.log


def test_a_stream_map_without_the_key_property_names_it(account: Account) -> None:
    lines = singer(schema(id="integer", mail="string") | {"key_properties": ["id"]})
    run = account.run_process(lines, **GOOD, stream_maps={"people": {"mail": "mail", "__else__": None}})
    assert run.exit_code == 1
    assert "The stream map of stream 'people' leaves out its key property 'id'." in run.log


@pytest.mark.parametrize(
    ("alias", "why"),
    [
        ("1", "It must give a name without control characters."),
        ("['people']", "It must give a name without control characters."),
        ("'a\\nb'", "It must give a name without control characters."),
        ("1 / 0", "(ZeroDivisionError). Check the setting `stream_maps`."),
        ("__stream_name__ + 1", "(TypeError). Check the setting `stream_maps`."),
    ],
)
def test_an_alias_that_is_no_name_is_an_error(account: Account, alias: str, why: str) -> None:
    run = account.run(schema(email="string"), record(email="a@x.com"), stream_maps={"people": {"__alias__": alias}})
    assert run.exit_code == 1
    assert "of stream 'people' can't be used" in run.log
    assert why in run.log


def test_names_that_are_the_same_once_flattened_are_an_error(account: Account) -> None:
    home = {"type": "object", "properties": {"city": {"type": "string"}}}
    lines = singer(schema(mail="string", home=home, home__city="string"))
    run = account.run_process(lines, **GOOD, flattening_enabled=True, flattening_max_depth=1)
    assert run.exit_code == 1
    assert "Flattening gives properties of stream 'people' the same name." in run.log


def test_the_property_whose_expression_fails_on_a_record_is_named(account: Account) -> None:
    maps = {"people": {"mail": "mail.lower()", "note": "mail + 1"}}
    run = account.run_process(LINES, **GOOD, stream_maps=maps)
    assert "stream_map_failed: The stream map's expression for property 'note' failed on the record (" in run.log
