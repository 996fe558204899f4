"""What each action runs, in which order, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from regrant_terraform import files
from regrant_terraform.actions import heal
from tests.terraform import recorded as r
from tests.terraform.acting import A_PLAN, CHANGES, LOCK, NO_LOCK, SHOWN_LOCK, result
from tests.terraform.fake import Fake, error, shown

OLD_ARN = f"{r.NAMED}retainwise-worker:1"
NEW_ARN = f"{r.NAMED}retainwise-worker:2"


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def import_plan(*addresses: str) -> r.Raw:
    plan, _ = r.importing()
    plan["resource_changes"] = [each for each in plan["resource_changes"] if each["address"] in addresses]
    return plan


def one_role() -> r.Raw:
    plan = import_plan(r.OLD_ROLE)
    r.change(r.OLD_ROLE, importing={"id": "retainwise-ecs-task-role"})(plan)
    return plan


def empty() -> r.Raw:
    plan = r.recorded()
    for each in plan["resource_changes"]:
        r.as_it_runs(plan, each["address"])
    return plan


def left(fake: Fake) -> list[str]:
    return sorted(path.name for path in fake.hcl.iterdir())


def test_a_plan_that_is_accepted_is_bound_to_its_hash(fake: Fake) -> None:
    fake.answer(plan=CHANGES, show=shown(r.recorded()))
    done = result(fake, "plan")
    assert (done["status"], done["sha256"], done["empty"]) == ("DONE", A_PLAN, False)
    assert [change["address"] for change in done["changes"]] == [
        *(r.BACKEND_SERVICE, r.WORKER_SERVICE, r.BACKEND, r.WORKER)
    ]
    assert done["changes"][3]["task_role_arn"] == [f"{r.ROLE}retainwise-ecs-task-role", r.ROLES[r.WORKER]]


def test_a_plan_that_is_refused_is_not_left_lying(fake: Fake) -> None:
    plan = r.recorded()
    r.after(r.WORKER, cpu="4096")(plan)
    fake.answer(plan=CHANGES, show=shown(plan))
    done = result(fake, "plan")
    assert (done["error"], done["reason"]) == ("PLAN_REFUSED", f"{r.WORKER}: would change cpu")
    assert left(fake) == ["main.tf"]


def test_what_is_applied_is_what_was_gated_and_then_nothing_is_left_to_do(fake: Fake) -> None:
    (fake.hcl / "role.tfplan").write_text("a plan")
    fake.answer(show=[shown(r.recorded()), shown(empty())])
    done = result(fake, "apply")
    assert (done["status"], done["applied"]) == ("DONE", A_PLAN)
    assert fake.commands == ["version", "show", "apply", "plan", "show"]
    gated, applied = fake.calls[1]["argv"][-1], fake.calls[2]["argv"][-1]
    # A copy that nobody else can write, and not the file in the directory.
    assert gated == applied and str(fake.hcl) not in applied
    assert left(fake) == ["main.tf"]


def test_a_plan_file_that_was_swapped_is_not_even_shown(fake: Fake) -> None:
    (fake.hcl / "role.tfplan").write_text("another plan")
    done = result(fake, "apply")
    assert (done["error"], fake.commands) == ("NOT_APPROVED", ["version"])
    assert A_PLAN in done["reason"]


def test_a_plan_file_that_is_not_there_is_not_approved(fake: Fake) -> None:
    assert result(fake, "apply")["error"] == "NOT_APPROVED"


def test_the_approved_file_is_gated_again(fake: Fake) -> None:
    (fake.hcl / "role.tfplan").write_text("a plan")
    plan = r.recorded()
    r.after(r.WORKER, cpu="4096")(plan)
    fake.answer(show=shown(plan))
    assert result(fake, "apply")["error"] == "PLAN_REFUSED"
    assert fake.commands == ["version", "show"]


def test_an_apply_that_ecs_rolled_back_is_not_done(fake: Fake) -> None:
    """Terraform says "Apply complete", and the plan after it shows the service on its old revision."""
    (fake.hcl / "role.tfplan").write_text("a plan")
    back = r.recorded()
    r.rolled_back(back)
    fake.answer(show=[shown(r.recorded()), shown(back)], plan=CHANGES)
    done = result(fake, "apply")
    assert (done["error"], done["reason"]) == (
        "NOT_EMPTY",
        f"{r.WORKER_SERVICE}: would update (task_definition)",
    )
    assert done["changes"] == [
        {"address": r.WORKER_SERVICE, "actions": ["update"], "attributes": ["task_definition"]}
    ]


def test_an_import_writes_its_blocks_for_the_time_of_its_plan(fake: Fake) -> None:
    fake.answer(
        state_list=error("No state file was found!"),
        plan=[CHANGES, {}],
        show=[shown(one_role()), shown(empty())],
    )
    done = result(fake, "import")
    assert (done["status"], done["imported"], done["already"]) == ("DONE", [r.OLD_ROLE], 0)
    there = [files.IMPORTS in call["files"] for call in fake.calls]
    assert list(zip(fake.commands, there, strict=True)) == [
        *(("version", False), ("state list", False), ("plan", True), ("show", True), ("apply", True)),
        *(("plan", False), ("show", False)),
    ]
    assert left(fake) == ["main.tf"]


def test_an_import_of_what_is_there_already_plans_nothing(fake: Fake) -> None:
    """By then the HCL may say the new roles, so a plan need not be empty."""
    fake.answer(state_list={"out": f"{r.OLD_ROLE}\n"})
    done = result(fake, "import")
    assert (done["status"], done["imported"], done["already"]) == ("DONE", [], 1)
    assert fake.commands == ["version", "state list"]


@pytest.mark.parametrize("what", ["refused", "failed", "killed", "locked"])
def test_the_import_blocks_go_whatever_happens(fake: Fake, what: str) -> None:
    wrong = one_role()
    r.after(r.OLD_ROLE, path="/x/")(wrong)
    answers: dict[str, dict[str, Any]] = {
        "refused": {"plan": CHANGES, "show": shown(wrong)},
        "failed": {"plan": error("Error: x")},
        "killed": {"plan": {"dies": 9}},
        "locked": {"plan": error(LOCK)},
    }
    fake.answer(state_list={"out": ""}, **answers[what])
    assert result(fake, "import")["status"] == "FAILED"
    assert left(fake) == ["main.tf"]
    assert "apply" not in fake.commands


def test_blocks_that_a_killed_import_left_go_before_anything_is_planned(fake: Fake) -> None:
    (fake.hcl / files.IMPORTS).write_text(files.imports_text({"aws_iam_role.x": "x"}))
    fake.answer(plan=CHANGES, show=shown(r.recorded()))
    assert result(fake, "plan")["status"] == "DONE"
    assert [files.IMPORTS in call["files"] for call in fake.calls] == [False] * 3


@pytest.mark.parametrize("action", ["import", "plan", "drift"])
def test_blocks_of_somebody_else_stop_everything_and_stay(fake: Fake, action: str) -> None:
    theirs = files.imports_text({"aws_iam_role.x": "x"}) + "# and mine\n"
    (fake.hcl / files.IMPORTS).write_text(theirs)
    assert (result(fake, action)["error"], fake.commands) == ("FILE_NOT_OURS", [])
    assert (fake.hcl / files.IMPORTS).read_text() == theirs


def test_drift_takes_no_lock_and_leaves_no_file(fake: Fake) -> None:
    fake.answer(plan=CHANGES, show=shown(r.recorded()))
    done = result(fake, "drift")
    assert (done["status"], done["empty"], len(done["changes"])) == ("DONE", False, 4)
    assert "-lock=false" in fake.calls[1]["argv"]
    assert left(fake) == ["main.tf"]


def test_drift_that_would_create_a_definition_asks_whether_it_may_be_read(fake: Fake) -> None:
    plan = r.recorded()
    r.change(r.WORKER, actions=["create"])(plan)
    fake.answer(plan=CHANGES, show=shown(plan))
    notes = {change["address"]: change.get("note") for change in result(fake, "drift")["changes"]}
    assert "ecs:DescribeTaskDefinition" in str(notes.pop(r.WORKER))
    assert set(notes.values()) == {None}


def applied() -> r.Raw:
    """Both definitions have their new role in the state; the HCL names the old one again."""
    plan = r.recorded()
    r.before(r.WORKER, arn=NEW_ARN, task_role_arn=r.ROLES[r.WORKER])(plan)
    r.after(r.WORKER, task_role_arn=f"{r.ROLE}retainwise-ecs-task-role")(plan)
    return plan


def old_worker() -> r.Raw:
    plan = import_plan(r.WORKER)
    r.change(r.WORKER, importing={"id": OLD_ARN})(plan)
    return plan


def test_an_undo_exchanges_the_revision_in_the_state(fake: Fake) -> None:
    fake.answer(plan=[CHANGES, CHANGES, {}], show=[shown(applied()), shown(old_worker()), shown(empty())])
    done = result(fake, "undo")
    assert (done["status"], done["imported"]) == ("DONE", [r.WORKER])
    assert fake.commands == ["version", "plan", "show", "state rm", "plan", "show", "apply", "plan", "show"]
    assert fake.calls[3]["argv"][-1] == r.WORKER


def test_an_undo_that_is_done_already_changes_nothing(fake: Fake) -> None:
    fake.answer(show=shown(empty()))
    done = result(fake, "undo")
    assert (done["imported"], done["already"], fake.commands) == ([], 1, ["version", "plan", "show"])


def test_an_undo_that_died_after_the_removal_is_finished_by_the_next(fake: Fake) -> None:
    gone = empty()
    r.change(r.WORKER, actions=["create"], before=None)(gone)
    fake.answer(plan=[CHANGES, CHANGES, {}], show=[shown(gone), shown(old_worker()), shown(empty())])
    assert result(fake, "undo")["imported"] == [r.WORKER]
    assert "state rm" not in fake.commands


def test_an_undo_takes_out_of_the_state_what_a_stopped_apply_has_put_aside(fake: Fake) -> None:
    """create_before_destroy: the old revision is put aside before the new one is registered."""
    stopped = empty()
    (worker,) = [each for each in stopped["resource_changes"] if each["address"] == r.WORKER]
    aside = {**worker, "deposed": "597f1d53", "change": {**worker["change"], "actions": ["delete"]}}
    stopped["resource_changes"].append(aside)
    r.change(r.WORKER, actions=["create"], before=None)(stopped)
    fake.answer(plan=[CHANGES, CHANGES, {}], show=[shown(stopped), shown(old_worker()), shown(empty())])
    assert result(fake, "undo")["imported"] == [r.WORKER]
    assert fake.commands[3] == "state rm" and fake.calls[3]["argv"][-1] == r.WORKER


def test_an_undo_with_the_hcl_of_the_new_roles_takes_nothing_out_of_the_state(fake: Fake) -> None:
    new = empty()
    for side in (r.before, r.after):
        side(r.WORKER, arn=NEW_ARN, task_role_arn=r.ROLES[r.WORKER])(new)
    fake.answer(show=shown(new))
    done = result(fake, "undo")
    assert (done["error"], "still names the role that is undone" in done["reason"]) == ("UNDO_REFUSED", True)
    assert fake.commands == ["version", "plan", "show"]


def test_an_undo_that_stops_between_says_what_the_state_lacks(fake: Fake) -> None:
    wrong = old_worker()
    r.after(r.WORKER, cpu="4096")(wrong)
    fake.answer(plan=CHANGES, show=[shown(applied()), shown(wrong)])
    done = result(fake, "undo")
    assert done["error"] == "IMPORT_REFUSED"
    assert done["reason"].endswith(f"Until undo has run again, the state lacks: {r.WORKER}")


def unlocking(*says: str) -> dict[str, Any]:
    """What force-unlock answers, one time after the other; empty where it does what it is asked for."""
    return {"force-unlock": [error(text) if text else {} for text in says]}


def test_a_lock_of_the_run_that_has_ended_is_opened_by_its_id(fake: Fake) -> None:
    fake.answer(**unlocking(SHOWN_LOCK, "", NO_LOCK))
    done = result(fake, "heal")
    assert (done["healed"], done["lock"]["who"]) == (True, "run-7@build")
    asked = [call["argv"][-1] for call in fake.calls[1:]]
    assert asked == [heal.NOBODYS, "5d0e6fd9-6dfa-95c5-dc8c-5a5a4a3f7d7d", heal.NOBODYS]


@pytest.mark.parametrize("says", [NO_LOCK, "Failed to unlock state: StatusCode: 404, NoSuchKey: "])
def test_without_a_lock_nothing_is_opened(fake: Fake, says: str) -> None:
    fake.answer(**unlocking(says))
    assert result(fake, "heal")["healed"] is False
    assert len(fake.calls) == 2


def test_a_lock_that_cannot_be_looked_at_is_not_called_open(fake: Fake) -> None:
    fake.answer(**unlocking("Failed to unlock state: StatusCode: 403, AccessDenied"))
    assert result(fake, "heal")["error"] == "ACCESS_DENIED"


FOREIGN = {
    "another host": ("run-7@build", "root@elsewhere"),
    "a time before the run": ("28 10:00:05", "28 09:59:59"),
    "a time after the run": ("28 10:00:05", "28 10:05:01"),
    "a time of another zone": ("+0000 UTC", "+0100 CET"),
    "no time": ("2026-11-28 10:00:05.123456789 +0000 UTC", "soon"),
    "another operation": ("OperationTypeApply", "state-mv"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_lock_of_anything_else_is_left_and_named(fake: Fake, name: str) -> None:
    fake.answer(**unlocking(SHOWN_LOCK.replace(*FOREIGN[name])))
    done = result(fake, "heal")
    assert (done["error"], len(fake.calls)) == ("FOREIGN_LOCK", 2)
    assert done["lock"]["id"] == "5d0e6fd9-6dfa-95c5-dc8c-5a5a4a3f7d7d"


def test_half_a_lock_is_judged_by_what_is_left(fake: Fake) -> None:
    """force-unlock fails on the half that is not there, and has opened the other."""
    fake.answer(**unlocking(SHOWN_LOCK, "Error: failed to unlock S3: NoSuchKey", NO_LOCK))
    assert result(fake, "heal")["healed"] is True


def test_a_lock_taken_since_is_somebody_elses(fake: Fake) -> None:
    other = SHOWN_LOCK.replace("ID:        5d0e6fd9", "ID:        77777777").replace(
        "run-7@build", "ann@laptop"
    )
    fake.answer(**unlocking(SHOWN_LOCK, "", other))
    done = result(fake, "heal")
    assert (done["error"], done["lock"]["who"]) == ("FOREIGN_LOCK", "ann@laptop")


def test_what_would_change_what_runs_is_not_passed_on(fake: Fake) -> None:
    fake.answer(plan=CHANGES, show=shown(r.recorded()))
    said = {
        "TF_CLI_ARGS": "-destroy",
        "TF_CLI_ARGS_plan": "-target=x",
        "TF_DATA_DIR": "/tmp/x",
        "TF_LOG": "TRACE",
        "TF_LOG_PATH": "/tmp/x",
        "TF_REATTACH_PROVIDERS": "{}",
        "TF_SKIP_PROVIDER_VERIFY": "1",
    }
    kept = {
        "TF_VAR_image": "x",
        "TF_CLI_CONFIG_FILE": "/x",
        "TF_TOKEN_app_terraform_io": "x",
        "AWS_REGION": "x",
    }
    done = result(fake, "plan", fake.environment(**said, **kept, TF_WORKSPACE="staging"))
    assert (done["status"], done["dropped"]) == ("DONE", sorted(said))
    for call in fake.calls:
        seen = {name: value for name, value in call["env"].items() if name.startswith(("TF_", "AWS_"))}
        assert seen == {**kept, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "TF_WORKSPACE": "default"}


def test_an_action_without_a_directory_of_hcl_runs_nothing(fake: Fake) -> None:
    (fake.hcl / "main.tf").unlink()
    done = result(fake, "plan")
    assert (done["error"], fake.commands) == ("BAD_CONFIG", [])
