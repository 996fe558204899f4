"""The ways of a cure and of a grant's end (see test_paths.py)."""

from __future__ import annotations

import pytest

from tests.statemachine.cure_stories import STORIES
from tests.statemachine.happenings import contain, of_the_grant
from tests.statemachine.story import play
from tests.statemachine.world import incident


@pytest.mark.parametrize("name", STORIES)
def test_the_run_takes_its_way_and_ends_as_its_story_says(name: str) -> None:
    play(STORIES[name])


def test_what_is_put_back_before_its_time_has_its_old_schedule() -> None:
    with incident() as world:
        contain(world)
        scheduler = world.account.client("scheduler")
        before = scheduler.list_schedules(GroupName="regrant-grants")["Schedules"]
        world.after(3600)
        ended = world.run(of_the_grant("expire")(world))
        assert (ended.error, ended.report["receipt"]["equal"]) == ("RolledBack", True)
        assert world.granted()
        after = scheduler.list_schedules(GroupName="regrant-grants")["Schedules"]
        assert [each["Name"] for each in after] == [each["Name"] for each in before]
