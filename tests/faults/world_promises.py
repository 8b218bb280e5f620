"""What can go wrong with the tap, the machine and the network, and what the target does about it."""

from __future__ import annotations

from tests.faults.promises import Promise

PROCESS, DISK, TAP, NETWORK = "The process", "Files and pipes", "The tap", "The network and the clock"

KILLED = Promise(
    PROCESS,
    "`kill -9`, a crash or a power cut, at any moment",
    "has written no state that passes what was not settled: the next run sends the rest, and nobody is lost",
    "",
    137,
)
TERMINATED = Promise(
    PROCESS,
    "SIGTERM",
    "stops reading, waits up to 30 seconds for what was sent, and writes the state of what is settled by then",
    "Stopped by signal 15. The next run resumes from the last state written.",
    143,
)
INTERRUPTED = Promise(PROCESS, "SIGINT, as by Ctrl-C", "the same", "Stopped by signal 2.", 130)
TWICE_TERMINATED = Promise(
    PROCESS, "a second signal", "ends at once", "Stopped without waiting for what was sent.", 143
)
STATES_UNREAD = Promise(
    DISK,
    "nobody reads the states any more, or the disk that takes them is full",
    "stops, and says so once; the next run goes on from the last state that got out",
    "The state can't be written to standard output",
    1,
)
LOG_UNREAD = Promise(
    DISK, "nobody reads the log any more, or the disk that takes it is full", "goes on without a word", "", 0
)
REJECTED_FILE_FULL = Promise(
    DISK,
    "the disk is full under `rejected_records_path`",
    "stops; no state passes a rejected record that the file lacks",
    "Rejected records can't be written to",
    1,
)
REPORT_FULL = Promise(
    DISK,
    "the disk is full under `report_path`",
    "settles everything, and writes the last state; an older report stays as it is",
    "the report can't be written to",
    1,
    is_all_settled=True,
)
TAP_DIES = Promise(
    TAP,
    "it dies in the middle of a line",
    "sends what came before, then stops",
    "is not valid JSON. A tap that ends early leaves half a line",
    1,
)
TAP_STALLS = Promise(
    TAP,
    "it says nothing for minutes",
    "goes on settling and writing states; sends batches that have waited for five minutes",
    "",
    0,
)
SCHEMAS_ALTERNATE = Promise(
    TAP,
    "it changes the schema of a stream again and again",
    "takes each record by the schema before it; memory stays as it is",
    "",
    0,
)
NO_WAY_AT_FIRST = Promise(
    NETWORK,
    "the host's name is unknown, there is no route, or nobody listens, before the first record",
    "tries for 20 seconds, then stops; nothing is sent",
    "Nothing was sent. Check `api_url` and the network, and run again.",
    1,
)
NO_WAY_FOR_A_WHILE = Promise(
    NETWORK,
    "the same in mid-run, for less than five minutes",
    "sends the same request again, after waits that grow to half a minute",
    "",
    0,
)
NO_WAY_ANY_MORE = Promise(
    NETWORK,
    "the same in mid-run, for five minutes",
    "stops",
    "What SendGrid has confirmed stays; run again to send the rest.",
    1,
)
CLOCK_JUMPS = Promise(
    NETWORK,
    "the machine's clock is wrong, or jumps back or ahead",
    "counts time by a clock that does not; waits at most two minutes for a date, and longer each time it was too short",
    "",
    0,
)
CROWD = Promise(
    NETWORK,
    "several targets load into one account at once",
    "each waits for SendGrid's next minute when the present one is used up: it is refused about once a minute at most",
    "",
    0,
)

WORLD_PROMISES = [value for value in list(globals().values()) if isinstance(value, Promise)]
"""All of them, in the order of the table."""
