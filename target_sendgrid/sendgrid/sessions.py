"""HTTP sessions: proxies and certificates, and reading answers within limits.

A session takes proxies and certificates from the environment, and nothing else: no `.netrc` may replace or add
credentials, and nothing turns the verification of certificates off.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3
import urllib3.connection
import urllib3.util.ssl_match_hostname

from target_sendgrid.errors import Code, ConfigError, Problem, TransientError
from target_sendgrid.sendgrid.tls import SharedContextAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.clock import Clock

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Longest body of an answer that is read."""
LONGEST_READ_SECONDS = 300.0
"""Longest time that reading one answer may take: a socket's timeout never ends an answer that drips in slowly."""

_CHUNK_BYTES = 64 * 1024
_SLOW_BYTES = 1024 * 1024
"""A file that is read in pieces is given up if so many bytes take longer than `LONGEST_READ_SECONDS`."""
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CERTIFICATE_ERRORS = (ssl.SSLCertVerificationError, urllib3.util.ssl_match_hostname.CertificateError)
_CONNECTION_ERRORS = (
    requests.ConnectTimeout,
    requests.exceptions.ProxyError,
    urllib3.exceptions.NewConnectionError,
)

# With `http.client.HTTPConnection.debuglevel` set, every header is printed to standard output, the key included.
urllib3.connection.HTTPConnection.debuglevel = 0


def make_session(url: str) -> requests.Session:
    """Return a session for an address, with proxies and certificates of the environment.

    Raises:
        ConfigError: The environment names certificates that are not there.
    """
    session = requests.Session()
    session.trust_env = False
    # Plain http stays on this machine: a proxy would see it in the clear.
    session.proxies = {} if urlsplit(url).scheme == "http" else requests.utils.get_environ_proxies(url)
    session.verify = requests.utils.DEFAULT_CA_BUNDLE_PATH
    variable = next((name for name in _CERTIFICATES if os.environ.get(name)), None)
    if variable is not None:
        session.verify = os.environ[variable]
        if not Path(session.verify).exists():
            message = f"The environment variable {variable} names certificates that are not there."
            raise ConfigError([Problem(message, "Check its path.")], code=Code.CERTIFICATE)
    if not session.proxies:  # a proxy may be reached by TLS itself, which the adapter does not provide for
        session.mount("https://", SharedContextAdapter())
    return session


def chunks(response: requests.Response, clock: Clock) -> Iterator[bytes]:
    """Yield the body of an answer in pieces, as it arrives and without decoding it. It may be of any length.

    Raises:
        TransientError: It is too slow, or breaks off.
    """
    seconds, byte_count = 0.0, 0
    while True:
        started_at = clock.monotonic()
        chunk = _next_chunk(response, decode=False)
        if not chunk:
            return
        # The time between two reads is the reader's own, and does not count.
        seconds, byte_count = seconds + clock.monotonic() - started_at, byte_count + len(chunk)
        yield chunk
        if byte_count >= _SLOW_BYTES:
            seconds, byte_count = 0.0, 0
        elif seconds > LONGEST_READ_SECONDS:
            message = f"a file arrived more slowly than {_SLOW_BYTES} bytes in {LONGEST_READ_SECONDS:.0f} s"
            raise TransientError(message)


def read_body(response: requests.Response, clock: Clock) -> bytes:
    """Return the whole body of an answer, up to `MAX_ANSWER_BYTES` and `LONGEST_READ_SECONDS`.

    Raises:
        TransientError: It is too long, too slow, or breaks off.
    """
    content = bytearray()
    deadline = clock.monotonic() + LONGEST_READ_SECONDS
    while chunk := _next_chunk(response, decode=True):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            message = f"an answer was longer than {MAX_ANSWER_BYTES} bytes"
            raise TransientError(message)
        if clock.monotonic() > deadline:
            message = f"an answer took longer than {LONGEST_READ_SECONDS:.0f} s"
            raise TransientError(message)
    return bytes(content)


def _next_chunk(response: requests.Response, *, decode: bool) -> bytes:
    """Return the next piece of a body, empty at its end."""
    try:
        chunk: bytes = response.raw.read1(_CHUNK_BYTES, decode_content=decode)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        message = f"an answer broke off ({type(error).__name__})"
        raise TransientError(message) from None
    return chunk


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that is behind it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def is_about_certificate(error: requests.RequestException) -> bool:
    """Return whether a certificate was refused. Other errors of TLS are those of a connection that was cut."""
    return any(isinstance(cause, _CERTIFICATE_ERRORS) for cause in _causes(error))


def has_connected(error: requests.RequestException) -> bool:
    """Return whether there was a connection, over which the request may have arrived."""
    return not any(isinstance(cause, _CONNECTION_ERRORS) for cause in _causes(error))
