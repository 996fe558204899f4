"""What is planned, in moto: an intent is written over what its run has planned, and over nothing else."""

from __future__ import annotations

import pytest

from regrant.aws.table.holds import DynamoHolds
from regrant.aws.table.journal import DynamoJournal
from regrant.aws.table.leases import DynamoLeases
from regrant.errors import NotOfThisRun
from regrant.model.aws import Baseline
from regrant.model.journal import Change, Hold, Lease
from regrant.model.run import Report
from tests.aws.account import TABLE, client, create_journal
from tests.unit.fakes import INCIDENT, OLD_DEPLOYMENT, OLD_ROLE, RECEIVE, ROLE, RUNNING, SEND, WORKER, at

ATTACH = Change("attach", OLD_ROLE, RECEIVE, at(3))
REDEPLOY = Change("redeploy", str(WORKER), OLD_DEPLOYMENT, at(5))
HOLD = Hold(RECEIVE, INCIDENT, str(WORKER))
BASELINE = Baseline(str(WORKER), ROLE, RUNNING, at(2))
LEASE = Lease(f"role/{OLD_ROLE}", INCIDENT, at(2), at(4000))
PLAN = "the-digest"


@pytest.fixture
def journal(aws: None) -> DynamoJournal:
    create_journal()
    return DynamoJournal(client("dynamodb"), TABLE)


def planned(journal: DynamoJournal) -> None:
    journal.plan(INCIDENT, (ATTACH, REDEPLOY), PLAN)


def test_what_is_planned_comes_with_the_baseline_and_is_no_change_yet(journal: DynamoJournal) -> None:
    assert journal.keep_baseline_with_lease(INCIDENT, BASELINE, LEASE, at(1), (ATTACH, REDEPLOY), PLAN)
    record = journal.load(INCIDENT)
    assert (record.baseline, record.changes, record.plans) == (BASELINE, (), frozenset({PLAN}))
    assert journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN) and journal.intend(INCIDENT, REDEPLOY, PLAN)


def test_where_the_baseline_is_there_already_nothing_is_planned(journal: DynamoJournal) -> None:
    journal.keep_baseline(INCIDENT, BASELINE)
    assert not journal.keep_baseline_with_lease(INCIDENT, BASELINE, LEASE, at(1), (ATTACH,), PLAN)
    assert journal.load(INCIDENT).plans == frozenset()


def test_nothing_is_intended_that_is_not_planned_so(journal: DynamoJournal) -> None:
    planned(journal)
    other = Change("attach", OLD_ROLE, SEND, at(3))
    for change, given in ((ATTACH, "another"), (other, PLAN)):
        with pytest.raises(NotOfThisRun):
            journal.intend_grant(INCIDENT, change, HOLD, given)
    with pytest.raises(NotOfThisRun):
        journal.intend(INCIDENT, REDEPLOY, "another")
    with pytest.raises(NotOfThisRun):
        journal.intend("made-up", REDEPLOY, PLAN)
    assert journal.load(INCIDENT).changes == () == journal.load("made-up").changes
    assert DynamoHolds(client("dynamodb"), TABLE).of(OLD_ROLE) == ()


def test_a_step_that_is_tried_again_finds_its_intent_as_planned(journal: DynamoJournal) -> None:
    """Whatever it has recorded of it by then."""
    planned(journal)
    assert journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN) and journal.intend(INCIDENT, REDEPLOY, PLAN)
    for _ in range(2):
        assert not journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN)
        assert not journal.intend(INCIDENT, REDEPLOY, PLAN)
        journal.record(INCIDENT, REDEPLOY, PLAN)
        journal.record_and_release(INCIDENT, (ATTACH,), (HOLD,), LEASE, at(4), PLAN)
    with pytest.raises(NotOfThisRun):
        journal.intend_grant(INCIDENT, ATTACH, HOLD, "another")


def test_a_new_plan_replaces_what_is_planned_but_not_what_is_intended(journal: DynamoJournal) -> None:
    planned(journal)
    journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN)
    journal.plan(INCIDENT, (ATTACH, REDEPLOY), "a-new-one")
    assert journal.intend(INCIDENT, REDEPLOY, "a-new-one")
    assert not journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN)


def test_the_lease_is_taken_with_it(journal: DynamoJournal) -> None:
    leases = DynamoLeases(client("dynamodb"), TABLE)
    journal.keep_baseline_with_lease(INCIDENT, BASELINE, LEASE, at(1), (ATTACH,), PLAN)
    standing = leases.standing(LEASE.resource)
    assert standing is not None and standing.owner == INCIDENT


def test_what_was_not_begun_when_the_run_reports_nobody_begins_any_more(journal: DynamoJournal) -> None:
    planned(journal)
    journal.intend(INCIDENT, REDEPLOY, PLAN)
    record = journal.load(INCIDENT)
    assert record.not_begun == (f"change#attach#{RECEIVE}",)
    report = Report(INCIDENT, None, "contain", "CONTAINED", (), (), None, None, (), "x")
    journal.close(INCIDENT, report, at(240), drop=record.not_begun)
    with pytest.raises(NotOfThisRun):
        journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN)
    assert journal.load(INCIDENT).changes == (REDEPLOY,) and journal.load(INCIDENT).closed


def test_a_change_that_was_begun_in_that_moment_stays_and_the_report_too(journal: DynamoJournal) -> None:
    """Of the undo of that run, whose own plans these are not."""
    planned(journal)
    record = journal.load(INCIDENT)
    journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN)
    report = Report("undo", None, "rollback", "ROLLED_BACK", (), (), None, None, (), "x")
    journal.close("undo", report, at(240), subject=INCIDENT, drop=record.not_begun)
    assert journal.load(INCIDENT).changes == (ATTACH,) and journal.load("undo").closed
    with pytest.raises(NotOfThisRun):
        journal.intend(INCIDENT, REDEPLOY, PLAN)
