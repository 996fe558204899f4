"""IAM roles, read whole and changed one attachment at a time."""

import json
from typing import Any

import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from regrant.aws.roles import IamRoles
from regrant.errors import AwsRefused, AwsUnavailable
from tests.aws.account import ROLE_NAME, client, create_policy, create_role
from tests.unit.fakes import OLD_ROLE, RECEIVE, ROLE, SEND


@pytest.fixture
def roles() -> IamRoles:
    iam = create_role()
    return IamRoles(iam, lambda: iam)


def test_a_role_is_read_whole(roles: IamRoles) -> None:
    assert roles.read(OLD_ROLE) == ROLE


def test_inline_policies_boundary_and_attachments_are_part_of_it(roles: IamRoles) -> None:
    iam = client("iam")
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
    iam.put_role_policy(RoleName=ROLE_NAME, PolicyName="second", PolicyDocument=json.dumps(document))
    iam.put_role_permissions_boundary(RoleName=ROLE_NAME, PermissionsBoundary=SEND)
    iam.attach_role_policy(RoleName=ROLE_NAME, PolicyArn=RECEIVE)
    assert roles.read(OLD_ROLE) == replace(
        ROLE, attached=(RECEIVE,), inline={**ROLE.inline, "second": document}, boundary=SEND
    )


def test_a_role_that_was_made_again_under_its_name_has_another_id(roles: IamRoles) -> None:
    iam = client("iam")
    arn = iam.create_role(RoleName="task", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    before = roles.read(arn)
    iam.delete_role(RoleName="task")
    iam.create_role(RoleName="task", AssumeRolePolicyDocument="{}")
    after = roles.read(arn)
    assert before is not None and after is not None and before.id and before.id != after.id
    assert replace(before, id="") == replace(after, id="")


def test_a_role_with_a_path_is_found_by_its_name() -> None:
    iam = client("iam")
    arn = iam.create_role(RoleName="task", Path="/apps/eu/", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    role = IamRoles(iam).read(arn)
    assert role is not None and role.arn == arn


def test_a_role_that_is_gone_is_none(roles: IamRoles) -> None:
    assert roles.read("arn:aws:iam::123456789012:role/nobody") is None


def test_a_role_that_may_not_be_read_is_not_called_gone(roles: IamRoles, monkeypatch: Any) -> None:
    def denied(role: str) -> None:
        raise AwsRefused("AccessDenied", "AccessDenied")

    monkeypatch.setattr(roles, "_get_role", denied)
    with pytest.raises(AwsRefused):
        roles.read(OLD_ROLE)


def test_permissions_come_with_every_document_and_what_does_not_exist(roles: IamRoles) -> None:
    iam = client("iam")
    roles.attach(OLD_ROLE, SEND)
    iam.put_role_permissions_boundary(RoleName=ROLE_NAME, PermissionsBoundary=RECEIVE)
    found = roles.permissions(OLD_ROLE, (RECEIVE, f"{RECEIVE}-2"))
    assert (found.attached, found.nonexistent) == ((SEND,), (f"{RECEIVE}-2",))
    assert [policy.arn for policy in found.identity] == [SEND, *ROLE.inline]
    assert found.identity[1].document == ROLE.inline[found.identity[1].arn]
    assert found.boundary is not None
    assert found.declared == (found.boundary,) == found.missing
    assert found.boundary.document["Statement"]


def test_permissions_come_with_the_role_as_it_is_read_whole(roles: IamRoles) -> None:
    iam = client("iam")
    roles.attach(OLD_ROLE, SEND)
    iam.put_role_permissions_boundary(RoleName=ROLE_NAME, PermissionsBoundary=RECEIVE)
    iam.tag_role(RoleName=ROLE_NAME, Tags=[{"Key": "Environment", "Value": "test"}])
    assert roles.permissions(OLD_ROLE, (RECEIVE,)).state == roles.read(OLD_ROLE)


def test_a_role_that_does_not_exist_has_no_permissions(roles: IamRoles) -> None:
    with pytest.raises(AwsRefused) as refused:
        roles.permissions("arn:aws:iam::123456789012:role/nobody", ())
    assert refused.value.code == "NoSuchEntity"


def quota(iam: Any, attached: int, *wanted: str) -> int:
    """The quota of a role that has so many policies, in an account where it was raised to 20."""
    made = tuple(create_policy(iam, f"policy-{number:02}") for number in range(attached))
    roles = IamRoles(iam)
    for arn in made:
        roles.attach(OLD_ROLE, arn)
    iam.get_account_summary = lambda: {"SummaryMap": {"AttachedPoliciesPerRoleQuota": 20}}
    return roles.permissions(OLD_ROLE, (*wanted, *made[:1])).quota


def test_where_the_quota_of_every_account_is_enough_the_accounts_own_is_not_asked_for() -> None:
    assert quota(create_role(), 8, RECEIVE, SEND) == 10


def test_where_more_may_be_attached_the_accounts_own_quota_is_read() -> None:
    assert quota(create_role(), 9, RECEIVE, SEND) == 20


def test_of_a_managed_policy_the_default_version_is_read(roles: IamRoles) -> None:
    newer = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
    client("iam").create_policy_version(
        PolicyArn=RECEIVE, PolicyDocument=json.dumps(newer), SetAsDefault=True
    )
    (read,) = roles.permissions(OLD_ROLE, (RECEIVE,)).declared
    assert read.document == newer


def test_a_policy_that_was_made_again_under_its_name_has_the_same_version_and_another_id(
    roles: IamRoles,
) -> None:
    iam = client("iam")
    (before,) = roles.permissions(OLD_ROLE, (RECEIVE,)).declared
    iam.delete_policy(PolicyArn=RECEIVE)
    create_policy(iam, RECEIVE.rsplit("/", 1)[-1])
    (after,) = roles.permissions(OLD_ROLE, (RECEIVE,)).declared
    assert (before.version, before.document) == (after.version, after.document)
    assert before.id and before.id != after.id


def test_policies_are_read_as_far_as_they_exist(roles: IamRoles) -> None:
    declared = roles.permissions(OLD_ROLE, (SEND, RECEIVE)).declared
    assert roles.read_policies((SEND, f"{RECEIVE}-2", RECEIVE)) == declared
    assert {policy.arn for policy in declared} == {SEND, RECEIVE}


def test_a_policy_that_cannot_be_looked_up_is_not_called_nonexistent(roles: IamRoles) -> None:
    iam = client("iam")
    with Stubber(iam) as stub:
        stub.add_client_error("get_policy", "AccessDenied", http_status_code=403)
        with pytest.raises(AwsRefused):
            IamRoles(iam)._policy(RECEIVE)


def test_attaching_twice_is_attaching_once(roles: IamRoles) -> None:
    roles.attach(OLD_ROLE, RECEIVE)
    roles.attach(OLD_ROLE, RECEIVE)
    assert roles.attached(OLD_ROLE) == (RECEIVE,)


def test_detaching_takes_off_that_policy_only(roles: IamRoles) -> None:
    roles.attach(OLD_ROLE, RECEIVE)
    roles.attach(OLD_ROLE, SEND)
    roles.detach(OLD_ROLE, RECEIVE)
    assert roles.attached(OLD_ROLE) == (SEND,)


def test_detaching_says_whether_there_was_something_to_detach(roles: IamRoles) -> None:
    roles.attach(OLD_ROLE, RECEIVE)
    assert roles.detach(OLD_ROLE, RECEIVE)
    assert not roles.detach(OLD_ROLE, RECEIVE)
    assert roles.attached(OLD_ROLE) == ()


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("AccessDenied", 403, AwsRefused), ("Throttling", 400, AwsUnavailable)],
)
def test_no_other_answer_counts_as_detached(code: str, status: int, error: type[Exception]) -> None:
    iam = client("iam")
    with Stubber(iam) as stub:
        stub.add_client_error("detach_role_policy", code, http_status_code=status)
        with pytest.raises(error):
            IamRoles(iam, lambda: iam).detach(OLD_ROLE, RECEIVE)


def test_all_pages_of_attachments_are_read() -> None:
    def page(arn: str, more: bool) -> dict[str, object]:
        policies = [{"PolicyName": "x", "PolicyArn": arn}]
        return {"AttachedPolicies": policies, "IsTruncated": more} | ({"Marker": "next"} if more else {})

    iam = client("iam")
    with Stubber(iam) as stub:
        stub.add_response("list_attached_role_policies", page(SEND, more=True), {"RoleName": ROLE_NAME})
        stub.add_response(
            "list_attached_role_policies",
            page(RECEIVE, more=False),
            {"RoleName": ROLE_NAME, "Marker": "next"},
        )
        assert IamRoles(iam).attached(OLD_ROLE) == (SEND, RECEIVE)


def test_a_page_may_be_short_and_still_not_be_the_last(roles: IamRoles) -> None:
    iam = client("iam")
    made = [create_policy(iam, f"policy-{n:03}") for n in range(5)]
    for arn in made:
        roles.attach(OLD_ROLE, arn)
    assert roles.attached(OLD_ROLE) == tuple(made)
