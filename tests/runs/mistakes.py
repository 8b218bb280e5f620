"""Mistakes in settings and mappings, and what the log says about each: tests make them, and the docs list them.

A mistake changes a run that is right: `CONFIG` and `LINES` below. Other mistakes are in `other_mistakes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_sendgrid.errors import Code
from tests.harness.messages import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.harness.account import Account, Message

CONFIG: dict[str, Any] = {
    "list_name": "Members",
    "field_mapping": {"email": "mail", "first_name": "given"},
    "max_rejected_percent": 50,
}
"""A right config, but for address and key."""
PROPERTIES: dict[str, Any] = {"mail": "string", "given": "string", "points": "number", "tags": {"type": "array"}}
MEMBERS = schema("members", **PROPERTIES)
ADA = record("members", mail="ada@example.com", given="Ada", points=3)
LINES: tuple[Message, ...] = (MEMBERS, ADA, state(9))
"""What the tap writes, if all is right."""
NAME = {"type": "object", "properties": {"given": {"type": "string"}}, "additionalProperties": False}
INNER = schema(
    "members", zipped="string", ZipCode="string", emails={"items": {"properties": {"value": {"type": "string"}}}}
)
UPPER = schema("members", MAIL="string", GIVEN="string")


@dataclass(frozen=True)
class Mistake:
    """One mistake, and what the log says about it."""

    code: Code | None
    """The code of the error; ``None`` where the run goes on."""
    what: str
    """What the user did, for the docs."""
    says: str
    """Words in the log."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Settings in place of those of `CONFIG`; ``None`` leaves one out."""
    lines: tuple[Message, ...] = LINES
    """What the tap writes."""
    arguments: tuple[str, ...] = ()
    """Values of ``--config`` in place of the config; ``{folder}`` is the folder of the run."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set."""
    prepare: Callable[[Account], object] = lambda account: account
    """What is done to the account before the run."""


def wrong_file(text: str) -> Callable[[Account], object]:
    """Return what writes a config file."""
    return lambda account: (account.folder / "config.json").write_text(text, encoding="utf-8")


ENVIRONMENT: dict[str, Any] = {"arguments": ("ENV",)}
FILE: dict[str, Any] = {"arguments": ("{folder}/config.json",)}

MISTAKES = [
    Mistake(Code.CONFIG_FILE, "`--config` names a file that is not there", "can't be read. Check the path", **FILE),
    Mistake(Code.CONFIG_FILE, "`--config=env`", "write `--config=ENV`", arguments=("env",)),
    Mistake(
        Code.CONFIG_FILE, "`--config` is JSON", "takes the path of a file, not JSON", arguments=('{"api_key": 1}',)
    ),
    Mistake(
        Code.CONFIG_FILE,
        "a comma too many in the config file",
        "is not valid JSON: line 2, column 1",
        prepare=wrong_file('{"list_name": "Members",\n}'),
        **FILE,
    ),
    Mistake(
        Code.CONFIG_FILE, "the config file is an array", "is not a JSON object", prepare=wrong_file("[1, 2]"), **FILE
    ),
    Mistake(
        Code.WRONG_SETTING,
        "a setting is misspelt",
        "There is no setting `list_nam`. Did you mean 'list_name'?",
        config={"list_nam": "Members"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "`list` for a stream",
        "There is no setting `list` in `streams.members`. Did you mean 'list_name'?",
        config={"streams": {"members": {"list": "Members"}}},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "the name of a stream that is left out is misspelt",
        "Stream 'members' has no entry in `streams`, but nearly the name of the entry 'membres'",
        config={"streams": {"membres": {"enabled": False}}},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "a variable of the environment is misspelt",
        "TARGET_SENDGRID_PROFIL_CAP. Did you mean 'PROFILE_CAP'?",
        environment={"TARGET_SENDGRID_PROFIL_CAP": "5"},
        **ENVIRONMENT,
    ),
    Mistake(
        Code.WRONG_SETTING,
        "a variable holds no JSON",
        "TARGET_SENDGRID_FIELD_MAPPING must be a JSON object, such as",
        environment={"TARGET_SENDGRID_FIELD_MAPPING": "email=mail"},
        **ENVIRONMENT,
    ),
    Mistake(
        Code.WRONG_SETTING,
        "`true` in quotes",
        "`create_list` must be true or false, without quotes",
        config={"create_list": "true"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "a number in quotes",
        "`batch_size_rows` must be a whole number, without quotes",
        config={"batch_size_rows": "500"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "a text without quotes",
        "`list_name` must be a text, in quotes",
        config={"list_name": 2024},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "`field_mapping` is a text",
        "`field_mapping` must be a JSON object, such as",
        config={"field_mapping": "email: mail"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "a number that is too high",
        "`batch_size_rows` must be at most 30000",
        config={"batch_size_rows": 50_000},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "a word that is not one of the choices",
        "`null_handling` must be one of: omit, clear",
        config={"null_handling": "skip"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "`api_url` without https",
        "`api_url` must start with https://",
        config={"api_url": "http://mail.example.com"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "`api_url` without a scheme",
        "`api_url` must be an https:// address, `sandbox` or `sandbox:PATH.db`",
        config={"api_url": "mail.example.com"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "`api_url: Sandbox`",
        "must spell `sandbox` in lower case",
        config={"api_url": "Sandbox"},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "`api_url` is empty",
        "The setting `api_url` is empty. Leave it out",
        config={"api_url": ""},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "flattening without a depth",
        "Set `flattening_max_depth`, too",
        config={"flattening_enabled": True},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "the key with `Bearer` in front",
        "`api_key` holds blanks or characters that no SendGrid key has",
        config={"api_key": "Bearer SG.abc.def"},
    ),
    Mistake(Code.KEY_MISSING, "no key", "The setting `api_key` is missing. Make a key", config={"api_key": None}),
    Mistake(
        Code.CONSENT_MISSING,
        "SendGrid itself, without consent",
        "Set `data_privacy_consent` to true",
        config={"api_url": "https://mail.example.com"},
    ),
    Mistake(Code.LIST_MISSING, "no list", "No list is set. Set `list_name`", config={"list_name": None}),
    Mistake(
        Code.LIST_MISSING,
        "a list for another stream only",
        "Stream 'members' has no list. Set `list_name` for all streams",
        config={"list_name": None, "streams": {"visitors": {"list_name": "Visitors"}}},
    ),
    Mistake(
        Code.WRONG_SETTING,
        "both `list_id` and `list_name`",
        "Give either `list_id` or `list_name`, not both",
        config={"list_id": "4f1a"},
    ),
    Mistake(
        Code.WRONG_STREAM_MAP,
        "an expression that Python cannot read",
        "`stream_maps.members.mail` is not an expression",
        config={"stream_maps": {"members": {"mail": "mail ="}}},
    ),
    Mistake(
        Code.WRONG_STREAM_MAP,
        "a stream map leaves out the key property",
        "The stream map of stream 'members' leaves out its key property 'id'",
        config={"stream_maps": {"members": {"id": None}}},
        lines=({**schema("members", id="integer", **PROPERTIES), "key_properties": ["id"]}, ADA),
    ),
    Mistake(
        Code.LOCAL_FILE,
        "the folder of `report_path` is missing",
        "`report_path`: no report can be written to",
        config={"report_path": "/dev/null/report.json"},
    ),
    Mistake(
        Code.LOCAL_FILE,
        "the folder of `rejected_records_path` is missing",
        "can't be opened for appending",
        config={"rejected_records_path": "/dev/null/rejected.jsonl"},
    ),
    Mistake(
        Code.CERTIFICATE,
        "a variable names certificates that are not there",
        "REQUESTS_CA_BUNDLE names certificates that are not there",
        environment={"REQUESTS_CA_BUNDLE": "/dev/null/certificates.pem"},
    ),
    Mistake(
        Code.SANDBOX_FAILED,
        "the folder of the sandbox's database is missing",
        "Check the path in `api_url`",
        config={"api_url": "sandbox:/dev/null/account.db"},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "the mapping is reversed",
        "`field_mapping` looks reversed. Write the contact field first",
        config={"field_mapping": {"mail": "email", "given": "first_name"}},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "a contact field is misspelt",
        "SendGrid has no contact field 'emial'. Did you mean 'email'?",
        config={"field_mapping": {"emial": "mail"}},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "another word for a field, with `create_custom_fields`",
        "SendGrid has no contact field 'zip'. Did you mean 'postal_code'?",
        config={"field_mapping": {"email": "mail", "zip": "given"}, "create_custom_fields": True},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "a property is misspelt",
        "has no property 'givn' to fill 'first_name'. Did you mean 'given'?",
        config={"field_mapping": {"email": "mail", "first_name": "givn"}},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "a path that leads nowhere",
        "has no property 'name.first' to fill 'first_name'. Did you mean 'name.given'?",
        config={"field_mapping": {"email": "mail", "first_name": "name.first"}},
        lines=(schema("members", mail="string", name=NAME),),
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "the tap writes its columns in capitals",
        'Write `field_mapping: {"email": "MAIL"}`',
        config={"field_mapping": None},
        lines=(UPPER,),
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "the email is inside an object or an array",
        'Write `field_mapping: {"email": "emails.0.value"}`',
        config={"field_mapping": None},
        lines=(INNER,),
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "a property that the tap calls otherwise",
        "has no property 'email' to fill 'email'. Did you mean 'emails.0.value'?",
        config={"field_mapping": {"email": "email"}},
        lines=(INNER,),
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "a custom field that SendGrid does not have",
        "SendGrid has no contact field 'loyalty_points'. Create it in SendGrid, or set `create_custom_fields`",
        config={"field_mapping": {"email": "mail", "loyalty_points": "points"}, "create_custom_fields": False},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "a field that SendGrid sets itself",
        "'created_at' is set by SendGrid itself",
        config={"field_mapping": {"email": "mail", "created_at": "given"}},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "no email is mapped",
        "has no field that identifies a contact: `field_mapping` fills none",
        config={"field_mapping": {"first_name": "given"}},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "one field is filled twice",
        "fills one contact field twice: 'email' and 'EMAIL'. Leave one of them out",
        config={"field_mapping": {"email": "mail", "EMAIL": "given"}},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "an array is mapped to the email",
        "property 'tags' is an array, and 'email' takes a single value. Map 'mail' instead",
        config={"field_mapping": {"email": "tags"}},
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "a date is mapped to a custom field for numbers",
        "property 'seen' is a date, and the custom field 'visits' is of type Number, which takes none",
        config={"field_mapping": {"email": "mail", "visits": "seen"}},
        lines=(schema("members", mail="string", seen={"type": "string", "format": "date-time"}),),
        prepare=lambda account: account.sandbox.seed(fields={"visits": "Number"}),
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "`custom_fields: all`, and SendGrid has not all of the fields",
        "SendGrid has no custom field for 1 property that `custom_fields: all` maps: tier. Set `create_custom_fields`",
        config={"field_mapping": {"email": "mail"}, "custom_fields": "all", "create_custom_fields": False},
        lines=(schema("members", mail="string", tier="string"),),
    ),
    Mistake(
        Code.WRONG_MAPPING,
        "`custom_fields: all`, and two names that differ in capitals only",
        "the properties 'tier' and 'Tier' would fill one contact field",
        config={"field_mapping": {"email": "mail"}, "custom_fields": "all", "create_custom_fields": True},
        lines=(schema("members", mail="string", tier="string", Tier="string"),),
    ),
]
