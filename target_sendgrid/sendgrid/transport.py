"""HTTP as the target allows it: how sessions are made, how answers are read, and which links are followed.

A session takes proxies and certificates from the environment, and nothing else: no `.netrc` may replace or add
credentials, and nothing turns the verification of certificates off.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
import urllib3.connection

from target_sendgrid.errors import ConfigError, SendGridError
from target_sendgrid.sendgrid.retry import TransientError
from target_sendgrid.settings_checks import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from target_sendgrid.clock import Clock

MAX_ANSWER_BYTES = 64 * 1024 * 1024
LONGEST_READ_SECONDS = 300.0
"""How long an answer may take once it has begun: a time-out of the socket alone never ends one that drips."""

_CHUNK_BYTES = 64 * 1024
_MAX_REDIRECTS = 3
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

# Who sets `http.client.HTTPConnection.debuglevel` prints every header, the key included: on standard output.
urllib3.connection.HTTPConnection.debuglevel = 0


def make_session(url: str) -> requests.Session:
    """Return a session for an address.

    Raises:
        ConfigError: The environment names certificates that are not there.
    """
    session = requests.Session()
    session.trust_env = False
    # What is plain http stays on this machine: a proxy would get it in the clear.
    session.proxies = {} if urlsplit(url).scheme == "http" else requests.utils.get_environ_proxies(url)
    session.verify = requests.utils.DEFAULT_CA_BUNDLE_PATH
    variable = next((name for name in _CERTIFICATES if os.environ.get(name)), None)
    if variable is not None:
        session.verify = os.environ[variable]
        if not Path(session.verify).exists():
            message = f"The environment variable {variable} names certificates that are not there. Check its path."
            raise ConfigError(message)
    return session


def read(response: requests.Response, clock: Clock) -> bytes:
    """Return the whole body, up to a size and a time that no honest answer reaches.

    Raises:
        PassingError: It is too long, too slow, or breaks off.
    """
    content = bytearray()
    deadline = clock.monotonic() + LONGEST_READ_SECONDS
    try:
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                message = f"an answer was longer than {MAX_ANSWER_BYTES} bytes"
                raise TransientError(message)
            if clock.monotonic() > deadline:
                message = f"an answer took longer than {LONGEST_READ_SECONDS:.0f} s"
                raise TransientError(message)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        message = f"an answer broke off ({type(error).__name__})"
        raise TransientError(message) from None
    return bytes(content)


def download(url: str, clock: Clock, *, timeout_seconds: float, is_loopback_allowed: bool) -> bytes:
    """Return the file behind a link, without any key. A redirect is followed where the link itself would be.

    Args:
        url: The link.
        clock: Where time comes from.
        timeout_seconds: Longest wait for the answer to begin.
        is_loopback_allowed: Whether plain http is taken on loopback, as where the API itself is there.

    Raises:
        SendGridError: The file can't be had. The message does not quote the link, which opens the file to anybody.
    """
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            _check_link(url, is_loopback_allowed=is_loopback_allowed)
            with (
                make_session(url) as session,
                session.get(url, timeout=timeout_seconds, stream=True, allow_redirects=False) as response,
            ):
                if response.is_redirect:
                    url = urljoin(url, response.headers["location"])
                    continue
                if response.status_code != requests.codes.ok:
                    message = f"The download answered {response.status_code}."
                    raise SendGridError(message)
                return read(response, clock)
    except TransientError as error:
        message = f"The download failed: {error}."
        raise SendGridError(message) from None
    except (requests.RequestException, ValueError) as error:  # an address that can't be one is a ValueError
        message = f"The download failed ({type(error).__name__})."
        raise SendGridError(message) from None
    message = f"The download was redirected more than {_MAX_REDIRECTS} times."
    raise SendGridError(message)


def _check_link(url: str, *, is_loopback_allowed: bool) -> None:
    """Refuse what is not TLS: such a link could read files of this machine, or call services beside it."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    if parts.scheme == "http" and is_loopback_allowed and parts.hostname in LOOPBACK_HOSTS:
        return
    message = "SendGrid gave a download link without TLS, which is not followed."
    raise SendGridError(message)
