"""How an upsert job changes the account: match by identifiers, merge property by property, or turn a row down."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from target_sendgrid.sandbox.account import lists
from target_sendgrid.sandbox.account.account import new_id
from target_sendgrid.sandbox.account.contacts import as_json, billed_deletions
from target_sendgrid.sandbox.account.reserved import IDENTIFIERS, normalised
from target_sendgrid.sandbox.account.row_rules import Entry, RowError, RowRules, overlaid

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.account import Account

QUOTA_FAILURE = "you have hit your contact limit"

_OTHER_IDENTIFIERS = frozenset(IDENTIFIERS) - {"email"}
_OMITTED = "all identifiers of an existing contact must be provided"


@dataclass
class Outcome:
    """What a job did. `errors` holds, per contact turned down: index, the four identifiers, reason."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    errors: list[list[Any]] = field(default_factory=list)
    failure: str | None = None


@dataclass
class ForcedErrors:
    """Rows that a fault turns down: the first `first` ones, and those with one of these identifiers."""

    first: int = 0
    identifiers: frozenset[str] = frozenset()
    reason: str = "internal error"

    def names(self, index: int, identifiers: list[str | None]) -> bool:
        """Return whether a fault turns a row down."""
        return index < self.first or not self.identifiers.isdisjoint(one.lower() for one in identifiers if one)


def apply_upsert(
    account: Account, document: dict[str, Any], submitted_at: float, applied_at: float, forced: ForcedErrors
) -> Outcome:
    """Merge the contacts of one request into the account. The body was checked when it came in."""
    merge = _Merge(account, document["contacts"], forced)
    outcome = merge.run()
    room = room_for_contacts(account)
    if room is not None and outcome.created > room:
        if account.options.contact_limit_in == "job_property":
            return Outcome(failure=QUOTA_FAILURE)
        merge.drop_new_contacts(outcome, room)
    members = merge.write(list(dict.fromkeys(document.get("list_ids") or [])), submitted_at, applied_at)
    outcome.updated = members if not account.options.count_unchanged_as_updated else merge.touched
    return outcome


def room_for_contacts(account: Account) -> int | None:
    """Return how many more contacts the plan allows, `None` without a limit. Deleted ones count for a month."""
    quota = account.options.contact_quota
    if quota is None:
        return None
    return max(0, quota - account.store.number("SELECT count(*) FROM contacts") - billed_deletions(account))


def exceeds_quota(account: Account, contacts: list[dict[str, Any]]) -> bool:
    """Return whether an upsert would create more contacts than the plan allows."""
    room = room_for_contacts(account)
    return room is not None and _Merge(account, contacts, ForcedErrors()).run().created > room


def forced_errors(document: dict[str, Any], forced: ForcedErrors | None) -> list[list[Any]]:
    """Return a row error for each contact of an upsert that a fault turns down, or for every contact."""
    given = enumerate(_identifiers(contact) for contact in document["contacts"])
    reason = forced.reason if forced is not None else ForcedErrors.reason
    return [
        [index, *identifiers, reason]
        for index, identifiers in given
        if forced is None or forced.names(index, identifiers)
    ]


def omits_identifier(account: Account, contacts: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Find the contacts that leave out an identifier their stored contact has: index and reason."""
    merge = _Merge(account, contacts, ForcedErrors())
    return [(int(row[0]), str(row[-1])) for row in merge.run().errors if row[-1] == _OMITTED]


class _Merge:
    """One pass over the contacts of a request."""

    def __init__(self, account: Account, contacts: list[dict[str, Any]], forced: ForcedErrors) -> None:
        self._account = account
        self._options = account.options
        self._contacts = contacts
        self._forced = forced
        self._rules = RowRules(account)
        self._entries: dict[int, Entry] = {}
        self._index: list[dict[str, Entry]] = [{} for _ in IDENTIFIERS]
        self._next_number = account.store.number("SELECT max(number) FROM contacts") + 1
        self._kept: dict[int, list[int]] = {}
        """Number of each contact that is stored, and the rows that it is from."""
        self.touched = 0

    def run(self) -> Outcome:
        """Work out every row; nothing is written yet."""
        outcome = Outcome()
        given = [_identifiers(contact) for contact in self._contacts]
        self._load(given)
        for index, (contact, identifiers) in enumerate(zip(self._contacts, given, strict=True)):
            why = self._turned_down(index, contact, identifiers)
            if why is not None:
                outcome.errors.append([index, *identifiers, why])
        self._count(outcome)
        return outcome

    def drop_new_contacts(self, outcome: Outcome, room: int) -> None:
        """Turn down the rows of all new contacts but the first ones."""
        new = [number for number in self._kept if self._entries[number].is_new]
        for number in new[room:]:
            identifiers = self._entries[number].identifiers
            outcome.errors += [[row, *identifiers, QUOTA_FAILURE] for row in self._kept.pop(number)]
        outcome.errors.sort(key=itemgetter(0))
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        self.touched = sum(1 for number in self._kept if not self._entries[number].is_new)
        outcome.created = len(self._kept) - self.touched

    def write(self, list_ids: list[str], submitted_at: float, applied_at: float) -> int:
        """Store what changed; return how many stored contacts did, a new list membership included."""
        store = self._account.store
        made: list[tuple[Any, ...]] = []
        changed: list[tuple[Any, ...]] = []
        alternates: list[Entry] = []
        for number in self._kept:
            entry = self._entries[number]
            texts = entry.texts()
            if entry.before is None:
                made.append((number, new_id(), *entry.identifiers, *texts, submitted_at, applied_at))
            elif entry.before != (entry.identifiers, *texts):
                changed.append((*entry.identifiers, *texts, number))
            else:
                continue
            if "alternate_emails" in entry.profile or (entry.before and "alternate_emails" in entry.before[1]):
                alternates.append(entry)
        store.run_many(
            "INSERT INTO contacts (number, id, email, phone_number_id, external_id, anonymous_id, profile, custom, "
            "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            made,
        )
        store.run_many(
            "UPDATE contacts SET email = ?, phone_number_id = ?, external_id = ?, anonymous_id = ?, profile = ?, "
            "custom = ? WHERE number = ?",
            changed,
        )
        self._write_alternates(alternates)
        touched = {row[-1] for row in changed} | self._write_members(list_ids)
        store.run_many(
            "UPDATE contacts SET updated_at = ? WHERE number = ?", ((applied_at, number) for number in touched)
        )
        return len(touched)

    def _load(self, given: list[list[str | None]]) -> None:
        """Read every stored contact that one of the identifiers names."""
        for position, column in enumerate(IDENTIFIERS):
            wanted = [identifiers[position] for identifiers in given if identifiers[position] is not None]
            if not wanted:
                continue
            for row in self._account.store.rows(
                "SELECT number, email, phone_number_id, external_id, anonymous_id, profile, custom FROM contacts "  # noqa: S608 - columns of our own
                f"WHERE {column} IN (SELECT value FROM json_each(?))",
                as_json(wanted),
            ):
                if row["number"] not in self._entries:
                    self._remember(Entry(row["number"], list(row)[1:5], (row["profile"], row["custom"])))

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.number] = entry
        for index, identifier in zip(self._index, entry.identifiers, strict=True):
            if identifier is not None:
                index[identifier] = entry

    def _turned_down(self, index: int, contact: dict[str, Any], identifiers: list[str | None]) -> str | None:
        if self._forced.names(index, identifiers):
            return self._forced.reason
        try:
            self._kept.setdefault(self._row(contact, identifiers).number, []).append(index)
        except RowError as error:
            return str(error)
        return None

    def _row(self, contact: dict[str, Any], identifiers: list[str | None]) -> Entry:
        entry = self._matched(identifiers)
        if entry is not None and entry.number in self._kept and self._options.duplicate_in_request == "row_error":
            message = "the same contact appears more than once in the request"
            raise RowError(message)
        profile = self._rules.profile_values(contact)
        sent = contact.get("custom_fields")
        custom = self._rules.custom_values(sent) if sent else {}
        if entry is None:
            entry = Entry(self._next_number, identifiers, None)
            self._next_number += 1
            self._remember(entry)
        elif entry.identifiers != identifiers:
            entry.identifiers = identifiers
            self._remember(entry)
        entry.profile = overlaid(entry.profile, profile)
        entry.custom = overlaid(entry.custom, custom)
        return entry

    def _matched(self, identifiers: list[str | None]) -> Entry | None:
        entry: Entry | None = None
        for index, identifier in zip(self._index, identifiers, strict=True):
            found = index.get(identifier) if identifier is not None else None
            if found is None or found is entry:
                continue
            if entry is not None:
                message = "the identifiers match more than one contact"
                raise RowError(message)
            entry = found
        if entry is not None and entry.identifiers != identifiers:
            for held, sent in zip(entry.identifiers, identifiers, strict=True):
                if held is not None and sent is None:
                    raise RowError(_OMITTED)
                if held is not None and held != sent:
                    message = "an identifier differs from the one that the contact already has"
                    raise RowError(message)
        return entry

    def _write_alternates(self, entries: list[Entry]) -> None:
        store = self._account.store
        store.run_many("DELETE FROM alternate_emails WHERE contact = ?", ((entry.number,) for entry in entries))
        store.run_many(
            "INSERT OR IGNORE INTO alternate_emails VALUES (?, ?)",
            ((email, entry.number) for entry in entries for email in entry.profile.get("alternate_emails", ())),
        )

    def _write_members(self, list_ids: list[str]) -> set[int]:
        """Put every contact on the lists; return the stored contacts that were not on one of them."""
        store = self._account.store
        joined: set[int] = set()
        numbers = list(self._kept)
        stored_numbers = as_json([number for number in numbers if not self._entries[number].is_new])
        for list_number in lists.numbers_of(self._account, list_ids).values():
            already = {
                int(row["contact"])
                for row in store.rows(
                    "SELECT contact FROM members WHERE list = ? AND contact IN (SELECT value FROM json_each(?))",
                    list_number,
                    stored_numbers,
                )
            }
            missing = [number for number in numbers if number not in already]
            store.run_many("INSERT INTO members VALUES (?, ?)", [(list_number, number) for number in missing])
            joined.update(number for number in missing if not self._entries[number].is_new)
        return joined


def _identifiers(contact: dict[str, Any]) -> list[str | None]:
    email = contact.get("email")
    if email and _OTHER_IDENTIFIERS.isdisjoint(contact):
        return [email.lower(), None, None, None]
    return [normalised(name, value) if (value := contact.get(name)) else None for name in IDENTIFIERS]
