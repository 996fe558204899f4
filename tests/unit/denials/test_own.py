"""Whose a denial is, and which calls are of one kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.denials.own import is_ignored, is_other_principal, kind_of
from regrant.model.denial import Denial, StaysDenied
from tests.unit.fakes import ACCOUNT, OLD_ROLE, QUEUE

SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/retainwise-ecs-task-role/0f9c2f1d"


@pytest.mark.parametrize(
    ("denial", "other"),
    [
        (Denial(), False),
        (Denial(role_name="retainwise-ecs-task-role"), False),
        (Denial(role_name="somebody-else"), True),
        (Denial(principal_arn=SESSION, role_name="retainwise-ecs-task-role"), False),
        (Denial(principal_arn=OLD_ROLE, role_name="retainwise-ecs-task-role"), False),
        (Denial(principal_arn=f"arn:aws:iam::{ACCOUNT}:user/retainwise-ecs-task-role"), True),
        (
            Denial(
                principal_arn=SESSION.replace(ACCOUNT, "999999999999"), role_name="retainwise-ecs-task-role"
            ),
            True,
        ),
    ],
)
def test_a_denial_is_the_roles_unless_it_names_another_principal(denial: Denial, other: bool) -> None:
    assert is_other_principal(denial, OLD_ROLE) is other


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (None, None),
        ("*", "*"),
        (QUEUE, QUEUE),
        ("https://sqs.us-east-1.amazonaws.com/1/q", "https://sqs.us-east-1.amazonaws.com/1/q"),
        ("arn:aws:s3:::uploads", "arn:aws:s3:::uploads"),
        ("arn:aws:s3:::uploads/2025/11/a b.csv", "arn:aws:s3:::uploads/*"),
        ("arn:aws-cn:s3:::uploads/a", "arn:aws-cn:s3:::uploads/*"),
        ("arn:aws:s3:us-east-1:1:accesspoint/a/object/b", "arn:aws:s3:us-east-1:1:accesspoint/a/object/b"),
        (
            "arn:aws:logs:us-east-1:1:log-group:/ecs/w:log-stream:a/b",
            "arn:aws:logs:us-east-1:1:log-group:/ecs/w:log-stream:*",
        ),
        ("arn:aws:dynamodb:us-east-1:1:table/t", "arn:aws:dynamodb:us-east-1:1:table/t"),
    ],
)
def test_objects_of_one_bucket_and_streams_of_one_group_are_of_one_kind(
    resource: str | None, place: str | None
) -> None:
    assert kind_of(Denial(action="x:Y", resource=resource)) == StaysDenied("x:Y", place)


def test_a_text_that_does_not_say_the_action_is_of_no_kind() -> None:
    assert kind_of(Denial(operation="RunInstances", encoded=True)) is None


@given(st.text())
def test_any_resource_has_a_kind_that_is_its_own(resource: str) -> None:
    kind = kind_of(Denial(action="x:Y", resource=resource))
    assert kind is not None
    assert kind_of(Denial(action="x:Y", resource=kind.resource)) == kind


@pytest.mark.parametrize(
    ("action", "ignored"),
    [("xray:PutTraceSegments", True), ("xray:PutTelemetryRecords", False), (None, False)],
)
def test_what_is_ignored_is_named_whole_in_whatever_case(action: str | None, ignored: bool) -> None:
    assert is_ignored(Denial(action=action), ("XRay:puttracesegments",)) is ignored
