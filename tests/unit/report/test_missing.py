"""The statement that is missing, to copy from the report, the notification and the page."""

from __future__ import annotations

import json

from msgspec.structs import replace

from regrant.iam.least import as_blocks, least_policy
from regrant.model.run import Finding
from regrant.report.page import page_operator
from regrant.report.render import render
from tests.unit.ended import DONE, STUCK
from tests.unit.fakes import CONTAIN, DENIAL, QUEUE, World, at
from tests.unit.run import Run

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/other"
UPDATE = DENIAL.replace("sqs:receivemessage", "dynamodb:UpdateItem").replace(QUEUE, TABLE)
POLICY = least_policy([("dynamodb:UpdateItem", TABLE)])
BLOCKS = as_blocks(POLICY)


def test_the_report_of_a_refused_run_ends_in_the_statement() -> None:
    world = World()
    world.logs.write(-60, UPDATE, "old-1")
    run = Run(world)
    run.diagnose()
    report = run.close()
    assert report.outcome == "REFUSED" and report.next.endswith(f"\n{BLOCKS}")
    assert report.next.startswith("If the service is entitled to it, put it into a policy")
    (finding,) = [finding for finding in report.findings if finding.code == "MISSING_STATEMENT"]
    assert json.loads(finding.evidence[0]) == POLICY


def test_the_notification_has_it_to_copy_with_its_indents_and_only_there() -> None:
    world = World()
    world.logs.write(-60, UPDATE, "old-1")
    run = Run(world)
    run.diagnose()
    mail = render(run.close())
    assert '  data "aws_iam_policy_document" "missing" {\n    statement {\n      actions   = [' in mail
    assert mail.count('"Version"') == 1 and mail.count(f'resources = ["{TABLE}"]') == 1
    begin = mail.index('  {\n    "Version"')
    assert json.loads(mail[begin : mail.index("\n  }\n", begin) + 4]) == POLICY


BESIDE = replace(CONTAIN, findings=(Finding("MISSING_STATEMENT", "It lacks one.", (json.dumps(POLICY),)),))


def test_a_contained_service_has_it_after_what_else_there_is_to_do() -> None:
    run = Run(World())
    run.state = replace(DONE, diagnosis=BESIDE)
    report = run.close()
    assert report.outcome == "CONTAINED"
    assert report.next.startswith("The grant is temporary") and report.next.endswith(f"\n{BLOCKS}")


def test_a_page_has_it_after_the_commands() -> None:
    report = page_operator(replace(STUCK, diagnosis=BESIDE), World(), at(310))
    assert report.outcome == "ROLLBACK_INCOMPLETE" and report.next.endswith(f"\n{BLOCKS}")


def test_without_one_the_next_step_is_as_it_was() -> None:
    run = Run(World())
    run.state = DONE
    assert "JSON" not in run.close().next
