"""The journal's table: the first entry of its kind stands, and everything of an incident comes back."""

import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.errors import AwsRefused
from regrant.model.aws import Baseline
from regrant.model.journal import Change, Hold, LastOutcome
from regrant.model.run import Report
from tests.aws.account import TABLE, client, create_journal
from tests.unit.fakes import INCIDENT, OLD_DEPLOYMENT, OLD_ROLE, RECEIVE, ROLE, RUNNING, SEND, WORKER, at

BASELINE = Baseline(str(WORKER), ROLE, RUNNING, at(2))
ATTACH = Change("attach", OLD_ROLE, RECEIVE, at(3))
HOLD = Hold(RECEIVE, INCIDENT, str(WORKER))
REDEPLOY = Change("redeploy", str(WORKER), OLD_DEPLOYMENT, at(5))


@pytest.fixture
def journal() -> DynamoJournal:
    return DynamoJournal(create_journal(), TABLE)


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
    assert journal.intend_grant(INCIDENT, ATTACH, HOLD)
    assert (journal.load(INCIDENT).changes, holds.of(OLD_ROLE)) == ((ATTACH,), (HOLD,))
    holds.write(OLD_ROLE, dropped)
    assert not journal.intend_grant(INCIDENT, replace(ATTACH, intended_at=at(9)), HOLD)
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
    assert journal.last_outcome(WORKER) == LastOutcome(INCIDENT, "ROLLED_BACK", at(240))


def test_a_run_that_changed_nothing_is_not_the_last_one(journal: DynamoJournal) -> None:
    report = Report(INCIDENT, str(WORKER), "contain", "REFUSED", (), (), None, None, (), "x")
    journal.close(INCIDENT, report, at(240))
    assert journal.last_outcome(WORKER) is None
