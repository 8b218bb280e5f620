"""A segment lives through random days in each sync mode: whole runs, compared with a model of plain Python each day.

With more people and days than here, `.ci/full days` runs it.
"""

from __future__ import annotations

import json
import os
import random
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from tests.harness.audience_model import AudienceModel, Kind, Mode, OnDelete, Segment
from tests.harness.messages import PEOPLE, record, schema
from tests.harness.processes import wait_for_log, write
from tests.harness.removals import GONE, REMOVE, counts_of
from tests.harness.seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.harness.audience_model import Day
    from tests.harness.runs import Finished

SEGMENT_SIZE = int(os.environ.get("DAYS_PEOPLE", "60"))
DAY_COUNT = int(os.environ.get("DAYS_COUNT", "14"))
CHANGES_EACH_DAY = max(1, SEGMENT_SIZE // 100)
WITHOUT_ADDRESS = 3
"""Number of members of the list whom the stream, which has only addresses, can't speak for."""

STOPPED = {Kind.KILLED, Kind.FAILED}
_TYPES = {name: kind["type"][0] for name, kind in PEOPLE["schema"]["properties"].items()}
SCHEMA = schema(**_TYPES, is_member="boolean", is_unsubscribed="boolean")


class Life:
    """The days of one segment in one mode: the account, and the model of it."""

    def __init__(self, account: Account, mode: Mode, seed: int, **config: Any) -> None:
        self.account = account
        self.config = config
        self.mode = mode
        self.model = AudienceModel(mode)
        self.random = random.Random(seed)  # noqa: S311 - for tests, not for security
        self.done_count = 0
        """Number of records that the last state covers, if the day before was stopped."""
        others = [{"external_id": str(number), "lists": ["Everybody"]} for number in range(WITHOUT_ADDRESS)]
        known = [f"p{number}@example.com" for number in range(0, SEGMENT_SIZE + DAY_COUNT * CHANGES_EACH_DAY, 2)]
        account.sandbox.seed(contacts=[*others, *({"email": email} for email in known)])
        account.sandbox.set_options(keep_bodies=True)
        self.is_resumed = False
        """Whether the last day was stopped, and the next one goes on."""
        self.model.members_without_address = WITHOUT_ADDRESS
        self.model.first_names = dict.fromkeys(known)

    def live(self, day: Day) -> None:
        """Live through a day that ends well, or one that is stopped and whose records come again on the next day."""
        if not self.done_count and day.kind is not Kind.ALLOWED:
            self.put_on_by_hand()
        # A mirror needs all records again. In the other modes, the last state says from which one on the tap resumes.
        day = day._replace(rows=day.rows[self.done_count :])
        self.done_count = 0
        before, suppressed = set(self.model.on_list), self.account.sandbox.suppressed()
        self.account.sandbox.clear_requests()
        self.model.live(day)
        if day.kind in STOPPED:
            states = self.kill(day) if day.kind is Kind.KILLED else self.fail(day)
            if self.mode is Mode.MIRROR:
                # Only a killed run can have come to its end, and it may do then what the next one does.
                assert day.kind is Kind.KILLED or before - self.model.erased <= self.on_list()
            elif states:
                self.done_count = json.loads(states[-1])["after"]
        else:
            run = self.account.feed(self.messages(day), **self.settings(day))
            assert run.exit_code == int(self.model.has_withheld), day.kind.value + run.log
            self.compare(day, run)
        self.check_order(day, suppressed)
        self.is_resumed = day.kind in STOPPED

    def put_on_by_hand(self) -> None:
        """Have a user of SendGrid put some people on the list: some of the segment, and strangers."""
        count = 2 + SEGMENT_SIZE // (5 if self.mode is Mode.REMOVE else 100)
        numbers = self.random.sample(range(2 * SEGMENT_SIZE), count)
        emails = [f"p{number}@example.com" for number in numbers]
        self.account.sandbox.seed(contacts=[{"email": email, "lists": ["Everybody"]} for email in emails])
        self.model.put_on_by_hand(emails)

    def kill(self, day: Day) -> list[str]:
        """Kill a run, with `kill -9`, when it begins, after its first import job, or at the end of its input."""
        moments = ["Stream 'people'", "The input has ended"]
        if self.mode in {Mode.UPSERT, Mode.MIRROR, Mode.MEMBERSHIP} and not self.config:  # else all may be unchanged
            moments.append("as import job")
        moment = self.random.choice(moments)
        with self.account.start_process(**self.settings(day)) as process:
            write(process, *self.messages(day))
            if moment == "The input has ended" and process.stdin is not None:
                process.stdin.close()
                process.stdin = None
            wait_for_log(process, moment)
            process.kill()
            output, _ = process.communicate()
        return [line for line in output.decode().split("\n")[:-1] if line]  # a state may be cut

    def fail(self, day: Day) -> list[str]:
        """Let SendGrid fail from some record on until the run gives up."""
        messages = list(self.messages(day))
        start = self.random.randrange(1, len(messages) - 1)

        def tap() -> Iterator[Any]:
            yield from messages[:start]
            self.account.sandbox.add_fault("status", status=503, times=None)
            yield from messages[start:]

        run = self.account.feed(tap(), steps_at_states=True, **self.settings(day))
        self.account.sandbox.clear_faults()
        assert run.exit_code == 1, run.log
        return run.states

    def compare(self, day: Day, run: Finished) -> None:
        """Compare account and report with the model."""
        assert self.on_list() == self.model.on_list, day.kind.value
        contacts = self.account.sandbox.contacts()
        first_names = {one["email"]: one.get("first_name") for one in contacts if "email" in one}
        assert first_names == self.model.first_names
        on_list = sum("email" not in one and one["lists"] == ["Everybody"] for one in contacts)
        assert on_list == WITHOUT_ADDRESS
        counts = counts_of(run)
        if rejected := run.report["streams"]["people"]["rejected"]:
            assert rejected.keys() == {"too_long"}
            counts |= {"rejected": rejected["too_long"]}
        if unchanged := counts.pop("unchanged", 0):
            counts["upserted"] = counts.get("upserted", 0) + unchanged
        # Of a contact that a stopped run has deleted, the next one finds nothing to delete or to update.
        if not self.is_resumed or day.on_delete is OnDelete.REMOVE_FROM_LIST:
            assert counts == self.model.counts
        assert self.account.sandbox.suppressed() == self.model.suppressed
        assert self.account.sandbox.erased() == self.model.erased
        members = {one["id"] for one in self.account.sandbox.contacts("Everybody", detail=True)}
        assert members.isdisjoint(self.removed_ids())  # who leaves and joins again starts automations again
        if self.mode is Mode.MIRROR and self.model.first_undone is None:
            assert run.report["removed_members"] == {"Everybody": self.model.absent_count}
        first_undone, counts_of_states = self.model.first_undone, self.counts_at_states(day)
        if first_undone is not None:
            counts_of_states = [count for count in counts_of_states if count <= first_undone]
        if day.kind is not Kind.BROKEN or first_undone is not None:
            last = [json.dumps(self.state(day, count)["value"]) for count in counts_of_states[-1:]]
            assert run.states[-1:] == last

    def check_order(self, day: Day, suppressed: set[str]) -> None:
        """Check in the requests of a day that those who had unsubscribed were suppressed before all else.

        Args:
            day: The day.
            suppressed: Who was suppressed when the day began.
        """
        first_rows = {row.email.lower(): row for row in reversed(day.rows)}
        unsubscribed = {email for email, row in first_rows.items() if day.says_unsubscribed(row)}
        has_removed = False
        for entry in self.account.sandbox.requests():
            body = json.loads(entry["body"]) if entry["method"] in {"PUT", "POST"} and entry["body"] else {}
            if "asm/suppressions" in entry["path"] and entry["status"] == HTTPStatus.CREATED:
                assert not has_removed
                suppressed.update(body["recipient_emails"])
            elif entry["method"] == "PUT":
                sent = {contact["email"] for contact in body["contacts"]}
                assert sent & unsubscribed <= suppressed, day.kind.value
            has_removed |= entry["method"] == "DELETE"

    def on_list(self) -> set[str]:
        """Return the addresses on the list."""
        return {one["email"] for one in self.account.sandbox.contacts("Everybody") if "email" in one}

    def removed_ids(self) -> set[str]:
        """Return the ids of all contacts that the last run has taken off the list."""
        queries = [entry["query"] for entry in self.account.sandbox.requests() if REMOVE in entry["path"]]
        asked = [parse_qs(query)["contact_ids"][0] for query in queries if query]
        return {contact_id for ids in asked for contact_id in ids.split(",")}

    def settings(self, day: Day) -> dict[str, Any]:
        """Return the settings of a day's run."""
        mode = {"membership_property": "is_member"} if self.mode is Mode.MEMBERSHIP else {"sync_mode": self.mode.value}
        cap = {} if day.cap is None else {"profile_cap": day.cap, "on_profile_cap": "truncate"}
        ceiling = {} if day.max_removals is None else {"max_removals": day.max_removals}
        consent = {
            "subscription_property": "is_unsubscribed",
            "unsubscribed_values": [day.kind is not Kind.FLIPPED],
            "on_delete": day.on_delete.value,
        }
        return {**self.config, **mode, **consent, **cap, **ceiling, "batch_size_rows": SEGMENT_SIZE // 6}

    def messages(self, day: Day) -> Iterator[dict[str, Any]]:
        """Yield what a tap sends."""
        counts_at_states = self.counts_at_states(day)
        yield SCHEMA
        for number, row in enumerate(day.rows, 1):
            yield record(
                email=row.email,
                first_name=row.first_name,
                is_member=row.is_member,
                is_unsubscribed=row.is_unsubscribed,
                _sdc_deleted_at=GONE if row.is_deleted else None,
            )
            if number in counts_at_states and number < len(day.rows):
                yield self.state(day, number)
        if len(day.rows) in counts_at_states:
            yield self.state(day, len(day.rows))

    def counts_at_states(self, day: Day) -> list[int]:
        """Return the number of records before each STATE."""
        last = [] if day.kind is Kind.BROKEN else [len(day.rows)]
        return [*range(SEGMENT_SIZE // 10, len(day.rows), SEGMENT_SIZE // 10), *last]

    def state(self, day: Day, count: int) -> dict[str, Any]:
        """Return the STATE after some records. Whatever counts them would be a replication position to a mirror."""
        bookmark = {"replication_key_value": "2026-01-01"} if day.kind is Kind.CHANGES else {}
        after = {} if self.mode is Mode.MIRROR else {"after": count}
        return {"type": "STATE", "value": {"bookmarks": {"people": bookmark}} | after}


@pytest.mark.parametrize("seed", seeds("DAYS_SEEDS", 1))
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("snapshot", [False, True], ids=["", "snapshot"])
def test_at_the_end_of_each_day_the_account_is_as_the_model_says(
    account: Account, mode: Mode, seed: int, *, snapshot: bool
) -> None:
    config = {"snapshot_path": str(account.folder / "snapshot.db"), "allow_erased": True} if snapshot else {}
    life = Life(account, mode, seed, **config)
    segment = Segment(seed, SEGMENT_SIZE, CHANGES_EACH_DAY, keeps_leavers=mode is Mode.MEMBERSHIP)
    days = list(segment.days(DAY_COUNT))
    for day in days:
        life.live(day)
    assert len(days) == DAY_COUNT
    assert {day.kind for day in days} == set(Kind)
