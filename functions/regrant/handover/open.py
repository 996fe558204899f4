"""Open a handover: from what started it to leased services that run what the HCL says, or to a refusal."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.diagnosis.eligibility import judge_existing, judge_strategy
from regrant.handover.ports import HandoverAccount
from regrant.handover.request import HandoverRequest, read_request
from regrant.handover.services import lease_all
from regrant.model.aws import ServiceState
from regrant.model.handover import HandoverState, Kept, Opened, OpenHandoverEvent, Spec, Target
from regrant.model.results import Refusal
from regrant.model.runs import run_of
from regrant.opening.request import as_input
from regrant.settings import Allowed

# Seconds since the execution's start for which a handover waits for its services, and an undo, which has to
# be done.
WAIT, UNDO_WAIT = 600.0, 3600.0


def open_handover(event: OpenHandoverEvent, aws: HandoverAccount) -> HandoverState:
    """What this execution works on, with its services leased; `next` says how it goes on.

    Repeated while another run has one of the services. Raises AwsUnavailable, AwsRefused.
    """
    request = read_request(event.input, aws.settings)
    opened = Opened(event.execution, event.execution, request.mode, request.trigger, event.started)
    if request.refusal:
        subject = request.subject or event.execution
        return HandoverState(replace(opened, refusal=request.refusal, subject=subject))
    if request.mode == "undo":
        opened = _read_undo(opened, request, event, aws)
    else:
        assert request.spec is not None  # a request without a refusal has one
        opened = replace(opened, spec=request.spec, refusal=_judge(request.spec, aws, event.now))
    if opened.refusal or opened.spec is None:
        return HandoverState(opened)
    return HandoverState(_lease(opened, opened.spec, event, aws))


def _lease(opened: Opened, spec: Spec, event: OpenHandoverEvent, aws: HandoverAccount) -> Opened:
    busy = lease_all(opened, spec, aws, event.now)
    if busy is None:
        if opened.mode == "handover":
            aws.kept.keep(run_of(opened.id), Kept(spec, opened.opened_at))
        return replace(opened, next="CREATE" if opened.mode == "handover" else "UNDO")
    waits = UNDO_WAIT if opened.mode == "undo" else WAIT
    if seconds_between(event.started, event.now) < waits:
        return replace(opened, next="WAIT")
    again = "start the handover again."
    if opened.mode == "undo":
        again = f"start the undo again:{as_input(mode='undo', handover=opened.subject)}"
    refusal = Refusal(
        "SERVICE_BUSY",
        f"Run {busy} works on one of the services, or has ended and is to be undone first.",
        f"Look at that run. Once it has ended and reported, {again}",
    )
    return replace(opened, refusal=refusal, next="PAGE" if opened.mode == "undo" else "CLOSE")


def _read_undo(
    opened: Opened, request: HandoverRequest, event: OpenHandoverEvent, aws: HandoverAccount
) -> Opened:
    assert request.subject is not None  # a request for an undo without a refusal has one
    subject = request.subject
    opened = replace(opened, subject=subject, ended=request.ended)
    kept, record = aws.kept.load(run_of(subject)), aws.journal.load(run_of(subject))
    if kept is None:
        message = f"The journal knows no handover {subject}, or it was refused before it began."
        refusal = Refusal("UNKNOWN_HANDOVER", message, "Take the name from the handover's report.")
        # What ended before it began has left nothing, and nobody is to do anything.
        return replace(
            opened, refusal=replace(refusal, outcome="NOTHING_TO_FIX") if request.ended else refusal
        )
    if request.ended and aws.journal.load(run_of(request.ended)).closed:
        message = f"Handover {request.ended} had reported its outcome before it ended."
        refusal = Refusal("NOTHING_TO_UNDO", message, "Nothing to do.", outcome="NOTHING_TO_FIX")
        return replace(opened, refusal=refusal)
    if not record.changes:
        message = f"Handover {subject} had changed nothing."
        refusal = Refusal("NOTHING_TO_UNDO", message, "Nothing to do.", outcome="NOTHING_TO_FIX")
        return replace(opened, refusal=refusal)
    execution = aws.executions.look(run_of(subject))
    if execution is not None and execution.ended_at is None:
        # The event of the end may be quicker: "This API action is eventually consistent" (DescribeExecution).
        if request.ended and seconds_between(event.started, event.now) < WAIT:
            return replace(opened, next="WAIT")
        message = f"Handover {subject} goes on, as Step Functions says."
        refusal = Refusal("RUN_NOT_ENDED", message, "Stop it: that starts its undo.", "NOTHING_TO_FIX")
        return replace(opened, refusal=refusal)
    return replace(opened, spec=kept.spec)


def _judge(spec: Spec, aws: HandoverAccount, now: str) -> Refusal | None:
    """Why these services cannot be handed over, if so: reads only."""
    allowed = aws.allowed.read(now, "clusters", "roles")
    for target in spec.targets:
        if refusal := _not_allowed(target, allowed):
            return refusal
        state = aws.services.describe(target.service)
        if refusal := judge_target(target, state):
            return refusal
    return None


def _not_allowed(target: Target, allowed: Allowed) -> Refusal | None:
    if not allowed.cluster_is_managed(target.service.cluster):
        return Refusal(
            "CLUSTER_NOT_MANAGED",
            f"The cluster {target.service.cluster} is not one that this stack may work on.",
            "If it should be, the stack's owner adds it to ManagedClusterArns.",
        )
    if target.role not in allowed.roles:
        return Refusal(
            "ROLE_NOT_MANAGED",
            f"{target.role}, which {target.definition} is to get, is not one that this stack knows.",
            "If it should be, the stack's owner adds it to ManagedRoleArns.",
        )
    return None


def judge_target(target: Target, state: ServiceState | None) -> Refusal | None:
    """Why the service cannot be handed over as it is, if so."""
    if refusal := judge_existing(target.service, state):
        return refusal
    assert state is not None  # else it was refused as unknown
    instead = "Hand it over by hand: make handover-plan and the targets after it."
    if refusal := judge_strategy(target.service, state, instead):
        return refusal
    if not state.steady_state:
        return Refusal(
            "DEPLOYMENT_IN_FLIGHT",
            f"{target.service} has a deployment in flight.",
            "Wait until it is completed, or roll it back, and start again.",
        )
    if state.task_definition != target.revision:
        return Refusal(
            "OTHER_REVISION",
            f"{target.service} runs {state.task_definition}, and {target.definition} is to be imported by"
            f" {target.revision}.",
            "Import the revision that runs, and let the HCL's version before say what that has.",
        )
    return None
