"""Putting lists, fields and contacts into an account at once, and reading a whole account back by names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from target_sendgrid.sandbox.account import contacts, fields, lists, merge, suppressions
from target_sendgrid.sandbox.account.problems import refused
from target_sendgrid.sandbox.account.reserved import IDENTIFIERS
from target_sendgrid.sandbox.account.upsert_check import check_shapes

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.account import Account

_Kind = TypeVar("_Kind")

_SHOWN_WHEN_ASKED = ("id", "created_at", "updated_at")


class _Suppression(msgspec.Struct, forbid_unknown_fields=True):
    """A suppression of a seed."""

    email: str
    group: str | None = None


def plant(account: Account, document: dict[str, Any]) -> None:
    """Add what the document lists; all of it is visible and usable at once.

    `{"lists": ["Name"], "fields": [{"name": "plan", "field_type": "Text"}], "contacts": [{"email": "a@example.com",
    "lists": ["Name"], "custom_fields": {"plan": "x"}}]}`: lists by name, made if missing; custom fields by name or id.
    A list named twice becomes two lists of one name, as there are in accounts from before names had to differ.
    Suppression groups are given as `"groups": ["News"]`, and suppressions as `"suppressions": [{"email":
    "a@example.com", "group": "News"}]`, where no group means a global one.

    Raises:
        RefusedError: Something in it breaks a rule; nothing was added.
    """
    surplus = sorted(document.keys() - {"lists", "fields", "contacts", "groups", "suppressions"})
    if surplus:
        raise refused(surplus[0], f"a seed has lists, fields, contacts, groups and suppressions, not {surplus[0]}")
    with account.store.transaction():
        for one in _checked(document, "fields", list[dict[str, Any]], []):
            fields.create(account, one.get("name"), one.get("field_type"), ready=True)
        planted_names: set[str] = set()
        for name in _checked(document, "lists", list[str], []):
            if name in planted_names:
                lists.create(account, name, may_be_taken=True)
            else:
                _list_id(account, name)
                planted_names.add(name)
        ids = {kept.name: kept.id for kept in fields.every(account)}
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for planted in _checked(document, "contacts", list[dict[str, Any]], []):
            contact = dict(planted)
            names = tuple(sorted(_checked(contact, "lists", list[str], [])))
            contact.pop("lists", None)
            custom = _checked(contact, "custom_fields", dict[str, Any], {})
            check_shapes([contact])
            contact["custom_fields"] = {ids.get(name, name): value for name, value in custom.items()}
            groups.setdefault(names, []).append(contact)
        for names, members in groups.items():
            _upsert(account, [_list_id(account, name) for name in names], members)
        for name in _checked(document, "groups", list[str], []):
            suppressions.group_named(account, name)
        for suppression in _checked(document, "suppressions", list[_Suppression], []):
            group = suppression.group
            number = suppressions.GLOBAL if group is None else suppressions.group_named(account, group).id
            suppressions.suppress(account, [suppression.email], number)
        lists.keep_counts(account, 0.0)


def _checked(document: dict[str, Any], name: str, kind: type[_Kind], default: _Kind) -> _Kind:
    try:
        return msgspec.convert(document.get(name, default), kind)
    except msgspec.ValidationError as error:
        raise refused(name, f"{name}: {error}") from error


def _list_id(account: Account, name: object) -> str:
    found = lists.by_name(account, name) if isinstance(name, str) else None
    return (found or lists.create(account, name)).id


def _upsert(account: Account, list_ids: list[str], members: list[dict[str, Any]]) -> None:
    now = account.clock.now()
    document = {"list_ids": list_ids, "contacts": members}
    outcome = merge.apply_upsert(account, document, now, now, merge.ForcedErrors())
    if outcome.errors or outcome.failure:
        raise refused("contacts", outcome.failure or str(outcome.errors[0][-1]))


def everybody(account: Account, chosen_list: str | None = None, *, detail: bool = False) -> list[dict[str, Any]]:
    """Return every visible contact, ordered by identifiers, in a form in which two accounts can be compared.

    Empty properties are left out; lists are given by name; ids and times are left out unless `detail` asks for them.

    Raises:
        RefusedError: There is no list of that name or id.
    """
    names = {row["id"]: row["name"] for row in account.store.rows("SELECT id, name FROM lists")}
    condition, values = "", []
    if chosen_list is not None:
        found = account.store.row("SELECT number FROM lists WHERE id = ? OR name = ?", chosen_list, chosen_list)
        if found is None:
            raise refused("list", "there is no list of that name or id")
        condition = "WHERE number IN (SELECT contact FROM members WHERE list = ?)"
        values = [found["number"]]
    rows = account.store.rows(f"SELECT * FROM contacts {condition}", *values)  # noqa: S608 - a condition of our own
    shown = [_plain(contact, names, detail=detail) for contact in contacts.shown(account, rows)]
    return sorted(shown, key=lambda contact: [contact.get(name, "") for name in IDENTIFIERS])


def _plain(contact: dict[str, Any], names: dict[str, str], *, detail: bool) -> dict[str, Any]:
    left_out = {"list_ids", "segment_ids", *(() if detail else _SHOWN_WHEN_ASKED)}
    plain = {name: value for name, value in contact.items() if value and name not in left_out}
    return {**plain, "lists": sorted(names[identity] for identity in contact["list_ids"])}
