"""TLS connections that are verified with the same certificates: reading all certificates takes 15 ms of CPU time."""

from __future__ import annotations

import contextlib
import functools
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    from requests import PreparedRequest


class SharedContextAdapter(HTTPAdapter):
    """An adapter that verifies all connections of this process with one context for each set of certificates.

    Where the certificates can't be read, each connection tries it by itself, which says what is wrong. It is not for
    proxies that are reached by TLS themselves.
    """

    def build_connection_pool_key_attributes(
        self,
        request: PreparedRequest,
        verify: bool | str,  # noqa: FBT001 - the signature of the base class
        cert: Any = None,  # noqa: ANN401 - as above
    ) -> tuple[Any, Any]:
        """Return which host a connection is to, and how it is verified."""
        host, options = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https" and isinstance(verify, str):
            with contextlib.suppress(OSError):
                options["ssl_context"] = _context(verify)
                options.pop("ca_certs", None)
                options.pop("ca_cert_dir", None)
        return host, options

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:  # noqa: ANN401, FBT001 - as above
        """Set how a connection is verified.

        The base class sets the path of the certificates, which `urllib3` would read into the context once more.
        """
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # it has no types
        if "ssl_context" in conn.conn_kw:
            conn.ca_certs = conn.ca_cert_dir = None


@functools.cache
def _context(certificates: str) -> ssl.SSLContext:
    """Return the context for a file or a folder of certificates."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    is_folder = Path(certificates).is_dir()
    context.load_verify_locations(None if is_folder else certificates, certificates if is_folder else None)
    return context
