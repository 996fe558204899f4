"""Record the services as they are, once a person has said yes and before Terraform changes anything."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.errors import ServiceChanged
from regrant.handover.ask import demand_yes
from regrant.handover.open import judge_target
from regrant.handover.ports import HandoverAccount
from regrant.handover.services import hash_of, lease_all
from regrant.model.handover import Captured, HandoverEvent, Kept, ServiceMark, Target
from regrant.model.runs import run_of


def capture_services(event: HandoverEvent, aws: HandoverAccount) -> Captured:
    """The services' hash; what the undo goes by stands in the journal.

    Raises AnswerNotRecorded; ServiceChanged if a service is not (any more) as it was opened; AwsUnavailable,
    AwsRefused. Then nothing was changed at ECS.
    """
    opened = event.state.handover
    assert opened.spec is not None  # nothing without one comes here
    demand_yes(event.state, aws)
    if busy := lease_all(opened, opened.spec, aws, event.now):
        raise ServiceChanged(f"Run {busy} has taken one of the services over.")
    marks = tuple(_mark(target, aws) for target in opened.spec.targets)
    run = run_of(opened.id)
    kept = aws.kept.keep(run, Kept(opened.spec, opened.opened_at))
    # A second try of this step finds the services as they were: no apply has begun.
    aws.kept.replace(run, replace(kept, services=marks))
    return Captured(event.now, hash_of(marks))


def _mark(target: Target, aws: HandoverAccount) -> ServiceMark:
    state = aws.services.describe(target.service)
    if refusal := judge_target(target, state):
        raise ServiceChanged(refusal.message)
    assert state is not None and state.primary is not None  # it is in a steady state, so it has one
    definition = aws.services.task_definition(target.revision)
    latest = aws.revisions.latest(target.revision)
    return ServiceMark(target.service, target.revision, definition.task_role or "", state.primary.id, latest)
