"""Looking people up in the account: who is there, whether as they were sent, and which identifiers they have."""

from __future__ import annotations

import datetime as dt
import functools
import logging
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

from target_sendgrid.mapping.conversions import parse_iso
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.answers import as_shape
from target_sendgrid.sendgrid.contact import CONTACT_ID, is_same_email
from target_sendgrid.sendgrid.fields import IDENTIFIERS
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.contact import Contact

log = logging.getLogger("target-sendgrid.delivery")

Found = TypeVar("Found")

CONTACT_IDS = "contact_ids"
"""Property of changes: SendGrid's ids of all contacts of the person that were found before."""

MAX_INVISIBLE_SECONDS = 120.0
"""How long the effect of a finished job may stay invisible before it counts as absent."""

SAMPLE_SIZE = 100
"""Number of people who are looked up first: as many as one request finds."""

ABSENT_SECONDS = 60.0
"""How long a person must not be found before the person counts as absent from the account."""

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0


def find_people(client: Client, changes: Mapping[str, Change]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Look people up by SendGrid's own id where their changes have it, or else by the first identifier of each.

    One request is for 100 people. Who is not found is looked up by the next identifier: somebody whose address has
    changed is still known by the others.

    Args:
        client: SendGrid.
        changes: Their changes, by identity.

    Yields:
        Identities with the contacts as SendGrid's search returns them, without those who are not in the account.
    """
    _note_size(changes)
    left = {identity: contacts.decode(change.contact) for identity, change in changes.items()}
    for kind in (CONTACT_ID, *IDENTIFIERS):
        index = {str(contact[kind]): identity for identity, contact in left.items() if kind in contact}
        found = _with_ids(client, index) if kind == CONTACT_ID else _holders(client, kind, index)
        for identity, holder in found:
            left.pop(identity, None)
            yield identity, holder


def find_present(client: Client, changes: Mapping[str, Change], clock: Clock) -> dict[str, dict[str, Any]]:
    """Look people up, and those who are not found once more after a minute.

    A contact that was just upserted is visible after about half a minute, and one answer of a proxy proves nothing.

    Args:
        client: SendGrid.
        changes: Their changes, by identity.
        clock: How to wait.

    Returns:
        The contacts as SendGrid's search returns them, by identity. Who is missing is not in the account.
    """
    return find_twice(functools.partial(find_people, client), changes, clock)


def find_twice(
    find: Callable[[Mapping[str, Change]], Iterable[tuple[str, Found]]], changes: Mapping[str, Change], clock: Clock
) -> dict[str, Found]:
    """Look people up in one way, and those who are not found once more after a minute (see `find_present`)."""
    found = dict(find(changes))
    absent = {identity: change for identity, change in changes.items() if identity not in found}
    if absent:
        clock.sleep(ABSENT_SECONDS)
        found.update(find(absent))
    return found


def find_all(
    client: Client, changes: Mapping[str, Change], others: set[str] | None = None
) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Look up all contacts of people: by each of their identifiers, and by SendGrid's ids that their changes hold.

    A person may have two contacts, one with the address and one with another identifier.

    Args:
        client: SendGrid.
        changes: Their changes, by identity.
        others: Takes the identities of those whose address turns out to be somebody else's.

    Yields:
        Identities with the contacts by SendGrid's ids, without those who are not in the account. Contacts that turn out
        to be of somebody else are left out.
    """
    _note_size(changes)
    sent = {identity: contacts.decode(change.contact) for identity, change in changes.items()}
    people: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in (CONTACT_IDS, *IDENTIFIERS):
        owners: dict[str, list[str]] = {}
        for identity, contact in sent.items():
            for value in contact.get(kind, ()) if kind == CONTACT_IDS else filter(None, [contact.get(kind)]):
                owners.setdefault(str(value), []).append(identity)
        index = {value: value for value in owners}
        found = _with_ids(client, index) if kind == CONTACT_IDS else _holders(client, kind, index)
        for value, holder in found:
            for identity in owners[value]:
                if not is_somebody_else(sent[identity], holder):
                    people.setdefault(identity, {})[as_shape(holder.get(CONTACT_ID), str)] = holder
                elif others is not None and kind == "email":
                    others.add(identity)
    yield from people.items()


def note_holders(job: Job, holders: Iterable[Mapping[str, object]]) -> None:
    """Note all identifiers of those contacts of a job's people that have several (`BatchResult.holders`)."""
    for holder in holders:
        identifiers = {kind: holder[kind] for kind in IDENTIFIERS if holder.get(kind)}
        if len(identifiers) > 1:
            job.progress.holders.append(contacts.encode(identifiers))


def is_somebody_else(sent: Contact, found: Mapping[str, object]) -> bool:
    """Return whether a contact that was found by one identifier has another value of a second one.

    Of two records of one person that were merged at the source, the one that lost is deleted, and it has the address of
    the one that won.
    """
    return any(sent.get(kind) and found.get(kind) and sent[kind] != found[kind] for kind in IDENTIFIERS[1:])


def stored(
    client: Client, changes: Mapping[str, Change], list_ids: Collection[str], field_name: Callable[[str], str]
) -> set[str]:
    """Return the identities of those contacts that the account holds as they were sent."""
    return {
        identity
        for identity, holder in find_people(client, changes)
        if is_stored(contacts.decode(changes[identity].contact), holder, list_ids, field_name)
    }


def missing_identifiers(client: Client, changes: Mapping[str, Change]) -> dict[str, Contact]:
    """Return the identifiers that SendGrid has of people and that were not sent, by identity.

    Every update of a contact must hold all identifiers that it has (the vendor's contacts API description). A stream
    may not know those that other systems have set.

    Args:
        client: SendGrid.
        changes: Their changes, by identity.

    Returns:
        The identifiers of those who lack some.
    """
    missing: dict[str, Contact] = {}
    sent = {identity: contacts.decode(change.contact) for identity, change in changes.items()}
    for kind in IDENTIFIERS:
        left = ((identity, contact) for identity, contact in sent.items() if identity not in missing)
        index = {str(contact[kind]): identity for identity, contact in left if kind in contact}
        for identity, holder in _holders(client, kind, index):
            lacks = {name: holder[name] for name in IDENTIFIERS if holder.get(name) and name not in sent[identity]}
            if lacks:
                missing[identity] = lacks
    return missing


def confirmed(operation: Operation, job: Job) -> set[str]:
    """Return the identities of the people of a job whose changes SendGrid has carried out.

    Where a look-up of a hundred people spread over the job finds none, the others are not looked up but sent again: the
    look-up of a full batch takes 300 requests.
    """
    identities = list(job.changes())
    step = max(1, len(identities) // SAMPLE_SIZE)
    sample = identities[::step][:SAMPLE_SIZE]
    found = operation.confirm(job, sample)
    sampled = set(sample)
    others = [identity for identity in identities if identity not in sampled]
    return found | operation.confirm(job, others) if found and others else found


def wait_until_confirmed(operation: Operation, job: Job, clock: Clock) -> None:
    """Settle the changes of a finished job that SendGrid has carried out, looking again until all are visible.

    The account is eventually consistent, so people are looked up again at growing intervals for two minutes. Changes
    that are still not visible then stay in the job.
    """
    deadline = clock.monotonic() + MAX_INVISIBLE_SECONDS
    interval = _FIRST_WAIT_SECONDS
    while True:
        job.settle(operation.confirm(job, job.changes()))
        if not job.count or clock.monotonic() >= deadline:
            return
        clock.sleep(interval)
        interval = min(interval * 2, _LONGEST_WAIT_SECONDS)


def is_stored(
    sent: Contact, found: Mapping[str, Any], list_ids: Collection[str], field_name: Callable[[str], str]
) -> bool:
    """Return whether a contact of the account holds every value that was sent.

    Values are compared one by one, since an update that changes nothing does not change the contact's date either.

    Args:
        sent: The contact as it was sent.
        found: The contact as a search returns it, custom fields by name.
        list_ids: Lists that it must be on.
        field_name: Returns the name of a custom field, given its id.
    """
    if not set(list_ids) <= set(found.get("list_ids") or []):
        return False
    sent_fields = sent.get("custom_fields") or {}
    found_fields = {str(name).lower(): value for name, value in (found.get("custom_fields") or {}).items()}
    if not all(_is_same(value, found_fields.get(field_name(key).lower())) for key, value in sent_fields.items()):
        return False
    if "email" in sent and not is_same_email(sent["email"], found.get("email")):
        return False
    return all(_is_same(value, found.get(key)) for key, value in sent.items() if key not in {"custom_fields", "email"})


def _note_size(changes: Mapping[str, Change]) -> None:
    """Log a look-up that takes several requests."""
    if len(changes) > SAMPLE_SIZE:
        log.info("Looking up %s.", counted(len(changes), "contact"))


def _holders(client: Client, kind: str, index: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the identity and the contact of everybody found by one kind of identifier.

    A search by email also returns contacts that have the address as an alternate one. Those are other people.

    Args:
        client: SendGrid.
        kind: The identifier's field, such as ``email``.
        index: Identities by identifier.
    """
    if not index:
        return
    folded = {identifier.lower(): identifier for identifier in index}
    for key, holder in client.find_contacts(kind, list(index)):
        identifier = key if key in index else folded.get(key.lower())
        found = holder.get(kind)
        if identifier is not None and (found == identifier or (kind == "email" and is_same_email(identifier, found))):
            yield index[identifier], holder


def _with_ids(client: Client, index: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if index:
        yield from ((index[found], holder) for found, holder in client.find_by_ids(list(index)) if found in index)


def _is_same(sent: object, found: object) -> bool:
    if sent in ("", []):
        return found in ("", None, [])
    if isinstance(sent, list) and isinstance(found, list):
        return {str(item).lower() for item in sent} <= {str(item).lower() for item in found}
    if isinstance(sent, (int, Decimal)) and not isinstance(sent, bool):
        return _as_double(sent) == _as_double(found)
    if sent == found:
        return True
    moment = _as_moment(sent)
    return moment is not None and moment == _as_moment(found)


def _as_double(value: object) -> float | None:
    """Return a number as SendGrid stores it; ``None`` where the value is no number."""
    try:
        return float(Decimal(str(value)))
    except (InvalidOperation, OverflowError):
        return None


def _as_moment(value: object) -> dt.datetime | None:
    """Return an ISO date-time in whole seconds, UTC where it has no zone; ``None`` where the value is none."""
    if not isinstance(value, str):
        return None
    moment = parse_iso(value)
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return moment.replace(microsecond=0)
