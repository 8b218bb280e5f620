"""What settings about consent and erasure need of the account: scopes of the API key, and unsubscribe groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_sendgrid.errors import Problem
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_sendgrid.settings.settings import Settings, StreamSettings

_READ_UNSUBSCRIBES = "suppression.unsubscribes.read"
_READ_GROUPS = "asm.groups.read"
_READ_GROUP = "asm.groups.suppressions.read"
_ERASE = "recipients.erasejob.create"


class ScopeRule(NamedTuple):
    """The scopes that one way of using a setting needs, apart from access to Marketing, which every run needs."""

    setting: str
    scopes: tuple[str, ...]
    value: str | None = None
    """The value that needs them; ``None`` for every value that is not false."""
    in_group: bool | None = None
    """Whether the rule holds with or without `suppression_group_id`; ``None`` for both."""


SCOPE_RULES = (
    ScopeRule("subscription_property", ("asm.suppressions.global.create", _READ_UNSUBSCRIBES), in_group=False),
    ScopeRule(
        "subscription_property",
        (_READ_GROUPS, "asm.groups.suppressions.create", _READ_GROUP, _READ_UNSUBSCRIBES),
        in_group=True,
    ),
    ScopeRule("skip_suppressed", (_READ_UNSUBSCRIBES,), in_group=False),
    ScopeRule("skip_suppressed", (_READ_UNSUBSCRIBES, _READ_GROUPS, _READ_GROUP), in_group=True),
    ScopeRule("on_delete", (_ERASE,), "erase"),
)

_GIVE = "Give it to the key in SendGrid under Settings > API Keys."
_ENABLE = "For an account made before 2023-07-25, SendGrid's support has to enable it first."


def written_name(settings: Settings, prefix: str, name: str) -> str:
    """Return the name of a setting as it is written: under the stream, or for all streams.

    Args:
        settings: The settings.
        prefix: What `Settings.enabled_streams` says of the stream.
        name: Name of the setting.
    """
    entry = prefix.removeprefix("streams.").removesuffix(".")
    is_own = bool(prefix) and name in settings.streams[entry]
    return f"{shown(prefix)}{name}" if is_own else name


def needed_scopes(settings: Settings) -> dict[str, list[str]]:
    """Return the scopes that the settings need, each with the settings that need it, as they are written."""
    needed: dict[str, list[str]] = {}
    for prefix, place in settings.enabled_streams():
        for rule in SCOPE_RULES:
            if not _applies(rule, settings, place):
                continue
            label = f"`{written_name(settings, prefix, rule.setting)}`"
            label += f" set to `{rule.value}`" if rule.value else ""
            label += f" with `{written_name(settings, prefix, 'suppression_group_id')}`" if rule.in_group else ""
            for scope in rule.scopes:
                labels = needed.setdefault(scope, [])
                if label not in labels:
                    labels.append(label)
    return needed


def missing_scopes(needed: dict[str, list[str]], scopes: Collection[str]) -> list[Problem]:
    """Return one problem for each scope that the API key lacks.

    Args:
        needed: What `needed_scopes` has returned.
        scopes: The scopes of the key.
    """
    return [
        Problem(
            f"The API key lacks the scope `{scope}`, which {' and '.join(labels)} {_need(labels)}.",
            f"{_GIVE} {_ENABLE}" if scope == _ERASE else _GIVE,
        )
        for scope, labels in needed.items()
        if scope not in scopes
    ]


def may_list_groups(scopes: Collection[str] | None) -> bool:
    """Return whether the key may list the unsubscribe groups, as far as known.

    Args:
        scopes: The scopes of the key; ``None`` if they are not known.
    """
    return scopes is None or _READ_GROUPS in scopes


def groups_in_use(settings: Settings) -> dict[int, list[str]]:
    """Return the ids of the unsubscribe groups that the settings use, each with the settings that name it."""
    groups: dict[int, list[str]] = {}
    for prefix, place in settings.enabled_streams():
        if place.suppression_group_id is None or not (place.subscription_property or settings.skip_suppressed):
            continue
        labels = groups.setdefault(place.suppression_group_id, [])
        label = f"`{written_name(settings, prefix, 'suppression_group_id')}`"
        if label not in labels:
            labels.append(label)
    return groups


def _applies(rule: ScopeRule, settings: Settings, place: StreamSettings) -> bool:
    if rule.in_group is not None and rule.in_group is not (place.suppression_group_id is not None):
        return False
    value = (vars(settings) | vars(place))[rule.setting]
    return value == rule.value if rule.value else bool(value)


def _need(labels: Collection[str]) -> str:
    return "needs" if len(labels) == 1 else "need"
