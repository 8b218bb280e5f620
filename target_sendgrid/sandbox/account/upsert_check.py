"""What SendGrid checks before it takes an upsert: a refusal here refuses the whole request, and nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from target_sendgrid.sandbox.account import fields, lists
from target_sendgrid.sandbox.account.problems import Problem, RefusedError, UnknownListError, refused
from target_sendgrid.sandbox.account.reserved import (
    IDENTIFIERS,
    MAX_LENGTHS,
    TEXT_FIELDS,
    is_valid_email,
    is_valid_phone,
)

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.account import Account

MAX_CONTACTS = 30_000

_STRINGS = frozenset({*IDENTIFIERS, *TEXT_FIELDS})
_INVALID_INPUT = "invalid input"

Contact = dict[str, Any]


def checked(account: Account, document: object) -> tuple[list[Contact], list[str]]:
    """Check an upsert; return its contacts and list ids.

    Raises:
        RefusedError: The body, a contact or a custom field breaks a rule.
        UnknownListError: A list does not exist.
    """
    if not isinstance(document, dict):
        raise refused("", _INVALID_INPUT)
    contacts = _contacts(document.get("contacts"))
    list_ids = _list_ids(account, document.get("list_ids"))
    check_shapes(contacts)
    _check_custom_fields(account, contacts)
    _check_identifiers(account, contacts)
    if account.options.overlong == "400":
        _check_lengths(contacts)
    return contacts, list_ids


def _contacts(found: object) -> list[Contact]:
    if not isinstance(found, list) or not found:
        raise refused("contacts", "contacts must be a list of at least one contact")
    if len(found) > MAX_CONTACTS:
        raise refused("contacts", f"contacts must be a list of at most {MAX_CONTACTS} contacts")
    if not all(isinstance(contact, dict) for contact in found):
        raise refused("", _INVALID_INPUT)
    return cast("list[Contact]", found)


def _list_ids(account: Account, found: object) -> list[str]:
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(identity, str) for identity in found):
        raise refused("", _INVALID_INPUT)
    known = lists.numbers_of(account, found)
    unknown = [identity for identity in found if identity not in known]
    if unknown:
        raise UnknownListError(*(Problem("list_ids", f"invalid list id: {identity}") for identity in unknown))
    return list(known)


def check_shapes(contacts: list[Contact]) -> None:
    """Refuse what would not fit the types of SendGrid's own JSON reader.

    Raises:
        RefusedError: A property of a contact has another type.
    """
    for contact in contacts:
        for name, value in contact.items():
            if name in _STRINGS:
                fits = value is None or isinstance(value, str)
            elif name == "custom_fields":
                fits = isinstance(value, dict)
            elif name == "alternate_emails":
                fits = value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))
            else:
                fits = True
            if not fits:
                raise refused("", _INVALID_INPUT)


def _check_custom_fields(account: Account, contacts: list[Contact]) -> None:
    now = account.clock.now()
    usable = {kept.id: kept.field_type for kept in fields.every(account) if kept.ready_at <= now}
    if account.options.custom_field_names_as_keys:
        usable |= {kept.name: kept.field_type for kept in fields.every(account) if kept.ready_at <= now}
    unknown: dict[str, None] = {}
    cannot_be_null: str | None = None
    null_in_text = account.options.null_in_text == "reject"
    for contact in contacts:
        for identity, value in (contact.get("custom_fields") or {}).items():
            kind = usable.get(identity)
            if kind is None:
                unknown[identity] = None
            elif value is None and (kind != "Text" or null_in_text):
                cannot_be_null = cannot_be_null or identity
    if unknown:
        raise refused("", f"invalid custom field ids supplied - {','.join(unknown)}")
    if cannot_be_null is not None:
        raise refused("", f'custom field "{cannot_be_null}" cannot be null')


def _check_identifiers(account: Account, contacts: list[Contact]) -> None:
    email_path = account.options.invalid_email_path
    problems: list[Problem] = []
    for index, contact in enumerate(contacts):
        email = contact.get("email")
        if email and not is_valid_email(email):
            problems.append(Problem(f"contacts[{index}].{email_path}", f"email '{email}' is not valid"))
            continue
        phone = contact.get("phone_number_id")
        if phone and not is_valid_phone(phone):
            problems.append(Problem(f"contacts[{index}].identifier", f"phone number '{phone}' is not valid"))
        elif not email and not any(contact.get(name) for name in IDENTIFIERS):
            problems.append(Problem(f"contacts[{index}].identifier", "at least one identifier must be provided"))
        alternates = contact.get("alternate_emails")
        if alternates:
            problems.extend(
                Problem(f"contacts[{index}].alternate_emails", f"email '{alternate}' is not valid")
                for alternate in alternates
                if not is_valid_email(alternate)
            )
    if problems and account.options.refusal_names == "nobody":
        raise refused("", _INVALID_INPUT)
    if problems and account.options.refusal_names == "email":
        raise RefusedError(*(Problem("", problem.message) for problem in problems))
    if problems:
        raise RefusedError(*problems)


def _check_lengths(contacts: list[Contact]) -> None:
    problems = [
        Problem(f"contacts[{index}].{name}", f"{name} is too long")
        for index, contact in enumerate(contacts)
        for name, limit in MAX_LENGTHS.items()
        if len(contact.get(name) or "") > limit
    ]
    if problems:
        raise RefusedError(*problems)
