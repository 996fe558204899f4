"""What is kept of refused runs and of the audit's notifications, in DynamoDB."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.aws.table.journal import DynamoJournal
from regrant.aws.table.leases import DynamoLeases
from regrant.aws.table.notices import DynamoNotices
from regrant.model.catalogue import Service
from regrant.model.journal import Lease, Refusals, RefusedCause
from regrant.report.compose import make_report
from tests.aws.account import TABLE, create_journal
from tests.unit.ended import DONE
from tests.unit.fakes import INCIDENT, WORKER, at

CAUSE = RefusedCause(
    "NOT_DECLARED", "entry", at(0), at(60), "REFUSED", ("a",), at(0), 2, at(0), "run-1", {"a": at(0)}
)
KEPT = Refusals((CAUSE,), ("run-1", "run-2"))


@pytest.fixture
def table() -> Any:
    return create_journal()


def test_refusals_are_kept_service_by_service(table: Any) -> None:
    journal = DynamoJournal(table, TABLE)
    assert journal.refusals(WORKER) == Refusals()
    assert journal.keep_refusals(WORKER, KEPT)
    assert journal.refusals(WORKER) == replace(KEPT, version=1)
    assert journal.refusals(Service("c", "s")) == Refusals()


def test_no_update_of_refusals_is_lost(table: Any) -> None:
    journal = DynamoJournal(table, TABLE)
    assert journal.keep_refusals(WORKER, KEPT)
    assert not journal.keep_refusals(WORKER, Refusals())  # somebody was first
    read = journal.refusals(WORKER)
    assert journal.keep_refusals(WORKER, replace(read, runs=("run-3",)))
    assert not journal.keep_refusals(WORKER, read)
    assert (journal.refusals(WORKER).runs, journal.refusals(WORKER).version) == (("run-3",), 2)


def test_the_audit_knows_what_it_has_said_about_what(table: Any) -> None:
    notices = DynamoNotices(table, TABLE)
    assert notices.last("alarm/regrant/c/s") is None
    notices.note("alarm/regrant/c/s", at(0))
    notices.note("alarm/regrant/c/s", at(1))
    assert (notices.last("alarm/regrant/c/s"), notices.last("undo/x")) == (at(1), None)


def test_a_lease_is_shown_as_it_stands_also_when_it_was_given_back(table: Any) -> None:
    leases = DynamoLeases(table, TABLE)
    assert leases.standing("service/c/s") is None
    taken = Lease("service/c/s", "run-1", at(0), at(100), "run-0")
    leases.take(taken, at(0))
    assert leases.standing("service/c/s") == taken
    leases.release("service/c/s", "run-1", at(50))
    given_back = leases.standing("service/c/s")
    assert given_back and given_back.ends_at == given_back.taken_at == at(50)


def test_a_report_is_read_unless_its_incident_is_open_again(table: Any) -> None:
    journal = DynamoJournal(table, TABLE)
    report = make_report(DONE, "CONTAINED", (), "Nothing.", at(300))
    assert journal.report(INCIDENT) is None
    journal.close(INCIDENT, report, at(300))
    assert journal.report(INCIDENT) == report
    journal.reopen(INCIDENT)
    assert journal.report(INCIDENT) is None
