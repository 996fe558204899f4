"""Contain: what the role in use lacks of what the catalogue declares, and what its tasks were denied."""

from __future__ import annotations

from regrant.clock import earlier, seconds_between
from regrant.denials.own import is_other_principal
from regrant.denials.search import read_depths
from regrant.diagnosis.containment.judge import Reads, judge
from regrant.diagnosis.containment.reading import denials, permissions_of, queue_missing, refused
from regrant.diagnosis.eligibility import judge_existing, judge_role
from regrant.diagnosis.staying import LOOK_BACK
from regrant.diagnosis.unread import no_log
from regrant.model.aws import LogLine, ServiceState, name_of
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Incident
from regrant.parallel import all_three, both
from regrant.ports import Account
from regrant.settings import Allowed


def plan_containment(
    incident: Incident,
    state: ServiceState | None,
    allowed: Allowed,
    aws: Account,
    now: str,
    before: Diagnosis | None,
) -> Diagnosis:
    """What the catalogue declares against what the role in use has, and the denials that show it.

    before: the run's last look. If it waited for another deployment, that one's denials are in the log, too.
    """
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None  # `diagnose` refused everything else
    refusal = judge_existing(service, state)
    if refusal or state is None:
        return refused(refusal, now)
    if not state.steady_state:
        # Imported here: few services are being deployed when they are denied.
        from regrant.diagnosis.containment.in_flight import look

        return look(incident, state, before, allowed, aws, now)
    definition = aws.services.task_definition(state.task_definition)
    refusal = judge_role(definition, allowed)
    if refusal or definition.task_role is None:
        return refused(refusal, now)
    role = definition.task_role
    since = _begin_of_window(state, now)
    (permissions, held), found, depths = all_three(
        lambda: both(
            lambda: permissions_of(role, entry.policies, aws),
            lambda: aws.holds.of(role),
        ),
        lambda: denials(aws, service, definition.logs, since, now),
        lambda: read_depths(aws.queues, entry.health),
    )
    if isinstance(permissions, Refusal):
        return refused(permissions, now)
    if isinstance(depths, str):
        return refused(queue_missing(depths), now)
    if refusal := no_log(definition.arn, found):
        return refused(refusal, now)
    reads = Reads(definition, permissions, held, found, depths)
    if before and before.waited and state.primary and found.log.lines:
        from regrant.diagnosis.containment.in_flight import judge_after

        return judge_after(incident, state, state.primary, reads, allowed, aws, now)
    if state.primary and _names_others(incident, found.log.lines, role):
        from regrant.diagnosis.containment.earlier import judge_without_earlier

        return judge_without_earlier(incident, state, state.primary, reads, allowed, aws, now)
    return judge(incident, state, reads, allowed, aws, now)


def _names_others(incident: Incident, lines: tuple[LogLine, ...], role: str) -> bool:
    """Whether sessions of another role than the one in use were denied: of an earlier deployment's, maybe."""
    denied = any(is_other_principal(denial, role) for denial in incident.denials)
    own = f":assumed-role/{name_of(role)}/"
    return denied or any(":assumed-role/" in line.message and own not in line.message for line in lines)


def _begin_of_window(state: ServiceState, now: str) -> str:
    """Fifteen minutes ago, or when the deployment in use began: what came before it says nothing of it."""
    begin, began = earlier(now, LOOK_BACK), state.primary.created_at if state.primary else ""
    return began if began and seconds_between(begin, began) > 0 else begin
