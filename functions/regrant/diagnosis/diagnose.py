"""Diagnose, by the run's mode; for contain: what the catalogue declares against what the role in use has."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from regrant.baseline.drift import ROUNDS, changes_on, digest_of_entry, moved_since
from regrant.diagnosis.containment.plan import plan_containment
from regrant.diagnosis.containment.reading import refused
from regrant.diagnosis.containment.waiting import with_wait
from regrant.diagnosis.staying import with_staying
from regrant.model.aws import ServiceState
from regrant.model.catalogue import CatalogueEntry
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Finding, Incident, RunState
from regrant.model.undone import judge_plan
from regrant.opening.catalogue import read_entry
from regrant.parallel import both
from regrant.ports import Account
from regrant.settings import Allowed, ListName

_WOULD_ASK = "Would first ask for a person's approval on the topic: the stack demands it."
# What an entry and a plan are judged by.
_LISTS: tuple[ListName, ...] = ("roles", "policies", "clusters", "execution_roles")


def diagnose(state: RunState, aws: Account, now: str) -> Diagnosis:
    """What is missing (contain), whether the declared role is fit (cure), which grant has expired (expire) or
    is to stay (keep).

    Findings, and the plan if there is one, by the catalogue entry as it is now. Reads only. A run whose
    account changes after each plan ends after ROUNDS. Raises AwsUnavailable, AwsRefused.
    """
    before, service = state.diagnosis, state.incident.service
    assert service is not None  # OpenIncident refused everything else
    found, (text, allowed) = both(
        lambda: aws.services.describe(service), lambda: aws.allowed.read_with_entry(service, now, *_LISTS)
    )
    incident, refusal = _by_entry(
        state.incident, read_entry(text, service, allowed, aws.settings.catalogue_prefix)
    )
    diagnosis = refused(refusal, now) if refusal else _make_plan(incident, found, allowed, aws, now, before)
    diagnosis = _with_durability(_without_undone(diagnosis, incident), incident, aws)
    if incident.mode in ("cure", "expire"):
        diagnosis = with_staying(diagnosis, incident, aws, now)
    diagnosis = _asking(diagnosis, incident, aws.settings.require_approval)
    if against := diagnosis.planned_against:
        diagnosis = replace(diagnosis, planned_against=replace(against, entry=digest_of_entry(text)))
    # The state machine has the incident as it was opened, and loses the earlier diagnosis with its entry.
    if incident.entry != state.incident.entry or (before and before.entry is not UNSET):
        diagnosis = replace(diagnosis, entry=incident.entry)
    if found and not diagnosis.plan:
        diagnosis = replace(diagnosis, tried=found.revisions)
    if before and (before.answer is not UNSET or before.moved is not UNSET):
        diagnosis = replace(diagnosis, moved=moved_since(before, diagnosis))
    diagnosis = with_wait(diagnosis, before)
    # A wait with all its looks is one diagnosis.
    checks = (before.checks + (before.next != "WAIT")) if before else 1
    if checks > ROUNDS and diagnosis.plan:
        refusal = changes_on(diagnosis.plan.role)
        return replace(diagnosis, next="REFUSE", plan=None, refusal=refusal, checks=checks)
    return replace(diagnosis, checks=checks)


def _without_undone(diagnosis: Diagnosis, incident: Incident) -> Diagnosis:
    plan = diagnosis.plan
    if plan is None or incident.undone is UNSET:
        return diagnosis
    refusal = judge_plan(plan.role, plan.attach, incident.undone, incident.undone_by or "")
    if refusal is None:
        return diagnosis
    return diagnosis.refused(refusal)


def _with_durability(diagnosis: Diagnosis, incident: Incident, aws: Account) -> Diagnosis:
    """With what Terraform does with the grant. Few services are of Terraform, and they alone pay for it."""
    entry = incident.entry
    if diagnosis.plan is None or entry is None or not (entry.managed_by or entry.terraform_state):
        return diagnosis
    from regrant.terraform.durability import with_durability

    return with_durability(diagnosis, incident, lambda: aws.terraform_states)


def _by_entry(incident: Incident, entry: CatalogueEntry | Refusal) -> tuple[Incident, Refusal | None]:
    """The incident with the entry as it is now, or why it cannot go on with that.

    A run that ends a grant goes on without one: the grant would outlive its time.
    """
    if isinstance(entry, CatalogueEntry):
        return replace(incident, entry=entry, no_entry=None), None
    if incident.mode not in ("expire", "keep"):
        return incident, entry
    return replace(incident, entry=None, no_entry=entry), None


def _asking(diagnosis: Diagnosis, incident: Incident, by_stack: str) -> Diagnosis:
    """The plan, which a person has to approve first: by the entry, or by the stack, whatever the entry says.

    An end of a grant asks nobody. A grant for good is more than the temporary one that somebody may have
    approved. What the stack's parameter does not know is taken for `all`.
    """
    entry, mode = incident.entry, incident.mode
    by_entry = entry is not None and entry.approval == "required"
    free = ("none", "cure") if mode in ("plan", "contain") else ("none",)
    if mode == "expire" or (by_stack in free and not by_entry):
        return diagnosis
    if diagnosis.next == "CHANGE":
        return replace(diagnosis, next="ASK")
    if diagnosis.next == "PLAN" and not by_entry:  # of what the entry says the report says so
        return replace(diagnosis, findings=(*diagnosis.findings, Finding("WOULD_ASK", _WOULD_ASK)))
    return diagnosis


def _make_plan(
    incident: Incident,
    state: ServiceState | None,
    allowed: Allowed,
    aws: Account,
    now: str,
    before: Diagnosis | None,
) -> Diagnosis:
    # Imported here: a run of one mode needs none of the others' code at its cold start.
    if incident.mode == "cure":
        from regrant.diagnosis.cure import plan_cure as make_plan
    elif incident.mode == "expire":
        from regrant.diagnosis.expiry import plan_expiry as make_plan
    elif incident.mode == "keep":
        from regrant.diagnosis.keep import plan_keep as make_plan
    else:
        return plan_containment(incident, state, allowed, aws, now, before)
    return make_plan(incident, state, allowed, aws, now)
