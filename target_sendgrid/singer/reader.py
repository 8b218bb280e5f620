"""The SDK's message reader. It replaces the SDK's own line loop, by public names only.

The SDK's loop costs several times as much per record, and its error messages quote lines. Here an error names the
line's number and what was expected.
"""

from __future__ import annotations

import logging
import sys
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.io_base import GenericSingerReader

from target_sendgrid.errors import InputError
from target_sendgrid.singer.decoding import DECODE_ERRORS, decode_json
from target_sendgrid.singer.messages import MessageProcessor
from target_sendgrid.singer.routes import RouteTable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from target_sendgrid.run import Run
    from target_sendgrid.singer.routes import SdkStreams

log = logging.getLogger("target-sendgrid.singer")


class RecordReader(GenericSingerReader[bytes]):
    """Reads Singer messages and passes their content to a run.

    Args:
        open_run: Runs the checks of preflight and returns the run. Called once, before the first line is read. It
            may raise `TargetSendGridError`.
        sdk: The SDK's streams.
    """

    def __init__(self, open_run: Callable[[], Run], sdk: SdkStreams) -> None:
        super().__init__()
        self._open_run = open_run
        self._sdk = sdk

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes.

        Raises:
            InputError: Standard input is closed.
        """
        if sys.stdin is None:
            message = "Standard input is closed. Pipe a tap into the target."
            raise InputError(message)
        return sys.stdin.buffer

    def deserialize_json(self, line: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
        """Decode one line. Numbers stay exact.

        Raises:
            InputError: The line is not JSON. The message does not quote it.
        """
        try:
            return decode_json(line)
        except DECODE_ERRORS:
            message = "is not valid JSON"
            raise InputError(message) from None

    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Open the run and process all lines.

        Args:
            file_input: Lines as bytes or text; standard input when ``None``.
            callbacks: The SDK's handlers by message type, which are not used.

        Returns:
            The number of messages of each type.

        Raises:
            TargetSendGridError: The run cannot start or cannot go on.
        """
        del callbacks
        run = self._open_run()
        counts = MessageProcessor(run, RouteTable(run, self._sdk)).process(file_input or self.default_input)
        if not counts.total():
            log.warning("Standard input was empty: did the tap fail? See its log.")
        return counts
