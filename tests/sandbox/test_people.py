"""The parts of `make people` that need no account: stories, chance, what is followed, what is left out."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sandbox.people.__main__ import main
from sandbox.people.acts.perform import ACTS
from sandbox.people.chance import draw
from sandbox.people.facts import Seen
from sandbox.people.following import commands
from sandbox.people.found import FOUND
from sandbox.people.promises.judge import PLAYED, PROMISES, judge
from sandbox.people.shorter import shorten
from sandbox.people.story import Act, Moment, Run, Story, Wait, read, write

SEEDS = range(300)


def acts(story: Story) -> list[Act]:
    moments = [moment for step in story if isinstance(step, Run) for moment in step.moments]
    return [step for step in story if isinstance(step, Act)] + [moment.act for moment in moments]


def test_a_seed_is_always_the_same_story() -> None:
    assert [draw(seed) for seed in SEEDS] == [draw(seed) for seed in SEEDS]
    assert len({write(draw(seed)) for seed in SEEDS}) == len(SEEDS)


def test_a_story_can_be_written_and_read() -> None:
    for story in [*map(draw, SEEDS), *(found.story for found in FOUND.values())]:
        assert read(write(story)) == story


def test_every_act_of_a_story_can_be_performed() -> None:
    drawn = {act.name for seed in SEEDS for act in acts(draw(seed))}
    seen = {act.name for found in FOUND.values() for act in acts(found.story)}
    assert drawn | seen <= ACTS.keys()
    assert {"detach", "attach", "keep", "break_entry", "unenrol", "stop", "delete_schedules"} <= drawn


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ('[{"type":"run","mode":"contian"}]', "'contian'"),
        ('[{"type":"run","mode":', "that is no story: "),
        ('[{"type":"act","name":"nope"}]', "there is no act 'nope'. There are: "),
        ('[{"type":"run","mode":"contain","service":"nope"}]', "there is no service 'nope'"),
        (
            '[{"type":"run","mode":"cure","moments":[{"place":"Diagnose","act":{"type":"act","name":"no"}}]}]',
            "'no'",
        ),
        ("nope", "no story is called 'nope'"),
    ],
)
def test_a_story_that_cannot_be_played_is_refused_in_one_line(
    only: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--only", only]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_story_that_fails_while_it_is_played_is_a_broken_promise() -> None:
    assert [broken.promise for broken in judge(Seen(failed="TypeError: detach()"))] == [PLAYED]


def test_every_found_story_names_a_promise() -> None:
    assert {found.promise for found in FOUND.values()} <= {*PROMISES}


def test_what_is_not_needed_is_left_out() -> None:
    needed, other = Moment("UndoRole", Act("attach")), Moment("Diagnose", Act("deny"))
    run = Run("contain", moments=(other, needed))
    story = (Act("alone"), Wait(60), run, Wait(60), Act("detach"))

    def broken(less: Story) -> bool:
        return needed in [m for step in less if isinstance(step, Run) for m in step.moments]

    assert shorten(story, broken) == (replace(run, moments=(needed,)),)


def test_a_story_is_not_made_shorter_for_ever() -> None:
    story = tuple(Wait(seconds) for seconds in range(50))
    assert len(shorten(story, lambda less: True, tries=10)) == 40


def test_a_next_is_followed_up_to_the_first_run_that_it_starts() -> None:
    text = (
        "Check that the service has settled, then:\n  aws ecs describe-services --cluster c --services s\n"
        '  aws iam detach-role-policy --role-name r --policy-arn p\nThen start {"mode":'
        ' "rollback", "incident": "i"}. Or: {"service": "c/s", "mode": "cure"}'
    )
    assert commands(text) == [
        "aws ecs describe-services --cluster c --services s",
        "aws iam detach-role-policy --role-name r --policy-arn p",
        '{"mode": "rollback", "incident": "i"}',
    ]
    assert commands("Nothing.") == []
