"""Read what the last build came to, and go on only once it is known that nothing of it goes on.

A build that has answered is believed about what Terraform said and nothing else. One that has not is
stopped, and waited for: Terraform saves its state and gives its lock back when it is stopped (SIGTERM), and
nothing may touch the state before that.
"""

from __future__ import annotations

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.handover.build import builds_of, once_of
from regrant.handover.ports import HandoverAccount
from regrant.handover.result import Result, judge_result, judge_silence, read_result
from regrant.journal import note_undone
from regrant.model.handover import Action, HandoverEvent, HandoverState, Reading
from regrant.model.journal import Change
from regrant.model.runs import run_of

# Seconds in which CodeBuild's list has a build, and a function that was asked to start one has ended.
_NOT_YET = 120.0
# For so long (seconds) what ran in a build may go on once CodeBuild shows it as ended: a stopped one is shown
# so there and then (AWS CLI reference, stop-build, Examples), while Terraform still saves its state: that may
# take the four minutes of the runner's patience.
_STRAGGLES = 300.0


def read_build(event: HandoverEvent, aws: HandoverAccount) -> Reading:
    """Raises AwsUnavailable, AwsRefused."""
    state, now, before = event.state, event.now, event.state.reading
    action = expected(state)
    result: Result | str = "its end was waited for" if action is None else read_result(state.build, action)
    if action is not None and isinstance(result, Result) and _is_settled(result, action):
        return _after(before, judge_result(result, action, now))
    # Whoever has no answer, or one after which all is undone, is certain of the end first.
    if _end_all(event, aws):
        checks = before.checks if before and before.next == "WAIT" else 0
        return _after(before, Reading("WAIT", now, action or "", checks=checks + 1))
    if action is None:
        return _after(before, Reading("RESTORE", now, killed=state.handover.mode == "undo"))
    if isinstance(result, Result):
        return _after(before, judge_result(result, action, now))
    return _after(before, judge_silence(result, action, now))


def _is_settled(result: Result, action: Action) -> bool:
    """Whether the handover goes on after it, with another build or none: then its build is about to end."""
    return result.status == "DONE" or action in ("import", "plan", "drift")


def _after(before: Reading | None, reading: Reading) -> Reading:
    """With what the readings before have found. An answer is to its own plan, so that does not come along."""
    if before is None:
        return reading
    return replace(
        reading,
        plan=reading.plan or before.plan,
        findings=(*before.findings, *reading.findings),
        refusal=reading.refusal or before.refusal,
        killed=reading.killed or before.killed,
    )


def expected(state: HandoverState) -> Action | None:
    """Of which action the state's `build` is, by where the run is; None where only an end is waited for."""
    reading, restore = state.reading, state.restore
    if reading is not None and reading.next == "WAIT":
        return reading.action or None
    if restore is not None:
        return "undo" if restore.next == "UNDO" else None
    if state.handover.mode == "undo":
        return None
    if state.cures is not None:
        return "drift"
    if state.captured is not None:
        return "apply"
    return "plan" if reading is not None and reading.next == "PLAN" else "import"


def _end_all(event: HandoverEvent, aws: HandoverAccount) -> bool:
    """Stop what goes on of the handover's builds, and write which have ended; whether any goes on."""
    run = run_of(event.state.handover.subject)
    going = False
    for build in builds_of(aws.journal.load(run).changes):
        if build.undone_at is None:
            going = _end(build, run, event, aws) or going
    return going


def _end(build: Change, run: str, event: HandoverEvent, aws: HandoverAccount) -> bool:
    found = aws.builds.look(build.value) if build.value else aws.builds.find(*once_of(build))
    if found is None:
        if not build.value and seconds_between(build.intended_at, event.now) < _NOT_YET:
            return True
        # CodeBuild has never begun it.
        note_undone(aws.journal, run, build, event.now)
        return False
    if found.goes_on or not found.ended:
        aws.builds.stop(found.id)
        return True
    if found.status != "SUCCEEDED" and seconds_between(found.ended, event.now) < _STRAGGLES:
        return True
    note_undone(aws.journal, run, replace(build, value=found.id), found.ended)
    return False
