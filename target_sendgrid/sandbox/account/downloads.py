"""Answers of the object store, which keeps errors files and exports apart from the API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """An answer of the object store."""

    status: int
    content_type: str
    content: bytes


def _refusal(status: int, code: str, message: str) -> Download:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Download(status, "application/xml", text.encode())


NOT_FOUND = _refusal(404, "NoSuchKey", "The specified key does not exist.")
"""Answer where no file is, or no such link."""

EXPIRED = _refusal(403, "AccessDenied", "Request has expired")
"""Answer after the link's expiry."""

TWO_CREDENTIALS = _refusal(
    400, "InvalidArgument", "Only one auth mechanism allowed; only the link's signature should be specified"
)
"""Answer to a request that brings a key, too: a pre-signed link is a credential by itself."""
