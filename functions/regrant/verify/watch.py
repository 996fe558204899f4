"""What VerifyHealth has to look at, by what the run has done so far."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from regrant.model.results import Grant, Health, Rollout
from regrant.model.run import RunState


class Watch(msgspec.Struct, frozen=True):
    """grant: what has to be attached to which role, and since when. since: from when on log lines count.

    strict: permissions were only taken away. While that spreads no denial is excused, and no success counts.
    limit: seconds that the proof may take, least: that it has to take. brief: tasks that are down, or do not
    recover by then, are replaced.
    """

    grant: Grant
    rollout: Rollout | None
    previous: Health | None
    since: str
    limit: float
    least: float = 0.0
    strict: bool = False
    brief: bool = False


# Seconds that the proof may take, so that slow answers do not lengthen the loop.
LIMIT = 900.0
# The same while a role is kept from other runs, since whatever they attached would spoil the trial: until the
# change has spread and no sample looks back into that, and for each sample.
SPREAD, ROUND = 225.0, 25.0
# Before tasks are replaced: as long as a grant may take to reach them (regrant.verify.health, PROPAGATION).
BRIEF, TWO_SAMPLES = 120.0, 40.0


def watch_of(state: RunState) -> Watch:
    """The proof that is to be had now: after a grant, after a new revision, or after a withdrawal."""
    withdrawal, rollout = state.withdrawal, state.rollout
    grant = _grant(state)
    if withdrawal is None:
        since = rollout.started_at if rollout else grant.at
        plan = state.diagnosis.plan if state.diagnosis else None
        brief = rollout is None and plan is not None and plan.redeploy_if_needed
        fresh = state.health if state.health and state.health.at > since else None
        if not brief:
            return Watch(grant, rollout, fresh, since, LIMIT)
        # A rollout takes its time, in which a message that always fails shows itself; this has none.
        buries_after = state.baseline.buries_after if state.baseline else None
        least = min(buries_after, BRIEF) + TWO_SAMPLES if buries_after else 0.0
        samples = state.incident.entry.health.samples if state.incident.entry else 0
        limit = max(BRIEF, least + TWO_SAMPLES, ROUND * (samples + 1))
        return Watch(grant, None, fresh, since, limit, least, brief=True)
    # The samples of before the withdrawal prove nothing now.
    assert state.incident.entry is not None  # whoever took it out of the catalogue wants no proof
    limit = SPREAD + ROUND * state.incident.entry.health.samples
    fresh = state.health if state.health and state.health.at > withdrawal.at else None
    return Watch(grant, rollout, fresh, withdrawal.at, limit, strict=True)


def _grant(state: RunState) -> Grant:
    if state.grant and state.access:  # when every policy had been attached
        return replace(state.grant, at=state.access.at)
    plan, entry = state.diagnosis.plan if state.diagnosis else None, state.incident.entry
    assert plan is not None
    if state.revision and plan.new_role and entry:
        return Grant(plan.new_role, entry.policies, state.revision.at)
    assert state.withdrawal is not None  # the only other change after which there is something to prove
    return Grant(plan.role, (), state.withdrawal.at)
