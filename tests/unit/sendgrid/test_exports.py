"""Reading a list through an export, from the sandbox and from files that arrive piece by piece."""

from __future__ import annotations

import gzip
import json
import logging
import tracemalloc
import zlib
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import (
    Code,
    JobFailedError,
    NotFoundError,
    SendGridError,
    TransientError,
    UnauthorizedError,
)
from target_sendgrid.sendgrid import export_files
from target_sendgrid.sendgrid.client import Client, ExportStatus
from target_sendgrid.sendgrid.dry_run import ReadingClient
from target_sendgrid.sendgrid.exports import ListExport, Member
from target_sendgrid.sendgrid.retry import RetryPolicy
from target_sendgrid.sendgrid.transport import RUN_RETRY_SECONDS, Transport
from tests.harness.clocks import ManualClock, SandboxClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_sendgrid.clock import Clock
    from target_sendgrid.sandbox.server import SandboxServer
    from target_sendgrid.sendgrid.retry import Tries

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
STATUS = "/v3/marketing/contacts/exports/*"
FILES = "/exports/*"


class Exports:
    """Exports of the lists of a sandbox's account."""

    def __init__(self, sandbox: SandboxServer, kind: type[Client] = Client) -> None:
        self.sandbox = sandbox
        self.clock = SandboxClock(sandbox)
        self.client = kind(Transport(sandbox.url, sandbox.api_key, clock=self.clock, timeout_seconds=5))
        self.client.transport.start_run()

    def seed(self, *names: str) -> None:
        """Put people on the list, and somebody else on another one."""
        contacts = [{"email": f"{name}@example.com", "lists": ["News"]} for name in names]
        other = {"email": "other@example.com", "lists": ["Other"]}
        self.sandbox.seed(lists=["News", "Other"], contacts=[*contacts, other])

    def export(self, list_id: str | None = None, timeout_seconds: float = 3_600) -> ListExport:
        chosen = list_id or next(found.id for found in self.client.lists() if found.name == "News")
        return ListExport(self.client, self.clock, chosen, label="'News'", timeout_seconds=timeout_seconds)

    def count(self, method: str, path: str) -> int:
        """Return how many requests there were."""
        return sum(one["method"] == method and one["path"].startswith(path) for one in self.sandbox.requests())


@pytest.fixture
def account(sandbox: SandboxServer) -> Iterator[Exports]:
    sandbox.set_options(export_ready_after_seconds=60.0)
    made = Exports(sandbox)
    yield made
    made.client.transport.close()
    assert not sandbox.violations()


def emails(members: Iterable[Member]) -> list[str]:
    return sorted(member.email or "" for member in members)


class TestMembers:
    def test_all_members_of_the_list_are_read_with_their_identifiers(self, account: Exports) -> None:
        everything: dict[str, Any] = {
            "email": "a@x.com",
            "phone_number_id": "+14155550100",
            "external_id": "7",
            "anonymous_id": "9",
        }
        account.seed("b")
        account.sandbox.seed(
            fields={"plan": "Text"},
            contacts=[
                {**everything, "city": "Łódź", "custom_fields": {"plan": "x"}, "lists": ["News"]},
                {"external_id": "8", "lists": ["News"]},
            ],
        )
        export = account.export()
        ids = {one.get("external_id", one.get("email")): one["id"] for one in account.sandbox.contacts(detail=True)}
        assert sorted(export.members(), key=lambda member: member.email or "") == [
            Member(ids["8"], external_id="8"),
            Member(ids["7"], **everything),
            Member(ids["b@example.com"], email="b@example.com"),
        ]
        assert (export.row_count, export.contact_count, export.is_whole, export.shortfall) == (3, 3, True, "")

    def test_a_list_without_members_is_whole(self, account: Exports) -> None:
        account.seed()
        export = account.export()
        assert list(export.members()) == []
        assert (export.row_count, export.contact_count, export.is_whole) == (0, 0, True)

    @pytest.mark.parametrize("how", ["always", "never", "mixed"])
    def test_several_files_are_read_compressed_or_not(self, account: Exports, how: str) -> None:
        account.sandbox.set_options(export_file_max_contacts=2, export_gzip=how)
        account.seed(*"abcde")
        export = account.export()
        assert emails(export.members()) == [f"{name}@example.com" for name in "abcde"]
        assert export.is_whole

    def test_one_export_is_made_and_no_mail_is_asked_for(self, account: Exports) -> None:
        account.sandbox.set_options(keep_bodies=True)
        account.seed("a")
        list(account.export().members())
        (sent,) = (one for one in account.sandbox.requests() if one["method"] == "POST")
        assert json.loads(sent["body"])["notifications"] == {"email": False}
        assert account.count("GET", "/v3/marketing/contacts/exports/") <= 8

    def test_a_dry_run_reads_members_too(self, sandbox: SandboxServer) -> None:
        account = Exports(sandbox, ReadingClient)
        account.seed("a")
        assert emails(account.export().members()) == ["a@example.com"]

    def test_no_value_and_no_link_is_logged_or_shown(self, account: Exports, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, logger="target-sendgrid")
        account.seed("secret")
        account.sandbox.add_fault("status", path=FILES, status=503)
        export = account.export()
        (member,) = export.members()
        text = f"{member!r} {member} {export!r} {[record.getMessage() for record in caplog.records]}"
        assert "Trying again" in text
        for hidden in ("secret@", member.contact_id, "signature", "localhost"):
            assert hidden not in text


class TestWaiting:
    def test_the_files_are_waited_for_with_growing_pauses(self, account: Exports) -> None:
        account.sandbox.set_options(export_ready_after_seconds=1_000.0)
        account.seed("a")
        assert emails(account.export().members()) == ["a@example.com"]
        assert 1_000 <= account.clock.slept_seconds <= 1_030
        assert account.count("GET", "/v3/marketing/contacts/exports/") < 45

    def test_an_export_that_is_not_ready_in_time_is_an_error(self, account: Exports) -> None:
        account.seed("a")
        account.sandbox.add_fault("export_stuck")
        with pytest.raises(JobFailedError, match=r"'News' was not ready after 100 s\. .* raise `job_timeout_seconds`"):
            list(account.export(timeout_seconds=100).members())
        assert account.clock.slept_seconds == pytest.approx(100)

    def test_an_export_that_fails_is_an_error(self, account: Exports) -> None:
        account.seed("a")
        account.sandbox.add_fault("export_failed")
        with pytest.raises(JobFailedError, match=r"failed to export the list 'News'\. Run again later"):
            list(account.export().members())

    def test_a_new_export_may_be_unknown_for_a_minute(self, account: Exports) -> None:
        account.seed("a")
        account.clock.sleep(100)
        account.sandbox.add_fault("status", path=STATUS, status=404, body={"errors": []}, for_seconds=50)
        assert emails(account.export().members()) == ["a@example.com"]

    def test_an_export_that_stays_unknown_is_an_error(self, account: Exports) -> None:
        account.seed("a")
        account.sandbox.add_fault("status", path=STATUS, status=404, body={"errors": []}, times=None)
        with pytest.raises(NotFoundError):
            list(account.export().members())
        assert account.clock.slept_seconds < 100

    def test_failing_requests_are_tried_again(self, account: Exports) -> None:
        account.seed("a")
        account.sandbox.add_fault("status", method="POST", path="/v3/marketing/contacts/exports", status=503)
        account.sandbox.add_fault("no_job_id", method="POST", path="/v3/marketing/contacts/exports")
        account.sandbox.add_fault("status", path=STATUS, status=200, body="<html>")
        assert emails(account.export().members()) == ["a@example.com"]

    def test_a_list_that_does_not_exist_is_an_error_that_names_it(self, account: Exports) -> None:
        with pytest.raises(NotFoundError, match="the list 'News', because it does not exist") as caught:
            list(account.export(UNKNOWN_ID).members())
        assert caught.value.is_from_sendgrid

    def test_an_error_about_the_key_stays_one(self, account: Exports) -> None:
        account.seed("a")
        export = account.export()
        account.sandbox.add_fault("status", path=STATUS, status=401)
        with pytest.raises(UnauthorizedError):
            list(export.members())


class TestWhole:
    @pytest.mark.parametrize(
        ("mode", "shortfall"),
        [
            ("fewer_rows", "holds 4 members, and SendGrid counts 5"),
            ("extra_row", "holds 6 members, and SendGrid counts 5"),
            ("repeated_row", "holds 1 member more than once"),
            ("missing", "holds 4 members, and SendGrid counts 5"),
        ],
    )
    def test_files_with_other_rows_than_counted_are_not_the_whole_list(
        self, account: Exports, mode: str, shortfall: str
    ) -> None:
        account.sandbox.set_options(export_file_max_contacts=2)
        account.seed(*"abcde")
        account.sandbox.add_fault("export_file", mode=mode)
        export = account.export()
        list(export.members())
        assert (export.is_whole, export.shortfall) == (False, shortfall)

    def test_an_export_is_not_whole_before_it_was_read(self, account: Exports) -> None:
        account.seed("a")
        export = account.export()
        assert (export.is_whole, export.contact_count) == (False, None)
        assert export.shortfall == "holds 0 members, and SendGrid counts nothing"

    @pytest.mark.parametrize(("lag", "is_whole"), [(0.0, True), (300.0, False)])
    def test_the_count_of_the_list_is_asked_for_where_the_export_has_none(
        self, account: Exports, lag: float, *, is_whole: bool
    ) -> None:
        account.sandbox.set_options(list_count_lag_seconds=lag)
        account.seed("a")
        if lag:
            account.sandbox.store.run("UPDATE list_counts SET at = 1e12 WHERE contacts > 0")
        account.sandbox.add_fault("export_file", mode="no_count")
        export = account.export()
        list(export.members())
        assert (export.is_whole, export.row_count, export.contact_count) == (is_whole, 1, 1 if is_whole else 0)


class TestFiles:
    @pytest.mark.parametrize("kind", ["status", "reset", "truncate", "rate_limited"])
    def test_a_file_that_breaks_off_is_read_on_and_nobody_comes_twice(self, account: Exports, kind: str) -> None:
        account.sandbox.set_options(export_gzip="never")
        account.seed(*(f"person-{number}" for number in range(300)))
        account.sandbox.add_fault(kind, path=FILES, times=3)
        export = account.export()
        assert len(list(export.members())) == 300
        assert export.is_whole

    @pytest.mark.parametrize(
        ("mode", "words"),
        [
            ("gone", "read.*answered with 404"),
            ("expired", "read.*answered with 403"),
            ("garbage", r"read: row 1 is not the JSON of a contact with its id\."),
            ("no_contact_id", r"read: row 1 is not the JSON of a contact with its id\."),
            ("truncated", r"read: it ends too early\."),
            # Wrong bytes may also decompress to something else than rows. Ids are random, and so is what comes out.
            ("broken_gzip", r"read: (its compression is broken|row \d is not the JSON of a contact with its id)\."),
        ],
    )
    def test_a_file_that_can_not_be_read_is_an_error_that_names_the_list(
        self, account: Exports, mode: str, words: str
    ) -> None:
        account.seed(*"abc")
        account.sandbox.add_fault("export_file", mode=mode)
        export = account.export()
        with pytest.raises(SendGridError, match=f"members of the list 'News' can't be {words}.*Run again") as caught:
            list(export.members())
        assert caught.value.codes == [Code.UNEXPECTED_ANSWER]
        assert not export.is_whole

    def test_a_file_without_compression_that_is_cut_is_an_error(self, account: Exports) -> None:
        account.sandbox.set_options(export_gzip="never")
        account.seed(*"abc")
        account.sandbox.add_fault("export_file", mode="truncated")
        with pytest.raises(SendGridError, match="row 2 is not the JSON of a contact"):
            list(account.export().members())

    def test_csv_is_not_taken_for_members(self, account: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
        account.seed("a")
        request = account.client.transport.request

        def as_csv(method: str, path: str, **more: Any) -> Any:
            if more.get("body"):
                more["body"] = more["body"].replace(b'"json"', b'"csv"')
            return request(method, path, **more)

        monkeypatch.setattr(account.client.transport, "request", as_csv)
        with pytest.raises(SendGridError, match="row 1 is not the JSON"):
            list(account.export().members())

    def test_a_link_without_tls_to_another_host_is_not_followed(
        self, account: Exports, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account.seed("a")
        ready = ExportStatus("ready", ["http://files.example.com/1"], 1)
        monkeypatch.setattr(account.client, "export_status", lambda _: ready)
        with pytest.raises(SendGridError, match="without TLS"):
            list(account.export().members())

    def test_the_retries_of_a_broken_file_end(self, account: Exports) -> None:
        account.seed("a")
        account.sandbox.add_fault("export_file", mode="garbage")
        account.sandbox.set_options(export_ready_after_seconds=0.0)
        with pytest.raises(SendGridError):
            list(account.export().members())
        assert account.clock.slept_seconds < 80


class FileClient(Client):
    """A client whose export has one file, which is made of the pieces that each attempt at it gets."""

    def __init__(self, clock: Clock, *attempts: Callable[[], Iterator[bytes]], contact_count: int) -> None:
        self._clock = clock
        self._attempts = list(attempts)
        self._contact_count = contact_count
        self.is_open = False

    def new_tries(self) -> Tries:
        return RetryPolicy(self._clock).tries(RUN_RETRY_SECONDS)

    def start_export(self, list_id: str) -> str:
        return list_id

    def export_status(self, export_id: str) -> ExportStatus:
        return ExportStatus("ready", [export_id], self._contact_count)

    @contextmanager
    def stream(self, url: str) -> Iterator[Iterator[bytes]]:
        del url
        self.is_open = True
        yield self._attempts.pop(0)()
        self.is_open = False


def rows(count: int, start: int = 0) -> bytes:
    numbers = range(start, start + count)
    return b"".join(b'{"contact_id":"%d","email":"p%d@example.com"}\n' % (number, number) for number in numbers)


def export_of(*attempts: Callable[[], Iterator[bytes]], count: int) -> tuple[ListExport, FileClient, ManualClock]:
    clock = ManualClock()
    client = FileClient(clock, *attempts, contact_count=count)
    return ListExport(client, clock, "1", label="'News'", timeout_seconds=60), client, clock


class TestMemory:
    """Nothing grows with the file: not the pieces that were read ahead, nor what one piece is unpacked to."""

    @pytest.mark.parametrize("is_compressed", [False, True])
    def test_no_more_of_a_file_is_read_than_the_members_that_are_asked_for_need(self, *, is_compressed: bool) -> None:
        read = 0

        def endless() -> Iterator[bytes]:
            nonlocal read
            packer = zlib.compressobj(level=0, wbits=31)
            while True:
                piece = rows(100, read * 100)
                read += 1
                yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) if is_compressed else piece

        export, client, _ = export_of(endless, count=0)
        with closing(export.members()) as members:  # type: ignore[type-var]  # it is a generator
            assert len(list(islice(members, 1_000))) == 1_000
            assert read <= 11
            assert client.is_open
        assert export.row_count == 1_000

    def test_a_small_file_that_unpacks_to_a_huge_one_is_unpacked_in_small_pieces(self) -> None:
        packed = gzip.compress(b"\n" * 50_000_000)
        assert len(packed) < 100_000
        sizes = [len(piece) for piece in export_files.unpacked([packed])]
        assert sum(sizes) == 50_000_000
        assert max(sizes) <= export_files.PIECE_BYTES

    def test_the_longest_line_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_files, "MAX_LINE_BYTES", 5)
        assert list(export_files.lines([b"12345", b"\n1", b"2345"])) == [b"12345", b"12345"]
        with pytest.raises(TransientError):
            list(export_files.lines([b"123456"]))

    def test_a_row_without_end_is_given_up(self) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b" " * 1_000_000

        export, _, clock = export_of(*[endless] * 100, count=1)
        with pytest.raises(SendGridError, match="a line is longer than 16777216 bytes"):
            list(export.members())
        assert clock.seconds < 200

    def test_memory_does_not_grow_with_the_members_but_for_eight_bytes_each(self) -> None:
        export, _, _ = export_of(lambda: (rows(1_000, start) for start in range(0, 100_000, 1_000)), count=100_000)
        members = export.members()
        next(members)
        tracemalloc.start()
        try:
            assert sum(1 for _ in members) == 99_999
            assert export.is_whole
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 100_000 * 8 + 600_000


class TestPieces:
    @pytest.mark.parametrize("size", [1, 7, 64, 100_000])
    @pytest.mark.parametrize("is_compressed", [False, True])
    @pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
    def test_it_does_not_matter_where_pieces_end(self, size: int, ending: bytes, *, is_compressed: bool) -> None:
        content = rows(20).rstrip(b"\n") + ending
        content = gzip.compress(content) if is_compressed else content
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        export, _, _ = export_of(lambda: iter(pieces), count=20)
        assert [member.contact_id for member in export.members()] == [str(number) for number in range(20)]
        assert export.is_whole

    def test_a_compressed_file_may_have_several_parts(self) -> None:
        export, _, _ = export_of(lambda: iter([gzip.compress(rows(3)) + gzip.compress(rows(3, 3))]), count=6)
        assert len(list(export.members())) == 6

    @pytest.mark.parametrize(
        "content", [b"", gzip.compress(b""), b"\n"], ids=["nothing", "nothing, compressed", "an end of a line"]
    )
    def test_an_empty_file_has_no_members(self, content: bytes) -> None:
        export, _, _ = export_of(lambda: iter([content] if content else []), count=0)
        assert list(export.members()) == []
        assert export.is_whole

    @pytest.mark.parametrize(
        "row",
        [
            b'{"email":"a@example.com"}', b'{"contact_id":""}', b'{"contact_id":7}', b'{"contact_id":null}', b"[]",
            b'{"contact_id":"1","email":7}', b"7", b'{"contact_id":"1"', b"\xff", b"[" * 100_000, b" ",
        ],
    )  # fmt: skip
    def test_a_row_that_is_no_contact_is_an_error_without_its_values(self, row: bytes) -> None:
        export, _, _ = export_of(*[lambda: iter([rows(1), row])] * 100, count=2)
        with pytest.raises(SendGridError, match="row 2 is not the JSON of a contact with its id"):
            list(export.members())

    def test_each_break_after_more_members_has_its_own_time_of_retries(self) -> None:
        def part(number: int) -> Callable[[], Iterator[bytes]]:
            def broken() -> Iterator[bytes]:
                yield rows(number + 1)
                message = "it broke off"
                raise TransientError(message, wait_seconds=100.0)

            return broken

        export, _, clock = export_of(*map(part, range(10)), lambda: iter([rows(10)]), count=10)
        assert len(list(export.members())) == 10
        assert export.is_whole
        assert clock.seconds > 900

    def test_a_file_that_always_breaks_off_at_the_same_place_is_given_up(self) -> None:
        def broken() -> Iterator[bytes]:
            yield rows(5)
            message = "it broke off"
            raise TransientError(message)

        export, _, clock = export_of(*[broken] * 100, count=9)
        with pytest.raises(SendGridError, match="'News' can't be read: it broke off"):
            list(export.members())
        assert (export.row_count, clock.seconds < 500) == (5, True)
