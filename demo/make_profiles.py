#!/usr/bin/env python3
"""Makes the sample profiles of the demo: made-up people, with mistakes as real data has them, the same every time.

Run ``python demo/make_profiles.py`` to write them again. None of these people exists, and no address can be reached:
the domains are reserved for examples.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "profiles"
PEOPLE = 1_000
SUBSCRIBERS = 700
CUSTOMERS = 450

GIVEN_NAMES = (
    "Ada", "Grace", "Zoë", "Jürgen", "Aarav", "Mei", "Søren", "Łucja", "Noémie", "Tomás", "Aiko", "Chidi", "Inès",
    "Oluwaseun", "Björk", "José", "Anaïs", "Kwame", "Nguyễn", "Siobhán", "李娜", "Олена", "مريم", "Robin",
)  # fmt: skip
FAMILY_NAMES = (
    "Lovelace", "Hopper", "Müller", "García", "O'Neill", "Ångström", "Okafor", "Tanaka", "Dubois", "Kowalska", "Smith",
    "van der Berg", "Çelik", "Ivanova", "Nakamura", "D'Angelo", "Kaya", "Petrović", "Sato", "Brown",
)  # fmt: skip
CITIES = (
    ("London", "N1 9GU", "United Kingdom"), ("München", "80331", "Germany"), ("São Paulo", "01310-100", "Brazil"),
    ("Kraków", "31-001", "Poland"), ("Ōsaka", "530-0001", "Japan"), ("Reykjavík", "101", "Iceland"),
    ("New York", "10001", "United States"), ("Lagos", "100001", "Nigeria"),
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "example.net", "mail.example", "work.example")
TIERS = ("bronze", "silver", "gold", None)
FIRST_UPDATE = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)

WRONG_EMAILS = {
    17: "jo@@example.com",
    68: "no-at-sign.example.com",
    131: "",
    203: None,
    377: "two words@example.com",
    512: "lee@localhost",
    640: "kim@nodot",
}
"""Email addresses that can't be reached, by number of the person. Only SendGrid refuses the last two."""


def make_person(number: int, chance: random.Random) -> dict[str, Any]:
    """Make one profile, named as a customer-data platform names things."""
    given, family = chance.choice(GIVEN_NAMES), chance.choice(FAMILY_NAMES)
    city, postcode, country = chance.choice(CITIES)
    email: str | None = f"person.{number}@{chance.choice(DOMAINS)}"
    if number % 5 == 0:
        email = f"Person.{number}@{chance.choice(DOMAINS).upper()}"
    if number % 23 == 0:
        email = f"  {email} "
    value: float | str | None = round(chance.uniform(0, 5_000), 2)
    if number % 13 == 0:
        value = None
    purchase = FIRST_UPDATE - dt.timedelta(days=chance.randrange(900), seconds=chance.randrange(86_400))
    person = {
        "customer_id": 100_000 + number,
        "profile_email": WRONG_EMAILS.get(number, email),
        "given_name": given,
        "family_name": family if number % 17 else "",
        "home_address": {
            "street": f"{chance.randrange(1, 200)} Example Street",
            "city": city,
            "postcode": postcode,
            "country": country,
        },
        "loyalty_tier": chance.choice(TIERS),
        "lifetime_value": value,
        "last_purchase_at": purchase.isoformat() if number % 7 else None,
        "marketing_consent": (True, False, True, None)[number % 4],
    }
    if number == 88:  # noqa: PLR2004 - one person
        person["given_name"] = "Wolfeschlegelsteinhausenbergerdorff " * 4
    if number == 222:  # noqa: PLR2004 - one person
        person["home_address"]["street"] = "Flat 7, the red door behind the third courtyard, " * 4
    if number == 333:  # noqa: PLR2004 - one person
        person["lifetime_value"] = "about 1,200"
    if number % 29 == 0:
        person["home_address"] = None
    return person


def make_audiences() -> dict[str, list[dict[str, Any]]]:
    """Make both audiences: some people are in both, some come twice, and the later profile differs."""
    chance = random.Random(20260101)  # noqa: S311 - the data must be the same every time
    people = [make_person(number, chance) for number in range(1, PEOPLE + 1)]
    audiences = {
        "newsletter_subscribers": people[:SUBSCRIBERS],
        "recent_customers": people[PEOPLE - CUSTOMERS :],
    }
    for name, members in audiences.items():
        twice = chance.sample(members[30:], 12)
        again = [member | {"loyalty_tier": "gold", "given_name": "Changed"} for member in twice]
        again = [member for member in again if member["customer_id"] - 100_000 not in WRONG_EMAILS]
        audiences[name] = [
            member | {"updated_at": (FIRST_UPDATE + dt.timedelta(minutes=minute)).isoformat()}
            for minute, member in enumerate([*members, *again])
        ]
    return audiences


def main() -> None:
    """Write one file for each audience."""
    FOLDER.mkdir(exist_ok=True)
    for name, members in make_audiences().items():
        lines = "".join(json.dumps(member, ensure_ascii=False) + "\n" for member in members)
        (FOLDER / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
