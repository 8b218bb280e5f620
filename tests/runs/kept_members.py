"""Why members stay on a list: tests make each case, and `docs/why-was-nobody-removed.md` lists them.

In each case Bob is on the list, or somebody with his address, and stays there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tests.harness.messages import PEOPLE, record, schema
from tests.harness.removals import deleted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.harness.account import Account, Message

    Part: TypeAlias = Literal["mirror", "member", "row"]

BOB = "bob@example.com"
ADA = record(email="ada@example.com")
END: dict[str, Any] = {"type": "STATE", "value": {}}
"""What a tap writes at the end of a whole read."""
CHANGES = {"type": "STATE", "value": {"bookmarks": {"people": {"replication_key_value": "2026-01-01"}}}}
MORE = schema("more", email="string", id="string")
KEYED = schema(id="string", email="string", alternate_emails={"type": "array"})
MIRROR: dict[str, Any] = {"sync_mode": "mirror"}
MAPPED: dict[str, Any] = {"sync_mode": "mirror", "field_mapping": {"external_id": "id", "email": "email"}}


@dataclass(frozen=True)
class KeptMember:
    """One reason why Bob stays on the list."""

    part: Part
    """The part of the page that lists it."""
    says: str
    """Words in the log; empty where the log says nothing about it."""
    means: str
    """What it means, for the docs."""
    advice: str
    """What to do, for the docs."""
    config: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[Message, ...] = (PEOPLE, ADA, END)
    """What the tap writes."""
    exit_code: int = 0
    bob: Mapping[str, Any] = field(default_factory=dict)
    """What the contact has besides the address."""
    email: str | None = BOB
    """The contact's address."""
    prepare: Callable[[Account], object] = lambda account: account
    """What is done to the account before the run."""
    most_waiting: int | None = None
    """How many removals may wait for a checkpoint, if not as many as always."""


def put_on_list(account: Account, count: int) -> None:
    """Put more people on the list, none of whom is in the run."""
    people = [{"email": f"p{number}@example.com", "lists": ["Everybody"]} for number in range(count)]
    account.sandbox.seed(contacts=people)


def fail(kind: str, **order: Any) -> Callable[[Account], object]:
    """Return what orders a fault."""
    return lambda account: account.sandbox.add_fault(kind, **order)


KEPT_MEMBERS = [
    KeptMember(
        "mirror",
        "has a replication position in its state",
        "The bookmark that the tap wrote says from where its next run reads, so it may have read changes only. Those"
        " who have not changed would leave the list.",
        "Let the tap read the stream as a whole, as [below](#what-the-tap-has-to-do).",
        config=MIRROR,
        lines=(PEOPLE, ADA, CHANGES),
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "has no STATE after its last record",
        "Taps write a STATE when a stream is done. Without one the tap may have died in the middle.",
        "Look at the tap's log, and run again. A tap that writes no STATE can't be mirrored.",
        config=MIRROR,
        lines=(PEOPLE, ADA, END, record(email="cy@example.com")),
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "has no record, which is more likely a failure of the source than an empty one",
        "The stream came, and nobody was in it for the list, or only rows that are deleted at the source.",
        "Look at the tap and its source. To empty a list, take its members off in SendGrid.",
        config=MIRROR,
        lines=(PEOPLE, END),
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "never came, and it is configured for the list",
        "`streams` has an entry for a stream that fills the list, too, and the tap has not sent it. Those who are only"
        " in that stream would leave the list.",
        "Select the stream in the tap, or take its entry out of `streams`.",
        config={**MIRROR, "streams": {"more": {}}},
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "that could not be read, so it is not known who is in them",
        "Records were rejected, and nothing in them shows who they are about.",
        "Look at the rejected records, correct them at the source, and run again.",
        config=MIRROR,
        lines=(PEOPLE, ADA, '{"type": "RECORD", "stream": "people", "record": []}', END),
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "has more rejected records than `max_rejected_percent` allows",
        "So many records of this stream are rejected that its mapping is likely to be wrong.",
        "Correct the records or the mapping, or raise `max_rejected_percent`, and run again.",
        config={**MIRROR, "max_rejected_percent": 50, "streams": {"more": {"list_name": "More"}}},
        lines=(
            MORE,
            *[record("more", email=f"p{number}@example.com") for number in range(100)],
            PEOPLE,
            ADA,
            *[record(email="no address")] * 20,
            END,
        ),
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "the run has reached `profile_cap`",
        "With `on_profile_cap: truncate` people over the cap were left out.",
        "Raise `profile_cap` (0 means no cap), and run again.",
        config={**MIRROR, "profile_cap": 1, "on_profile_cap": "truncate"},
        lines=(PEOPLE, ADA, record(email="cy@example.com"), END),
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "the account has reached `account_contact_limit`",
        "With `on_account_limit: truncate` new people for whom the account has no room were left out.",
        "Raise `account_contact_limit` if the plan allows it, and run again.",
        config={**MIRROR, "account_contact_limit": 1, "on_account_limit": "truncate"},
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "more than 10 and more than 10 % of the list is not taken off",
        "So many members at once are more often a mistake than a wish.",
        "If they have left the source, set `max_removals` for the stream to the number in the log. If not, find out why"
        " the stream lacks them, and run again.",
        config=MIRROR,
        exit_code=1,
        prepare=lambda account: put_on_list(account, 10),
    ),
    KeptMember(
        "mirror",
        "and it is all or nobody",
        "More members were not in the run than `max_removals` allows. With this setting there is no other limit.",
        "Raise `max_removals`, or find out why the stream lacks them.",
        config={**MIRROR, "max_removals": 3},
        exit_code=1,
        prepare=lambda account: put_on_list(account, 3),
    ),
    KeptMember(
        "mirror",
        "`max_removals` is 0, which forbids it",
        "Nobody may leave the list.",
        "Leave `max_removals` out, or raise it.",
        config={**MIRROR, "max_removals": 0},
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "and SendGrid counts",
        "The export of the list has fewer or more rows than the list has members, so it is not known who is on it.",
        "Run again. If it happens again, SendGrid's exports of the list are not complete: ask its support.",
        config=MIRROR,
        exit_code=1,
        prepare=fail("export_file", mode="fewer_rows"),
    ),
    KeptMember(
        "mirror",
        "SendGrid failed to export the list",
        "SendGrid could not write the files in which it says who is on the list.",
        "Run again later.",
        config=MIRROR,
        exit_code=1,
        prepare=fail("export_failed", times=None),
    ),
    KeptMember(
        "mirror",
        "fills it in another way",
        "Two streams fill the list, and only one of them is a mirror, so nobody could say who has left.",
        "Set `sync_mode: mirror` for all streams of the list, or give them different lists.",
        config={"streams": {"people": MIRROR, "more": {}}},
        lines=(PEOPLE, ADA, MORE, END),
        exit_code=1,
    ),
    KeptMember(
        "mirror",
        "Nobody was rejected for it. Look at the account in SendGrid",
        "SendGrid's list-removal jobs fail, or turn these members down.",
        "Look for messages about the account in SendGrid, and run again.",
        config=MIRROR,
        exit_code=1,
        prepare=fail("job_failed", method="DELETE", times=None),
    ),
    KeptMember(
        "mirror",
        "are not in SendGrid, though they were sent twice",
        "Any other error, or a signal, ends the run before anybody is taken off a list.",
        "Do what the error says, and run again.",
        config={**MIRROR, "job_timeout_seconds": 60},
        exit_code=1,
        prepare=fail("job_stuck", times=None),
    ),
    KeptMember(
        "member",
        "",
        "Another identifier of the member is in the run: the address has changed at the source, and the record has the"
        " member's `external_id`.",
        "Nothing. SendGrid can't change an address, so the new address is a contact of its own. Delete the old one in"
        " SendGrid.",
        config=MAPPED,
        lines=(KEYED, record(id="7", email="new@example.com"), END),
        bob={"external_id": "7"},
    ),
    KeptMember(
        "member",
        "",
        "The member's address is an alternate address in a record of the run.",
        "Nothing: both are the same person.",
        config=MIRROR,
        lines=(KEYED, record(email="ada@example.com", alternate_emails=[BOB]), END),
    ),
    KeptMember(
        "member",
        "",
        "An alternate address of the member is in the run.",
        "Nothing: both are the same person.",
        config=MIRROR,
        bob={"alternate_emails": ["ada@example.com"]},
    ),
    KeptMember(
        "member",
        "1 member without an identifier that a stream maps",
        "The member has none of the identifiers that the streams of the list map. A stream of addresses does not show"
        " whether somebody without an address is in the source.",
        "Map an identifier that the member has, such as `external_id`, or take the member off in SendGrid.",
        config=MIRROR,
        bob={"external_id": "7"},
        email=None,
    ),
    KeptMember(
        "member",
        "too_long: property 'first_name'",
        "The member's record was rejected. Who has a record is in the source.",
        "Correct the record.",
        config=MIRROR,
        lines=(PEOPLE, ADA, record(email=BOB, first_name="x" * 51), END),
    ),
    KeptMember(
        "member",
        "",
        "The address differs in capitals only, or in blanks around it.",
        "Nothing: it is the same address.",
        config=MIRROR,
        lines=(PEOPLE, ADA, record(email=" Bob@EXAMPLE.com"), END),
    ),
    KeptMember(
        "member",
        "",
        "The member is in another stream of the same list.",
        "Nothing: all streams of a list together are its source.",
        config=MIRROR,
        lines=(PEOPLE, ADA, MORE, record("more", email=BOB), END),
    ),
    KeptMember(
        "member",
        "",
        "Two records of one person were merged at the source. The one that lost is gone, and the one that won has the"
        " address, so the person is still there. SendGrid may refuse the record that won, since the contact has the"
        " `external_id` of the other.",
        "Nothing on the list. To correct the `external_id`, delete the contact in SendGrid, and run again.",
        config=MAPPED,
        lines=(KEYED, record(id="1", email=BOB), END),
        bob={"external_id": "2"},
    ),
    KeptMember(
        "row",
        "1 not found",
        "SendGrid has no contact with the identifiers in the row.",
        "Map an identifier that the contacts were sent with. A deleted row often holds the key alone.",
        config={"field_mapping": {"external_id": "id", "email": "email"}},
        lines=(KEYED, deleted(id="7"), END),
    ),
    KeptMember(
        "row",
        "took nobody off a list, for lack of a mapped identifier",
        "The deleted row holds none of the mapped identifiers: many taps send the key alone.",
        "Map the key to `external_id`, and send everybody once, so that SendGrid has it.",
        lines=(KEYED, deleted(id="7"), END),
        config={"field_mapping": {"email": "email"}},
    ),
    KeptMember(
        "row",
        "rows that are deleted at the source change nothing in SendGrid",
        "`on_delete` is `ignore`.",
        "Leave `on_delete` out: `remove_from_list` is the default.",
        lines=(PEOPLE, deleted(email=BOB), END),
        config={"on_delete": "ignore"},
    ),
    KeptMember(
        "row",
        "is neither true nor false, so it does not say who is on the list",
        "The value of `membership_property` is null, a text or a number.",
        "Make it a boolean at the source or with a stream map, such as `\"is_customer == 'yes'\"`.",
        lines=(schema(email="string", active={}), record(email=BOB, active="no"), END),
        config={"membership_property": "active"},
    ),
    KeptMember(
        "row",
        "1 ignored",
        "The row has no value of `list_property`, as deleted rows with the key alone, so it leaves no list.",
        "Have the source send the value, or give each list a stream of its own.",
        lines=(schema(email="string", segment="string"), deleted(email=BOB), END),
        config={"list_name": None, "list_property": "segment", "lists": {"all": "Everybody"}},
    ),
    KeptMember(
        "row",
        "was not taken off a list, since `max_removals` allows",
        "The rows of the stream would take more people off lists than `max_removals` allows. As many as it"
        " allows have left.",
        "Look whether so many are to leave, and allow it for one run with a higher `max_removals`. The next run brings"
        " the rows again.",
        lines=(PEOPLE, deleted(email=BOB), END),
        config={"max_removals": 0},
        exit_code=1,
    ),
    KeptMember(
        "row",
        "people of the run would be unsubscribed, more than 10 and more than half",
        "The person has unsubscribed, and `max_suppressions` or its guard does not allow so many: nothing is done for"
        " these people.",
        "See whether `unsubscribed_values` is the right way round, or allow the number with `max_suppressions`. The"
        " next run brings the rows again.",
        lines=(
            schema(email="string", status="string"),
            *(record(email=f"gone{number}@example.com", status="out") for number in range(12)),
            record(email=BOB, status="out"),
            deleted(email=BOB),
            END,
        ),
        config={"subscription_property": "status", "unsubscribed_values": ["out"]},
        exit_code=1,
    ),
    KeptMember(
        "row",
        "was not erased, since `max_removals` is 0, which forbids it",
        "With `on_delete: delete_contact` or `erase`, more than 10 people and 10 % of the account stay, unless"
        " `max_removals` allows the number.",
        "Look whether so many are to go, and allow it for one run. The next run brings the rows again.",
        lines=(PEOPLE, deleted(email=BOB), END),
        config={"on_delete": "erase", "max_removals": 0},
        exit_code=1,
    ),
    KeptMember(
        "row",
        "nothing of it was done",
        "More records are rejected than `max_rejected_percent` allows.",
        "Correct the records or the mapping. The next run brings the rows again.",
        lines=(PEOPLE, *[record(email="no address")] * 20, deleted(email=BOB), END),
        config={"max_rejected_percent": 50},
        exit_code=1,
    ),
    KeptMember(
        "row",
        "took nobody off a list: too many of the records before were rejected",
        "The same, in the middle of a run, when no more rows can wait.",
        "As above.",
        lines=(PEOPLE, *[record(email="no address")] * 20, deleted(email=BOB), END),
        config={"max_rejected_percent": 50},
        exit_code=1,
        most_waiting=1,
    ),
    KeptMember(
        "row",
        "1 duplicate",
        "A later row of the same person puts the person on the list again. The last row counts.",
        "Nothing.",
        lines=(PEOPLE, deleted(email=BOB), record(email=BOB), END),
    ),
    KeptMember(
        "row",
        "1 duplicate",
        "Two rows of one person were merged at the source: the one that lost is deleted, and the one that won comes"
        " later with the same address.",
        "Nothing.",
        lines=(KEYED, deleted(id="2", email=BOB), record(id="1", email=BOB), END),
        config={"field_mapping": {"external_id": "id", "email": "email"}},
        bob={"external_id": "2"},
    ),
    KeptMember(
        "row",
        "1 not found",
        "Two rows of one person were merged at the source: the one that lost is deleted, with the address, and SendGrid"
        " has the contact with the `external_id` of the one that won.",
        "Nothing.",
        lines=(KEYED, deleted(id="1", email=BOB), END),
        config={"field_mapping": {"external_id": "id", "email": "email"}},
        bob={"external_id": "2"},
    ),
    KeptMember(
        "row",
        "is not valid JSON",
        "An error or a signal ended the run before the checkpoint at which the row would have been done.",
        "Do what the error says, and run again. The next run brings the row again.",
        lines=(PEOPLE, deleted(email=BOB), "no message"),
        exit_code=1,
    ),
    KeptMember(
        "row",
        "1 activate version messages",
        "The tap sends ACTIVATE_VERSION, and no deleted rows. The message does not show that the stream was whole, so"
        " it takes nobody off a list.",
        "Use `sync_mode: mirror`.",
        lines=(PEOPLE, ADA, {"type": "ACTIVATE_VERSION", "stream": "people", "version": 1}, END),
    ),
]
