"""Random runs with a snapshot: afterwards the account is as a model of runs without one says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_sendgrid.audience import snapshot
from tests.harness.endpoints import POLL, PUT
from tests.harness.messages import record, schema
from tests.harness.removals import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pytest

    from tests.harness.account import Account

LISTS = {"people": "A", "guests": "B", "members": "A"}
"""The list of each stream. Only `members` have a key, by which their rows ask to leave."""

SCHEMAS = [schema(name, id="string", email="string", first_name="string", last_name="string") for name in LISTS]
PLAIN = {"email": "email", "first_name": "first_name", "last_name": "last_name"}
STREAMS: dict[str, dict[str, Any]] = {
    name: {"list_name": list_name, "field_mapping": PLAIN} for name, list_name in LISTS.items()
}
STREAMS["members"]["field_mapping"] = {**PLAIN, "external_id": "id"}
DAY_SECONDS = 86_400


class Row(NamedTuple):
    """A row of a stream about a person."""

    stream: str
    person: str
    first_name: str | None
    last_name: str | None
    is_deleted: bool

    @property
    def message(self) -> dict[str, Any]:
        values: dict[str, Any] = {"first_name": self.first_name, "last_name": self.last_name}
        if not self.is_deleted or self.stream != "members":
            values["email"] = f"{self.person}@x.com"
        if self.stream == "members":
            values["id"] = f"id-{self.person}"
        return record(self.stream, **values, _sdc_deleted_at=GONE if self.is_deleted else None)

    @property
    def keys(self) -> set[str]:
        emails = set() if self.is_deleted and self.stream == "members" else {self.person}
        return emails | ({f"id-{self.person}"} if self.stream == "members" else set())


class Day(NamedTuple):
    """A run: its rows, the number of rows before SendGrid fails, how, the size of batches, and the days before it."""

    rows: Sequence[Row]
    fails_after: int | None
    fault: Mapping[str, Any]
    batch_size: int
    days_before: int


rows = st.builds(
    Row, st.sampled_from(list(LISTS)), st.sampled_from("aaab"), st.sampled_from(["X", "X", "Y"]),
    st.sampled_from([None, None, "Z"]), st.sampled_from([False] * 4 + [True]),
)  # fmt: skip
days = st.builds(
    Day, st.lists(rows, min_size=1, max_size=4), st.sampled_from([None, None, 0, 1, 2]), st.sampled_from([PUT, POLL]),
    st.sampled_from([1, 1, 50]), st.sampled_from([0, 0, 0, 1, 8]),
)  # fmt: skip


class Model:
    """The account after runs without a snapshot."""

    def __init__(self, act: str) -> None:
        self.act = act
        self.people: dict[str, dict[str, str]] = {}
        self.lists: dict[str, set[str]] = {}

    def live(self, rows: Sequence[Row]) -> None:
        """Take the rows of a run that ends well: what takes away is done at its end, unless a later row cancels it."""
        leaving: list[tuple[Row, str]] = []
        for row in rows:
            if row.is_deleted:
                leaving.append((row, LISTS[row.stream]))
                continue
            lists = set(LISTS.values()) if self.act == "delete_contact" else {LISTS[row.stream]}
            leaving = [(one, where) for one, where in leaving if not (one.keys & row.keys and where in lists)]
            fields = {"first_name": row.first_name, "last_name": row.last_name}
            fields["external_id"] = f"id-{row.person}" if row.stream == "members" else None
            self.people.setdefault(row.person, {}).update({name: value for name, value in fields.items() if value})
            self.lists.setdefault(row.person, set()).add(LISTS[row.stream])
        for row, list_name in leaving:
            known = self.people.get(row.person)
            if known is None or ("external_id" not in known and row.stream == "members"):
                continue
            self.lists[row.person].discard(list_name)
            if self.act == "delete_contact":
                del self.people[row.person], self.lists[row.person]


def tap(account: Account, rows: Sequence[Row], day: Day) -> Iterator[Any]:
    """Yield the messages of a run, with a STATE after each row."""
    yield from SCHEMAS
    for number, row in enumerate(rows):
        if number == day.fails_after:
            account.sandbox.add_fault("status", **day.fault, status=403, times=None)
        yield row.message
        yield {"type": "STATE", "value": {"after": number}}
    yield {"type": "STATE", "value": {"after": len(rows)}}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lived=st.lists(days, min_size=3, max_size=6), act=st.sampled_from(["remove_from_list", "delete_contact"]))
def test_the_account_is_as_without_a_snapshot(
    account: Account, monkeypatch: pytest.MonkeyPatch, lived: list[Day], act: str
) -> None:
    monkeypatch.setattr(snapshot, "MAX_SETTLED", 3)
    account.reset()
    path = account.folder / "snapshot.db"
    path.unlink(missing_ok=True)
    model = Model(act)
    again: list[Row] = []
    for day in lived:
        account.clock.sleep(day.days_before * DAY_SECONDS)
        rows = [*again, *day.rows]
        run = account.feed(
            tap(account, rows, day), steps_at_states=True, snapshot_path=str(path), streams=STREAMS,
            list_name=None, on_delete=act, batch_size_rows=day.batch_size, max_removals=99,
        )  # fmt: skip
        account.sandbox.clear_faults()
        again = rows if run.exit_code else []
        if not run.exit_code:
            model.live(rows)
            found = {
                str(one["email"])[0]: (
                    {name: one[name] for name in ("first_name", "last_name", "external_id") if one.get(name)},
                    set(one["lists"]),
                )
                for one in account.sandbox.contacts()
            }
            assert found == {name: (fields, model.lists[name]) for name, fields in model.people.items()}
