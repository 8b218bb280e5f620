"""Erase: SendGrid deletes what its mail records hold about people's addresses.

Contacts are deleted before (`delete_contacts`): erasure does not concern them, nor suppressions.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from target_sendgrid.delivery.job import Rejection
from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations import row_errors
from target_sendgrid.delivery.operations.without_job import OperationWithoutJob, attempted
from target_sendgrid.delivery.pending import OperationKind, Service
from target_sendgrid.errors import BadRequestError, Reason, TooLargeError
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid.consent import MAX_BYTES_PER_ERASURE, MAX_EMAILS_PER_ERASURE
from target_sendgrid.sendgrid.contact import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.contact import Contact

ADDRESSES = "addresses"
"""Property of changes: all addresses of the person, the row's own and those of its contacts."""

ERASE = OperationKind(
    job_name="erasure",
    max_contacts=MAX_EMAILS_PER_ERASURE,
    max_bytes=2 * MAX_BYTES_PER_ERASURE,  # most changes hold the same address twice, and the request has it once
    overhead_bytes=lambda _: 0,
    unites_lists=False,
    bucket=Bucket.ERASED,
    service=Service.ERASURE,
)

_REFUSED = "refused"
"""Property of changes: SendGrid's reasons for the addresses that it has refused to erase."""


class Erase(OperationWithoutJob):
    """Erases all addresses of people. SendGrid accepts it, and has no way to ask what became of it.

    Of a person with a refused address, the other addresses are erased before the person is rejected.

    Args:
        client: SendGrid.
        check_allowed: Called before each request; may raise to end the run.
    """

    kind = ERASE

    def __init__(self, client: Client, check_allowed: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._check_allowed = check_allowed

    def submit(self, job: Job) -> Submission | None:
        """Ask for the erasure of all addresses of a job.

        Of people without an address, SendGrid has no mail records: their contacts were all it had.

        Raises:
            TooLargeError: People have several addresses, which are too many for one request.
        """
        people = {identity: decode(change.contact) for identity, change in job.changes().items()}
        addresses = list(dict.fromkeys(address for contact in people.values() for address in addresses_of(contact)))
        if len(addresses) > MAX_EMAILS_PER_ERASURE:
            message = f"SendGrid erases at most {MAX_EMAILS_PER_ERASURE} addresses in one request."
            raise TooLargeError(message)
        if addresses:
            self._check_allowed()
            attempted(lambda: self._client.erase(addresses))
        for identity, contact in people.items():
            if reason := contact.get(_REFUSED):
                sentence = "SendGrid refused to erase an address of the person. The other addresses are erased."
                job.reject(identity, Rejection(Reason.REFUSED_BY_SENDGRID, sentence, str(reason)))
        if not addresses:
            job.settle_all()
            return None
        return Submission(None, (), sum(len(one.encode()) for one in addresses), len(people), list(job.changes()))

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        """Return the reasons for people of whom the error names an address."""
        people = {identity: addresses_of(decode(change.contact)) for identity, change in job.changes().items()}
        named = row_errors.refused_addresses(error.details, {one for sent in people.values() for one in sent})
        reasons = {
            identity: [named[address] for address in addresses if address in named]
            for identity, addresses in people.items()
        }
        return {identity: "; ".join(dict.fromkeys(found)) for identity, found in reasons.items() if found}

    def amend(self, job: Job, reasons: Mapping[str, str], *, are_at_fault: bool) -> list[str]:
        """Take out the addresses that are refused; return those people who have others."""
        if not are_at_fault:
            return []
        changes = job.changes()
        amended = []
        for identity, reason in reasons.items():
            contact = decode(changes[identity].contact)
            addresses = addresses_of(contact)
            refused = row_errors.refused_addresses([("", reason)], addresses)
            if left := [address for address in addresses if address not in refused]:
                told = "; ".join(filter(None, (contact.get(_REFUSED), reason)))
                changes[identity].contact = encode({ADDRESSES: left, _REFUSED: told})
                amended.append(identity)
        return amended


def erase_ahead(client: Client, addresses: Sequence[str], check_allowed: Callable[[], None]) -> None:
    """Ask for the erasure of addresses, but for those that SendGrid refuses by name.

    Args:
        client: SendGrid.
        addresses: Any number of them.
        check_allowed: Called before each request; may raise to end the run.

    Raises:
        TransientError: There was no usable answer.
        BadRequestError: SendGrid refuses a request, and names none of its addresses.
        TooLargeError: SendGrid does not even take one address.
    """
    parts = [
        addresses[start : start + MAX_EMAILS_PER_ERASURE] for start in range(0, len(addresses), MAX_EMAILS_PER_ERASURE)
    ]
    while parts:
        part = parts.pop()
        check_allowed()
        try:
            attempted(functools.partial(client.erase, part))
        except TooLargeError:
            if len(part) == 1:
                raise
            middle = len(part) // 2
            parts += [part[:middle], part[middle:]]
        except BadRequestError as error:
            refused = row_errors.refused_addresses(error.details, part)
            if not refused:
                raise
            if left := [address for address in part if address not in refused]:
                parts.append(left)


def addresses_of(contact: Contact) -> list[str]:
    """Return the addresses of a person, each once: the row's own, and those of the contacts that were found."""
    own = [contact["email"]] if contact.get("email") else []
    return list(dict.fromkeys([*own, *contact.get(ADDRESSES, ())]))
