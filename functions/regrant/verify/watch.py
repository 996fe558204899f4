"""What VerifyHealth has to prove, by what the run has done so far, and how the run goes on after a look."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from regrant.clock import earlier, seconds_between
from regrant.model.results import PAUSE, AfterLook, Grant, Health, Rollout
from regrant.model.run import RunState

# Seconds that the proof may take, so that slow answers do not lengthen the loop.
LIMIT = 630.0
# The same for a rollout.
ROLLOUT_LIMIT = 1800.0
# The same while a role is kept from other runs, since whatever they attached would spoil the trial: until the
# change has spread and no sample looks back into that, and for each sample.
SPREAD, ROUND = 225.0, 25.0
# Before tasks are replaced: as long as a grant may take to reach them (regrant.verify.health, PROPAGATION).
BRIEF, TWO_SAMPLES = 120.0, 40.0


class Watch(msgspec.Struct, frozen=True):
    """grant: what has to be attached to which role, and since when IAM shows it. since: from when on log
    lines count.

    role: the one (ARN) that the tasks run with, whose denials count. previous is the last look of this watch,
    deployed_at when our deployment was seen completed.
    after_withdrawal: permissions were only taken away; while that spreads no denial is excused, and no
    success counts. withdrawn: what was taken off the role that the tasks run with (ARNs). limit: seconds that
    the proof may take, least: that it has to take. replaces_tasks: tasks that are down, or do not recover by
    then, are replaced. follows: the rollout is somebody else's, and may go back to one of these revisions
    (ARNs).
    """

    grant: Grant
    role: str
    rollout: Rollout | None
    previous: Health | None
    since: str
    limit: float
    least: float = 0.0
    after_withdrawal: bool = False
    withdrawn: tuple[str, ...] = ()
    replaces_tasks: bool = False
    follows: tuple[str, ...] = ()

    @property
    def unfinished(self) -> bool:
        """The rollout is being judged by the tasks that it has (Health)."""
        before, rollout = self.previous, self.rollout
        return bool(before and rollout and before.unfinished and before.deployment == rollout.deployment)

    @property
    def deployed_at(self) -> str | None:
        return self.previous.deployed_at if self.previous else None


def watch_of(state: RunState, now: str) -> Watch:
    """The proof that is to be had now: after a grant, after a deployment, or after a withdrawal."""
    withdrawal, rollout = state.withdrawal, state.rollout
    grant = _grant(state, now)
    role = _role(state, grant)
    if withdrawal is not None:
        # The samples of before the withdrawal prove nothing now.
        assert state.incident.entry is not None  # whoever took it out of the catalogue wants no proof
        previous = _since(withdrawal.at, state.health)
        deployed = state.health.deployed_at if state.health else None
        return Watch(
            grant,
            role,
            rollout,
            previous or (Health("PENDING", now, deployed_at=deployed) if deployed else None),
            withdrawal.at,
            SPREAD + ROUND * state.incident.entry.health.samples,
            after_withdrawal=True,
            withdrawn=withdrawal.removed if role == state.role else (),
        )
    previous = _since(rollout.at if rollout else grant.at, state.health)
    if rollout:
        return Watch(grant, role, rollout, previous, rollout.at, LIMIT)
    plan = state.diagnosis.plan if state.diagnosis else None
    if plan is not None and plan.deployment:
        theirs = Rollout(plan.deployment, grant.at)
        return Watch(grant, role, theirs, previous, grant.at, LIMIT, follows=plan.revisions)
    if plan is None or not plan.redeploy_if_needed:
        return Watch(grant, role, None, previous, grant.at, LIMIT)
    # A rollout takes its time, in which a message that always fails shows itself; this has none.
    to_dead_letter = state.baseline.seconds_to_dead_letter if state.baseline else None
    least = min(to_dead_letter, BRIEF) + TWO_SAMPLES if to_dead_letter else 0.0
    samples = state.incident.entry.health.samples if state.incident.entry else 0
    limit = max(BRIEF, least + TWO_SAMPLES, ROUND * (samples + 1))
    return Watch(grant, role, None, previous, grant.at, limit, least, replaces_tasks=True)


def decide(health: Health, watch: Watch, state: RunState, now: str) -> Health:
    """The look with the time that it has taken so far judged, too, and with the word for DecideHealth."""
    rolling = watch.rollout is not None and health.deployed_at is None
    limit = ROLLOUT_LIMIT if rolling else watch.limit
    if not health.answered and not rolling:
        limit = max(limit, LIMIT)  # what was not seen is no reason to replace tasks, or to undo, so soon
    spent = seconds_between(_proof_began(health, watch), now)
    if health.verdict == "PENDING" and spent >= limit:
        late = f"Not {'finished' if rolling else 'proved'} after {limit / 60:g} minutes."
        health = replace(
            health,
            verdict="UNHEALTHY",
            replace_tasks=not rolling and not health.unfinished,
            evidence=(*health.evidence, late),
        )
    elif health.verdict == "HEALTHY" and spent < watch.least:
        waits = f"Watched for {spent:.0f} s; a message that always fails shows after {watch.least:.0f}."
        health = replace(health, verdict="PENDING", evidence=(*health.evidence, waits))
    return replace(health, next=_next(health, state))


def _proof_began(health: Health, watch: Watch) -> str:
    if watch.after_withdrawal or watch.rollout is None:
        return watch.since
    return health.deployed_at or watch.rollout.at


def _next(health: Health, state: RunState) -> AfterLook:
    plan = state.diagnosis.plan if state.diagnosis else None
    if health.verdict == "HEALTHY":
        return "WITHDRAW" if state.incident.mode == "cure" and state.withdrawal is None else "CLOSE"
    if health.replace_tasks and state.rollout is None and plan is not None and plan.redeploy_if_needed:
        return "REDEPLOY"
    return "UNDO" if health.verdict == "UNHEALTHY" else "WAIT"


def _since(moment: str, health: Health | None) -> Health | None:
    """The last look, if it is of this watch; a sample that was taken before it counts for nothing."""
    if health is None or seconds_between(moment, health.at) <= 0:
        return None
    return health if health.samples else replace(health, last=None)


def _role(state: RunState, grant: Grant) -> str:
    """A cure's tasks run with the declared role, wherever a grant of the service is left to take off."""
    entry = state.incident.entry
    return entry.task_role if state.incident.mode == "cure" and entry else grant.role


def _grant(state: RunState, now: str) -> Grant:
    if state.grant:
        return replace(state.grant, at=_shown_at(state.grant, state, now))
    plan, entry = state.diagnosis.plan if state.diagnosis else None, state.incident.entry
    assert plan is not None
    if state.rollout and state.rollout.revision and plan.new_role and entry:
        return Grant(plan.new_role, entry.policies, state.rollout.at)
    assert state.withdrawal is not None  # the only other change after which there is something to prove
    return Grant(plan.role, (), state.withdrawal.at)


def _shown_at(grant: Grant, state: RunState, now: str) -> str:
    """When IAM showed the grant. Its own time is that of AttachPolicies' first try; the run goes on when IAM
    shows it: to RedeployService, or to the pause before the first look."""
    if state.health and state.health.shown_at:
        return state.health.shown_at
    if state.rollout:
        return state.rollout.at
    pause = earlier(now, PAUSE)
    return pause if seconds_between(grant.at, pause) > 0 else grant.at
