"""The catalogue's entry is data that a person wrote: it is used only if every part of it is sound."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.model.catalogue import CatalogueEntry, Service, parameter_name
from regrant.model.results import Refusal
from regrant.opening.catalogue import read_entry
from tests.unit.fakes import ALLOWED, CATALOGUE, ENTRY, RECEIVE, WORKER

SOUND: dict[str, Any] = msgspec.to_builtins(ENTRY)


def text(**changed: Any) -> str:
    return msgspec.json.encode(SOUND | changed).decode()


def health(**changed: Any) -> str:
    return text(health=SOUND["health"] | changed)


def refused(parameter: str | None, service: Service = WORKER) -> Refusal:
    answer = read_entry(parameter, service, ALLOWED, CATALOGUE)
    assert isinstance(answer, Refusal)
    return answer


def test_a_sound_entry_is_read() -> None:
    assert read_entry(text(), WORKER, ALLOWED, CATALOGUE) == ENTRY


def test_health_and_redeploy_have_defaults() -> None:
    answer = read_entry(
        text(health={"success": "Successfully received"}, redeploy="always"), WORKER, ALLOWED, CATALOGUE
    )
    assert isinstance(answer, CatalogueEntry)
    assert (answer.health.samples, answer.health.queue, answer.redeploy) == (3, None, "always")


def test_a_service_without_an_entry_is_not_enrolled() -> None:
    refusal = refused(None)
    assert refusal.code == "NOT_ENROLLED"
    assert parameter_name(CATALOGUE, WORKER) in refusal.message and "enrol/service.yaml" in refusal.next


@pytest.mark.parametrize(
    "parameter",
    [
        "",
        "{",
        "[]",
        text(policies=None),
        text(policies=[]),
        text(policies=["prod-retainwise-sqs-worker"]),
        text(policies=[RECEIVE + "\n"]),
        text(task_role="prod-retainwise-worker-task-role"),
        text(redeploy="sometimes"),
        text(grants="everything"),
        health(success="ab"),
        health(success="    "),
        health(success=" ok "),
        health(success="not authorized"),
        health(success="User is not authorized to perform"),
        health(success='received" ?ERROR'),
        health(success="received\\"),
        health(queue="https://sqs.us-east-1.amazonaws.com/123456789012/q"),
        health(dead_letter_queue=""),
        health(samples=0),
        health(samples=21),
    ],
)
def test_an_entry_that_is_not_sound_is_refused(parameter: str) -> None:
    refusal = refused(parameter)
    assert refusal.code == "INVALID_CATALOGUE"
    assert parameter_name(CATALOGUE, WORKER) in refusal.message


def test_a_policy_outside_the_owners_list_is_refused_by_name() -> None:
    refusal = refused(text(policies=[RECEIVE, "arn:aws:iam::aws:policy/AdministratorAccess"]))
    assert refusal.code == "POLICY_NOT_GRANTABLE"
    assert "AdministratorAccess" in refusal.message and RECEIVE not in refusal.message


def test_nobody_is_advised_to_list_a_policy_of_administrators() -> None:
    never = "arn:aws:iam::aws:policy/AdministratorAccess"
    refusal = refused(text(policies=[RECEIVE, never]))
    assert "GrantablePolicyArns" not in refusal.next
    assert refusal.next.startswith(f"No run ever grants {never}: find out who put it into the entry")
    assert "adds it to GrantablePolicyArns" in refused(text(policies=[f"{RECEIVE}-2"])).next


def test_a_cluster_outside_the_owners_list_is_refused() -> None:
    assert refused(text(), Service("other-cluster", "retainwise-worker")).code == "CLUSTER_NOT_MANAGED"


def test_a_fifo_queue_keeps_its_suffix() -> None:
    queue = "arn:aws:sqs:us-east-1:123456789012:orders.fifo"
    answer = read_entry(health(queue=queue), WORKER, ALLOWED, CATALOGUE)
    assert isinstance(answer, CatalogueEntry) and answer.health.queue == queue


@given(
    st.text() | st.builds(lambda part: text(**part), st.dictionaries(st.sampled_from(list(SOUND)), st.text()))
)
def test_whatever_the_text_only_grantable_policies_come_out(parameter: str) -> None:
    answer = read_entry(parameter, WORKER, ALLOWED, CATALOGUE)
    assert isinstance(answer, Refusal) or set(answer.policies) <= ALLOWED.policies


@given(st.text(st.characters(max_codepoint=0x7F), max_size=20))
def test_no_success_text_can_end_the_quotes_of_a_log_filter(success: str) -> None:
    answer = read_entry(health(success=success), WORKER, ALLOWED, CATALOGUE)
    if isinstance(answer, CatalogueEntry):
        assert not set(answer.health.success) & {'"', "\\", "\n", "\r", "\0"}


@pytest.mark.parametrize("hours", [1, 24, 720])
def test_a_grant_lasts_an_hour_at_least_and_thirty_days_at_most(hours: int) -> None:
    answer = read_entry(text(grant_ttl_hours=hours), WORKER, ALLOWED, CATALOGUE)
    assert isinstance(answer, CatalogueEntry) and answer.grant_ttl_hours == hours


@pytest.mark.parametrize(
    "changed",
    [
        *({"grant_ttl_hours": hours} for hours in (0, -1, 721, 1.5, "24", True, None)),
        *({"managed_by": by} for by in ("", "Terraform", "cdk", True)),
    ],
)
def test_another_time_or_manager_is_not_used(changed: dict[str, Any]) -> None:
    assert refused(text(**changed)).code == "INVALID_CATALOGUE"


@pytest.mark.parametrize(
    "address",
    [
        None,
        "aws_ecs_task_definition.worker",
        "module.a.module.b-c.aws_ecs_task_definition.worker_1",
        "module.a[0].aws_ecs_task_definition.worker[12]",
        'module.a["x"].aws_ecs_task_definition.worker["retainwise/worker"]',
        'aws_ecs_task_definition.worker["eu west.1"]',
    ],
)
def test_an_address_is_one_of_a_task_definition(address: str | None) -> None:
    answer = read_entry(text(managed_by="terraform", terraform_address=address), WORKER, ALLOWED, CATALOGUE)
    assert isinstance(answer, CatalogueEntry) and answer.terraform_address == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "worker",
        "aws_ecs_service.worker",
        "aws_ecs_task_definition.",
        "aws_ecs_task_definition.worker\n",
        'aws_ecs_task_definition.worker["a\nb"]',
        "aws_ecs_task_definition.worker[]",
        "aws_ecs_task_definition.worker[x]",
        'aws_ecs_task_definition.worker["x]',
        'aws_ecs_task_definition.worker["a"b"]',
        "module.aws_ecs_task_definition.worker",
        "data.aws_ecs_task_definition.worker",
        "module.a." * 6 + "aws_ecs_task_definition.worker",
        'x" { } resource "aws_iam_role" "y',
        7,
    ],
)
def test_another_address_is_not_used(address: object) -> None:
    assert refused(text(terraform_address=address)).code == "INVALID_CATALOGUE"


OF_STATE = "arn:aws:s3:::retainwise-terraform-state"


@pytest.mark.parametrize(
    "state",
    [None, f"{OF_STATE}/prod/terraform.tfstate", f"{OF_STATE}.eu/env:/prod/a+b=c@d/terraform.tfstate"],
)
def test_a_state_is_an_object_in_s3(state: str | None) -> None:
    answer = read_entry(text(terraform_state=state), WORKER, ALLOWED, CATALOGUE)
    assert isinstance(answer, CatalogueEntry) and answer.terraform_state == state


@pytest.mark.parametrize(
    "state",
    [
        *("", "s3://retainwise-terraform-state/prod", OF_STATE, f"{OF_STATE}/", f"{OF_STATE}/*", 7),
        *(
            f"{OF_STATE}/a?b",
            f"{OF_STATE}/a b",
            f"{OF_STATE}/a\n",
            "arn:aws:s3:::A/key",
            "arn:aws:s3:::../key",
        ),
        "arn:aws:s3:us-east-1:999999999999:accesspoint/theirs/object/key",
        f"{OF_STATE}/{'x' * 1000}",
    ],
)
def test_another_state_is_not_asked_for(state: object) -> None:
    assert refused(text(terraform_state=state)).code == "INVALID_CATALOGUE"


def test_an_entry_without_a_state_travels_as_before() -> None:
    """What a run in flight has of its entry, and events/ have recorded."""
    answer = read_entry(text(), WORKER, ALLOWED, CATALOGUE)
    assert isinstance(answer, CatalogueEntry) and "terraform_state" not in msgspec.to_builtins(answer)


@pytest.mark.parametrize("ignored", [[], ["xray:PutTraceSegments"], [f"xray:Call{n}" for n in range(20)]])
def test_up_to_twenty_actions_may_be_ignored(ignored: list[str]) -> None:
    answer = read_entry(text(ignore_actions=ignored), WORKER, ALLOWED, CATALOGUE)
    assert isinstance(answer, CatalogueEntry) and answer.ignore_actions == tuple(ignored)


@pytest.mark.parametrize(
    ("ignored", "why"),
    [
        (["*"], "wildcard"),
        (["s3:*"], "wildcard"),
        (["s3:Get?bject"], "wildcard"),
        (["xray"], "not an IAM action"),
        (["xray:"], "not an IAM action"),
        (["xray:PutTraceSegments\n"], "not an IAM action"),
        (["xray:Put:Trace"], "not an IAM action"),
        ([f"xray:Call{n}" for n in range(21)], "21 actions"),
        ("xray:PutTraceSegments", "does not parse"),
        ([7], "does not parse"),
        (None, "does not parse"),
    ],
)
def test_other_actions_are_refused_and_the_sentence_says_why(ignored: object, why: str) -> None:
    refusal = refused(text(ignore_actions=ignored))
    assert refusal.code == "INVALID_CATALOGUE" and why in refusal.message


@given(st.lists(st.text(max_size=30), max_size=25))
def test_whatever_is_to_be_ignored_names_whole_actions_only(ignored: list[str]) -> None:
    answer = read_entry(text(ignore_actions=ignored), WORKER, ALLOWED, CATALOGUE)
    if isinstance(answer, CatalogueEntry):
        assert len(ignored) <= 20 and not any(set("*? ") & set(action) for action in ignored)


def test_an_empty_list_of_a_template_ignores_nothing() -> None:
    assert read_entry(text(ignore_actions=[""]), WORKER, ALLOWED, CATALOGUE) == ENTRY
