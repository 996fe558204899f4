"""The catalogue: what a service is entitled to, and whether the stack's owner lets us grant it."""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from regrant.denials.search import DENIAL_TERM
from regrant.model.catalogue import CatalogueEntry, Service, parameter_name
from regrant.model.results import Refusal
from regrant.settings import Allowed

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}")
_POLICY = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,640}")
_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?")
# Terraform language, "Resource addressing": an index is a number or a quoted key of any characters.
_INDEX = r'(\[(\d{1,6}|"[^"\\\x00-\x1f\x7f]{1,80}")\])?'
_ADDRESS = re.compile(
    rf"(module\.[\w-]{{1,120}}{_INDEX}\.){{0,5}}aws_ecs_task_definition\.[\w-]{{1,120}}{_INDEX}"
)
# Names of buckets, and of keys those characters that need no escape (S3 user guide, Bucket naming rules and
# Naming objects): no wildcard for IAM, and no ARN of an access point, which the SDK would take for a bucket.
_STATE = re.compile(r"arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9._/:=@+-]{1,900}")
# The text goes, quoted, into a CloudWatch Logs filter pattern, so what could end the quotes is not allowed.
_TERM = re.compile(r'[^"\\\s\x00-\x1f][^"\\\x00-\x1f]{1,198}[^"\\\s\x00-\x1f]')
# IAM's own limits of names are wider than any service's (service authorization reference).
_ACTION = re.compile(r"[A-Za-z0-9-]{1,63}:[A-Za-z0-9]{1,128}")
_MOST_IGNORED = 20


def read_entry(text: str | None, service: Service, allowed: Allowed, prefix: str) -> CatalogueEntry | Refusal:
    """The entry in the parameter's text, or why it cannot be used. prefix is that of the parameter's name."""
    name = parameter_name(prefix, service)
    if text is None:
        return Refusal(
            "NOT_ENROLLED",
            f"{service} has no catalogue entry ({name}).",
            "Check the spelling, or enrol it: deploy enrol/service.yaml for it (docs/operations.md, Enrol a"
            " service).",
        )
    try:
        entry = msgspec.json.decode(text, type=CatalogueEntry)
    except msgspec.MsgspecError as error:
        return _unusable(name, f"does not parse: {error}")
    # A template's empty list may come as one empty text.
    if entry.ignore_actions == ("",):
        entry = replace(entry, ignore_actions=())
    wrong = _wrong_field(entry)
    if wrong:
        return _unusable(name, wrong)
    forbidden = sorted(set(entry.policies) - allowed.policies)
    if forbidden:
        return Refusal(
            "POLICY_NOT_GRANTABLE",
            f"{name} names a policy that this stack may not grant: {', '.join(forbidden)}.",
            _how_to_grant(forbidden),
        )
    if not allowed.cluster_is_managed(service.cluster):
        return Refusal(
            "CLUSTER_NOT_MANAGED",
            f"Cluster {service.cluster} is not one that this stack manages.",
            "If it should be managed, the stack's owner adds it to ManagedClusterArns.",
        )
    return entry


def _how_to_grant(policies: list[str]) -> str:
    from regrant.barred.names import is_of_administrators  # imported here: few entries name such a policy

    never = [policy for policy in policies if is_of_administrators(policy)]
    if never:
        return (
            f"No run ever grants {', '.join(never)}: find out who put it into the entry, and take it out"
            " (docs/codes.md, What is never granted)."
        )
    return "If it should be granted, the stack's owner adds it to GrantablePolicyArns."


def _wrong_field(entry: CatalogueEntry) -> str | None:
    queues = [q for q in (entry.health.queue, entry.health.dead_letter_queue) if q is not None]
    if not _ROLE.fullmatch(entry.task_role):
        return "task_role is not the ARN of an IAM role"
    if not entry.policies:
        return "policies is empty"
    if not all(_POLICY.fullmatch(policy) for policy in entry.policies):
        return "policies holds something that is not the ARN of an IAM policy"
    if not _TERM.fullmatch(entry.health.success):
        return 'health.success must be 3 to 200 characters without ", \\ or line breaks and not end in blanks'
    if entry.health.success in DENIAL_TERM or DENIAL_TERM in entry.health.success:
        return "health.success is text that a denial has, so it proves nothing"
    if not all(_QUEUE.fullmatch(queue) for queue in queues):
        return "health.queue or health.dead_letter_queue is not the ARN of an SQS queue"
    if not 1 <= entry.health.samples <= 20:
        return "health.samples must be 1 to 20"
    if not 1 <= entry.grant_ttl_hours <= 720:
        return "grant_ttl_hours must be 1 to 720 (30 days)"
    if wrong := _wrong_action(entry.ignore_actions):
        return wrong
    if entry.terraform_address is not None and not _ADDRESS.fullmatch(entry.terraform_address):
        return "terraform_address is not the address of an aws_ecs_task_definition"
    if isinstance(entry.terraform_state, str) and not _STATE.fullmatch(entry.terraform_state):
        return "terraform_state is not the ARN of an S3 object, such as arn:aws:s3:::BUCKET/KEY"
    return None


def _wrong_action(ignored: tuple[str, ...]) -> str | None:
    if len(ignored) > _MOST_IGNORED:
        return f"ignore_actions holds {len(ignored)} actions, and may hold {_MOST_IGNORED}"
    if any("*" in action or "?" in action for action in ignored):
        return "ignore_actions holds a wildcard: name each action, such as xray:PutTraceSegments"
    if not all(_ACTION.fullmatch(action) for action in ignored):
        return "ignore_actions holds something that is not an IAM action, such as xray:PutTraceSegments"
    return None


def _unusable(name: str, wrong: str) -> Refusal:
    return Refusal(
        "INVALID_CATALOGUE",
        f"{name} {wrong}.",
        "Correct the parameter (docs/operations.md, Enrol a service) and start again.",
    )
