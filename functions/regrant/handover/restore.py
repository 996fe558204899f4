"""Undo a handover, from the journal alone: the grants first, then the services, then Terraform's state.

The services go back by UpdateService to the revision that they ran: another apply with the HCL of before
would register a third revision and deploy once more. Then the runner takes the state back to that revision,
which deploys nothing; and when that is done, what the apply had registered is deregistered.
"""

from __future__ import annotations

import hashlib
from functools import partial

import msgspec
from msgspec.structs import replace

from regrant.clock import seconds_between
from regrant.errors import BaselineDiffers, ServiceNotSettled
from regrant.handover.build import action_of, builds_of
from regrant.handover.ports import HandoverAccount
from regrant.handover.services import hash_of, lease_all, release_all
from regrant.in_use import runners, who_runs_it
from regrant.journal import carry_out, note_undone, take_back
from regrant.model.aws import ServiceState, name_of
from regrant.model.handover import (
    HandoverEvent,
    HandoverReceipt,
    Kept,
    Opened,
    Restore,
    ServiceMark,
    Target,
)
from regrant.model.journal import Change
from regrant.model.runs import run_of

LIMIT = 7200.0
"""Seconds that an undo may wait: for grants, for its services, and until they are steady."""


BUILD = 2700.0
"""Seconds after which CodeBuild ends a build that is queued or runs (the project in template.yaml)."""
CLOCKS = 60.0
"""Seconds by which AWS's clocks may differ."""


TRIES = 2
"""Builds of the undo, where the first one finds the state locked."""


class _Back(msgspec.Struct, frozen=True):
    """One service on its way back. theirs: somebody else has deployed or deleted it, which stays."""

    mark: ServiceMark
    text: str
    done: bool = True
    theirs: bool = False


def restore_services(event: HandoverEvent, aws: HandoverAccount) -> Restore:
    """How far the undo is. Raises ServiceNotSettled if it has waited too long, BaselineDiffers if the receipt
    is not equal; AwsUnavailable, AwsRefused."""
    opened, now = event.state.handover, event.now
    before = event.state.restore or Restore("WAIT", 0, now, now)
    restore = replace(before, checks=before.checks + 1, at=now)
    run = run_of(opened.subject)
    kept = aws.kept.load(run)
    changes = aws.journal.load(run).changes
    if kept is None:
        return replace(restore, next="REMOVE", evidence=("The journal has no services of it.",))
    if not before.asked and any(build.undone_at is None for build in builds_of(changes)):
        return replace(restore, next="BUILD", evidence=("A build is not known to have ended.",))
    waits = _grants_back(opened, kept, changes, aws, now)
    if not waits and (busy := lease_all(opened, kept.spec, aws, now)):
        waits = (f"Run {busy} has one of the services.",)
    if waits:
        return _waiting(restore, waits)
    backs = _services_back(kept, run, changes, aws, now)
    pending = tuple(back.text for back in backs if not back.done)
    if pending:
        return _waiting(restore, pending)
    evidence, left = tuple(back.text for back in backs), tuple(back.text for back in backs if back.theirs)
    restore = replace(restore, evidence=evidence, left=left)
    if not before.asked and _state_may_differ(event, changes):
        return replace(restore, next="UNDO", asked=1)
    if before.asked and event.state.reading is not None and event.state.reading.again:
        if before.asked >= TRIES:
            raise ServiceNotSettled("Terraform's state is locked: the findings say by whom.")
        return replace(restore, next="UNDO", asked=before.asked + 1)
    gone, in_use = _deregister(kept, run, changes, aws, now)
    receipt = _receipt(kept, backs, aws, now) if kept.services else None
    if receipt is not None and not receipt.equal:
        raise BaselineDiffers(f"The services differ from before: {receipt.after} is not {receipt.before}.")
    return replace(restore, next="REMOVE", deregistered=gone, left=(*left, *in_use), receipt=receipt)


def _waiting(restore: Restore, evidence: tuple[str, ...]) -> Restore:
    if seconds_between(restore.since, restore.at) >= LIMIT:
        raise ServiceNotSettled(" ".join(evidence))
    return replace(restore, next="WAIT", evidence=evidence)


def _state_may_differ(event: HandoverEvent, changes: tuple[Change, ...]) -> bool:
    """Whether Terraform's state names a revision of the apply, or a killed command has left its lock."""
    builds = builds_of(changes)
    reading = event.state.reading
    killed = event.state.handover.mode == "undo" or (reading is not None and reading.killed)
    return any(action_of(build) == "apply" for build in builds) or (killed and bool(builds))


# The temporary grants


def _grants_back(
    opened: Opened, kept: Kept, changes: tuple[Change, ...], aws: HandoverAccount, now: str
) -> tuple[str, ...]:
    """Undo the cures that have taken grants off the old roles, which the services are about to need again.
    What is waited for, if anything is."""
    open_cures = [c for c in changes if c.kind == "cure" and c.undone_at is None]
    waits = list[str]()
    for cure in open_cures:
        run = aws.executions.look(cure.value)
        if run is None:
            note_undone(aws.journal, run_of(opened.subject), cure, now)
            continue
        report = aws.journal.report(cure.value)
        if run.ended_at is None:
            waits.append(f"Cure {cure.value} of {cure.target} goes on.")
        elif report is None or report.outcome != "CURED":
            note_undone(aws.journal, run_of(opened.subject), cure, now)
        elif text := _undo_cure(cure, aws):
            waits.append(text)
        else:
            note_undone(aws.journal, run_of(opened.subject), cure, now)
    if waits:
        # The cure's own undo leases the service.
        release_all(opened, kept.spec, aws, now)
    return tuple(waits)


def _undo_cure(cure: Change, aws: HandoverAccount) -> str | None:
    """What is waited for; None once the cure's undo has ended. Raises ServiceNotSettled if it has failed."""
    name = f"undo-{hashlib.sha256(cure.value.encode()).hexdigest()[:40]}"
    aws.executions.start(name, {"mode": "rollback", "incident": cure.value})
    run = aws.executions.look(name)
    if run is None or run.ended_at is None:
        return f"The undo {name} of cure {cure.value} goes on."
    report = aws.journal.report(name)
    if report is None or report.outcome == "ROLLBACK_INCOMPLETE":
        raise ServiceNotSettled(f"The undo {name} of cure {cure.value} did not finish: read its page first.")
    return None


# The services


def _services_back(
    kept: Kept, run: str, changes: tuple[Change, ...], aws: HandoverAccount, now: str
) -> tuple[_Back, ...]:
    targets = {target.service: target for target in kept.spec.targets}
    return tuple(_service_back(mark, targets[mark.service], run, changes, aws, now) for mark in kept.services)


def _service_back(
    mark: ServiceMark, target: Target, run: str, changes: tuple[Change, ...], aws: HandoverAccount, now: str
) -> _Back:
    state = aws.services.describe(mark.service)
    primary = state.primary if state and state.status == "ACTIVE" else None
    if state is None or primary is None:
        return _Back(mark, f"{mark.service} is gone; somebody else deleted it.", theirs=True)
    if state.task_definition == mark.revision:
        return _judge_settled(mark, state)
    if not _is_the_applys(mark, target, state.task_definition, changes, aws):
        text = f"{mark.service} runs {name_of(state.task_definition)}, which somebody else deployed."
        return _Back(mark, text, theirs=True)
    if aws.revisions.status(mark.revision) != "ACTIVE":
        raise ServiceNotSettled(
            f"{name_of(mark.revision)}, which {mark.service} ran before, has been deregistered: without"
            " skip_destroy Terraform does that."
        )
    change = Change("restore", str(mark.service), state.task_definition, intended_at=now)

    def act(first: bool) -> None:
        aws.services.deploy(mark.service, mark.revision)

    carry_out(aws.journal, run, change, act, now)
    return _Back(mark, f"{mark.service} is on its way back to {name_of(mark.revision)}.", done=False)


def _judge_settled(mark: ServiceMark, state: ServiceState) -> _Back:
    if state.steady_state or state.desired_count == 0:
        return _Back(mark, f"{mark.service} runs {name_of(mark.revision)}, as before.")
    return _Back(mark, f"{mark.service} is not steady on {name_of(mark.revision)} yet.", done=False)


def _is_the_applys(
    mark: ServiceMark, target: Target, revision: str, changes: tuple[Change, ...], aws: HandoverAccount
) -> bool:
    """Whether the apply has made the revision: newer, of the family, with the right role, and registered
    while its build could run. A pipeline's next deployment has that role, too."""
    if not _is_newer(revision, mark.latest):
        return False
    if aws.services.task_definition(revision).task_role != target.role:
        return False
    return _in_an_apply(aws.revisions.registered_at(revision), changes)


def _in_an_apply(at: str, changes: tuple[Change, ...]) -> bool:
    applies = (build for build in builds_of(changes) if action_of(build) == "apply")
    return bool(at) and any(
        -CLOCKS <= seconds_between(build.intended_at, at) <= BUILD + CLOCKS for build in applies
    )


def _is_newer(revision: str, than: str) -> bool:
    (family, _, number), (other, _, latest) = revision.rpartition(":"), than.rpartition(":")
    return family == other and int(number) > int(latest)


# What the apply registered


def _deregister(
    kept: Kept, run: str, changes: tuple[Change, ...], aws: HandoverAccount, now: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Deregister what the apply registered; what is gone (ARNs), and what stays, with the reason."""
    gone, left = list[str](), list[str]()
    targets = {target.service: target for target in kept.spec.targets}
    for mark in kept.services:
        used = runners(mark.service, aws, now)
        for revision in _made(mark, targets[mark.service], changes, aws):
            if revision in used:
                left.append(f"{revision}: {who_runs_it(used[revision])}")
                continue
            change = carry_out(
                aws.journal, run, Change("register", revision, revision, now), lambda first: None, now
            )
            take_back(aws.journal, run, change, partial(aws.revisions.deregister, revision), now)
            gone.append(revision)
    return tuple(gone), tuple(left)


def _made(
    mark: ServiceMark, target: Target, changes: tuple[Change, ...], aws: HandoverAccount
) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    while newest := aws.revisions.newest(mark.revision, target.role, found):
        if not _is_newer(newest, mark.latest):
            break
        found = (*found, newest)
    return tuple(each for each in found if _in_an_apply(aws.revisions.registered_at(each), changes))


def _receipt(kept: Kept, backs: tuple[_Back, ...], aws: HandoverAccount, now: str) -> HandoverReceipt:
    """Of the services that somebody else has changed since, only what they were."""
    after = tuple(back.mark if back.theirs else _mark_now(back.mark, aws) for back in backs)
    hashes = hash_of(kept.services), hash_of(after)
    return HandoverReceipt(*hashes, equal=hashes[0] == hashes[1], at=now)


def _mark_now(mark: ServiceMark, aws: HandoverAccount) -> ServiceMark:
    state = aws.services.describe(mark.service)
    revision = state.task_definition if state else ""
    role = aws.services.task_definition(revision).task_role if revision else ""
    return replace(mark, revision=revision, role=role or "")
