"""Requests to every operation of a sandbox, such as succeed and such as fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client

NOBODY = "00000000-0000-4000-8000-000000000000"


def drive(client: Client) -> None:
    """Send every request. No exchange is checked."""
    contacts, lists, fields = f"{MARKETING}/contacts", f"{MARKETING}/lists", f"{MARKETING}/field_definitions"
    groups, everywhere = "/v3/asm/groups", "/v3/asm/suppressions/global"
    erasures, emails = "/v3/recipients/erasejob", {"recipient_emails": ["ada@example.com", "joe@example.com"]}

    def call(*requests: tuple[str, str, object]) -> None:
        for method, path, body in requests:
            client.call(method, path, body, is_answer_checked=False)

    call(("GET", "/v3/scopes", None), ("GET", fields, None))
    people, other = client.make_list("People"), client.make_list("Other")
    field = client.make_field("plan", "Text")
    ada = {"email": "ada@example.com", "external_id": "7", "custom_fields": {field: "gold"}}
    client.sandbox.add_fault("job_errored_rows", emails=["b@example.com"])
    client.upsert(ada, {"email": "b@example.com"}, lists=[people])
    client.upsert({"email": "c@example.com"}, lists=[people, other])
    first, second = (client.find(email)["id"] for email in ("ada@example.com", "c@example.com"))
    call(
        ("PUT", contacts, {"contacts": [{"email": "bad"}]}),
        ("PUT", contacts, {"contacts": [ada], "list_ids": [NOBODY]}),
        ("GET", contacts, None),
        ("GET", f"{contacts}/count", None),
        ("GET", f"{contacts}/{first}", None),
        ("GET", f"{contacts}/{NOBODY}", None),
        ("POST", f"{contacts}/batch", {"ids": [first]}),
        ("POST", f"{contacts}/batch", {"ids": []}),
        ("GET", f"{contacts}/imports/{NOBODY}", None),
        ("POST", f"{contacts}/search", {"query": "email = 'ada@example.com'"}),
        ("POST", f"{contacts}/search", {"query": "nonsense"}),
        ("POST", f"{contacts}/search/emails", {"emails": ["ada@example.com", "joe@example.com"]}),
        ("POST", f"{contacts}/search/emails", {"emails": ["joe@example.com"]}),
        ("POST", f"{contacts}/search/emails", {"emails": ["bad"]}),
        ("POST", f"{contacts}/search/identifiers/external_id", {"identifiers": ["7"]}),
        ("POST", f"{contacts}/search/identifiers/external_id", {"identifiers": ["8"]}),
        ("POST", f"{contacts}/search/identifiers/email", {"identifiers": ["bad"]}),
        ("DELETE", f"{contacts}/{first}/identifiers", {"identifier_type": "EXTERNALID", "identifier_value": "7"}),
        ("DELETE", f"{contacts}/{first}/identifiers", {"identifier_type": "NONE", "identifier_value": "7"}),
        (
            "DELETE",
            f"{contacts}/{NOBODY}/identifiers",
            {"identifier_type": "EXTERNALID", "identifier_value": "7"},
        ),
        ("GET", f"{contacts}/exports/{client.export(people)['id']}", None),
        ("POST", f"{contacts}/exports", {"file_type": "xml"}),
        ("POST", f"{contacts}/exports", {"list_ids": [NOBODY]}),
        ("GET", f"{contacts}/exports", None),
        ("GET", f"{contacts}/exports/{NOBODY}", None),
        ("GET", lists, None),
        ("GET", f"{lists}?page_size=1", None),
        ("GET", f"{lists}?page_size=0", None),
        ("POST", lists, {"name": "People"}),
        ("GET", f"{lists}/{people}?contact_sample=true", None),
        ("GET", f"{lists}/{NOBODY}", None),
        ("PATCH", f"{lists}/{people}", {"name": "Persons"}),
        ("PATCH", f"{lists}/{people}", {"name": "Other"}),
        ("PATCH", f"{lists}/{NOBODY}", {"name": "Nobody"}),
        ("GET", f"{lists}/{people}/contacts/count", None),
        ("GET", f"{lists}/{NOBODY}/contacts/count", None),
        ("DELETE", f"{lists}/{people}/contacts?contact_ids={first}", None),
        ("DELETE", f"{lists}/{people}/contacts?contact_ids={NOBODY}", None),
        ("DELETE", f"{lists}/{people}/contacts", None),
        ("DELETE", f"{contacts}?ids={second}", None),
        ("DELETE", f"{contacts}?ids={NOBODY}", None),
        ("DELETE", contacts, None),
        ("DELETE", f"{lists}/{people}?delete_contacts=true", None),
        ("DELETE", f"{lists}/{other}", None),
        ("DELETE", f"{lists}/{NOBODY}", None),
        ("POST", fields, {"name": "1", "field_type": "Text"}),
        ("GET", fields, None),
        ("PATCH", f"{fields}/{field}", {"name": "tier"}),
        ("PATCH", f"{fields}/{field}", {"name": "email"}),
        ("PATCH", f"{fields}/none", {"name": "tier"}),
        ("DELETE", f"{fields}/{field}", None),
        ("DELETE", f"{fields}/none", None),
    )
    call(
        ("POST", groups, {"name": "News", "description": "Letters"}),
        ("POST", groups, {"name": "", "description": ""}),
        ("GET", groups, None),
        ("GET", f"{groups}/1", None),
        ("GET", f"{groups}/2", None),
        ("POST", f"{groups}/1/suppressions", emails),
        ("POST", f"{groups}/2/suppressions", emails),
        ("POST", f"{groups}/1/suppressions", {"recipient_emails": ["bad"]}),
        ("GET", f"{groups}/1/suppressions", None),
        ("GET", f"{groups}/2/suppressions", None),
        ("POST", f"{groups}/1/suppressions/search", emails),
        ("POST", f"{groups}/1/suppressions/search", {}),
        ("POST", f"{groups}/2/suppressions/search", emails),
        ("GET", "/v3/asm/suppressions", None),
        ("DELETE", f"{groups}/1/suppressions/ada@example.com", None),
        ("DELETE", f"{groups}/2/suppressions/ada@example.com", None),
        ("DELETE", f"{groups}/1", None),
        ("DELETE", f"{groups}/2", None),
        ("POST", everywhere, emails),
        ("POST", everywhere, {"recipient_emails": ["bad"]}),
        ("GET", f"{everywhere}/ada@example.com", None),
        ("GET", f"{everywhere}/eve@example.com", None),
        ("GET", "/v3/suppression/unsubscribes?limit=500&offset=0", None),
        ("GET", "/v3/suppression/unsubscribes?limit=501", None),
        ("DELETE", f"{everywhere}/ada@example.com", None),
        ("POST", erasures, {"email_addresses": ["ada@example.com"]}),
        ("POST", erasures, {"email_addresses": ["bad"]}),
    )
    limited = client.sandbox.add_key(("mail.send",))
    client.call("GET", lists, headers={"Authorization": f"Bearer {limited}"}, is_answer_checked=False)
    client.call("GET", lists, headers={"Authorization": ""}, is_answer_checked=False)
    for key in (f"Bearer {limited}", ""):
        client.call("POST", erasures, emails, headers={"Authorization": key}, is_answer_checked=False)
    client.sandbox.set_options(rate_limit_erasure=0)
    client.call("POST", erasures, emails, is_answer_checked=False)
    client.call("PUT", contacts, data=b" " * 6_000_001, is_answer_checked=False)
    client.sandbox.add_fault("rate_limited")
    call(("GET", lists, None))
