"""What the target can never ask SendGrid for, because the words for it are not in its code."""

from __future__ import annotations

import re
from pathlib import Path

import target_sendgrid

PACKAGE = Path(target_sendgrid.__file__).parent

NEVER = {
    "delete_all_contacts": "deletes everybody",
    r"DELETE.*(suppression|asm|unsubscribe)": "lifts suppressions, or deletes a group of them",
    r"DELETE.*field_definitions": "deletes a custom field with its values",
}
"""Patterns of such requests, and what they do."""


def target_modules() -> dict[str, str]:
    """Return the code of the target, without the sandbox, by module."""
    files = [file for file in PACKAGE.rglob("*.py") if "sandbox" not in file.relative_to(PACKAGE).parts]
    return {str(file.relative_to(PACKAGE)): file.read_text(encoding="utf-8") for file in files}


def test_the_target_has_no_request_that_deletes_all_or_lifts_a_suppression() -> None:
    modules = target_modules()
    assert len(modules) > 100
    for name, code in modules.items():
        for pattern, does in NEVER.items():
            found = re.search(pattern, code)
            assert found is None, f"{name} holds what {does}"


def test_the_target_deletes_contacts_and_members_of_lists_alone() -> None:
    """One line of the target deletes, and two calls come there: both with the ids of contacts."""
    modules = target_modules()
    assert {name: code.count('"DELETE"') for name, code in modules.items() if '"DELETE"' in code} == {
        str(Path("sendgrid", "client.py")): 1
    }
    calls = re.findall(r"self\._remove\((.*?), what=", modules[str(Path("sendgrid", "client.py"))])
    assert calls == ["path, contact_ids", 'f"{_CONTACTS_PATH}?ids=", contact_ids']
