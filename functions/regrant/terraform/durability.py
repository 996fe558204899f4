"""Before a grant, and in its report: whether the owner's Terraform removes it."""

from __future__ import annotations

import json
from collections.abc import Callable

from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import name_of
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Finding, Incident
from regrant.parallel import within
from regrant.ports import TerraformStates
from regrant.terraform.ownership import Grant, Ownership, Resource, judge
from regrant.terraform.state import Unreadable, resources_of

LARGEST = 16 * 2**20
"""Bytes of a state that are read. A function has 512 MB; 16 MB are decoded in less than 0.1 s."""
PATIENCE = 5.0
"""Seconds that the read may take; a run without an answer goes on."""


def with_durability(
    diagnosis: Diagnosis, incident: Incident, states: Callable[[], TerraformStates]
) -> Diagnosis:
    """The diagnosis, with a finding for each policy that is attached or is to be kept. Nothing here fails.

    What Terraform removes is granted all the same: it helps until the next apply. It is not kept: a kept
    grant has no record, so nobody would look for it after that apply.
    """
    plan, entry = diagnosis.plan, incident.entry
    policies = (plan.attach or plan.keep) if plan else ()
    if plan is None or entry is None or not policies:
        return diagnosis
    there = diagnosis.planned_against.attached if diagnosis.planned_against else ()
    grants = [Grant(plan.role, policy, policy in there) for policy in policies]
    arn = entry.terraform_state or ""
    found = _found(arn, states)
    answers = [(grant, _answer(arn, found, grant)) for grant in grants]
    removed = [_finding(*each) for each in answers if each[1].word == "REMOVED"]
    others = [_finding(*each) for each in answers if each[1].word != "REMOVED"]
    diagnosis = replace(diagnosis, findings=(*removed, *diagnosis.findings, *others))
    if removed and plan.keep:
        return diagnosis.refused(_not_kept(removed, incident))
    return diagnosis


def _found(arn: str, states: Callable[[], TerraformStates]) -> tuple[Resource, ...] | str:
    """What of the state has to do with roles' policies, or why that is not known. The text of the state goes
    no further than here."""
    if not arn:
        return "the service's catalogue entry names no terraform_state"
    try:
        text = within(PATIENCE, lambda: states().read(arn, LARGEST))
        if text is None:
            return f"{arn} is larger than {LARGEST // 2**20} MiB"
        return resources_of(text)
    except AwsRefused as refused:
        return f"S3 does not give {arn} ({refused.code}){_maybe(refused.code)}"
    except AwsUnavailable:
        return f"S3 could not be asked for {arn}"
    except TimeoutError:
        return f"S3 did not give {arn} within {PATIENCE:.0f} s"
    except Unreadable as why:
        return f"{arn} {why}"


def _maybe(code: str) -> str:
    """S3 says AccessDenied of what is not there, too, to who may not list the bucket (API reference,
    GetObject)."""
    if code != "AccessDenied":
        return ""
    return (
        ": it is not in the stack's TerraformStateObjectArns, its bucket or key is not this account's or does"
        " not allow it, or there is no such object"
    )


def _answer(arn: str, found: tuple[Resource, ...] | str, grant: Grant) -> Ownership:
    if isinstance(found, str):
        return Ownership("UNKNOWN", found)
    said = judge(found, grant)
    return said._replace(why=f"{said.why} ({arn})")


def _finding(grant: Grant, said: Ownership) -> Finding:
    what = f"{name_of(grant.policy)} on {name_of(grant.role)}"
    evidence = (said.address,) if said.address else ()
    if said.word == "REMOVED":
        text = f"The owner's Terraform has no {what}, and the next apply removes this: {said.why}."
        return Finding("GRANT_NOT_DURABLE", text, evidence)
    if said.word == "STAYS":
        return Finding("GRANT_DURABLE", f"The next apply of Terraform leaves {what}: {said.why}.", evidence)
    text = f"It is unknown whether the next apply of Terraform removes {what}: {said.why}."
    return Finding("GRANT_DURABILITY_UNKNOWN", text, evidence)


def _not_kept(removed: list[Finding], incident: Incident) -> Refusal:
    where = ", ".join(dict.fromkeys(address for finding in removed for address in finding.evidence))
    again = json.dumps({"mode": "keep", "incident": incident.expires or ""})
    return Refusal(
        "GRANT_NOT_DURABLE",
        f"The grant is not kept, because the next apply of Terraform would remove it: {where}.",
        f"Take it into the HCL ({where}) and apply that. Until it is kept it is temporary, and ends at its"
        f" time. Then:\n  {again}",
    )
