"""HTTP as the target allows it: time limits, retries, rate limits, redirects and download links.

No log line quotes a body or an id.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from target_sendgrid.errors import Code, SendGridError, TransientError, UnreachableError
from target_sendgrid.sendgrid import answers
from target_sendgrid.sendgrid.retry import RetryPolicy, seconds_until_reset
from target_sendgrid.sendgrid.sessions import chunks, has_connected, is_about_certificate, make_session, read_body
from target_sendgrid.settings.checks import LOOPBACK_HOSTS
from target_sendgrid.wording import words_of_cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.sendgrid.contact import Body
    from target_sendgrid.sendgrid.retry import Tries

Answer = TypeVar("Answer")

log = logging.getLogger("target-sendgrid.sendgrid")

STARTUP_RETRY_SECONDS = 20.0
"""Retry budget of a request before the first record is read."""
RUN_RETRY_SECONDS = 300.0
"""Retry budget of a request while records are read and sent."""
_MAX_REDIRECTS = 3
_TRANSIENT_STATUSES = frozenset({408, 429, *range(500, 600)})
"""Statuses with which a download is retried. With others, such as 403, its link has expired or never worked."""
_PATH_WORDS = frozenset(
    {
        "v3", "scopes", "marketing", "contacts", "imports", "exports", "lists", "field_definitions", "search", "emails",
        "identifiers", "phone_number_id", "external_id", "anonymous_id", "count", "batch",
        "asm", "groups", "suppressions", "global", "suppression", "unsubscribes", "recipients", "erasejob",
    }
)  # fmt: skip
"""Parts of paths that name endpoints. All other parts are ids."""


class Transport:
    """Sends requests to the API in one session. Safe to use from one thread at a time.

    Args:
        base_url: Address of the API, without a slash at the end.
        api_key: The key; kept in the session's headers only.
        clock: The source of time.
        on_behalf_of: Subuser to act for.
        timeout_seconds: Longest wait for an answer.

    Attributes:
        request_count: Number of requests that were sent, retries included.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        clock: Clock,
        on_behalf_of: str | None = None,
        timeout_seconds: float = 60.0,
    ) -> None:
        self._base_url = base_url
        self._host = urlsplit(base_url).hostname
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._retry = RetryPolicy(clock)
        self._resume_at: dict[str, float] = {}
        self._session = make_session(base_url)
        self._session.headers.update({"Authorization": f"Bearer {api_key}", "Accept": "application/json"})
        if on_behalf_of:
            self._session.headers["on-behalf-of"] = on_behalf_of
        self._has_run_started = False
        self._last_date: tuple[str, float] | None = None
        """The date in the headers of the last answer, and the machine's own time when it came."""
        self.request_count = 0

    @property
    def host(self) -> str:
        """Name of the API's host."""
        return self._host or ""

    @property
    def clock_skew_seconds(self) -> float | None:
        """How many seconds the machine's clock is ahead of the API's; ``None`` if no answer has told the time."""
        if self._last_date is None:
            return None
        date, received_at = self._last_date
        try:
            return received_at - parsedate_to_datetime(date).timestamp()
        except ValueError:
            return None

    @property
    def retry_budget_seconds(self) -> float:
        """How many seconds the transient failures of one request may last."""
        return RUN_RETRY_SECONDS if self._has_run_started else STARTUP_RETRY_SECONDS

    def start_run(self) -> None:
        """Use the retry budget of a run from now on. Until then, nothing is sent that changes the account."""
        self._has_run_started = True

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def new_tries(self) -> Tries:
        """Return the tries of one request, for code that calls `attempt` and waits between its tries itself."""
        return self._retry.tries(self.retry_budget_seconds)

    def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        read: Callable[[bytes], Answer],
        body: Body | bytes | None = None,
        access: str = answers.MARKETING_ACCESS,
    ) -> Answer:
        """Send a request until it succeeds, and return what its answer says. The arguments are those of `attempt`.

        Raises:
            UnreachableError: There was no usable answer within the retry budget.
            SendGridError: SendGrid refused the request; the table in `answers` says which error each status becomes.
        """

        def attempt() -> Answer:
            return self.attempt(method, path, what=what, read=read, body=body, access=access)

        try:
            return self._retry.call(attempt, retry_budget_seconds=self.retry_budget_seconds)
        except TransientError as error:
            raise self._final_error(error, what) from None

    def attempt(
        self,
        method: str,
        path: str,
        *,
        what: str,
        read: Callable[[bytes], Answer],
        body: Body | bytes | None = None,
        access: str = answers.MARKETING_ACCESS,
    ) -> Answer:
        """Send a request once, and return what its answer says.

        Args:
            method: The HTTP method.
            path: Path and query.
            what: What the request is to do, such as ``to read lists``; it completes the sentences of errors.
            read: Turns the body of a success into a value. It raises `TransientError` for a body that is no answer.
            body: JSON.
            access: What to do if the key may not send the request.

        Raises:
            TransientError: The request may succeed later. If it does not, its `final_error` is the one to raise.
            SendGridError: SendGrid refused the request; the table in `answers` says which error each status becomes.
        """
        try:
            return read(self._send(method, path, body, what=what, access=access))
        except TransientError as error:
            error.final_error = self._final_error(error, what)
            raise

    def download(self, url: str) -> bytes:
        """Return the file behind a link, without sending the key. A redirect is held to the same rules as the link.

        Raises:
            SendGridError: The file can't be had. The message does not quote the link, which opens the file to anybody.
        """
        try:
            return self._retry.call(lambda: self._download(url), retry_budget_seconds=self.retry_budget_seconds)
        except TransientError as error:
            message = f"The download failed: {error}."
            raise SendGridError(message) from None

    @contextmanager
    def stream(self, url: str) -> Iterator[Iterator[bytes]]:
        """Give the content of the file behind a link in pieces, as it arrives. It is requested once.

        The rules for links are those of `download`. The content is not decoded.

        Raises:
            TransientError: The file can't be had now, or its content breaks off.
            SendGridError: The file can't be had.
        """
        with self._opened(url) as response:
            yield chunks(response, self._clock)

    def _final_error(self, error: TransientError, what: str) -> SendGridError:
        """Return the error to raise when retries have not helped against a transient one."""
        if error.final_error is not None:
            return error.final_error
        if self._has_run_started:
            next_step = "What SendGrid has confirmed stays; run again to send the rest."
        else:
            next_step = "Nothing was sent. Check `api_url` and the network, and run again."
        return UnreachableError(f"SendGrid could not be reached at {self._host} {what}: {error}.", next_step)

    def _download(self, url: str) -> bytes:
        """Return the file behind a link, after one attempt."""
        with self._opened(url) as response:
            return read_body(response, self._clock)

    @contextmanager
    def _opened(self, url: str) -> Iterator[requests.Response]:
        """Request the file behind a link, once, and give the answer while its body is read."""
        with ExitStack() as stack:
            yield self._found(url, stack)

    def _found(self, url: str, stack: ExitStack) -> requests.Response:
        """Return the answer with the file behind a link, and leave what is to be closed to the stack."""
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                self._check_link(url)
                session = stack.enter_context(make_session(url))
                response = stack.enter_context(
                    session.get(
                        url,
                        timeout=self._timeout_seconds,
                        stream=True,
                        allow_redirects=False,
                        headers={"Accept-Encoding": "identity"},
                    )
                )
                if not response.is_redirect:
                    self._check_status(response)
                    return response
                url = urljoin(url, response.headers["location"])
        except (requests.ConnectionError, requests.Timeout) as error:
            if is_about_certificate(error):
                message = "The TLS certificate of the download's host can't be trusted."
                raise SendGridError(message, code=Code.CERTIFICATE) from None
            message = f"it was not answered ({words_of_cause(error)})"
            raise TransientError(message) from None
        except (requests.RequestException, ValueError) as error:  # a link that is no address is a ValueError
            message = f"The download failed ({type(error).__name__})."
            raise SendGridError(message) from None
        message = f"The download was redirected more than {_MAX_REDIRECTS} times."
        raise SendGridError(message)

    def _check_status(self, response: requests.Response) -> None:
        """Refuse an answer to a download that does not hold the file."""
        status = response.status_code
        if status in _TRANSIENT_STATUSES:
            message = f"it was answered with {status}"
            raise TransientError(message, wait_seconds=seconds_until_reset(response.headers, self._clock.now()))
        if status != requests.codes.ok:
            message = f"The download was answered with {status}."
            raise SendGridError(message)

    def _send(self, method: str, path: str, body: Body | bytes | None, *, what: str, access: str) -> bytes:
        """Send one request, once, and return the body of a 2xx answer."""
        bucket = f"{method} {_template(path)}"
        self._wait_for_rate_limit(bucket)
        self.request_count += 1
        headers = {"Content-Type": "application/json"} if body is not None else None
        try:
            with self._session.request(
                method,
                self._base_url + path,
                data=body,
                headers=headers,
                timeout=self._timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = read_body(response, self._clock)
        except requests.RequestException as error:
            if is_about_certificate(error):
                message = f"The TLS certificate of {self._host} can't be trusted."
                raise SendGridError(message, "Check `api_url` and proxies.", code=Code.CERTIFICATE) from None
            message = f"{bucket} failed ({words_of_cause(error)})"
            raise TransientError(message, may_have_been_taken=has_connected(error)) from None
        status = response.status_code
        log.debug("%s -> %d (%d bytes)", bucket, status, len(content))
        now = self._clock.now()
        if "date" in response.headers:
            self._last_date = response.headers["date"], now
        wait_seconds = seconds_until_reset(response.headers, now)
        self._note_rate_limit(bucket, response.headers, wait_seconds)
        if response.ok and status < requests.codes.multiple_choices:
            return content
        raise answers.error_for(status, content, request=bucket, what=what, wait_seconds=wait_seconds, access=access)

    def _wait_for_rate_limit(self, bucket: str) -> None:
        wait_seconds = self._resume_at.pop(bucket, 0.0) - self._clock.monotonic()
        if wait_seconds > 0:
            log.info("Waiting %.0f s for SendGrid's rate limit of %s.", wait_seconds, bucket)
            self._clock.sleep(wait_seconds)

    def _note_rate_limit(self, bucket: str, headers: Mapping[str, str], wait_seconds: float | None) -> None:
        """Remember when a bucket has no requests left, so that the next one waits and is not refused."""
        if headers.get("x-ratelimit-remaining") == "0" and wait_seconds is not None:
            self._resume_at[bucket] = self._clock.monotonic() + wait_seconds

    def _check_link(self, url: str) -> None:
        """Refuse a link without TLS: it could read files of this machine, or call services beside it.

        Plain http is allowed on loopback where the API itself is there: the settings allow it nowhere else.
        """
        parts = urlsplit(url)
        if parts.scheme == "https":
            return
        if parts.scheme == "http" and self._base_url.startswith("http://") and parts.hostname in LOOPBACK_HOSTS:
            return
        message = "SendGrid gave a download link without TLS, which is not followed."
        raise SendGridError(message)


def _template(path: str) -> str:
    """Return a path without query and ids: what SendGrid counts requests by, and what may be logged."""
    parts = urlsplit(path).path.split("/")
    return "/".join(part if part in _PATH_WORDS or not part else "{id}" for part in parts)
