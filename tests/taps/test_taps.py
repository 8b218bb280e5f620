"""Taps from the package index are piped into the target: everybody is on the list, with the right values."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.taps import discover, json_file, pipe
from tests.taps.sources import ADA, GRACE, JOAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.account import Account
    from tests.taps.sources import Source

MAPPER = "meltano-map-transform==0.12.3"

FIELDS = ("ltv", "points", "visits", "joined_at", "is_vip")
FLAT: dict[str, Any] = {
    "email": "email",
    "first_name": "given_name",
    "city": "city",
    **dict(zip(FIELDS, FIELDS, strict=True)),
}
NESTED = FLAT | {"city": "profile.home.city"}
TITLES: dict[str, Any] = {
    "email": "Email",
    "first_name": "First name",
    "city": "City",
    "ltv": "LTV",
    "points": "Points",
    "visits": "Visits",
    "joined_at": {"property": "Joined at", "type": "Date"},  # the schema allows dates and any text
    "is_vip": "Is VIP",
}
TYPES = {
    name: {"property": name, "type": kind}
    for name, kind in {"ltv": "Number", "points": "Number", "visits": "Number", "joined_at": "Date"}.items()
}
"""The types of custom fields, for taps whose schemas do not tell them."""

FULL_TABLE = {"replication-method": "FULL_TABLE"}
BY_ID = {"replication-method": "INCREMENTAL", "replication-key": "id"}
LOG_BASED = {"replication-method": "LOG_BASED"}


@dataclasses.dataclass(frozen=True)
class Tap:
    """A tap, and how it reads a source.

    Attributes:
        requirement: Its package.
        source: Fixture of the source.
        mapping: The field mapping.
        second_count: Number of records in the second run, which begins with the state of the first.
        config: Settings, besides those of the source.
        replication: How its streams are read, as in a catalog.
        options: Options of the installation.
    """

    requirement: str
    source: str
    mapping: dict[str, Any]
    second_count: int
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    replication: dict[str, str] = dataclasses.field(default_factory=dict)
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.requirement.partition("==")[0]


PIPELINEWISE_POSTGRES = Tap(
    "pipelinewise-tap-postgres==2.1.0",
    "postgres",
    NESTED,
    second_count=3,
    config={"dbname": "postgres", "filter_schemas": "public", "logical_poll_total_seconds": 1},
    replication=FULL_TABLE,
)

PIPELINEWISE_MYSQL = Tap(
    "pipelinewise-tap-mysql==1.6.0",
    "mariadb",
    FLAT,
    second_count=2,
    config={"engine": "mariadb", "server_id": "2", "filter_dbs": "test"},
    replication=BY_ID,
)

TAPS = [
    Tap("tap-jsonl==0.3.1", "jsonl_file", NESTED, second_count=3),
    Tap("tap-spreadsheets==1.1.2", "csv_files", FLAT | TYPES | {"first_name": "first_name"}, second_count=1),
    Tap("tap-s3-csv==2.3.1", "s3_bucket", TITLES, second_count=1),
    Tap(
        "tap-dynamodb==1.4.0",
        "dynamodb_table",
        NESTED | TYPES,
        second_count=3,
        replication=FULL_TABLE,
        options=("--overrides", str(Path(__file__).with_name("overrides.txt"))),
    ),
    Tap(
        "meltanolabs-tap-postgres==0.10.0",
        "postgres",
        NESTED,
        second_count=2,
        config={"database": "postgres", "filter_schemas": ["public"], "json_as_object": True},
        replication=BY_ID,
    ),
    PIPELINEWISE_POSTGRES,
    PIPELINEWISE_MYSQL,
]


class Runner:
    """Runs a tap and the target.

    Args:
        tap: The tap.
        source: What it reads.
        commands: Folder of its command.
        account: The account that the target writes to.
    """

    def __init__(self, tap: Tap, source: Source, commands: Path, account: Account) -> None:
        self.source = source
        self._account = account
        self._mapping = tap.mapping
        # AWS's library keeps a cache in the home folder.
        self._environment = source.environment | {"HOME": str(account.folder)}
        command = str(tap).removeprefix("meltanolabs-").removeprefix("pipelinewise-")
        self._command = [
            str(commands / command),
            *("--config", json_file(account.folder / "tap.json", source.config | tap.config)),
        ]
        catalog = discover(self._command, self._environment, tap.replication)
        self._command += ["--catalog", json_file(account.folder / "catalog.json", catalog)]
        self._state: list[str] = []

    def run(self, *mappers: list[str], **config: Any) -> dict[str, Any]:
        """Run the pipe, from the state of the last run if there was one.

        Args:
            mappers: The commands between tap and target.
            config: Settings of the target.

        Returns:
            The report on the only stream.
        """
        run = pipe(
            [*self._command, *self._state],
            *mappers,
            target=self._account.command(**{"field_mapping": self._mapping, "create_custom_fields": True, **config}),
            folder=self._account.folder,
            environment=self._environment,
        )
        assert set(run.exit_codes) == {0}, run.log
        self._state = ["--state", json_file(self._account.folder / "state.json", json.loads(run.states[-1]))]
        report: dict[str, Any]
        (report,) = json.loads(self._account.report_path.read_bytes())["streams"].values()
        assert not report["rejected"], run.log
        return report


@pytest.fixture
def runner(account: Account, installed: Callable[..., Path], request: pytest.FixtureRequest) -> Callable[[Tap], Runner]:
    """A function that installs a tap and starts what it reads."""

    def runner(tap: Tap) -> Runner:
        commands = installed(tap.requirement, *tap.options)
        return Runner(tap, request.getfixturevalue(tap.source), commands, account)

    return runner


@pytest.mark.parametrize("tap", TAPS, ids=str)
def test_two_runs_bring_everybody(tap: Tap, runner: Callable[[Tap], Runner], account: Account) -> None:
    pipeline = runner(tap)
    assert pipeline.run()["received"] == 2
    assert account.sandbox.contacts("Everybody") == [ADA, GRACE]
    pipeline.source.add()
    assert pipeline.run()["received"] == tap.second_count
    assert account.sandbox.contacts("Everybody") == [ADA, GRACE, JOAN]


@pytest.mark.parametrize(
    ("tap", "sql", "bucket", "left"),
    [
        pytest.param(
            PIPELINEWISE_POSTGRES,
            "ALTER TABLE customers REPLICA IDENTITY FULL",
            "removed",
            [JOAN],
            id="all-columns",
        ),
        pytest.param(PIPELINEWISE_POSTGRES, "", "deleted_without_identifier", [GRACE, JOAN], id="only-the-key"),
        pytest.param(PIPELINEWISE_MYSQL, "", "removed", [JOAN], id="not-in-the-schema"),
    ],
)
def test_a_row_that_is_deleted_takes_its_person_off_the_list_if_it_shows_who_that_is(
    tap: Tap, sql: str, bucket: str, left: list[Any], runner: Callable[[Tap], Runner], account: Account
) -> None:
    pipeline = runner(dataclasses.replace(tap, replication=LOG_BASED))
    pipeline.source.run_sql(sql)
    pipeline.run()
    pipeline.source.run_sql("DELETE FROM customers WHERE id = 2; UPDATE customers SET points = 7.5 WHERE id = 1;")
    pipeline.source.add()
    assert pipeline.run()[bucket] == 1
    ada = ADA | {"custom_fields": ADA["custom_fields"] | {"points": 7.5}}
    assert account.sandbox.contacts("Everybody") == [ada, *left]


def test_a_mapper_stands_between(
    runner: Callable[[Tap], Runner], installed: Callable[..., Path], account: Account
) -> None:
    stream_map = {
        "customer": "given_name.upper() if given_name else None",
        "total": "float(ltv) + 1 if ltv else None",
        "__filter__": "email != 'grace@example.com'",
    }
    mapper = [
        str(installed(MAPPER) / "meltano-map-transform"),
        *("--config", json_file(account.folder / "mapper.json", {"stream_maps": {"public-customers": stream_map}})),
    ]
    mapping = {"email": "email", "first_name": "customer", "ltv": "ltv", "total": "total"}
    runner(PIPELINEWISE_POSTGRES).run(mapper, field_mapping=mapping)
    fields = {"ltv": 19.99, "total": 20.99}
    ada = {"email": "ada@example.com", "first_name": "ZOË", "custom_fields": fields, "lists": ["Everybody"]}
    assert account.sandbox.contacts("Everybody") == [ada]
