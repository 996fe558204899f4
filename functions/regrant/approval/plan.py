"""A plan by its hash: what a person's answer names."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace

from regrant.model.run import RunState


def plan_digest(state: RunState) -> str:
    """SHA-256 of what a yes is to: the run, the service, the changes and the texts they were planned from.

    The role itself is in there by its own hash. The run is its name and its begin: 90 days after its end
    Step Functions lets another one have the name (API reference, StartExecution), and the journal still has
    the yes to the first.
    """
    diagnosis = state.diagnosis
    assert diagnosis is not None and diagnosis.plan is not None and diagnosis.planned_against is not None
    against = replace(diagnosis.planned_against, role=None)
    run = (state.incident.id, state.incident.opened_at)
    what = (run, str(state.incident.service), diagnosis.plan, against)
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()
