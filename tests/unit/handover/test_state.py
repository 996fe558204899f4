"""Bucket and table: only what a handover made is configured, and removed while nothing is in it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from regrant.errors import AwsRefused, AwsUnavailable, StateUnfit
from regrant.handover.state import create_state, remove_state
from regrant.model.handover import HandoverEvent
from tests.unit.fakes import Crash, at
from tests.unit.handover.world import NAME, OPENED_STATE, RUN, Handing

EVENT = HandoverEvent(OPENED_STATE, at(10), NAME)
BOTH = ("bucket retainwise-terraform-state", "table retainwise-terraform-locks")


def test_both_are_made_and_noted() -> None:
    world = Handing()
    made = create_state(EVENT, world)
    assert (made.created, made.found) == (BOTH, ())
    assert [change.kind for change in world.journal.load(RUN).changes] == ["bucket", "table"]


def test_what_is_there_already_is_used_as_it_is_and_stays() -> None:
    world = Handing()
    world.state_bucket.there = {"versions", "encryption", "private"}
    world.lock_table.there = "LockID"
    assert create_state(EVENT, world).found == BOTH
    assert world.journal.load(RUN).changes == ()
    assert remove_state(EVENT, world).removed == () and world.state_bucket.there


@pytest.mark.parametrize("of", ["bucket", "table"])
def test_somebodys_that_is_not_fit_is_refused_and_not_touched(of: str) -> None:
    world = Handing()
    if of == "bucket":
        world.state_bucket.there = {"versions"}
    else:
        world.state_bucket.there = {"versions", "encryption", "private"}
        world.lock_table.there = "id"
    with pytest.raises(StateUnfit, match=of):
        create_state(EVENT, world)
    assert world.journal.load(RUN).changes == ()
    assert world.state_bucket.there != set() and world.lock_table.there in (None, "id")


def test_another_accounts_bucket_is_refused() -> None:
    world = Handing()
    world.state_bucket.others = True
    with pytest.raises(AwsRefused):
        create_state(EVENT, world)
    assert world.journal.load(RUN).changes == ()


def test_without_a_table_the_bucket_is_all() -> None:
    world = Handing()
    world.lock_table.name = None
    assert create_state(EVENT, world).created == BOTH[:1]
    assert remove_state(EVENT, world).removed == BOTH[:1]


def test_a_table_that_is_being_made_is_waited_for_and_ours() -> None:
    world = Handing()
    world.lock_table.creating = 2
    for _ in range(2):
        with pytest.raises(AwsUnavailable):
            create_state(EVENT, world)
    assert create_state(EVENT, world).created == BOTH


@pytest.mark.parametrize("moment", range(1, 13))
def test_a_process_that_dies_leaves_what_the_next_try_finishes_and_an_undo_removes(moment: int) -> None:
    world = Handing()
    world.fuse.blows_at = moment
    with suppress(Crash):
        create_state(EVENT, world)
    world.fuse.blows_at = 0
    assert create_state(EVENT, world).created == BOTH
    assert remove_state(EVENT, world).removed == BOTH
    assert world.state_bucket.there is None and world.lock_table.there is None


def test_a_state_that_is_in_use_stays_with_its_table_and_says_why() -> None:
    world = Handing()
    create_state(EVENT, world)
    world.state_bucket.objects.append("prod/terraform.tfstate")
    removed = remove_state(EVENT, world)
    assert removed.removed == () and [kept.partition(":")[0] for kept in removed.kept] == list(BOTH)
    assert world.state_bucket.there and world.lock_table.there
