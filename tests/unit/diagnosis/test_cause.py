"""Why a call was denied: AWS's own sentences, read by the reader, against the role's policies."""

from __future__ import annotations

from typing import Any

import pytest

from regrant.denials.reader import read_denials
from regrant.diagnosis.cause import Judgement, cause_of
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy
from regrant.model.denial import Denial
from tests.unit.fakes import ACCOUNT, DOCUMENTS, OLD_ROLE, QUEUE, RECEIVE, SEND

SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/retainwise-ecs-task-role/0f9c2f1d7f3f4c5e8a6b"
SCP = "arn:aws:organizations::999999999999:policy/o-exampleorgid/service_control_policy/p-examplepolicyid"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/retainwise-boundary"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def document(effect: str, action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": action, "Resource": resource} | more
    return {"Version": "2012-10-17", "Statement": [statement]}


def denied(
    reason: str = " because no identity-based policy allows the sqs:receivemessage action",
    *,
    who: str = SESSION,
    action: str = "sqs:receivemessage",
    on: str = QUEUE,
) -> Denial:
    where = f" on resource: {on}" if on else ""
    text = f"ERROR (AccessDenied): User: {who} is not authorized to perform: {action}{where}{reason}"
    (denial,) = read_denials(text)
    return denial


def judged(
    denial: Denial,
    *identity: dict[str, Any],
    boundary: dict[str, Any] | None = None,
    declared: dict[str, dict[str, Any]] | None = None,
    attached: tuple[str, ...] = (),
    role: str = OLD_ROLE,
) -> Judgement:
    documents = {RECEIVE: DOCUMENTS[RECEIVE]} if declared is None else declared
    inline = tuple(Policy(f"inline-{number}", each) for number, each in enumerate(identity))
    permissions = RolePermissions(
        role=role,
        attached=attached,
        quota=10,
        identity=(*(Policy(arn, documents[arn]) for arn in attached), *inline),
        boundary=Policy(BOUNDARY, boundary) if boundary else None,
        declared=tuple(Policy(arn, each) for arn, each in documents.items()),
    )
    return cause_of(denial, permissions)


def test_a_declared_policy_that_the_role_lacks_is_missing() -> None:
    found = judged(denied())
    assert (found.cause, found.covering) == ("MISSING_ATTACHMENT", (RECEIVE,))
    assert found.reason == "retainwise-ecs-task-role lacks prod-retainwise-sqs-worker"


def test_of_two_declared_policies_the_narrower_is_named_first() -> None:
    wide = f"arn:aws:iam::{ACCOUNT}:policy/wide"
    declared = {wide: document("Allow", "sqs:*"), RECEIVE: DOCUMENTS[RECEIVE]}
    assert judged(denied(), declared=declared).covering == (RECEIVE, wide)


def test_what_a_declared_policy_allows_only_under_a_condition_is_said() -> None:
    condition = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
    found = judged(denied(), declared={RECEIVE: document("Allow", "sqs:*", Condition=condition)})
    assert (found.cause, found.covering) == ("MISSING_ATTACHMENT", (RECEIVE,))
    assert "(allowed only if condition aws:SourceVpce)" in found.reason


def test_a_policy_that_allows_it_for_certain_is_preferred_to_one_that_may() -> None:
    maybe = f"arn:aws:iam::{ACCOUNT}:policy/maybe"
    condition = {"Bool": {"aws:SecureTransport": "true"}}
    declared = {
        maybe: document("Allow", "sqs:ReceiveMessage", QUEUE, Condition=condition),
        RECEIVE: document("Allow", "sqs:*"),
    }
    assert judged(denied(), declared=declared).covering == (RECEIVE,)


def test_a_call_that_no_declared_policy_allows_is_not_declared() -> None:
    found = judged(denied(action="dynamodb:UpdateItem", on="arn:aws:dynamodb:us-east-1:1:table/t"))
    assert found.cause == "NOT_DECLARED"
    assert "GrantablePolicyArns" in found.next


def test_the_right_action_on_another_resource_is_not_declared() -> None:
    assert judged(denied(on=f"{QUEUE}.fifo")).cause == "NOT_DECLARED"


def test_a_policy_that_grants_everything_else_does_not_cover_the_call() -> None:
    all_but = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"},
    }
    assert judged(denied(), declared={RECEIVE: all_but}).cause == "NOT_DECLARED"


def test_what_is_granted_and_was_denied_all_the_same_is_said_to_be_granted() -> None:
    found = judged(denied(), attached=(RECEIVE,))
    assert (found.cause, found.arn) == ("ALREADY_GRANTED", RECEIVE)


@pytest.mark.parametrize(
    ("who", "named"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/other-role/session", "other-role"),
        ("arn:aws:sts::999999999999:assumed-role/retainwise-ecs-task-role/session", "999999999999"),
        (f"arn:aws:iam::{ACCOUNT}:user/retainwise-ecs-task-role", "user/"),
        (f"arn:aws:iam::{ACCOUNT}:root", ":root"),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/vault-1", "federated-user"),
    ],
)
def test_somebody_else_is_named(who: str, named: str) -> None:
    found = judged(denied(who=who))
    assert (found.cause, found.arn) == ("OTHER_PRINCIPAL", who)
    assert named in found.reason


def test_the_path_of_a_role_is_in_no_session_and_makes_no_other_principal() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/apps/eu/retainwise-ecs-task-role"
    assert judged(denied(), role=role).cause == "MISSING_ATTACHMENT"


@pytest.mark.parametrize(
    ("reason", "cause", "words"),
    [
        (f" with an explicit deny in a service control policy: {SCP}", "SCP_OR_RCP", SCP),
        (
            " with an explicit deny in a resource control policy",
            "SCP_OR_RCP",
            "resource control policy denies",
        ),
        (" because no service control policy allows the sqs:x action", "SCP_OR_RCP", "does not allow"),
        (
            " because no session policy allows the sqs:receivemessage action",
            "SESSION_POLICY",
            "session policy",
        ),
        (" with an explicit deny in a session policy", "SESSION_POLICY", "denies it"),
        (" because no resource-based policy allows the sqs:x action", "RESOURCE_POLICY", "resource policy"),
        (" with an explicit deny in a resource-based policy", "RESOURCE_POLICY", "denies it"),
        (" because no VPC endpoint policy allows the sqs:x action", "RESOURCE_POLICY", "VPC endpoint policy"),
    ],
)
def test_a_layer_that_only_the_text_can_name_is_believed(reason: str, cause: str, words: str) -> None:
    found = judged(denied(reason))
    assert found.cause == cause
    assert words in found.reason
    assert "Ask " in found.next and QUEUE in found.next


def test_the_policy_of_a_key_is_its_own_layer() -> None:
    denial = denied(" because no resource-based policy allows it", action="kms:Decrypt", on=KEY)
    found = judged(denial)
    assert (found.cause, found.arn) == ("KMS_KEY", KEY)


def test_a_key_that_the_role_may_use_has_a_policy_in_the_way() -> None:
    found = judged(denied("", action="kms:Decrypt", on=KEY), document("Allow", "kms:Decrypt", KEY))
    assert (found.cause, found.arn) == ("KMS_KEY", KEY)


def test_a_key_that_the_role_lacks_the_permission_for_is_fixed_by_a_declared_policy() -> None:
    denial = denied(
        " because no identity-based policy allows the kms:Decrypt action", action="kms:Decrypt", on=KEY
    )
    assert judged(denial, declared={RECEIVE: document("Allow", "kms:Decrypt", KEY)}).covering == (RECEIVE,)


@pytest.mark.parametrize(
    "reason", ["", " with an explicit deny in an identity-based policy", " with an explicit deny"]
)
def test_an_explicit_deny_of_the_role_is_found_whatever_the_text_says(reason: str) -> None:
    found = judged(denied(reason), document("Deny", "sqs:*", Sid="Freeze"))
    assert (found.cause, found.arn) == ("EXPLICIT_DENY", OLD_ROLE)
    assert found.reason == "Inline policy inline-0 (statement Freeze) denies it explicitly"


def test_a_deny_that_came_after_the_denial_is_in_the_way_as_well() -> None:
    assert judged(denied(), document("Deny", "sqs:ReceiveMessage", QUEUE)).cause == "EXPLICIT_DENY"


def test_a_deny_that_is_gone_since_is_not() -> None:
    assert judged(denied(" with an explicit deny in an identity-based policy")).cause == "MISSING_ATTACHMENT"


def test_an_explicit_deny_by_a_policy_that_nobody_names_is_refused_with_where_to_look() -> None:
    found = judged(denied(" with an explicit deny"))
    assert (found.cause, found.arn) == ("EXPLICIT_DENY", None)
    assert "organization" in found.next


def test_a_deny_under_a_condition_does_not_stop_a_grant_that_the_text_asks_for_but_is_named() -> None:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    found = judged(denied(), document("Deny", "sqs:*", Condition=condition))
    assert found.cause == "MISSING_ATTACHMENT"
    assert "(unless inline-0 denies it: condition aws:SecureTransport)" in found.reason


def test_a_boundary_that_may_allow_it_is_named() -> None:
    condition = {"Bool": {"aws:SecureTransport": "true"}}
    found = judged(denied(), boundary=document("Allow", "*", Condition=condition))
    assert found.cause == "MISSING_ATTACHMENT"
    assert "(if its permissions boundary retainwise-boundary allows it)" in found.reason


def test_a_deny_under_a_condition_is_named_where_the_text_says_that_a_deny_matched() -> None:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    denial = denied(" with an explicit deny in an identity-based policy")
    assert judged(denial, document("Deny", "sqs:*", Condition=condition)).cause == "EXPLICIT_DENY"


@pytest.mark.parametrize(
    "reason", ["", " because no permissions boundary allows the sqs:receivemessage action"]
)
def test_a_boundary_that_does_not_allow_it_is_named(reason: str) -> None:
    found = judged(denied(reason), boundary=document("Allow", "s3:*"))
    assert (found.cause, found.arn) == ("BOUNDARY", BOUNDARY)
    assert "does not allow it" in found.reason and BOUNDARY in found.next


def test_a_boundary_that_denies_it_is_named() -> None:
    found = judged(denied(), boundary=document("Deny", "sqs:*"))
    assert found.cause == "BOUNDARY" and "denies it" in found.reason


def test_a_boundary_that_was_fixed_or_taken_off_since_is_not_in_the_way() -> None:
    denial = denied(" because no permissions boundary allows the sqs:receivemessage action")
    assert judged(denial).cause == "MISSING_ATTACHMENT"
    assert judged(denial, boundary=document("Allow", "*")).cause == "MISSING_ATTACHMENT"


def test_a_boundary_is_in_the_way_before_what_the_catalogue_declares() -> None:
    denial = denied(action="dynamodb:UpdateItem", on="arn:aws:dynamodb:us-east-1:1:table/t")
    assert judged(denial, boundary=document("Allow", "s3:*")).cause == "BOUNDARY"


def test_a_text_that_names_no_resource_is_covered_by_what_may_cover_it() -> None:
    found = judged(denied("", on=""))
    assert (found.cause, found.covering) == ("MISSING_ATTACHMENT", (RECEIVE,))
    assert "the resource of the call" in found.reason


def test_a_resource_in_another_form_than_an_arn_is_not_known() -> None:
    url = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/prod-retainwise-predictions-queue"
    assert judged(denied("", on=url)).covering == (RECEIVE,)


def test_a_policy_that_allows_it_only_for_its_own_name_is_not_a_certain_one() -> None:
    own = document("Allow", "sqs:*", "arn:aws:sqs:*:*:${aws:PrincipalTag/team}-queue")
    assert judged(denied(on=f"arn:aws:sqs:us-east-1:{ACCOUNT}:x-queue"), own).cause == "NOT_DECLARED"


def test_ec2s_encoded_message_is_said_to_be_encoded() -> None:
    text = (
        "An error occurred (UnauthorizedOperation) when calling the RunInstances operation: You are not"
        " authorized to perform this operation. Encoded authorization failure message: 4bQZ-abcdefghijklmnop"
    )
    (denial,) = read_denials(text)
    found = judged(denial)
    assert found.cause == "UNREADABLE"
    assert "decode-authorization-message" in found.next


def test_a_denial_without_an_action_is_unreadable() -> None:
    assert judged(Denial(operation="GetObject")).cause == "UNREADABLE"


def test_sending_is_not_receiving() -> None:
    assert judged(denied(), declared={SEND: DOCUMENTS[SEND]}).cause == "NOT_DECLARED"


def test_what_the_role_may_do_is_granted_although_a_condition_may_deny_it() -> None:
    insecure = document("Deny", "*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    wide = {RECEIVE: DOCUMENTS[RECEIVE], SEND: document("Allow", "sqs:*")}
    found = judged(denied(), insecure, declared=wide, attached=(RECEIVE,))
    assert (found.cause, found.covering) == ("ALREADY_GRANTED", ())
    assert "unless inline-0 denies it (condition aws:SecureTransport)" in found.reason


def test_a_policy_under_the_same_condition_as_the_one_that_the_role_has_is_no_help() -> None:
    bound = document("Allow", "sqs:*", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    assert judged(denied(), bound, declared={SEND: bound}).cause == "NOT_DECLARED"


def test_a_granted_call_whose_resource_is_not_named_is_not_called_undeclared() -> None:
    reason = " because no identity-based policy allows the sqs:receivemessage action"
    assert judged(denied(reason, on=""), attached=(RECEIVE,)).cause == "ALREADY_GRANTED"


def test_an_unnamed_explicit_deny_may_be_the_boundarys() -> None:
    boundary = document("Allow", "*")
    boundary["Statement"].append(
        {
            "Effect": "Deny",
            "Action": "sqs:*",
            "Resource": "*",
            "Condition": {"Null": {"aws:MultiFactorAuthAge": "true"}},
        }
    )
    found = judged(denied(" with an explicit deny"), boundary=boundary)
    assert (found.cause, found.arn) == ("BOUNDARY", BOUNDARY)


def test_a_deny_of_the_boundary_that_is_gone_is_not_blamed_on_the_role() -> None:
    insecure = document("Deny", "*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    found = judged(denied(" with an explicit deny in a permissions boundary"), insecure)
    assert (found.cause, found.covering) == ("MISSING_ATTACHMENT", (RECEIVE,))


def test_everything_may_be_written_with_a_colon() -> None:
    assert judged(denied(), document("Deny", "*:*")).cause == "EXPLICIT_DENY"
    assert judged(denied(), document("Allow", "*:*")).cause == "ALREADY_GRANTED"


def test_the_operation_is_named_where_the_action_is_not() -> None:
    (denial,) = read_denials(
        "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied"
    )
    assert judged(denial).reason.endswith("only the operation GetObject")


API = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:a1b2c3/prod/POST/run"
QUARANTINE = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"


def test_an_account_that_api_gateway_hides_is_the_callers_if_it_may_be() -> None:
    masked = API.replace(ACCOUNT, f"********{ACCOUNT[-4:]}")
    denial = denied(" because no identity-based policy allows it", action="execute-api:Invoke", on=masked)
    declared = {RECEIVE: document("Allow", "execute-api:Invoke", API)}
    found = judged(denial, declared=declared)
    assert (found.cause, found.covering, found.certain) == ("MISSING_ATTACHMENT", (RECEIVE,), True)


def test_an_account_that_ends_otherwise_is_another() -> None:
    masked = API.replace(ACCOUNT, "********7777")
    denial = denied(" because no identity-based policy allows it", action="execute-api:Invoke", on=masked)
    assert judged(denial, declared={RECEIVE: document("Allow", "execute-api:*", API)}).cause == "NOT_DECLARED"


def test_a_call_on_all_of_an_account_is_not_covered_by_a_policy_for_one_queue() -> None:
    denial = denied(action="sqs:listqueues", on=f"arn:aws:sqs:us-east-1:{ACCOUNT}:")
    wide = document("Allow", "sqs:ListQueues", "*")
    one_queue = document("Allow", "sqs:*", QUEUE)
    assert judged(denial, declared={RECEIVE: one_queue}).cause == "NOT_DECLARED"
    assert judged(denial, declared={SEND: wide, RECEIVE: one_queue}).covering == (SEND,)


def test_s3s_block_of_public_access_is_in_the_way_whatever_policies_allow() -> None:
    reason = " because public policies are blocked by the BlockPublicPolicy block public access setting."
    found = judged(denied(reason, action="s3:PutBucketPolicy", on='"arn:aws:s3:::b"'))
    assert (found.cause, found.arn) == ("RESOURCE_POLICY", None)
    assert "Block Public Access" in found.reason and "owns the bucket" in found.next


def test_what_bedrock_asks_of_the_marketplace_is_not_declared() -> None:
    text = (
        "An error occurred (AccessDeniedException) when calling the Converse operation: Model access is"
        " denied due to IAM user or service role is not authorized to perform the required AWS"
        " Marketplace actions"
        " (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model."
    )
    assert [judged(denial).cause for denial in read_denials(text)] == ["NOT_DECLARED", "NOT_DECLARED"]


@pytest.mark.parametrize("version", ["", "V2", "V3", "V4"])
@pytest.mark.parametrize("who", [SESSION, f"arn:aws:iam::{ACCOUNT}:user/ci"])
def test_a_quarantine_policy_in_the_way_is_a_leaked_key_whoevers_it_is(who: str, version: str) -> None:
    policy = QUARANTINE.removesuffix("V3") + version
    found = judged(denied(f" with an explicit deny in an identity-based policy: {policy}", who=who))
    assert (found.cause, found.covering, found.arn) == ("COMPROMISED_KEY", (), policy)
    assert who in found.reason
    assert "support case" in found.next and "CloudTrail" in found.next


def test_a_role_under_quarantine_now_is_never_granted_anything() -> None:
    quarantine = {QUARANTINE: document("Deny", "sqs:*"), RECEIVE: DOCUMENTS[RECEIVE]}
    assert judged(denied(), declared=quarantine, attached=(QUARANTINE,)).cause == "COMPROMISED_KEY"


def test_a_policy_of_ones_own_with_such_a_name_is_no_sign_of_a_leak() -> None:
    own = f"arn:aws:iam::{ACCOUNT}:policy/AWSCompromisedKeyQuarantineV3"
    assert (
        judged(denied(f" with an explicit deny in an identity-based policy: {own}")).cause
        != "COMPROMISED_KEY"
    )
