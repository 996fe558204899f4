"""What an undo that did not finish has left, and the commands with which a person finishes it."""

from __future__ import annotations

from regrant.baseline.facts import attached_before, granted_by_others
from regrant.model.aws import name_of
from regrant.model.journal import Change
from regrant.model.run import RunState
from regrant.ports import Holds, Record


def finish_by_hand(state: RunState, changes: tuple[Change, ...]) -> str:
    """The commands that put right what this incident left, and the run that checks and records it."""
    subject = state.incident.subject
    again = f'start the state machine with {{"mode": "rollback", "incident": "{subject}"}}'
    if state.receipt:
        return f"Everything is undone, but that could not be recorded. To record it, {again}."
    service = state.incident.service
    where = f"--cluster {service.cluster} --service{{}} {service.name}" if service else ""
    commands = [f"aws ecs describe-services {where.format('s')}"] if service else []
    for change in changes:
        policy = f"--role-name {name_of(change.target)} --policy-arn {change.value}"
        if change.kind == "attach":
            commands.append(f"aws iam detach-role-policy {policy}")
        elif change.kind == "withdraw":
            commands.append(f"aws iam attach-role-policy {policy}")
        elif change.kind == "register" and change.done_at:
            commands.append(f"aws ecs update-service {where.format('')} --task-definition {change.target}")
            commands.append(f"aws ecs deregister-task-definition --task-definition {change.value}")
    return (
        f"See that the service is settled, then: {'; '.join(commands)}. Then, or instead, {again}: it checks"
        " what is there, and clears the records."
    )


def left_by(state: RunState, record: Record, holds: Holds) -> tuple[Change, ...]:
    """What is not undone, without what was there before us or another incident lives on."""
    kept = attached_before(record.baseline)
    needed = granted_by_others(holds.of(state.role), state.incident.subject) if state.role else ()
    return tuple(
        change
        for change in record.changes
        if change.undone_at is None and not (change.kind == "attach" and change.value in (*kept, *needed))
    )
