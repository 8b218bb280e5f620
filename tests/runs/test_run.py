"""Whole runs through the command line: files that a run leaves behind, BATCH messages, and the embedded sandbox."""

from __future__ import annotations

import datetime as dt
import errno
import gzip
import io
import json
import re
import shutil
import signal
import stat
import subprocess
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem  # type: ignore[import-untyped]  # it ships no types
from singer_sdk.batch import Batcher
from singer_sdk.helpers._batch import BatchConfig

from target_sendgrid.errors import TerminatedError
from target_sendgrid.report.rejections import Rejections
from target_sendgrid.sandbox.server import SandboxServer
from target_sendgrid.target import TargetSendGrid
from tests.harness.account import Account
from tests.harness.endpoints import PUT
from tests.harness.messages import record, schema, singer, state
from tests.harness.runs import QUICK, settled_count
from tools.docs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: dict[str, Any] = {"field_mapping": {"email": "mail", "first_name": "given"}}
SCHEMA = schema(mail="string", given="string")


def test_rejected_records_are_kept_in_a_private_file_as_messages_that_can_be_sent_again(account: Account) -> None:
    bad = record(mail="nobody", given="Zoë")
    refused = record(mail="known@nowhere", given="x")
    run = account.run_process(singer(SCHEMA, bad, record(mail="ada@example.com"), refused), **CONFIG)
    assert run.exit_code == 0, run.log
    entries = account.rejected()
    assert [(entry["stream"], entry["line"], entry["reason"]) for entry in entries] == [
        ("people", 2, "invalid_email"),
        ("people", 4, "refused_by_sendgrid"),
    ]
    assert [entry["message"] for entry in entries] == [bad, refused]
    assert "is not valid" in entries[1]["sendgrid_message"]
    assert stat.S_IMODE(account.rejected_path.stat().st_mode) == 0o600

    messages = [message for entry in entries for message in (entry["schema"], entry["message"])]
    corrected = json.dumps(messages).replace("nobody", "new@example.com").replace("@nowhere", "@example.com")
    again = account.run_process(singer(*json.loads(corrected)), **CONFIG)
    assert again.exit_code == 0
    assert account.emails() == ["ada@example.com", "known@example.com", "new@example.com"]
    assert len(account.rejected()) == 2


def test_rejected_records_are_named_by_their_number_in_the_stream(account: Account) -> None:
    others = schema("others", mail="string", given="string")
    lines = singer(
        SCHEMA,
        others,
        record(mail="a@example.com"),
        record(mail="b"),
        record("others", mail="c"),
        state(1),
        record(mail="d"),
    )
    run = account.run_process(lines, **CONFIG, streams={"others": {"list_name": "Others"}})
    assert run.exit_code == 0, run.log
    for place in ("'people', line 4, record 2", "'others', line 5, record 1", "'people', line 7, record 3"):
        assert f"Rejected: stream {place}: invalid_email" in run.log
    assert [(entry["stream"], entry["record_number"]) for entry in account.rejected()] == [
        ("people", 2), ("others", 1), ("people", 3),
    ]  # fmt: skip


def test_refused_records_keep_their_number(account: Account) -> None:
    account.sandbox.add_fault("status", **PUT, contacts=["b@example.com"], status=400, body={}, times=None)
    people = [record(mail=f"{name}@example.com") for name in "abc"]
    run = account.run_process(singer(SCHEMA, *people), **CONFIG)
    assert run.exit_code == 0, run.log
    assert [entry["record_number"] for entry in account.rejected()] == [2]


def test_a_record_that_goes_to_several_streams_has_a_number_in_each(account: Account) -> None:
    maps = {
        "people": {"given": "given"},
        "copies": {"__source__": "people", "__filter__": "given == 'x'", "mail": "mail"},
    }
    lines = singer(SCHEMA, record(mail="a@example.com", given="x"), record(mail="b", given="x"))
    run = account.run_process(lines, **CONFIG, stream_maps=maps)
    assert [(entry["stream"], entry["record_number"]) for entry in account.rejected()] == [("people", 2), ("copies", 2)]
    assert run.exit_code == 0


@pytest.mark.skipif(shutil.which("jq") is None, reason="the README's command needs jq")
def test_rejected_records_of_one_run_and_list_can_be_sent_again_as_the_readme_says(account: Account) -> None:
    others = schema("others", mail="string", given="string")
    config = CONFIG | {"streams": {"others": {"list_name": "Customers"}}, "max_rejected_percent": 100}
    first = account.run_process(singer(SCHEMA, record(mail="a"), others, record("others", mail="b")), **config)
    account.run_process(singer(others, record("others", mail="c")), **config)
    entries = account.rejected()
    assert [(entry["run_id"], entry["list_name"]) for entry in entries[:2]] == [
        (first.report["run_id"], "Everybody"), (first.report["run_id"], "Customers"),
    ]  # fmt: skip
    assert entries[2]["run_id"] != first.report["run_id"]
    assert entries[0]["list_id"] == account.list_id("Everybody")
    assert dt.datetime.fromisoformat(entries[0]["time"]).tzinfo is not None
    (recipe,) = re.findall(r"jq -c '(.*)' corrected", (ROOT / "README.md").read_text(encoding="utf-8"))
    recipe = re.sub(r'run_id == "[^"]*"', f'run_id == "{first.report["run_id"]}"', recipe)
    picked = subprocess.run(
        ["jq", "-c", recipe, str(account.rejected_path)], capture_output=True, check=True, text=True
    ).stdout
    assert [json.loads(line).get("record") for line in picked.splitlines()] == [None, {"mail": "b"}]
    again = account.run_process(picked.replace('"b"', '"b@example.com"').encode(), **config)
    assert (again.exit_code, account.emails("Customers")) == (0, ["b@example.com"])


def test_an_empty_input_is_warned_of(account: Account) -> None:
    run = account.run_process(b"")
    assert run.exit_code == 0
    assert "WARNING" in run.log
    assert "Standard input was empty: did the tap fail?" in run.log
    assert "was empty" not in account.run_process(singer(state(1))).log


def test_a_run_against_this_machine_says_so_at_the_end(account: Account) -> None:
    run = account.load("a@example.com")
    host = account.sandbox.url.removeprefix("http://")
    assert (run.report["host"], run.report["sandbox"]) == (host, False)
    assert run.log.splitlines()[-1].endswith(f" This went to {host}, on this machine.")


def test_a_run_with_the_embedded_sandbox_says_at_the_end_that_nothing_was_sent_to_sendgrid(account: Account) -> None:
    path = account.folder / "report.json"
    run = account.load("a@example.com", api_url="sandbox", report_path=str(path))
    assert json.loads(path.read_bytes())["sandbox"] is True
    assert "Nothing was sent to SendGrid: with this `api_url` everything stays" in run.log.splitlines()[-1]


def test_rejected_records_of_renamed_streams_and_batch_files_can_be_sent_again(
    account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text('{"mail": "from a file"}\n', encoding="utf-8")
    config = CONFIG | {"stream_maps": {"people": {"__alias__": "customers"}}}
    batch = {"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
    run = account.run_process(singer(SCHEMA, record(mail="nobody"), batch), **config)
    assert run.exit_code == 0, run.log
    entries = account.rejected()
    assert [entry["stream"] for entry in entries] == ["customers", "customers"]
    messages = [message for entry in entries for message in (entry["schema"], entry["message"])]
    corrected = json.dumps(messages).replace("from a file", "a@example.com").replace("nobody", "b@example.com")
    assert account.run_process(singer(*json.loads(corrected)), **config).exit_code == 0
    assert account.emails() == ["a@example.com", "b@example.com"]


def test_a_second_run_appends_to_the_rejected_records(account: Account) -> None:
    for _ in range(2):
        account.run_process(singer(SCHEMA, record(mail="nobody")), **CONFIG)
    assert len(account.rejected()) == 2


def test_the_report_adds_up_and_names_the_list(account: Account) -> None:
    lines = singer(
        SCHEMA,
        record(mail="ada@example.com"),
        record(mail="ADA@example.com"),
        record(mail="no"),
        record(mail="b@example.com"),
    )
    config = CONFIG | {"max_rejected_percent": 50, "profile_cap": 1, "on_profile_cap": "truncate"}
    run = account.run_process(lines, **config)
    stream = run.report["streams"]["people"]
    assert stream["received"] == settled_count(stream) == 4
    assert stream["list_name"] == "Everybody"
    assert run.report["outcome"] == "succeeded"
    assert "Stream 'people' -> list 'Everybody': 4 received, 1 upserted, 1 duplicate, 1 rejected" in run.log


def test_a_failed_run_reports_the_records_that_are_not_confirmed(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", times=None)
    config = CONFIG | {"job_timeout_seconds": 1}
    run = account.run_process(singer(SCHEMA, record(mail="ada@example.com"), state(1)), **config)
    assert run.exit_code == 1
    assert run.states == []
    assert run.report["outcome"] == "failed"
    assert run.report["streams"]["people"]["unsettled"] == 1
    assert "1 NOT CONFIRMED" in run.log


@pytest.mark.parametrize(
    ("compression", "is_compressed"), [("gzip", True), ("none", False), (None, False), ("none", True), (None, True)]
)
def test_records_of_batch_files_are_mapped_capped_and_checked(
    account: Account, tmp_path: Path, compression: str | None, *, is_compressed: bool
) -> None:
    """The SDK's writer compresses files even if its BATCH message says that they are not compressed."""
    records = [
        {"mail": "Ada@Example.com", "given": "Ada"},
        {"mail": "nobody"},
        {"mail": "b@example.com"},
        {"mail": "c@example.com"},
    ]
    content = "".join(json.dumps(entry) + "\n" for entry in [*records, 7]).encode()
    path = tmp_path / "records.jsonl"
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    batch = {
        "type": "BATCH",
        "stream": "people",
        "encoding": {"format": "jsonl", "compression": compression},
        "manifest": [path.as_uri()],
    }
    config = CONFIG | {"profile_cap": 2, "on_profile_cap": "truncate", "max_rejected_percent": 90}
    run = account.run_process(singer(SCHEMA, batch, state(1)), **config)
    assert run.exit_code == 0, run.log
    assert account.emails() == ["ada@example.com", "b@example.com"]
    stream = run.report["streams"]["people"]
    assert (stream["over_cap"], stream["rejected"]) == (1, {"invalid_email": 1, "not_an_object": 1})
    assert "stream 'people', line 2, line 2 of the batch files, record 2: invalid_email" in run.log
    assert run.states == ['{"n": 1}']


@pytest.mark.parametrize(
    ("file_format", "compression"), [("jsonl", "gzip"), ("parquet", None), ("parquet", "none"), ("parquet", "gzip")]
)
def test_batch_files_are_read_as_the_sdk_writes_them(
    account: Account, tmp_path: Path, file_format: str, compression: str | None
) -> None:
    moment = {"type": ["string", "null"], "format": "date-time"}
    order = {"type": ["object", "null"], "properties": {"total": {"type": "number"}, "skus": {"type": "array"}}}
    columns = schema(mail="string", given="string", spent="number", seen_at=moment, order=order)
    noon = dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone.utc)
    bought = {"total": 0.5, "skus": ["x"]}
    people: list[dict[str, Any]] = [
        {"mail": "a@example.com", "given": None, "spent": Decimal("12.50"), "seen_at": noon, "order": None},
        {"mail": "b", "given": "Zoë", "spent": None, "seen_at": noon, "order": None},
        {"mail": "c@example.com", "given": "", "spent": Decimal("0.10"), "seen_at": None, "order": bought},
    ]
    encoding = {"format": file_format, "compression": compression}
    written = BatchConfig.from_dict({"encoding": encoding, "storage": {"root": tmp_path.as_uri()}, "batch_size": 2})
    messages = [
        {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": manifest}
        for manifest in Batcher("tap", "people", written).get_batches(iter(people))
    ]
    config: dict[str, Any] = {"create_custom_fields": True, "max_rejected_percent": 50}
    config["field_mapping"] = CONFIG["field_mapping"] | {"spent": "spent", "seen": "seen_at", "sku": "order.skus.0"}
    run = account.run_process(singer(columns, *messages, state(1)), **config)
    assert run.exit_code == 0, run.log
    assert run.states == ['{"n": 1}']
    (rejected,) = account.rejected()
    assert (rejected["line"], rejected["file_line"], rejected["reason"]) == (2, 2, "invalid_email")
    assert rejected["message"]["record"]["given"] == "Zoë"
    assert [contact["custom_fields"] for contact in account.sandbox.contacts()] == [
        {"spent": 12.5, "seen": "2024-02-29T12:00:00Z"},
        {"spent": 0.1, "sku": "x"},
    ]


def test_stream_maps_apply_to_batch_files(account: Account, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"mail": "ada@example.com", "given": "ada"}\n'))
    batch = {
        "type": "BATCH",
        "stream": "people",
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": [path.as_uri()],
    }
    config = CONFIG | {"stream_maps": {"people": {"given": "given.upper()"}}}
    run = account.run_process(singer(SCHEMA, batch), **config)
    assert run.exit_code == 0, run.log
    assert [contact["first_name"] for contact in account.sandbox.contacts()] == ["ADA"]


@pytest.mark.parametrize(
    ("encoding", "manifest", "sentence"),
    [
        ({"format": "jsonl", "compression": "gzip"}, ["file:///nowhere/at-all.gz"], "File 1 of the BATCH message"),
        (
            {"format": "jsonl"},
            ["http://127.0.0.1:9/x"],
            "File 1 of the BATCH message at line 4 has no file:// or s3://",
        ),
        ({"format": "csv"}, [], "only JSONL, plain or gzip"),
        ({"format": "jsonl"}, None, "is a BATCH message without `encoding` and `manifest`"),
    ],
)
def test_a_batch_message_that_cannot_be_read_ends_the_run(
    account: Account, encoding: dict[str, str], manifest: list[str] | None, sentence: str
) -> None:
    batch = {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": manifest}
    lines = singer(SCHEMA, record(mail="ada@example.com"), state(1), batch, state(2))
    run = account.run_process(lines, **CONFIG)
    assert run.exit_code == 1
    assert sentence in run.log
    assert "Traceback" not in run.log
    assert run.states == ['{"n": 1}']


def test_batch_messages_are_read_from_s3(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    credentials = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    files = S3FileSystem()
    files.mkdir("exports")
    files.pipe_file("exports/people/1.jsonl.gz", gzip.compress(b'{"mail": "ada@example.com", "given": "Ada"}\n'))
    content = io.BytesIO()
    pq.write_table(pa.table({"mail": ["grace@example.com"], "given": ["Grace"]}), content)
    files.pipe_file("exports/people/2.parquet", content.getvalue())
    batches = [
        {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": [f"s3://exports/people/{name}"]}
        for encoding, name in [
            ({"format": "jsonl", "compression": "gzip"}, "1.jsonl.gz"),
            ({"format": "parquet"}, "2.parquet"),
        ]
    ]
    run = account.run_process(singer(SCHEMA, *batches, state(1)), **CONFIG)
    store.stop()
    assert run.exit_code == 0, run.log
    assert account.emails() == ["ada@example.com", "grace@example.com"]


def test_the_embedded_sandbox_keeps_its_account_between_runs(account: Account) -> None:
    database = account.folder / "account.db"
    embedded = CONFIG | {"api_url": f"sandbox:{database}", "api_key": None}
    for mail in ("ada@example.com", "grace@example.com"):
        run = account.run_process(singer(SCHEMA, record(mail=mail)), **embedded)
        assert run.exit_code == 0, run.log
    with SandboxServer(database=database, options=QUICK) as sandbox:
        kept = Account(sandbox, account.folder)
        assert kept.emails() == kept.emails("Everybody") == ["ada@example.com", "grace@example.com"]
        assert [contact["lists"] for contact in sandbox.contacts()] == [["Everybody"]] * 2


@pytest.mark.parametrize("validate_records", [True, False], ids=["fast path", "slow path"])
@pytest.mark.parametrize("on_profile_cap", ["fail", "truncate"])
def test_people_whose_contact_no_request_can_hold_do_not_count_for_the_cap(
    account: Account, on_profile_cap: str, *, validate_records: bool
) -> None:
    names = [f"field{number}" for number in range(4)]
    account.sandbox.seed(fields=dict.fromkeys(names, "Text"))
    too_large = dict.fromkeys(names, "\N{GRINNING FACE}" * 1_000)
    config = CONFIG | {"field_mapping": {"email": "mail"} | {name: name for name in names}, "batch_size_bytes": 10_000}
    config |= {"profile_cap": 1, "on_profile_cap": on_profile_cap, "validate_records": validate_records}
    config["max_rejected_percent"] = 10
    messages = [
        schema(mail="string", **dict.fromkeys(names, "string")),
        record(mail="before@example.com", **too_large),
        record(mail="ada@example.com"),
        record(mail="after@example.com", **too_large),
        record(mail="ada@example.com", **too_large),
        state(1),
    ]
    run = account.run(*messages, **config)
    assert run.exit_code == 0, run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com"]
    assert run.report["distinct_profiles"] == 1
    counts = run.report["streams"]["people"]
    assert (counts["upserted"], counts["rejected"], counts["over_cap"]) == (1, {"too_large": 3}, 0)


def test_one_person_over_the_default_cap_fails_the_run(account: Account) -> None:
    people = [record(mail=f"p{number}@example.com") for number in range(100_001)]
    run = account.run_process(singer(SCHEMA, *people[:-1], state(1), people[-1], state(2)), **CONFIG)
    assert run.exit_code == 1
    assert "more than 100,000 distinct profiles" in run.log
    assert run.report["streams"]["people"]["upserted"] == 100_000
    assert run.states[-1] == '{"n": 1}'


def test_a_file_that_cannot_be_closed_costs_neither_summary_nor_report(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Rejections) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Rejections, "close", fail)
    target = TargetSendGrid(config=account.settings(report_path=str(account.report_path), **CONFIG))
    with pytest.raises(OSError, match="Input/output error"):
        target.carry_out(io.StringIO(""))
    assert json.loads(account.report_path.read_bytes())["outcome"] == "succeeded"


def test_a_signal_before_the_run_is_made_leaves_nothing_open(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def stop(*_: object, **__: object) -> None:
        raise TerminatedError(signal.SIGTERM)

    monkeypatch.setattr("target_sendgrid.run.Run.__init__", stop)
    monkeypatch.setattr(Rejections, "close", lambda _: closed.append("rejections"))
    target = TargetSendGrid(config=account.settings(**CONFIG))
    with pytest.raises(TerminatedError):
        target.carry_out(io.StringIO(""))
    assert closed == ["rejections"]
