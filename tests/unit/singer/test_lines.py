"""Lines are the same wherever chunks end, are bounded in length, and a silent pipe does not block the reader."""

from __future__ import annotations

import io
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.singer import lines
from target_sendgrid.singer.lines import MAX_LINE_BYTES, chunks, split_lines


@given(st.lists(st.binary(max_size=8).map(lambda part: part.replace(b"b", b"\n")), max_size=12))
def test_lines_are_the_same_wherever_chunks_end(content: list[bytes]) -> None:
    whole = b"".join(content)
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert list(split_lines(part for part in content if part)) == expected


def test_a_long_line_is_cut_and_the_next_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10)
    content = [b"x" * 7, b"x" * 7, b"x" * 7 + b"\nnext\n" + b"y" * 30, b"y"]
    assert list(split_lines(content)) == [b"x" * 11, b"next", b"y" * 30]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    chunk = b"x" * (1 << 20)
    (line,) = split_lines(chunk for _ in range(100))
    assert len(line) == MAX_LINE_BYTES + 1


def test_on_idle_is_called_while_a_pipe_is_silent() -> None:
    receiving, sending = os.pipe()
    was_idle = threading.Event()
    calls: list[int] = []

    def on_idle() -> None:
        calls.append(1)
        if len(calls) > 1:
            was_idle.set()

    def write_late() -> None:
        was_idle.wait(20)
        os.write(sending, b"late\n")
        os.close(sending)

    writer = threading.Thread(target=write_late)
    writer.start()
    with os.fdopen(receiving, "rb") as file:
        assert list(split_lines(chunks(file, on_idle))) == [b"late"]
    writer.join()


def test_on_idle_is_called_at_the_end_of_a_pipe() -> None:
    receiving, sending = os.pipe()
    os.close(sending)
    calls: list[int] = []

    def on_idle() -> None:
        calls.append(1)
        if len(calls) > 1:
            raise InterruptedError

    with os.fdopen(receiving, "rb") as file, pytest.raises(InterruptedError):
        list(chunks(file, on_idle))


@pytest.mark.parametrize("file", [io.BytesIO(b"a\nb"), io.StringIO("a\nb")])
def test_a_file_in_memory_is_read_too(file: io.IOBase) -> None:
    assert list(split_lines(chunks(file, lambda: None))) == [b"a", b"b"]  # type: ignore[arg-type]  # any file will do
