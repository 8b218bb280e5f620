"""Temporary files: what is written is read back, nothing readable is on disk, and a changed file is noticed."""

from __future__ import annotations

import pytest

from target_sendgrid.delivery.spool import Spool

CONTENT = b"ada@example.com" * 10_000


def test_parts_that_are_kept_are_read_back() -> None:
    spool = Spool()
    parts = [[CONTENT], [], [b"", b"short", CONTENT * 3]]
    kept = [spool.keep(one) for one in parts]
    assert [spool.take(one) for one in kept] == parts


def test_a_file_is_closed_when_it_is_read() -> None:
    spool = Spool()
    kept = spool.keep([CONTENT])
    spool.take(kept)
    assert kept.file.closed


def test_nothing_readable_is_on_the_disk() -> None:
    kept = Spool().keep([CONTENT])
    kept.file.seek(0)
    with kept.file as file:
        written = file.read()
    assert len(written) == len(CONTENT)
    assert b"example" not in written


def test_a_changed_file_is_noticed() -> None:
    spool = Spool()
    kept = spool.keep([CONTENT])
    kept.file.seek(100)
    kept.file.write(b"something else")
    with pytest.raises(OSError, match="changed"):
        spool.take(kept)
