"""What starts a handover: everything in it is data, and what is wrong with it is a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.handover.open import open_handover
from regrant.handover.request import read_request
from regrant.leases import LIFE
from regrant.model.aws import Execution
from regrant.model.handover import Opened, OpenHandoverEvent
from regrant.model.journal import Change, Lease
from tests.unit.fakes import ACCOUNT, DEFINITION, NEWER_DEFINITION, OPENED, REGION, SETTINGS, WORKER, at
from tests.unit.handover.world import INPUT, NAME, RUN, SERVICE, SPEC, TASKS, Handing

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:regrant-handover"


def changed(**more: Any) -> dict[str, Any]:
    return {key: value for key, value in (INPUT | more).items() if value is not None}


def imports(**more: str) -> dict[str, str]:
    return {**INPUT["imports"], **more}


def end(status: str = "ABORTED", given: Any = None, **more: Any) -> dict[str, Any]:
    detail = {"name": NAME, "status": status, "stateMachineArn": MACHINE, "input": json.dumps(given or INPUT)}
    return {"detail-type": "Step Functions Execution Status Change", "detail": detail | more}


def opened(world: Handing, given: Any, seconds: float = 0, name: str = NAME) -> Opened:
    return open_handover(OpenHandoverEvent(given, at(seconds), name, OPENED), world).handover


def test_a_whole_input_is_a_spec() -> None:
    request = read_request(INPUT, SETTINGS)
    assert (request.refusal, request.spec) == (None, SPEC)


def test_the_root_of_the_source_is_where_terraform_runs_if_nothing_else_is_said() -> None:
    spec = read_request(changed(directory=None), SETTINGS).spec
    assert spec is not None and spec.directory == "."


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        "handover",
        {},
        changed(mode="plan"),
        changed(more=1),
        changed(source=None),
        changed(source={"before": "a"}),
        changed(source={"before": "a", "after": "b", "c": "d"}),
        changed(source={"before": "a", "after": "$(id)"}),
        changed(source={"before": "--upload-pack=x", "after": "b"}),
        changed(directory="/etc"),
        changed(directory="infra/../.."),
        changed(directory="infra;id"),
        changed(directory=["infra"]),
        changed(imports=[]),
        changed(imports=imports(**{SERVICE: 1})),  # type: ignore[arg-type]
        changed(imports=imports(**{'aws_iam_role.x"\n}': "y"})),
        changed(imports=imports(**{"aws_iam_role.x[\"${file('/x')}\"]": "y"})),
        changed(imports=imports(**{"aws_iam_role.x": 'y"\n}'})),
        changed(imports=imports(**{"aws_iam_role.x": "${data.x}"})),
        changed(imports=imports(**{"aws_iam_role.x": ""})),
        changed(imports={f"aws_iam_role.r{n}": "x" for n in range(300)}),
        changed(imports=imports(**{SERVICE: "retainwise-worker"})),
        changed(imports=imports(**{TASKS: "retainwise-worker:1"})),
        changed(imports=imports(**{TASKS: DEFINITION.replace(REGION, "eu-central-1")})),
        changed(imports=imports(**{TASKS: DEFINITION.replace(ACCOUNT, "210987654321")})),
        changed(services={}),
        changed(services={SERVICE: "aws_ecs_task_definition.other"}),
        changed(services={"aws_ecs_cluster.main": TASKS}),
        changed(roles={}),
        changed(roles={TASKS: "role"}),
        changed(roles={TASKS: "arn:aws:iam::123456789012:user/x"}),
        changed(
            services={SERVICE: TASKS, "aws_ecs_service.twin": TASKS},
            imports=imports(**{"aws_ecs_service.twin": str(WORKER)}),
        ),
        {"mode": "undo"},
        {"mode": "undo", "handover": "a/b"},
        {"mode": "undo", "handover": NAME, "source": {}},
    ],
)
def test_what_is_no_handover_is_refused(given: Any) -> None:
    request = read_request(given, SETTINGS)
    assert request.spec is None and request.refusal is not None
    assert request.refusal.code == "INVALID_HANDOVER"
    assert "\n" not in request.refusal.message.replace("\n  {", "")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"detail-type": "CloudWatch Alarm State Change", "detail": {}}, "EVENT_NOT_SUPPORTED"),
        ({"detail-type": "Step Functions Execution Status Change"}, "EVENT_NOT_SUPPORTED"),
        (end(stateMachineArn=MACHINE.replace("handover", "runbook")), "OTHER_STATE_MACHINE"),
        (end(name="a/b"), "OTHER_STATE_MACHINE"),
        (end("RUNNING"), "RUN_NOT_ENDED"),
        (end("SUCCEEDED"), "RUN_NOT_ENDED"),
    ],
)
def test_an_event_of_anything_else_than_a_handovers_end_starts_nothing(event: Any, code: str) -> None:
    refusal = read_request(event, SETTINGS).refusal
    assert refusal is not None and refusal.code == code


def test_the_end_of_an_undo_is_undone_as_its_handover_and_not_for_ever() -> None:
    first = end(given={"mode": "undo", "handover": "the-first"}, status="TIMED_OUT")
    request = read_request(first, SETTINGS)
    assert (request.refusal, request.subject, request.ended) == (None, "the-first", NAME)
    again: Any = end(status="TIMED_OUT")
    for _ in range(3):
        again = end(status="TIMED_OUT", given=again)
    refusal = read_request(again, SETTINGS).refusal
    assert refusal is not None and refusal.code == "UNDO_STOPPED"


def test_an_undo_that_a_person_stops_stays_stopped() -> None:
    refusal = read_request(end(given=end()), SETTINGS).refusal
    assert refusal is not None and refusal.code == "UNDO_STOPPED"


def test_an_event_without_the_input_is_read_all_the_same() -> None:
    assert read_request(end(input=None), SETTINGS).subject == NAME
    assert read_request(end(input="[" * 10**5), SETTINGS).subject == NAME


# What the account says


def test_a_service_is_leased_and_what_is_to_be_done_is_kept() -> None:
    world = Handing()
    assert opened(world, INPUT).next == "CREATE"
    assert world.leases.held[f"service/{WORKER}"].owner == RUN
    assert world.kept.written[RUN].spec == SPEC


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (changed(roles={TASKS: "arn:aws:iam::123456789012:role/stranger"}), "ROLE_NOT_MANAGED"),
        (changed(imports=imports(**{SERVICE: "another/worker"})), "CLUSTER_NOT_MANAGED"),
        (changed(imports=imports(**{SERVICE: f"{WORKER.cluster}/another"})), "UNKNOWN_SERVICE"),
        (changed(imports=imports(**{TASKS: NEWER_DEFINITION})), "OTHER_REVISION"),
    ],
)
def test_what_the_stack_may_not_do_or_does_not_fit_is_refused(given: Any, code: str) -> None:
    world = Handing()
    result = opened(world, given)
    assert result.refusal is not None and (result.refusal.code, result.next) == (code, "CLOSE")
    assert world.leases.held == {} and world.kept.written == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"controller": "CODE_DEPLOY"}, "UNSUPPORTED_CONTROLLER"),
        ({"deployment_configuration": {"strategy": "BLUE_GREEN"}}, "UNSUPPORTED_STRATEGY"),
        ({"desired_count": 0}, "DESIRED_COUNT_ZERO"),
    ],
)
def test_a_service_that_terraform_could_not_move_so_is_refused(change: dict[str, Any], code: str) -> None:
    world = Handing()
    assert world.services.state is not None
    world.services.state = replace(world.services.state, **change)
    result = opened(world, INPUT)
    assert result.refusal is not None and result.refusal.code == code


def test_a_service_in_a_deployment_is_refused() -> None:
    world = Handing()
    world.services.somebody_deploys(DEFINITION)
    result = opened(world, INPUT)
    assert result.refusal is not None and result.refusal.code == "DEPLOYMENT_IN_FLIGHT"


@pytest.mark.parametrize(("seconds", "word", "code"), [(599, "WAIT", None), (601, "CLOSE", "SERVICE_BUSY")])
def test_a_run_that_has_a_service_is_waited_for(seconds: float, word: str, code: str | None) -> None:
    world = Handing()
    held = Lease(f"service/{WORKER}", "a-run-of-the-runbook", OPENED, at(LIFE), "a-run-of-the-runbook")
    world.leases.held[held.resource] = held
    world.executions.running["a-run-of-the-runbook"] = Execution("RUNNING", "")
    result = opened(world, INPUT, seconds)
    assert (result.next, result.refusal and result.refusal.code) == (word, code)


def test_a_rescue_waits_until_step_functions_has_heard_of_the_end() -> None:
    world = Handing()
    opened(world, INPUT)
    world.journal.intend(RUN, Change("bucket", "state", "", at(1)))
    world.executions.running[RUN] = Execution("RUNNING", "")
    assert opened(world, end("ABORTED"), 10, "undo").next == "WAIT"
    late = opened(world, end("ABORTED"), 4000, "undo")
    assert late.refusal is not None and late.refusal.code == "RUN_NOT_ENDED"


def test_an_undo_of_what_goes_on_or_is_not_known_or_changed_nothing_is_refused() -> None:
    world = Handing()
    undo = {"mode": "undo", "handover": NAME}
    codes = []

    def tried() -> None:
        result = opened(world, undo, 10, "undo")
        codes.append(result.refusal.code if result.refusal else result.next)

    tried()
    opened(world, INPUT)
    tried()
    world.journal.intend(RUN, Change("bucket", "state", "", at(1)))
    world.executions.running[RUN] = Execution("RUNNING", "")
    tried()
    world.stopped()
    tried()
    assert codes == ["UNKNOWN_HANDOVER", "NOTHING_TO_UNDO", "RUN_NOT_ENDED", "WAIT"]
    # Its last function may go on for a minute, and it is not undone by anybody else before.
    assert opened(world, undo, 61, "undo").next == "UNDO"
