"""Odd BATCH messages and files end the run with a clear error, and everything before them is settled."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]  # it ships no types
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import InputError, LocalFileError, TerminatedError
from target_sendgrid.singer import batch_files
from target_sendgrid.singer.batch_files import batch_file_chunks
from target_sendgrid.singer.lines import MAX_LINE_BYTES
from tests.harness.messages import PEOPLE, record, state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.harness.account import Account
    from tests.harness.runs import Finished

ADA = record(email="ada@example.com")
JSONL: Mapping[str, Any] = {"format": "jsonl"}
PARQUET: Mapping[str, Any] = {"format": "parquet"}
UNSUPPORTED = "has an encoding that is not supported"
NO_ADDRESS = "File 1 of the BATCH message at line 4 has no file:// or s3:// address."
UNREADABLE = "File 1 of the BATCH message at line 4 can't be read"
INCOMPLETE = "is a BATCH message without `encoding` and `manifest`"


def send(account: Account, encoding: object, manifest: object, **config: Any) -> Finished:
    batch = {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": manifest}
    return account.run(PEOPLE, ADA, state(1), batch, state(2), **config)


@pytest.mark.parametrize(
    ("encoding", "manifest", "words"),
    [
        (None, [], INCOMPLETE),
        ([], [], INCOMPLETE),
        ("jsonl", [], INCOMPLETE),
        (JSONL, {}, INCOMPLETE),
        (JSONL, "file:///x", INCOMPLETE),
        ({}, [], UNSUPPORTED),
        ({"format": ["jsonl"]}, [], UNSUPPORTED),
        ({"format": {}}, [], UNSUPPORTED),
        ({"format": "avro"}, [], UNSUPPORTED),
        ({"format": "parquet", "compression": []}, [], UNSUPPORTED),
        ({"format": "parquet", "compression": True}, [], UNSUPPORTED),
        ({"format": "jsonl", "compression": []}, [], UNSUPPORTED),
        ({"format": "jsonl", "compression": {"a": 1}}, [], UNSUPPORTED),
        ({"format": "jsonl", "compression": "zstd"}, [], UNSUPPORTED),
        ({"format": "jsonl", "compression": True}, [], UNSUPPORTED),
        (JSONL, [None], NO_ADDRESS),
        (JSONL, [7], NO_ADDRESS),
        (JSONL, [["file:///x"]], NO_ADDRESS),
        (JSONL, [""], NO_ADDRESS),
        (JSONL, ["/etc/passwd"], NO_ADDRESS),
        (JSONL, ["http://127.0.0.1:9/x"], NO_ADDRESS),
        (JSONL, ["FILE:///x"], NO_ADDRESS),
        (JSONL, ["file://[x"], UNREADABLE),
        (JSONL, ["file:///a::http://127.0.0.1:9/x"], UNREADABLE),
        (JSONL, ["file://a\0b"], UNREADABLE),
        (JSONL, ["file:///"], UNREADABLE),
        (JSONL, ["file:///none/" + "x" * 5_000], UNREADABLE),
        (JSONL, ["s3://"], UNREADABLE),
        (PARQUET, ["http://127.0.0.1:9/x"], NO_ADDRESS),
        (PARQUET, ["file:///a::http://127.0.0.1:9/x"], UNREADABLE),
        (PARQUET, ["file:///none.parquet"], UNREADABLE),
        (PARQUET, ["file:///"], UNREADABLE),
    ],
    ids=lambda value: str(value)[:60].replace("\\", "/"),
)
def test_an_odd_batch_message_ends_the_run(account: Account, encoding: object, manifest: object, words: str) -> None:
    run = send(account, encoding, manifest)
    assert run.exit_code == 1
    assert words in run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com"]


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("secret"), EOFError(), ImportError(), AssertionError()])
def test_an_error_of_a_library_about_a_file_is_reported_without_its_text(
    account: Account, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(fsspec, "open", fail)
    run = send(account, JSONL, ["s3://exports/people.jsonl"])
    assert run.exit_code == 1
    assert f"{UNREADABLE} ({type(error).__name__})" in run.log
    assert "secret" not in run.log
    assert run.states == ['{"n": 1}']


def test_an_error_of_our_own_while_a_file_is_read_is_no_error_of_the_file(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "The disk is full."
        raise LocalFileError(message)

    monkeypatch.setattr(fsspec, "open", fail)
    run = send(account, JSONL, ["s3://exports/people.jsonl"])
    assert run.report["error"] == "The disk is full."
    assert UNREADABLE not in run.log


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b'{"email": "b@example.com"}\n' * 10_000)[:-50]])
def test_a_file_that_is_broken_ends_the_run(account: Account, content: bytes) -> None:
    path = account.folder / "people.gz"
    path.write_bytes(content)
    run = send(account, {"format": "jsonl", "compression": "gzip"}, [path.as_uri()])
    assert run.exit_code == 1
    assert UNREADABLE in run.log
    assert run.states == ['{"n": 1}']
    assert "ada@example.com" in account.emails()


@pytest.mark.parametrize("line", [b"[]", b"null", b'"x"'])
def test_a_line_of_a_file_that_is_no_object_is_rejected_alone(account: Account, line: bytes) -> None:
    reasons = _load_with_bad_line(account, line)
    assert reasons == [(4, 2, "not_an_object", None)]


@pytest.mark.parametrize(
    "line", [b"{", b"[" * 100_000, b'{"email": "\xff"}', b'{"email": NaN}', b"\x00", b"\xef\xbb\xbf{}"]
)
def test_an_unreadable_line_of_a_file_is_rejected_alone_and_kept_as_text(account: Account, line: bytes) -> None:
    reasons = _load_with_bad_line(account, line)
    assert reasons == [(4, 2, "unreadable", line.decode(errors="backslashreplace"))]


def _load_with_bad_line(account: Account, line: bytes) -> list[tuple[int, int, str, str | None]]:
    """Load a file whose second line is bad, and return how the line is kept."""
    path = account.folder / "people.jsonl"
    path.write_bytes(b'{"email": "b@example.com"}\r\n' + line + b'\n\n\r\n{"email": "c@example.com"}')
    run = send(account, JSONL, [path.as_uri()])
    assert run.exit_code == 0
    assert account.emails() == ["ada@example.com", "b@example.com", "c@example.com"]
    assert run.states == ['{"n": 2}']
    return [(entry["line"], entry["file_line"], entry["reason"], entry.get("text")) for entry in account.rejected()]


WHOLE_LINE = b'{"email": "b@example.com"}\n'


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    "end", [b"{", b'{"email": "c@example.com', b'{"email": "c@example.com"', b'{"a": {"b": 1}', b"\0\0"]
)
def test_a_file_that_is_cut_in_a_record_ends_the_run(account: Account, end: bytes, *, is_packed: bool) -> None:
    path = account.folder / "people.jsonl"
    content = WHOLE_LINE + end
    path.write_bytes(gzip.compress(content) if is_packed else content)
    whole = account.folder / "whole.jsonl"
    whole.write_bytes(WHOLE_LINE.replace(b"b@", b"d@"))
    run = send(account, JSONL, [whole.as_uri(), path.as_uri(), whole.as_uri()])
    assert run.exit_code == 1
    assert "File 2 of the BATCH message at line 4 ends in the middle of a record." in run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com", "b@example.com", "d@example.com"]
    assert run.report["streams"]["people"]["received"] == 3


def test_a_gzip_file_that_is_empty_is_cut_off(account: Account) -> None:
    path = account.folder / "people.jsonl.gz"
    path.write_bytes(b"")
    run = send(account, {"format": "jsonl", "compression": "gzip"}, [path.as_uri()])
    assert run.exit_code == 1
    assert run.states == ['{"n": 1}']
    path.write_bytes(gzip.compress(b""))
    run = send(account, {"format": "jsonl", "compression": "gzip"}, [path.as_uri()])
    assert run.exit_code == 0
    path.write_bytes(b"")
    assert send(account, JSONL, [path.as_uri()]).exit_code == 0


def test_the_end_of_a_file_is_found_wherever_chunks_end(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    path = account.folder / "people.jsonl"
    for size in range(1, 12):
        monkeypatch.setattr(batch_files, "CHUNK_BYTES", size)
        path.write_bytes(WHOLE_LINE + WHOLE_LINE.strip())
        content = b"".join(batch_file_chunks(JSONL, [path.as_uri()], 4, lambda: None))
        assert content == WHOLE_LINE * 2
        path.write_bytes(WHOLE_LINE + WHOLE_LINE[:-2])
        with pytest.raises(InputError, match="ends in the middle of a record"):
            list(batch_file_chunks(JSONL, [path.as_uri()], 4, lambda: None))


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (b'{"email": NaN}', "unreadable"),
        (b'{"email": "\xff"}', "unreadable"),
        (b"\xef\xbb\xbf{}", "unreadable"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "unreadable"),
        (b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}', "too_large"),
        (b"[]", "not_an_object"),
    ],
    ids=lambda value: str(value)[:20].replace("\\", "/"),
)
def test_a_last_line_that_is_whole_but_no_record_is_rejected_alone(account: Account, end: bytes, reason: str) -> None:
    path = account.folder / "people.jsonl"
    path.write_bytes(WHOLE_LINE + end + b"\r")
    run = send(account, JSONL, [path.as_uri()])
    assert run.exit_code == 0
    assert [entry["reason"] for entry in account.rejected()] == [reason]
    assert run.states == ['{"n": 2}']


def test_a_last_line_that_is_too_long_and_cut_ends_the_run(account: Account) -> None:
    path = account.folder / "people.jsonl"
    path.write_bytes(WHOLE_LINE + b'{"a": "' + b"x" * MAX_LINE_BYTES)
    run = send(account, JSONL, [path.as_uri()])
    assert run.exit_code == 1
    assert run.states == ['{"n": 1}']


def test_a_line_of_a_file_is_bounded(account: Account) -> None:
    path = account.folder / "people.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(70):
            file.write(b"x" * (1 << 20))
        file.write(b'\n{"email": "b@example.com"}\n')
    run = send(account, {"format": "jsonl", "compression": "gzip"}, [path.as_uri()])
    assert run.exit_code == 0
    assert account.emails() == ["ada@example.com", "b@example.com"]
    assert json.dumps(account.reasons()) == '[[4, "too_large"]]'


def test_a_number_that_no_double_holds_is_read_as_in_a_record_message(account: Account) -> None:
    path = account.folder / "people.jsonl"
    path.write_bytes(b'{"email": "b@example.com", "unmapped": 1e400}\n')
    run = send(account, JSONL, [path.as_uri()])
    assert run.exit_code == 0
    assert account.emails() == ["ada@example.com", "b@example.com"]


def test_a_parquet_file_without_the_extra_is_a_clear_error(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "target_sendgrid.singer.parquet", raising=False)
    run = send(account, PARQUET, ["file:///none.parquet"])
    assert run.exit_code == 1
    assert "line 4 lists Parquet files, which need the extra `parquet`: install `target-sendgrid[parquet]`." in run.log
    assert run.states == ['{"n": 1}']


def parquet_file(rows: int, **options: Any) -> bytes:
    """Return a file of people without a dictionary, so that it contains each address as plain bytes."""
    file = io.BytesIO()
    people = pa.table({"email": [f"{number}@example.com" for number in range(rows)]})
    pq.write_table(people, file, use_dictionary=False, **options)
    return file.getvalue()


WHOLE = parquet_file(100, row_group_size=40)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no Parquet",
        b"PAR1" * 3,
        parquet_file(100)[:-50],
        parquet_file(100)[50:],
        gzip.compress(parquet_file(100)),
        parquet_file(100, compression="none").replace(b"PAR1\x15", b"PAR1\xff", 1),
        parquet_file(100, compression="none", write_page_checksum=True).replace(b"7@example", b"7_example"),
    ],
    ids=["empty", "text", "magic", "cut", "headless", "packed", "header", "checksum"],
)
def test_a_parquet_file_that_is_broken_ends_the_run(account: Account, content: bytes) -> None:
    path = account.folder / "people.parquet"
    path.write_bytes(content)
    run = send(account, PARQUET, [path.as_uri()])
    assert run.exit_code == 1
    assert UNREADABLE in run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com"]


def test_a_parquet_file_that_is_cut_off_while_it_is_read_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    path.write_bytes(parquet_file(300_000, row_group_size=100_000, compression="none"))
    chunks = batch_file_chunks(PARQUET, [path.as_uri()], 4, lambda: None)
    assert next(chunks).startswith(b'{"email":"0@example.com"}\n')
    path.write_bytes(b"")
    with pytest.raises(InputError, match="File 1 of the BATCH message at line 4 can't be read"):
        list(chunks)


def test_on_idle_can_end_the_reading_of_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    path.write_bytes(parquet_file(100_000))
    rows: list[bytes] = []

    def on_idle() -> None:
        if rows:
            raise TerminatedError(15)

    def read() -> None:
        for chunk in batch_file_chunks(PARQUET, [path.as_uri()], 4, on_idle):
            rows.extend(chunk.splitlines())

    with pytest.raises(TerminatedError):
        read()
    assert 0 < len(rows) < 10_000


@given(st.data())
def test_any_damage_to_a_parquet_file_is_an_error_or_other_rows(tmp_path_factory: Any, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("damage") / "people.parquet"
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    with contextlib.suppress(InputError):
        list(batch_file_chunks(PARQUET, [path.as_uri()], 4, lambda: None))
