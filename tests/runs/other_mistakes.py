"""Mistakes in the account and the tap, failures of SendGrid, and what the log says about each. See `mistakes.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.errors import Code
from tests.harness.endpoints import PUT
from tests.harness.messages import record, schema, state
from tests.runs.mistakes import ADA, LINES, MEMBERS, Mistake

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.account import Account


def fault(kind: str, **order: Any) -> Callable[[Account], object]:
    """Return what makes SendGrid fail."""
    return lambda account: account.sandbox.add_fault(kind, **{"times": None, **order})


def option(**options: Any) -> Callable[[Account], object]:
    """Return what changes the sandbox."""
    return lambda account: account.sandbox.set_options(**options)


def lists(*names: str) -> Callable[[Account], object]:
    """Return what creates lists."""
    return lambda account: account.sandbox.seed(lists=list(names))


OTHER_MISTAKES = [
    Mistake(
        Code.KEY_REFUSED,
        "a wrong key",
        "SendGrid refused the API key (401): it is unknown, revoked, malformed or of the other region",
        config={"api_key": "SG.unknown.key"},
    ),
    Mistake(
        Code.KEY_FORBIDDEN,
        "the key may not use Marketing",
        "Give the key Marketing access (scope `marketing.read`",
        prepare=fault("status", path="/v3/marketing/lists", status=403, body={}),
    ),
    Mistake(
        Code.KEY_FORBIDDEN,
        "the key may not read who has unsubscribed, and `skip_suppressed` is true",
        "lacks the scope `suppression.unsubscribes.read`, which `skip_suppressed` needs",
        config={"skip_suppressed": True},
        prepare=fault("status", path="/v3/scopes", status=200, body={"scopes": ["marketing.read"]}),
    ),
    Mistake(
        Code.KEY_FORBIDDEN,
        "the key may not erase people, and `on_delete` is `erase`",
        "lacks the scope `recipients.erasejob.create`, which `on_delete` set to `erase` needs",
        config={"on_delete": "erase"},
        prepare=fault("status", path="/v3/scopes", status=200, body={"scopes": ["marketing.read"]}),
    ),
    Mistake(
        Code.SNAPSHOT,
        "`snapshot_path` names a file that is something else",
        "`snapshot_path`: notes.txt is no snapshot, or its beginning is damaged. Check the path.",
        config={"snapshot_path": "notes.txt"},
        prepare=lambda account: (account.folder / "notes.txt").write_text("notes", encoding="utf-8"),
    ),
    Mistake(
        Code.WRONG_GROUP,
        "`suppression_group_id` is not that of a group",
        "no unsubscribe group with the id 7, as in `suppression_group_id`: SendGrid would unsubscribe people from",
        config={"subscription_property": "given", "unsubscribed_values": ["no"], "suppression_group_id": 7},
    ),
    Mistake(
        Code.WRONG_LIST,
        "the list is missing, and `create_list` is false",
        "SendGrid has no list named 'Membres', and `create_list` is false. Did you mean 'Members'?",
        config={"list_name": "Membres", "create_list": False},
        prepare=lists("Members"),
    ),
    Mistake(
        Code.WRONG_LIST,
        "the list's name has other capitals",
        "SendGrid has no list named 'members', but one named 'Members'",
        config={"list_name": "members"},
        prepare=lists("Members"),
    ),
    Mistake(
        Code.WRONG_LIST,
        "two lists have the name",
        "SendGrid has 2 lists named 'Members'. Give `list_id` instead",
        prepare=lists("Members", "Members"),
    ),
    Mistake(
        Code.WRONG_LIST,
        "`list_id` is not that of a list",
        "SendGrid has no list with the id 'a1b2c3d4-0000-4000-8000-000000000000'. Check `list_id`",
        config={"list_name": None, "list_id": "a1b2c3d4-0000-4000-8000-000000000000"},
    ),
    Mistake(
        Code.LIST_REFUSED,
        "the account has as many lists as it may have",
        "SendGrid refuses to create the list 'Members'",
        prepare=fault("status", method="POST", path="/v3/marketing/lists", status=400, body={}),
    ),
    Mistake(
        Code.FIELD_REFUSED,
        "the account has as many custom fields as it may have",
        "SendGrid refuses to create the custom field 'loyalty_points'",
        config={"field_mapping": {"email": "mail", "loyalty_points": "points"}, "create_custom_fields": True},
        prepare=option(max_custom_fields=0),
    ),
    Mistake(
        Code.LIST_DELETED,
        "SendGrid takes no contacts for the list, which is there",
        "though it shows that list",
        prepare=fault("status", **PUT, status=404, body={"errors": [{"message": "resource not found"}]}),
    ),
    Mistake(
        Code.CONTACT_LIMIT,
        "the plan has no room for more contacts",
        "the account has reached the contact limit of its plan",
        prepare=option(contact_quota=0, contact_limit_in="refusal"),
    ),
    Mistake(
        Code.JOB_FAILED,
        "SendGrid's import jobs do not end",
        "raise `job_timeout_seconds`",
        config={"job_timeout_seconds": 60},
        prepare=fault("job_stuck"),
    ),
    Mistake(
        Code.REQUEST_REFUSED,
        "SendGrid refuses whatever is sent",
        "the request or the account is at fault",
        prepare=fault("refusal", **PUT, names="nobody"),
    ),
    Mistake(
        Code.UNREACHABLE,
        "`api_url` leads to a port that nobody listens at",
        "Nothing was sent. Check `api_url` and the network, and run again",
        config={"api_url": "http://127.0.0.1:9"},
    ),
    Mistake(
        Code.UNEXPECTED_ANSWER,
        "`api_url` leads to a server that redirects",
        "a redirect, which is not followed",
        prepare=fault("status", path="/v3/scopes", status=302, body={}),
    ),
    Mistake(
        Code.WRONG_INPUT,
        "the tap prints something",
        "Line 1 of standard input is not valid JSON",
        lines=("Fetching members ...", *LINES),
    ),
    Mistake(
        Code.WRONG_INPUT,
        "the tap ends in the middle of a line",
        "A tap that ends early leaves half a line",
        lines=(MEMBERS, b'{"type": "RECORD", "stream": "memb'),
    ),
    Mistake(
        Code.WRONG_INPUT,
        "a file of JSON lines, not of Singer messages",
        "Line 1 of standard input is not a Singer message",
        lines=('{"mail": "ada@example.com"}',),
    ),
    Mistake(Code.WRONG_INPUT, "no SCHEMA comes first", "which has no SCHEMA yet", lines=(ADA,)),
    Mistake(
        Code.WRONG_SCHEMA,
        "a SCHEMA that is invalid",
        "The SCHEMA of stream 'members' is not valid: property 'mail' has a wrong `type`",
        lines=(schema("members", mail={"type": "text"}), ADA),
    ),
    Mistake(
        Code.BATCH_FILE,
        "a BATCH message lists a file that is not there",
        "File 1 of the BATCH message at line 2 can't be read",
        lines=(
            MEMBERS,
            {
                "type": "BATCH",
                "stream": "members",
                "encoding": {"format": "jsonl"},
                "manifest": ["file:///dev/null/members.jsonl"],
            },
        ),
    ),
    Mistake(
        Code.PROFILE_CAP,
        "more people than `profile_cap` allows",
        "Raise `profile_cap` (0 means no cap)",
        config={"profile_cap": 1},
        lines=(MEMBERS, ADA, record("members", mail="grace@example.com")),
    ),
    Mistake(
        Code.TOO_MANY_SUPPRESSIONS,
        "`unsubscribed_values` says who has not unsubscribed",
        "12 of the 12 people of the run would be unsubscribed, more than 10 and more than half",
        config={"subscription_property": "wants_mail", "unsubscribed_values": [True]},
        lines=(
            schema("members", mail="string", wants_mail="boolean"),
            *(record("members", mail=f"member{number}@example.com", wants_mail=True) for number in range(12)),
        ),
    ),
    Mistake(
        Code.ACCOUNT_LIMIT,
        "the account has as many contacts as `account_contact_limit` allows, and the tap brings new people",
        "1 new person was left out: the account may have 1 contact (`account_contact_limit`)",
        config={"account_contact_limit": 1},
        prepare=lambda account: account.sandbox.seed(contacts=[{"email": "grace@example.com"}]),
    ),
    Mistake(
        Code.TOO_MANY_REMOVALS,
        "more people leave a list than `max_removals` allows",
        "1 person was not taken off a list, since `max_removals` allows 0",
        config={"max_removals": 0, "sync_mode": "remove"},
        prepare=lambda account: account.sandbox.seed(contacts=[{"email": "ada@example.com"}]),
    ),
    Mistake(
        Code.MIRROR_WITHHELD,
        "a tap that writes no STATE at its end fills a mirrored list",
        "stream 'members' has no STATE after its last record",
        config={"sync_mode": "mirror"},
        lines=(MEMBERS, ADA),
    ),
    Mistake(
        Code.TOO_MANY_REJECTED,
        "all records are rejected",
        "Nobody was accepted: check the field mapping first",
        lines=(MEMBERS, *[record("members", mail="somebody", given="Ada")] * 20),
    ),
    Mistake(
        None,
        "a text in a custom field of type Number",
        "not_a_number: property 'given' (for rank)",
        config={"field_mapping": {"email": "mail", "rank": "given"}, "max_rejected_percent": 100},
        prepare=lambda account: account.sandbox.seed(fields={"rank": "Number"}),
    ),
    Mistake(
        None,
        "a record without an address",
        "no_identifier",
        lines=(MEMBERS, ADA, record("members", given="Bo"), state(9)),
    ),
    Mistake(
        None,
        "a stream map fails on a record",
        "stream_map_failed",
        config={"stream_maps": {"members": {"given": "given.upper(1)"}}, "max_rejected_percent": 100},
    ),
    Mistake(
        None,
        "a stream of `streams` does not come",
        "Stream 'visitors' is in the setting `streams`, but never came",
        config={"streams": {"visitors": {"list_name": "Visitors"}}},
    ),
    Mistake(
        None,
        "a property that no record has",
        "no record has property 'nick' (for last_name)",
        config={"field_mapping": {"email": "mail", "last_name": "nick"}},
        lines=({"type": "SCHEMA", "stream": "members", "schema": {"type": "object"}, "key_properties": []}, *LINES[1:]),
    ),
]
