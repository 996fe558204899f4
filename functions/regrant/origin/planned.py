"""What a run may attach and deploy stands in the journal before it does: as planned, with the plan's digest.

A step's state comes from outside, so whoever may invoke its function can make one up. CaptureBaseline has
asked Step Functions whether the run itself has sent its event (regrant.origin.sent), and writes an entry for
each change that the plan may make. The steps after it write an intent over such an entry only, and only if
their state has the same incident, diagnosis and baseline. That costs no call.
"""

from __future__ import annotations

import hashlib

import msgspec

from regrant.errors import NotOfThisRun
from regrant.model.journal import Change
from regrant.model.results import BaselineMark
from regrant.model.run import Plan, RunState
from regrant.stored import Record


def digest_of(state: RunState, mark: BaselineMark | None = None) -> str:
    """SHA-256 of what the plan is and was made from: incident, diagnosis with its answer, and baseline.

    mark: the baseline's, where the state has it not yet.
    """
    made_from = (state.incident, state.diagnosis, mark or state.baseline)
    return hashlib.sha256(msgspec.json.encode(made_from, order="sorted")).hexdigest()


def planned(state: RunState, mark: BaselineMark) -> tuple[Change, ...]:
    """The changes that AttachPolicies and RedeployService may make. What is withdrawn is none of them: that
    step asks Step Functions itself, and so does every step of an undo."""
    plan, service = state.diagnosis.plan if state.diagnosis else None, str(state.incident.service)
    if plan is None:
        return ()
    changes = [
        Change("attach", plan.role, policy, mark.at) for policy in plan.attach if policy not in mark.kept
    ]
    if plan.new_role and plan.task_definition:
        changes.append(Change("register", plan.task_definition, "", mark.at))
    if _may_deploy(plan):
        changes.append(Change("redeploy", service, "", mark.at))
    return tuple(changes)


def plan_and_baseline(state: RunState) -> tuple[Plan, BaselineMark]:
    """What the steps before have written. Raises NotOfThisRun for a state that no run sends so far."""
    if state.diagnosis is None or state.diagnosis.plan is None or state.baseline is None:
        run = state.incident.id
        raise NotOfThisRun(f"The state of {run} has no plan or no baseline: no run sends such a state here.")
    return state.diagnosis.plan, state.baseline


def _may_deploy(plan: Plan) -> bool:
    return plan.redeploy or plan.redeploy_if_needed or plan.new_role is not None


def raise_unless_planned(record: Record, state: RunState) -> None:
    """Raises NotOfThisRun unless the journal has changes planned by a run with this state."""
    if digest_of(state) not in record.plans:
        raise NotOfThisRun(f"The journal has no such plan of {state.incident.id}.")


def raise_if_reported(record: Record, incident: str) -> None:
    """Raises NotOfThisRun if the incident has its report: then a step that finds its own intent is not tried
    again by its run, but sent again by somebody."""
    if record.closed:
        raise NotOfThisRun(f"{incident} has reported its outcome: nothing of it goes on.")
