"""The pipeline of a run: the objects that send what records ask for, get it settled, and write states."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from target_sendgrid.audience.account_guard import AccountGuard
from target_sendgrid.audience.intents import Intents
from target_sendgrid.audience.removal_limit import RemovalLimit
from target_sendgrid.audience.suppression_guard import SuppressionGuard
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.checkpoints import Checkpoints
from target_sendgrid.delivery.delivery import Delivery
from target_sendgrid.delivery.job_runner import JobRunner
from target_sendgrid.delivery.operations.delete_contacts import DELETE_CONTACT, DELETE_TO_ERASE, DeleteContacts
from target_sendgrid.delivery.operations.erase import Erase
from target_sendgrid.delivery.operations.limited_upsert import LimitedUpsert
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_ABSENT, REMOVE_FROM_LIST, RemoveFromList
from target_sendgrid.delivery.operations.suppress import Suppress, suppress_kind
from target_sendgrid.delivery.operations.update import Update
from target_sendgrid.delivery.operations.upsert import Upsert
from target_sendgrid.delivery.over_limit import OverLimit
from target_sendgrid.delivery.removals import RemovalPermit, Removals
from target_sendgrid.delivery.state import StateGate
from target_sendgrid.delivery.suppressions import Suppressions
from target_sendgrid.delivery.unsubscribed import UnsubscribedPeople
from target_sendgrid.delivery.worker import WorkerThread
from target_sendgrid.sendgrid.lists import ListTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.audience.cap import ProfileCap
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.known_people import KnownPeople
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.delivery.worker import MakeWorker, Runner
    from target_sendgrid.preflight import Connection
    from target_sendgrid.report.report import Report
    from target_sendgrid.settings.settings import Settings


class Pipeline:
    """What a run sends with.

    Args:
        connection: SendGrid and the files.
        settings: The checked settings.
        kinds: What records ask for that are sent, by sync mode.
        report: Counts what becomes of records.
        clock: Where time comes from.
        write_state: Writes a state for the tap's next run.
        check_stop: Called while waiting; may raise to end the run.
        cap: Counts the people who are sent.
        people_count: Returns the number of people of the run so far.
        make_worker: Makes what runs the job runner: a thread by default.
    """

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        connection: Connection,
        settings: Settings,
        kinds: Mapping[str, OperationKind],
        *,
        report: Report,
        clock: Clock,
        write_state: Callable[[bytes], None],
        check_stop: Callable[[], None],
        cap: ProfileCap,
        people_count: Callable[[], int],
        make_worker: MakeWorker | None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        _, self._worker_client = connection.clients
        self._clock = clock
        self._suppress_kinds = {group_id: suppress_kind(group_id) for group_id in settings.suppression_groups()}
        self._removal_limit = RemovalLimit(lambda stream: settings.for_stream(stream).max_removals)
        self._account_guard = AccountGuard(
            self._removal_limit, lambda: self._worker_client.contact_count().contact_count
        )
        self._account_limit = connection.account_limit
        if self._account_limit is not None:
            report.contacts_before = self._account_limit.count
        self.list_tracker = ListTracker(
            self._worker_client, connection.lists.given_name, can_create=settings.create_list
        )
        self.permit = RemovalPermit(check_stop)
        self.batcher = Batcher(clock.monotonic)
        self.intents, self.unsubscribed = Intents(), UnsubscribedPeople()
        connection.resources.callback(self.unsubscribed.close)
        self.gate = StateGate(write_state, connection.rejections.limit)
        self.over_limit = OverLimit(
            settings.account_contact_limit or 0, self.gate, is_failure=settings.on_account_limit == "fail"
        )
        self.known = self._known_people(report, cap)
        runner = self._runner(kinds, report)
        self.delivery = Delivery(
            batcher=self.batcher,
            waiting=[self.intents, self.unsubscribed],
            worker=make_worker(runner) if make_worker is not None else WorkerThread(runner, clock),
            gate=self.gate,
            over_limit=self.over_limit,
            known=self.known if report.dry_run is None else None,
            report=report,
            rejections=connection.rejections,
            clock=clock,
            check_stop=check_stop,
        )
        self.removals = Removals(
            self.intents,
            batcher=self.batcher,
            delivery=self.delivery,
            report=report,
            removal_limit=self._removal_limit,
            account_guard=self._account_guard,
        )
        suppressions = Suppressions(
            self.unsubscribed,
            self.intents,
            self._suppress_kinds,
            batcher=self.batcher,
            delivery=self.delivery,
            report=report,
            guard=SuppressionGuard(lambda stream: settings.for_stream(stream).max_suppressions),
            read_suppressed=self._read_suppressed,
            people_count=people_count,
            known=self.known,
        )
        self.checkpoints = Checkpoints(
            self.unsubscribed,
            self.intents,
            suppressions=suppressions,
            removals=self.removals,
            delivery=self.delivery,
            report=report,
            limit=connection.rejections.limit,
            clock=clock,
            check_stop=check_stop,
        )

    def _known_people(self, report: Report, cap: ProfileCap) -> KnownPeople | None:
        if self._connection.snapshot is None:
            return None
        from target_sendgrid.delivery.known_people import KnownPeople  # noqa: PLC0415 - few runs need it

        return KnownPeople(self._connection.snapshot, report, cap)

    def _runner(self, kinds: Mapping[str, OperationKind], report: Report) -> Runner:
        field_name = self._connection.catalogue.name_of
        if report.dry_run is None:
            operations = [*self._upserts(kinds, field_name), *self._removals()]
            return JobRunner(
                operations,
                self._worker_client,
                self._clock,
                list_tracker=self.list_tracker,
                job_timeout_seconds=self._settings.job_timeout_seconds,
            )
        from target_sendgrid.delivery.dry_run import DryRunner  # noqa: PLC0415 - a run does not need it

        return DryRunner(
            self._worker_client,
            report.dry_run,
            field_name,
            self._removal_limit,
            self._account_guard,
            self._account_limit,
        )

    def _upserts(self, kinds: Mapping[str, OperationKind], field_name: Callable[[str], str]) -> list[Operation]:
        limit = self._account_limit
        upsert = Upsert if limit is None else functools.partial(LimitedUpsert, account_limit=limit)
        return [
            operation(kind, self._worker_client, self._clock, list_tracker=self.list_tracker, field_name=field_name)
            for operation, kind in zip((upsert, Update), kinds.values(), strict=True)
        ]

    def _removals(self) -> list[Operation]:
        client, clock, may = self._worker_client, self._clock, self.permit.check
        no_limit = RemovalLimit(lambda _: None)
        return [
            RemoveFromList(client, clock, self.list_tracker, self._removal_limit, may, kind=REMOVE_FROM_LIST),
            RemoveFromList(client, clock, self.list_tracker, no_limit, may, kind=REMOVE_ABSENT),
            DeleteContacts(client, clock, self._account_guard, may, kind=DELETE_CONTACT),
            DeleteContacts(client, clock, self._account_guard, may, kind=DELETE_TO_ERASE),
            Erase(client, may),
            *(Suppress(kind, client, clock, group_id, may) for group_id, kind in self._suppress_kinds.items()),
        ]

    def _read_suppressed(self) -> Callable[[str, int | None], bool]:
        """Read who is suppressed in SendGrid, and return whether an address is, for a group or for all email."""
        from target_sendgrid.audience.suppressed import Suppressed  # noqa: PLC0415 - few runs need it

        groups = [group_id for group_id in self._settings.suppression_groups() if group_id is not None]
        return Suppressed.read(self._connection.clients[0], groups).holds
