"""Every arrow of the graph, walked on the local account by at least one story.

A story breaks one thing and says how the run must end and which ways it takes. The account is compared as a
whole: whatever failed, it is either repaired, or as it was, or a person was paged.
"""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox.scenarios.seeds import retainwise
from sandbox.scenarios.snapshot import snapshot
from tests.statemachine import contain_stories, cure_stories
from tests.statemachine.definition import edges
from tests.statemachine.happenings import answering, ask_first, say, tag_the_role
from tests.statemachine.story import play
from tests.statemachine.world import World, incident


@pytest.mark.parametrize("name", contain_stories.STORIES)
def test_the_run_takes_its_way_and_ends_as_its_story_says(name: str) -> None:
    play(contain_stories.STORIES[name])


def test_no_arrow_is_left_out() -> None:
    stories = (*contain_stories.STORIES.values(), *cure_stories.STORIES.values())
    assert set().union(*(story.edges for story in stories)) == edges()


def test_an_undo_of_what_is_undone_has_a_receipt_too() -> None:
    with incident() as world:
        undo = {"mode": "rollback", "incident": world.run().name}
        world.run(undo)
        again = world.run(undo)
        assert (again.outcome, again.report["receipt"]["equal"]) == ("ROLLED_BACK", True)
        assert world.changed() == []


def test_few_calls_stand_between_the_denial_and_the_grant() -> None:
    with incident() as world:
        world.run()
        calls = [call for call in world.account.calls if call.function]
        (granted,) = [i for i, call in enumerate(calls) if call.operation == "AttachRolePolicy"]
        by_function = Counter(str(call.function).removeprefix("regrant-") for call in calls[:granted])
    # In sequence 2 + 5 + 2 + 3, because most go side by side (tests/unit/test_reads_side_by_side.py).
    # CaptureBaseline asks Step Functions while it reads (ADR 26).
    assert by_function == {"open-incident": 2, "diagnose": 17, "capture-baseline": 4, "attach-policies": 3}


def test_a_role_that_changes_after_each_yes_is_left_alone_in_the_end() -> None:
    with incident() as world:
        ask_first(world)
        tags = iter("abcdef")

        def tag_and_agree(world: World) -> None:
            tag_the_role(world, next(tags))
            world.before["roles"][retainwise.OLD_ROLE] = snapshot(world.account)["roles"][retainwise.OLD_ROLE]
            say("Yes")(world)

        ended = world.run(on_state=answering(*[tag_and_agree] * 4))
        assert ended.outcome == "REFUSED"
        assert ended.path.count("AskApproval") == 3
        assert "ACCOUNT_MOVING" in ended.codes
        assert world.changed() == []
