"""CodeBuild's builds, and what the journal's table keeps of handovers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.executions import execution_arn
from regrant.aws.handover.builds import CodeBuildBuilds
from regrant.aws.table.handovers import DynamoHandovers
from regrant.errors import UNREADABLE, AwsRefused
from regrant.handover.report import compose
from regrant.model.handover import BuildState, Kept
from tests.aws.account import TABLE, client, create_journal
from tests.unit.fakes import OPENED, SETTINGS, at
from tests.unit.handover.world import NAME, OPENED_STATE, RUN, SPEC

ONCE = "apply-1-handover"
ID = "regrant-handover:1f0e"
BUILD = {
    "id": ID,
    "buildStatus": "STOPPED",
    "startTime": datetime(2025, 11, 11, 22, 0, tzinfo=UTC),
    "endTime": datetime(2025, 11, 11, 22, 1, tzinfo=UTC),
    "environment": {
        "type": "LINUX_CONTAINER",
        "image": "x",
        "computeType": "BUILD_GENERAL1_SMALL",
        "environmentVariables": [
            {"name": "HANDOVER_RUN", "value": NAME},
            {"name": "HANDOVER_ACTION", "value": "apply"},
            {"name": "HANDOVER_ONCE", "value": ONCE},
        ],
    },
}
STATE = BuildState(ID, "STOPPED", "2025-11-11T22:00:00.000Z", "2025-11-11T22:01:00.000Z")


def builds(codebuild: Any) -> CodeBuildBuilds:
    return CodeBuildBuilds(codebuild, "regrant-handover", "regrant-work")


def test_a_build_is_started_with_its_names_its_source_and_no_token() -> None:
    codebuild = client("codebuild")
    variables = {
        "HANDOVER_RUN": NAME,
        "HANDOVER_ACTION": "apply",
        "HANDOVER_ONCE": ONCE,
        "HANDOVER_WORK": f"s3://regrant-work/{NAME}",
        "HANDOVER_STEPS": "prepare apply",
    }
    job = {"HANDOVER_STEPS": "prepare apply"}
    asked = {
        "projectName": "regrant-handover",
        "sourceVersion": "9a7e11a",
        "idempotencyToken": ONCE,
        "environmentVariablesOverride": [
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
        ],
    }
    with Stubber(codebuild) as stub:
        stub.add_response("start_build", {"build": {"id": ID}}, asked)
        assert builds(codebuild).start(NAME, "apply", "9a7e11a", ONCE, job) == ID


@pytest.mark.parametrize(("run", "found"), [(NAME, STATE), ("another", None)])
def test_a_build_that_nobody_recorded_is_found_by_its_names(run: str, found: BuildState | None) -> None:
    codebuild = client("codebuild")
    with Stubber(codebuild) as stub:
        stub.add_response(
            "list_builds_for_project",
            {"ids": [ID]},
            {"projectName": "regrant-handover", "sortOrder": "DESCENDING"},
        )
        stub.add_response("batch_get_builds", {"builds": [BUILD]}, {"ids": [ID]})
        assert builds(codebuild).find(run, "apply", ONCE) == found


def test_a_build_that_is_not_known_is_none() -> None:
    codebuild = client("codebuild")
    with Stubber(codebuild) as stub:
        stub.add_response("batch_get_builds", {"builds": [], "buildsNotFound": [ID]}, {"ids": [ID]})
        stub.add_response("list_builds_for_project", {})
        assert builds(codebuild).look(ID) is None
        assert builds(codebuild).find(NAME, "apply", ONCE) is None


@pytest.mark.parametrize("status", ["STOPPED", "IN_PROGRESS"])
def test_a_refused_stop_matters_only_while_the_build_goes_on(status: str) -> None:
    codebuild = client("codebuild")
    with Stubber(codebuild) as stub:
        stub.add_client_error("stop_build", "InvalidInputException", http_status_code=400)
        stub.add_response("batch_get_builds", {"builds": [{**BUILD, "buildStatus": status}]})
        if status == "STOPPED":
            builds(codebuild).stop(ID)
        else:
            with pytest.raises(AwsRefused):
                builds(codebuild).stop(ID)


def test_a_handover_is_kept_once_and_replaced_by_its_own_steps() -> None:
    create_journal()
    handovers = DynamoHandovers(client("dynamodb"), TABLE)
    first, second = Kept(SPEC, OPENED), Kept(SPEC, at(1))
    assert handovers.load(RUN) is None
    assert handovers.keep(RUN, first) == first and handovers.keep(RUN, second) == first
    handovers.replace(RUN, second)
    assert handovers.load(RUN) == second


def test_what_somebody_wrote_there_is_refused_as_unreadable() -> None:
    create_journal()
    item = {"incident": {"S": RUN}, "entry": {"S": "handover"}, "body": {"S": "{}"}}
    client("dynamodb").put_item(TableName=TABLE, Item=item)
    with pytest.raises(AwsRefused) as refused:
        DynamoHandovers(client("dynamodb"), TABLE).load(RUN)
    assert refused.value.code == UNREADABLE


def test_a_handover_with_a_report_is_closed_for_the_journal_too() -> None:
    from regrant.aws.table.journal import DynamoJournal

    create_journal()
    journal = DynamoJournal(client("dynamodb"), TABLE)
    assert not journal.load(RUN).closed
    report = compose(OPENED_STATE, "REFUSED", (), None, at(5))
    DynamoHandovers(client("dynamodb"), TABLE).close(RUN, report)
    assert journal.load(RUN).closed


def test_a_handover_is_an_execution_of_the_other_state_machine() -> None:
    region = "arn:aws:states:us-east-1:123456789012"
    assert execution_arn(SETTINGS.state_machine, "a") == f"{region}:execution:regrant-runbook:a"
    assert execution_arn(SETTINGS.state_machine, RUN) == f"{region}:execution:regrant-handover:{NAME}"
