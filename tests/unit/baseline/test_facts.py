"""Two moments are equal where their facts are; others' changes are set apart from ours."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from regrant.baseline.facts import compare, facts, fingerprint
from regrant.model.aws import Baseline, RoleState, ServiceState
from regrant.model.journal import Change, Hold
from regrant.model.results import Receipt
from tests.unit.fakes import (
    DEFINITION,
    NEWER_DEFINITION,
    OLD,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    RUNNING,
    SEND,
    WORKER,
    at,
)

BEFORE = Baseline(str(WORKER), ROLE, RUNNING, at(2))
OURS = (Change("attach", OLD_ROLE, RECEIVE, intended_at=at(3), done_at=at(3)),)
OTHERS_POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def digest(role: RoleState = ROLE, service: ServiceState = RUNNING) -> str:
    return fingerprint(facts(role, service))


def compared(
    role: RoleState | None = ROLE, service: ServiceState | None = RUNNING, before: Baseline = BEFORE
) -> Receipt:
    return compare(before, role, service, OURS, (), at(60))


@given(st.permutations(["a", "b", "c"]))
def test_the_order_in_which_aws_lists_things_does_not_matter(names: list[str]) -> None:
    tags = {name: name.upper() for name in names}
    shuffled = replace(
        ROLE, attached=tuple(names), tags=tags, inline={name: {"Version": "1"} for name in names}
    )
    ordered = replace(
        ROLE,
        attached=("a", "b", "c"),
        tags={"a": "A", "b": "B", "c": "C"},
        inline={name: {"Version": "1"} for name in "abc"},
    )
    assert digest(shuffled) == digest(ordered)


def test_deployment_ids_and_counts_are_no_state_to_restore() -> None:
    other = replace(OLD, id="ecs-svc/9", running=1, failed_tasks=2, reason="", rollout_state="IN_PROGRESS")
    assert digest(service=replace(RUNNING, deployments=(other,), last_events=("x",))) == digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"attached": (RECEIVE,)},
        {"inline": {}},
        {"boundary": SEND},
        {"trust": {"Version": "2008-10-17"}},
        {"tags": {"Environment": "test"}},
        {"id": "AROAMADEAGAIN"},
    ],
)
def test_everything_else_of_the_role_counts(changed: dict[str, Any]) -> None:
    assert digest(role=replace(ROLE, **changed)) != digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "DRAINING"},
        {"task_definition": NEWER_DEFINITION},
        {"desired_count": 3},
        {"deployment_configuration": {"maximumPercent": 100}},
        {"deployments": (replace(OLD, task_definition=NEWER_DEFINITION),)},
    ],
)
def test_everything_else_of_the_service_counts(changed: dict[str, Any]) -> None:
    assert digest(service=replace(RUNNING, **changed)) != digest()


def test_role_and_service_as_before_are_an_equal_receipt() -> None:
    receipt = compared()
    assert receipt.equal and receipt.before == receipt.after == receipt.observed == digest()
    assert (receipt.diff, receipt.changed_by_others) == ((), ())


def test_what_is_left_of_ours_is_the_diff() -> None:
    receipt = compared(replace(ROLE, attached=(RECEIVE,)), before=replace(BEFORE, role=with_others()))
    assert not receipt.equal and receipt.before != receipt.after
    assert receipt.diff == (f"+ role.attached.{RECEIVE} = true",)


def with_others() -> RoleState:
    return replace(ROLE, attached=(OTHERS_POLICY,))


def test_what_others_changed_is_named_and_set_aside() -> None:
    receipt = compared(with_others(), replace(RUNNING, desired_count=5))
    assert receipt.equal and receipt.before == receipt.after
    assert set(receipt.changed_by_others) >= {
        f"+ role.attached.{OTHERS_POLICY} = true",
        "+ service.desired_count = 5",
        "- service.desired_count = 2",
    }


def test_the_receipt_also_has_the_hash_of_what_is_there_whoever_made_it_so() -> None:
    receipt = compared(with_others(), replace(RUNNING, desired_count=5))
    assert receipt.observed == digest(with_others(), replace(RUNNING, desired_count=5)) != receipt.after


def test_a_role_that_is_gone_is_somebody_elses_change() -> None:
    receipt = compared(role=None)
    assert receipt.equal and receipt.diff == ()
    assert receipt.changed_by_others[0] == '+ role = "gone"'
    assert f'- role.arn = "{OLD_ROLE}"' in receipt.changed_by_others


def test_a_role_that_was_deleted_and_made_again_is_somebody_elses_change() -> None:
    receipt = compared(replace(ROLE, id="AROAMADEAGAIN"))
    assert receipt.equal
    assert receipt.changed_by_others == ('+ role.id = "AROAMADEAGAIN"', f'- role.id = "{ROLE.id}"')


def test_a_baseline_from_before_ids_were_read_says_nothing_of_them() -> None:
    receipt = compared(before=replace(BEFORE, role=replace(ROLE, id="")))
    assert receipt.equal and receipt.changed_by_others == ()


def test_a_service_that_is_gone_is_somebody_elses_change() -> None:
    receipt = compared(service=None)
    assert receipt.equal and receipt.diff == ()
    assert receipt.changed_by_others[0] == '+ service = "gone"'
    assert "- service.desired_count = 2" in receipt.changed_by_others


def test_a_role_that_is_gone_does_not_hide_that_the_service_is_gone_too() -> None:
    gone = compared(role=None, service=None).changed_by_others
    assert gone[:2] == ('+ role = "gone"', '+ service = "gone"')


def test_a_long_change_of_others_is_cut_so_that_the_report_still_fits() -> None:
    receipt = compared(replace(ROLE, tags={"Owner": "x" * 5_000}))
    assert max(map(len, receipt.changed_by_others)) == 200


def test_what_others_took_away_is_named_too() -> None:
    before = replace(BEFORE, role=with_others())
    receipt = compared(replace(ROLE, attached=(SEND,)), before=before)
    assert receipt.equal
    assert receipt.changed_by_others == (
        f"+ role.attached.{SEND} = true",
        f"- role.attached.{OTHERS_POLICY} = true",
    )


def test_a_policy_that_was_attached_before_us_is_no_difference() -> None:
    before = replace(BEFORE, role=replace(ROLE, attached=(RECEIVE,)))
    receipt = compared(replace(ROLE, attached=(RECEIVE,)), before=before)
    assert receipt.equal and receipt.diff == ()


def test_the_first_policy_of_a_role_is_one_difference() -> None:
    left = compared(replace(ROLE, attached=(RECEIVE,)))
    assert (left.diff, left.changed_by_others) == ((f"+ role.attached.{RECEIVE} = true",), ())


REGISTERED = Change(
    "register", DEFINITION, NEWER_DEFINITION, at(4), done_at=at(4), undone_at=at(50), role=OLD_ROLE
)
WITHDRAWN = Change("withdraw", OLD_ROLE, RECEIVE, intended_at=at(5), done_at=at(5))
GRANTED = replace(BEFORE, role=replace(ROLE, attached=(RECEIVE,)))
ON_OURS = replace(
    RUNNING,
    task_definition=NEWER_DEFINITION,
    deployments=(replace(OLD, task_definition=NEWER_DEFINITION),),
)


def cured(
    role: RoleState = GRANTED.role,
    service: ServiceState = RUNNING,
    changes: tuple[Change, ...] = (REGISTERED, WITHDRAWN),
    others: tuple[Hold, ...] = (),
    active: tuple[str, ...] = (),
    now: float = 60,
) -> Receipt:
    return compare(GRANTED, role, service, changes, others, at(now), active)


def test_a_cure_whose_role_service_and_revision_are_as_before_is_undone() -> None:
    receipt = cured()
    assert receipt.equal and receipt.changed_by_others == receipt.grants_of_others == ()


def test_a_service_on_our_revision_is_not_undone() -> None:
    receipt = cured(service=ON_OURS)
    assert not receipt.equal and receipt.changed_by_others == ()
    assert f'+ service.task_definition = "{NEWER_DEFINITION}"' in receipt.diff
    assert f'- service.task_definition = "{DEFINITION}"' in receipt.diff


def test_our_revision_beside_the_old_one_is_not_undone() -> None:
    both = replace(RUNNING, deployments=(OLD, *ON_OURS.deployments))
    assert cured(service=both).diff == (f"+ service.revisions.{NEWER_DEFINITION} = true",)


def test_our_revision_that_is_still_registered_is_not_undone() -> None:
    assert cured(active=(NEWER_DEFINITION,)).diff == (f"+ revision.{NEWER_DEFINITION} = true",)


def test_a_grant_that_is_not_back_is_the_diff() -> None:
    assert cured(role=ROLE).diff == (f"- role.attached.{RECEIVE} = true",)


def test_a_grant_that_somebody_took_off_long_after_it_was_put_back_is_their_doing() -> None:
    back = replace(WITHDRAWN, undone_at=at(50))
    assert not cured(role=ROLE, changes=(back,), now=60).equal  # or a stale read
    receipt = cured(role=ROLE, changes=(back,), now=2000)
    assert receipt.equal and receipt.changed_by_others == (f"- role.attached.{RECEIVE} = true",)


def test_a_grant_that_another_run_ended_after_it_was_put_back_is_that_runs_doing() -> None:
    back = replace(WITHDRAWN, undone_at=at(30), shown_at=at(31))
    ended = Hold(RECEIVE, "contain-1", str(WORKER), dropped_at=at(50), dropped_by="contain-1", detached=True)
    receipt = compare(GRANTED, ROLE, RUNNING, (back,), (), at(60), (), (ended,))
    assert receipt.equal and receipt.changed_by_others == ()
    assert receipt.ended_by_others == (f"{RECEIVE}, by the undo of run contain-1",)


def test_what_somebody_else_deployed_after_the_cure_is_theirs() -> None:
    theirs = f"{DEFINITION}0"
    deployed = replace(OLD, task_definition=theirs)
    receipt = cured(service=replace(RUNNING, task_definition=theirs, deployments=(deployed,)))
    assert receipt.equal and any(theirs in line for line in receipt.changed_by_others)


def test_what_somebody_attached_during_the_cure_is_theirs() -> None:
    receipt = cured(role=replace(ROLE, attached=(RECEIVE, SEND)))
    assert receipt.equal and receipt.changed_by_others == (f"+ role.attached.{SEND} = true",)


def test_a_grant_that_another_incident_got_during_the_cure_is_set_aside_by_name() -> None:
    hold = Hold(SEND, "run-2", "retainwise-cluster/retainwise-backend")
    receipt = cured(role=replace(ROLE, attached=(RECEIVE, SEND)), others=(hold,))
    assert receipt.equal and receipt.changed_by_others == ()
    assert receipt.grants_of_others == (f"{SEND} for {hold.service}, run run-2",)


def test_the_hold_of_the_containment_does_not_hide_that_its_grant_is_not_back() -> None:
    hold = Hold(RECEIVE, "contain-1", str(WORKER))
    assert not cured(role=ROLE, others=(hold,)).equal
