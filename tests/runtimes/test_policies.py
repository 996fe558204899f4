"""Two accounts are compared in everything that a function's role may do."""

from __future__ import annotations

from runtimes.policies import of_local_account


def test_a_role_has_its_own_statements_and_those_of_the_stacks_managed_policies() -> None:
    found = of_local_account(["regrant-undo-role"])["regrant-undo-role"]
    own, managed = (
        ["AttachAndDetach", "ReadJournal", "WriteJournal"],
        [
            *("IdentifyPolicies", "PassScheduleRole", "ReadRolesOfGrants"),
            *("ScheduleExpiry", "SeeWhatRunsSend", "SeeWhetherRunsEnded"),
        ],
    )
    assert [each["Sid"] for each in found[:3]] == own
    assert sorted(each["Sid"] for each in found[3:]) == managed
