"""The journal's table: the first entry of its kind stands, and everything of an incident comes back."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from regrant.aws.table.holds import DynamoHolds
from regrant.aws.table.journal import DynamoJournal
from regrant.aws.table.leases import DynamoLeases
from regrant.errors import AwsRefused
from regrant.model.aws import Baseline
from regrant.model.journal import Change, Hold, LastOutcome, Lease, Outcome
from regrant.model.run import Report
from tests.aws.account import TABLE, client, create_journal
from tests.unit.fakes import INCIDENT, OLD_DEPLOYMENT, OLD_ROLE, RECEIVE, ROLE, RUNNING, SEND, WORKER, at

BASELINE = Baseline(str(WORKER), ROLE, RUNNING, at(2))
ATTACH = Change("attach", OLD_ROLE, RECEIVE, at(3))
HOLD = Hold(RECEIVE, INCIDENT, str(WORKER))
REDEPLOY = Change("redeploy", str(WORKER), OLD_DEPLOYMENT, at(5))
PLAN = "the-digest"
ROLE_LEASE, SERVICE_LEASE = f"role/{OLD_ROLE}", f"service/{WORKER}"


@pytest.fixture
def journal() -> DynamoJournal:
    return DynamoJournal(create_journal(), TABLE)


@pytest.fixture
def leases(journal: DynamoJournal) -> DynamoLeases:
    return DynamoLeases(client("dynamodb"), TABLE)


def lease(owner: str, taken: float, ends: float, resource: str = ROLE_LEASE) -> Lease:
    return Lease(resource, owner, at(taken), at(ends), owner)


OURS = lease(INCIDENT, 5, 37_000)


def standing(leases: DynamoLeases, resource: str = ROLE_LEASE) -> Lease:
    """The lease that stands, for somebody else who asks for it before it ends."""
    return leases.take(lease("somebody", 0, 0, resource), at(-99_000))


def test_an_incident_that_is_not_there_is_empty(journal: DynamoJournal) -> None:
    record = journal.load("nothing")
    assert (record.baseline, record.changes) == (None, ())


def test_a_baseline_comes_back_as_it_was(journal: DynamoJournal) -> None:
    assert journal.keep_baseline(INCIDENT, BASELINE) == BASELINE
    assert journal.load(INCIDENT).baseline == BASELINE


def test_the_first_baseline_stands(journal: DynamoJournal) -> None:
    journal.keep_baseline(INCIDENT, BASELINE)
    later = replace(BASELINE, role=replace(ROLE, attached=(RECEIVE,)), captured_at=at(9))
    assert journal.keep_baseline(INCIDENT, later) == BASELINE
    assert journal.load(INCIDENT).baseline == BASELINE


def test_an_intent_is_new_once(journal: DynamoJournal) -> None:
    assert journal.intend(INCIDENT, ATTACH)
    assert not journal.intend(INCIDENT, replace(ATTACH, intended_at=at(9)))
    assert journal.load(INCIDENT).changes == (ATTACH,)


def test_an_intent_to_attach_comes_with_its_hold_once(journal: DynamoJournal) -> None:
    holds = DynamoHolds(client("dynamodb"), TABLE)
    dropped = replace(HOLD, dropped_at=at(90))
    journal.plan(INCIDENT, (ATTACH,), PLAN)
    assert journal.intend_grant(INCIDENT, ATTACH, HOLD, PLAN)
    assert (journal.load(INCIDENT).changes, holds.of(OLD_ROLE)) == ((ATTACH,), (HOLD,))
    holds.write(OLD_ROLE, dropped)
    assert not journal.intend_grant(INCIDENT, replace(ATTACH, intended_at=at(9)), HOLD, PLAN)
    assert (journal.load(INCIDENT).changes, holds.dropped(OLD_ROLE)) == ((ATTACH,), (dropped,))


def test_a_redeploy_is_one_entry_whatever_its_deployment(journal: DynamoJournal) -> None:
    done = replace(REDEPLOY, value="ecs-svc/42", done_at=at(6))
    journal.intend(INCIDENT, REDEPLOY)
    journal.record(INCIDENT, done)
    assert journal.load(INCIDENT).changes == (done,)
    assert not journal.intend(INCIDENT, REDEPLOY)


def test_an_attachment_is_done_and_undone_in_its_own_entry(journal: DynamoJournal) -> None:
    other = replace(ATTACH, value=SEND, intended_at=at(4))
    undone = replace(ATTACH, done_at=at(3), undone_at=at(90))
    journal.intend(INCIDENT, ATTACH)
    journal.intend(INCIDENT, other)
    journal.record(INCIDENT, undone)
    assert journal.load(INCIDENT).changes == (undone, other)


def test_changes_come_in_the_order_in_which_they_were_intended(journal: DynamoJournal) -> None:
    journal.intend(INCIDENT, REDEPLOY)
    journal.intend(INCIDENT, ATTACH)
    assert [change.kind for change in journal.load(INCIDENT).changes] == ["attach", "redeploy"]


def test_incidents_do_not_see_each_other(journal: DynamoJournal) -> None:
    journal.intend(INCIDENT, ATTACH)
    assert journal.intend("another", ATTACH)
    assert len(journal.load("another").changes) == 1


def test_a_closed_incident_keeps_its_report_beside_the_rest(journal: DynamoJournal) -> None:
    journal.intend(INCIDENT, ATTACH)
    journal.close(
        INCIDENT, Report(INCIDENT, None, "contain", "CONTAINED", (), (), None, None, (), "x"), at(240)
    )
    assert journal.load(INCIDENT).changes == (ATTACH,)
    key = {"incident": {"S": INCIDENT}, "entry": {"S": "outcome"}}
    assert '"CONTAINED"' in client("dynamodb").get_item(TableName=TABLE, Key=key)["Item"]["body"]["S"]


def test_an_incident_is_closed_by_its_report_until_its_run_undoes_it_after_all(
    journal: DynamoJournal,
) -> None:
    report = Report(INCIDENT, None, "contain", "CONTAINED", (), (), None, None, (), "x")
    assert not journal.load(INCIDENT).closed
    journal.close(INCIDENT, report, at(240))
    assert journal.load(INCIDENT).closed
    journal.reopen(INCIDENT)
    assert not journal.load(INCIDENT).closed
    journal.close(INCIDENT, report, at(300))
    assert journal.load(INCIDENT).closed


def test_a_table_that_refuses_is_not_an_intent_that_was_there() -> None:
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stub:
        stub.add_client_error("put_item", "AccessDeniedException")
        with pytest.raises(AwsRefused):
            DynamoJournal(dynamodb, TABLE).intend(INCIDENT, ATTACH)


def test_how_the_last_run_of_a_service_ended_is_kept_with_the_service(journal: DynamoJournal) -> None:
    changes = (Change("attach", OLD_ROLE, RECEIVE, at(3), at(3), at(200)),)
    report = Report(INCIDENT, str(WORKER), "contain", "ROLLED_BACK", (), changes, None, None, (), "x")
    assert journal.last_outcome(WORKER) is None
    journal.close(INCIDENT, report, at(240))
    undone = {f"{OLD_ROLE} {RECEIVE}": at(200)}
    assert journal.last_outcome(WORKER) == LastOutcome(INCIDENT, "ROLLED_BACK", at(240), undone=undone)


def rolled_back(incident: str, *changes: Change) -> Report:
    return Report(incident, str(WORKER), "rollback", "ROLLED_BACK", (), changes, None, None, (), "x")


def test_what_earlier_undos_took_off_is_remembered_for_a_day(journal: DynamoJournal) -> None:
    for incident, policy, when in (("run-1", RECEIVE, 200), ("run-2", SEND, 9_000)):
        change = Change("attach", OLD_ROLE, policy, at(when), at(when), at(when))
        journal.close(incident, rolled_back(incident, change), at(when))
    last = journal.last_outcome(WORKER)
    assert last is not None
    assert last.undone == {f"{OLD_ROLE} {RECEIVE}": at(200), f"{OLD_ROLE} {SEND}": at(9_000)}
    late = Change("attach", OLD_ROLE, SEND, at(90_000), at(90_000), at(90_000))
    journal.close("run-3", rolled_back("run-3", late), at(90_000))
    last = journal.last_outcome(WORKER)
    assert last is not None and last.undone == {f"{OLD_ROLE} {SEND}": at(90_000)}


@pytest.mark.parametrize(
    "change",
    [
        Change("attach", OLD_ROLE, RECEIVE, at(3), None, at(200)),
        Change("attach", OLD_ROLE, RECEIVE, at(3), at(3), at(200), ended_by="expiry-1"),
        Change("attach", OLD_ROLE, RECEIVE, at(-99_000), at(-99_000), at(-98_000)),
    ],
    ids=["never made", "ended before", "undone days ago"],
)
def test_an_undo_that_took_nothing_off_keeps_events_from_nothing(
    journal: DynamoJournal, change: Change
) -> None:
    """Whoever may start an undo starts it for any incident of before."""
    journal.close("undo-1", rolled_back("undo-1", change), at(240), subject=INCIDENT)
    assert journal.last_outcome(WORKER) is None


def test_a_second_undo_of_a_run_takes_nothing_off_for_longer(journal: DynamoJournal) -> None:
    change = Change("attach", OLD_ROLE, RECEIVE, at(3), at(3), at(200))
    for undo, when in (("undo-1", 240), ("undo-2", 80_000)):
        journal.close(undo, rolled_back(undo, change), at(when), subject=INCIDENT)
    last = journal.last_outcome(WORKER)
    assert last is not None and last.undone == {f"{OLD_ROLE} {RECEIVE}": at(200)}


def test_a_page_of_a_run_that_changed_nothing_is_not_the_last_word_on_the_service(
    journal: DynamoJournal,
) -> None:
    nothing = replace(rolled_back("undo-1"), outcome="ROLLBACK_INCOMPLETE")
    journal.close("undo-1", nothing, at(240), subject=INCIDENT)
    assert journal.last_outcome(WORKER) is None


def test_an_undo_that_finishes_a_day_after_it_was_paged_ends_the_page(journal: DynamoJournal) -> None:
    change = Change("attach", OLD_ROLE, RECEIVE, at(3), at(3), at(200))
    stands = replace(rolled_back("undo-1", replace(change, undone_at=None)), outcome="ROLLBACK_INCOMPLETE")
    journal.close("undo-1", stands, at(240), subject=INCIDENT)
    journal.close("undo-2", rolled_back("undo-2", change), at(99_000), subject=INCIDENT)
    last = journal.last_outcome(WORKER)
    assert last is not None and (last.outcome, last.undone) == ("ROLLED_BACK", {})


def test_a_run_that_changed_nothing_is_not_the_last_one(journal: DynamoJournal) -> None:
    report = Report(INCIDENT, str(WORKER), "contain", "REFUSED", (), (), None, None, (), "x")
    journal.close(INCIDENT, report, at(240))
    assert journal.last_outcome(WORKER) is None


@pytest.mark.parametrize(
    ("incomplete", "its_subject", "last"),
    [
        ("expiry-1", "expiry-1", LastOutcome("undo-2", "CONTAINED", at(900), "expiry-1")),
        ("undo-1", "expiry-1", LastOutcome("undo-2", "CONTAINED", at(900), "expiry-1")),
        ("undo-1", "contain-1", LastOutcome("undo-1", "ROLLBACK_INCOMPLETE", at(240), "contain-1")),
    ],
    ids=["that had not undone itself", "that another had not undone", "but not of that one"],
)
def test_an_expiry_that_was_undone_in_the_end_has_left_the_service_contained(
    journal: DynamoJournal, incomplete: str, its_subject: str, last: LastOutcome
) -> None:
    changes = (Change("withdraw", OLD_ROLE, RECEIVE, at(3), at(3)),)
    report = Report(
        incomplete, str(WORKER), "expire", "ROLLBACK_INCOMPLETE", (), changes, None, None, (), "x"
    )
    journal.close(incomplete, report, at(240), subject=its_subject)
    undone = replace(report, incident="undo-2", mode="rollback", outcome="ROLLED_BACK")
    journal.close("undo-2", undone, at(900), subject="expiry-1")
    assert journal.last_outcome(WORKER) == last
    journal.close("undo-3", replace(undone, incident="undo-3"), at(950), subject="expiry-1")
    assert journal.last_outcome(WORKER) == last


def test_a_baseline_comes_with_the_lease_on_its_role(journal: DynamoJournal, leases: DynamoLeases) -> None:
    assert journal.keep_baseline_with_lease(INCIDENT, BASELINE, OURS, at(0))
    assert journal.load(INCIDENT).baseline == BASELINE
    assert standing(leases) == OURS


def test_a_baseline_that_is_there_already_stands_and_no_lease_is_taken(
    journal: DynamoJournal, leases: DynamoLeases
) -> None:
    journal.keep_baseline(INCIDENT, BASELINE)
    leases.take(lease("another", -9_000, -8_000), at(-9_000))
    later = replace(BASELINE, captured_at=at(9))
    assert not journal.keep_baseline_with_lease(INCIDENT, later, OURS, at(0))
    assert journal.load(INCIDENT).baseline == BASELINE
    assert standing(leases).owner == "another"


# `untouched_since` is the incident's beginning, the lease is asked for 5 seconds later.
@pytest.mark.parametrize(
    "before",
    [
        lambda leases: leases.take(lease("another", -9_000, 28_000), at(-9_000)),
        lambda leases: leases.take(lease("another", 3, 28_000), at(3)),
        lambda leases: leases.take(lease(INCIDENT, -9_000, 28_000), at(-9_000)),
        lambda leases: leases.take(lease("another", -9_000, 6), at(-9_000)),
        lambda leases: (
            leases.take(lease("another", -9_000, 28_000), at(-9_000)),
            leases.release(ROLE_LEASE, "another", at(0)),
        ),
    ],
    ids=["another has it", "another took it since", "this run has it", "it ends soon", "released since"],
)
def test_of_a_role_that_may_have_been_changed_neither_is_written(
    journal: DynamoJournal, leases: DynamoLeases, before: Callable[[DynamoLeases], object]
) -> None:
    before(leases)
    was = standing(leases)
    assert not journal.keep_baseline_with_lease(INCIDENT, BASELINE, OURS, at(0))
    assert journal.load(INCIDENT).baseline is None
    assert standing(leases) == was


@pytest.mark.parametrize(
    "before",
    [
        lambda leases: leases.take(lease("another", -40_000, -3_000), at(-40_000)),
        lambda leases: (
            leases.take(lease("another", -9_000, 28_000), at(-9_000)),
            leases.release(ROLE_LEASE, "another", at(-1)),
        ),
    ],
    ids=["it ran out", "released before"],
)
def test_of_a_role_that_nobody_has_had_since_both_are_written(
    journal: DynamoJournal, leases: DynamoLeases, before: Callable[[DynamoLeases], object]
) -> None:
    before(leases)
    assert journal.keep_baseline_with_lease(INCIDENT, BASELINE, OURS, at(0))
    assert (journal.load(INCIDENT).baseline, standing(leases)) == (BASELINE, OURS)


def test_a_table_that_refuses_is_not_a_role_that_another_run_has() -> None:
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stub:
        stub.add_client_error("transact_write_items", "AccessDeniedException")
        with pytest.raises(AwsRefused):
            DynamoJournal(dynamodb, TABLE).keep_baseline_with_lease(INCIDENT, BASELINE, OURS, at(0))


DONE = (replace(ATTACH, done_at=at(6)), replace(ATTACH, value=SEND, intended_at=at(4), done_at=at(6)))


def test_what_was_done_is_recorded_and_the_lease_ended(journal: DynamoJournal, leases: DynamoLeases) -> None:
    leases.take(OURS, at(5))
    journal.record_and_release(INCIDENT, DONE, (), OURS, at(6))
    assert journal.load(INCIDENT).changes == DONE
    assert standing(leases) == Lease(ROLE_LEASE, INCIDENT, at(6), at(6), INCIDENT)


def test_that_is_one_write_so_that_neither_is_there_without_the_other(journal: DynamoJournal) -> None:
    calls = []
    dynamodb = client("dynamodb")
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name) if model else None
    )
    DynamoLeases(client("dynamodb"), TABLE).take(OURS, at(5))
    DynamoJournal(dynamodb, TABLE).record_and_release(INCIDENT, DONE, (), OURS, at(6))
    assert calls == ["TransactWriteItems"]


def test_what_was_done_is_recorded_where_another_run_has_the_lease_by_then(
    journal: DynamoJournal, leases: DynamoLeases
) -> None:
    theirs = lease("another", 5, 37_000)
    leases.take(theirs, at(5))
    journal.record_and_release(INCIDENT, DONE, (), OURS, at(6))
    assert (journal.load(INCIDENT).changes, standing(leases)) == (DONE, theirs)


def test_a_run_that_did_nothing_ends_its_lease(journal: DynamoJournal, leases: DynamoLeases) -> None:
    leases.take(OURS, at(5))
    journal.record_and_release(INCIDENT, (), (), OURS, at(6))
    assert standing(leases).ends_at == at(6)


def test_a_run_that_did_nothing_and_has_lost_its_lease_writes_nothing(
    journal: DynamoJournal, leases: DynamoLeases
) -> None:
    theirs = lease("another", 5, 37_000)
    leases.take(theirs, at(5))
    journal.record_and_release(INCIDENT, (), (), OURS, at(6))
    assert (journal.load(INCIDENT).changes, standing(leases)) == ((), theirs)


REPORT = Report(INCIDENT, str(WORKER), "contain", "CONTAINED", (), (), None, None, (), "x")


def test_a_run_that_is_closed_gives_its_service_back(journal: DynamoJournal, leases: DynamoLeases) -> None:
    leases.take(lease(INCIDENT, 0, 37_000, SERVICE_LEASE), at(0))
    journal.close(INCIDENT, REPORT, at(240), SERVICE_LEASE)
    assert journal.load(INCIDENT).closed and journal.last_outcome(WORKER) is not None
    assert standing(leases, SERVICE_LEASE).ends_at == at(240)


def test_a_run_that_is_closed_leaves_a_service_that_another_has_by_then(
    journal: DynamoJournal, leases: DynamoLeases
) -> None:
    theirs = lease("another", 0, 37_000, SERVICE_LEASE)
    leases.take(theirs, at(0))
    journal.close(INCIDENT, REPORT, at(240), SERVICE_LEASE)
    assert journal.load(INCIDENT).closed and journal.last_outcome(WORKER) is not None
    assert standing(leases, SERVICE_LEASE) == theirs


def test_a_run_that_never_had_its_service_takes_no_lease_from_anybody(
    journal: DynamoJournal, leases: DynamoLeases
) -> None:
    mine = lease(INCIDENT, 0, 37_000, SERVICE_LEASE)
    leases.take(mine, at(0))
    journal.close(INCIDENT, REPORT, at(240))
    assert journal.load(INCIDENT).closed and standing(leases, SERVICE_LEASE) == mine


@pytest.mark.parametrize("outcome", ["ROLLED_BACK", "ROLLBACK_INCOMPLETE"])
def test_an_undo_that_is_started_again_renews_nothing(journal: DynamoJournal, outcome: Outcome) -> None:
    changes = (Change("attach", OLD_ROLE, RECEIVE, at(3), at(3), at(200)),)
    report = Report("undo-1", str(WORKER), "rollback", outcome, (), changes, None, None, (), "x")
    journal.close("undo-1", report, at(240), subject=INCIDENT)
    journal.close("undo-2", replace(report, incident="undo-2"), at(900), subject=INCIDENT)
    last = journal.last_outcome(WORKER)
    assert last and (last.incident, last.outcome, last.at) == ("undo-1", outcome, at(240))
    later_on = (Change("attach", OLD_ROLE, RECEIVE, at(800), at(800), at(930)),)
    another = replace(report, incident="undo-3", changes=later_on)
    journal.close("undo-3", another, at(950), subject="another")
    last = journal.last_outcome(WORKER)
    assert last and (last.incident, last.subject, last.at) == ("undo-3", "another", at(950))


@pytest.mark.parametrize(
    "item", [{"body": {"S": "{}"}}, {"body": {"N": "7"}}, {"planned": {"N": "7"}}, {"body": {"S": "no JSON"}}]
)
def test_an_item_that_cannot_be_read_is_refused_so_that_a_person_is_paged(
    journal: DynamoJournal, item: dict[str, Any]
) -> None:
    journal.intend(INCIDENT, ATTACH)
    key = {"incident": {"S": INCIDENT}, "entry": {"S": "change#attach#forged"}}
    client("dynamodb").put_item(TableName=TABLE, Item=key | item)
    with pytest.raises(AwsRefused, match=f"something of {INCIDENT} that cannot be read"):
        journal.load(INCIDENT)
