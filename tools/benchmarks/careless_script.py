"""A script for comparison, as users write it: it sends the people of a CSV file with SendGrid's client.

It checks nothing, neither its input nor what becomes of it. It takes the file, the list's id, and the ids of three
custom fields; a user would have pasted these.
"""

from __future__ import annotations

import csv
import os
import sys

from sendgrid import SendGridAPIClient  # type: ignore[import-untyped] # the vendor ships no types

BATCH = 10_000
"""SendGrid takes 30,000, but in this form they have too many bytes."""

path, list_id, tier, value, purchase = sys.argv[1:]
client = SendGridAPIClient(os.environ["SENDGRID_API_KEY"], host=os.environ["SENDGRID_URL"]).client
contacts = []


def send() -> None:
    client.marketing.contacts.put(request_body={"list_ids": [list_id], "contacts": contacts})
    contacts.clear()


with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123 - as users write it
    for row in csv.DictReader(file):
        contacts.append(
            {
                "email": row["email_address"],
                "first_name": row["given_name"],
                "last_name": row["family_name"],
                "phone_number": row["phone"],
                "city": row["city"],
                "country": row["country"],
                "postal_code": row["postcode"],
                "custom_fields": {
                    tier: row["loyalty_tier"],
                    value: float(row["lifetime_value"]),
                    purchase: row["last_purchase_at"],
                },
            }
        )
        if len(contacts) == BATCH:
            send()
if contacts:
    send()
