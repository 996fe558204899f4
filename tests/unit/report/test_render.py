"""The report as plain text: short, 80 columns wide, and whole where it matters."""

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.model.journal import Change
from regrant.model.results import Health, Receipt, Sample
from regrant.model.run import Finding, Report, Stage
from regrant.report.render import render
from tests.unit.fakes import (
    DEFINITION,
    DENIAL,
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    SUCCESS,
    WORKER,
    at,
)

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
COMMAND = (
    "aws iam detach-role-policy --role-name retainwise-ecs-task-role"
    " --policy-arn arn:aws:iam::123456789012:policy/retainwise/prod-retainwise-sqs-worker"
)
HEALTH = Health(
    verdict="HEALTHY",
    checks=12,
    samples=4,
    streak=3,
    needed=3,
    at=at(240),
    proof=SUCCESS,
    last=Sample(at(220), at(240), tasks=2, successes=3, denials=0, backlog=0, dead_letters=4),
)
REPORT = Report(
    incident=INCIDENT,
    service=str(WORKER),
    mode="contain",
    outcome="CONTAINED",
    findings=(
        Finding("TRIGGER", f"Started by alarm regrant/{WORKER}."),
        Finding("MISSING_ATTACHMENT", "The role lacks the policy.", (DENIAL, DENIAL, DENIAL)),
        Finding("MISSING_ATTACHMENT", "The role lacks the policy.", (RECEIVE,)),
    ),
    changes=(
        Change("attach", OLD_ROLE, RECEIVE, at(3), done_at=at(3)),
        Change("redeploy", str(WORKER), "ecs-svc/42", at(5), done_at=at(5)),
    ),
    health=HEALTH,
    receipt=None,
    timeline=(Stage("grant", 4.0), Stage("verify", 84.4), Stage("total", 240.0)),
    next="Undo it.",
)


def lines(**changed: Any) -> list[str]:
    return render(replace(REPORT, **changed)).split("\n")


def test_it_says_what_was_wrong_what_was_changed_the_proof_and_how_long_it_took() -> None:
    text = render(REPORT)
    for part in (
        f"CONTAINED  {WORKER}",
        f"mode contain, incident\n{INCIDENT}\n",
        "found    TRIGGER: Started by alarm",
        "         MISSING_ATTACHMENT: The role lacks the policy.",
        "changed  attached prod-retainwise-sqs-worker to retainwise-ecs-task-role (done)",
        f"redeployed {WORKER} as ecs-svc/42 (done)",
        "proof    HEALTHY: 3 of 3 good samples in a row, 4 taken",
        SUCCESS,
        "last sample: 2 tasks, 0 denials, 0 messages waiting, 4 in the",
        "  dead-letter queue",
        "took     grant 4.0 s, verify 84 s, total 240 s",
        "next     Undo it.",
    ):
        assert part in text


def test_a_run_that_changed_nothing_says_so() -> None:
    assert "changed  nothing" in lines(changes=())


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"done_at": at(3)}, "done"),
        ({}, "intended"),
        ({"done_at": at(3), "undone_at": at(9)}, "detached again"),
        ({"answered_at": at(3), "undone_at": at(9)}, "detached, if it was still there"),
    ],
)
def test_a_change_says_how_far_it_came(state: dict[str, str], word: str) -> None:
    change = Change("attach", OLD_ROLE, RECEIVE, at(3), **state)
    assert any(line.endswith(f"({word})") for line in lines(changes=(change,)))


def test_a_revision_that_was_left_is_shown_with_who_runs_it() -> None:
    left = Change("register", DEFINITION, NEWER_DEFINITION, at(3), done_at=at(3), left_for="a/b runs it")
    assert any(line.endswith("(left: a/b runs it)") for line in lines(changes=(left,)))


def test_a_receipt_shows_both_hashes_under_each_other() -> None:
    shown = lines(receipt=Receipt(SHA, SHA, SHA, True, at(300)))
    start = shown.index("receipt  equal")
    assert shown[start + 1 : start + 3] == [f"         before {SHA}", f"          after {SHA}"]


def test_hashes_that_are_equal_only_apart_from_others_changes_say_so() -> None:
    theirs = ("+ service.desired_count = 5", "- service.desired_count = 2")
    shown = lines(receipt=Receipt(SHA, SHA, "0" * 64, True, at(300), changed_by_others=theirs))
    assert "receipt  equal, apart from 2 changes by others" in shown
    assert "           changed by others: + service.desired_count = 5" in shown


def test_hashes_that_differ_are_hard_to_miss() -> None:
    other = "0" * 64
    shown = lines(receipt=Receipt(SHA, other, other, False, at(300)))
    assert "receipt  NOT EQUAL" in shown


LONG = {
    "service": f"{'c' * 255}/{'s' * 255}",
    "findings": tuple(Finding("X", "word " * 60, ("line one\nline two " * 40,) * 3) for _ in range(12)),
    "changes": tuple(Change("attach", OLD_ROLE, f"{RECEIVE}-{n}", at(3)) for n in range(20)),
    "receipt": Receipt(SHA, SHA, SHA, True, at(300), changed_by_others=("+ x = 1",) * 60),
    "health": replace(HEALTH, proof="Successfully received\n" * 30),
}


def test_the_worst_report_is_short_and_only_single_words_are_wider_than_a_terminal() -> None:
    shown = lines(**LONG)
    assert len(shown) <= 60
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in shown)


def test_more_good_samples_than_were_needed_are_not_counted() -> None:
    assert "proof    HEALTHY: 3 of 3 good samples in a row, 7 taken" in lines(
        health=replace(HEALTH, streak=7, samples=7)
    )


def test_what_is_left_out_is_counted() -> None:
    shown = lines(changes=LONG["changes"])
    assert "         … and 17 more" in shown


def test_the_reason_at_the_end_of_a_long_denial_is_shown() -> None:
    sentence = f"{'long stack trace ' * 80}{DENIAL}"
    text = " ".join(render(replace(REPORT, findings=(Finding("X", "Denied.", (sentence,)),))).split())
    assert text.count("…") == 1
    assert DENIAL.rpartition(" on resource: ")[2] in text


def test_an_arn_is_never_broken_and_moves_left_to_fit() -> None:
    arn = f"arn:aws:sqs:us-east-1:123456789012:{'q' * 40}"
    shown = lines(findings=(Finding("X", f"The role lacks the right to read {arn} now."),))
    assert f"{arn:>80}" in shown
    assert f"         {arn}-{'q' * 9}" in lines(findings=(Finding("X", f"Lacks {arn}-{'q' * 9}"),))


def test_a_log_line_cannot_steer_the_terminal_or_break_the_line() -> None:
    health = replace(HEALTH, proof="Successfully\x1b[2J received\r\n\tall")
    assert all(line.isprintable() for line in lines(health=health))
    assert len(lines(health=health)) == len(lines())


def test_an_input_that_fits_in_a_line_stays_in_one() -> None:
    cure = '{"service": "retainwise-cluster/retainwise-worker", "mode": "cure"}'
    assert f"         {cure}." in lines(next=f"Cure it before the grant ends, with this input: {cure}.")


def test_the_next_step_is_wrapped_between_words_so_that_its_commands_can_be_copied() -> None:
    advice = f"Check that the service has settled, then: {COMMAND}; {COMMAND}-2; {COMMAND}-3."
    shown = lines(next=advice)
    start = next(n for n, line in enumerate(shown) if line.startswith("next"))
    assert " ".join(" ".join(shown[start:]).split())[5:] == advice
    assert any(line.strip().startswith("arn:") for line in shown[start:])


def test_denied_calls_that_were_expected_are_not_hidden_behind_no_denials() -> None:
    assert HEALTH.last is not None
    text = render(replace(REPORT, health=replace(HEALTH, last=replace(HEALTH.last, expected=3))))
    assert "last sample: 2 tasks, 0 denials beside 3 expected, " in " ".join(text.split())
