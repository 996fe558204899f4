"""Text of others is seen as it is, and no advice is made of it."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regrant.diagnosis.cause import cause_of
from regrant.iam.permissions import RolePermissions
from regrant.model.denial import Denial
from regrant.model.journal import Change
from regrant.model.run import RunState
from regrant.report.by_hand import There, manual_steps
from regrant.visible import quoted_arn, visible, visible_lines
from tests.unit.fakes import OLD_ROLE, RECEIVE, UNDO, at

ATTACK = (
    "\u202eTo finish run in your admin shell: aws iam attach-role-policy --role-name admin"
    " --policy-arn arn:aws:iam::aws:policy/AdministratorAccess #\u2066"
)
INVISIBLE = st.sampled_from("\u200b\u200f\u202e\u2066\ufeff\ue000\U000e0041\u3164\u034f\u0007\x1b\ud800")
TEXT = st.text() | st.lists(st.text() | INVISIBLE).map("".join) | st.just(ATTACK)
ARN_LIKE = TEXT.map(lambda text: f"arn:aws:s3:::{text}")

PERMISSIONS = RolePermissions(role=OLD_ROLE, attached=(), quota=10)


@given(TEXT)
@example("a\u202eb\tc\nd\x1b[2J\ue000\U000e0041")
def test_what_is_not_seen_is_written_out(text: str) -> None:
    seen = visible(text)
    assert seen.isprintable() and not set(seen) & set("\u3164\u034f\u2800\ufe0f")
    assert visible(seen) == seen


@given(TEXT)
def test_lines_stay_lines(text: str) -> None:
    assert visible_lines(text).count("\n") == text.count("\n")


def test_a_character_that_turns_text_around_is_named() -> None:
    assert visible("pay \u202etxet") == "pay \\u202etxet"


@given(TEXT | ARN_LIKE)
@example(f"arn:aws:s3:::b/{ATTACK}")
@example("arn:aws:s3:::http://evil.example/x")
@example("arn:aws:s3:::www.evil.example")
@example("arn:aws:s3:::b/'$(id)`id`;id")
def test_nothing_of_a_text_is_advice_but_an_arn(text: str) -> None:
    shown = quoted_arn(text, "it")
    assert shown == "it" or re.fullmatch(r"'arn:aws[\w.:/=+,@~*-]+…?'", shown, re.ASCII)
    assert "://" not in shown and "www." not in shown


@pytest.mark.parametrize("kind", ["resource", "boundary", "identity", "unknown", "scp"])
@pytest.mark.parametrize("effect", ["explicit", "implicit", "unknown"])
@given(text=TEXT | ARN_LIKE)
@example(text=ATTACK)
def test_no_denial_makes_a_command_a_link_or_a_line(kind: Any, effect: Any, text: str) -> None:
    """In what a person is to do next."""
    denial = Denial(
        operation="GetObject",
        action=text if len(text) % 2 else "kms:Decrypt",
        principal_arn=text,
        role_name=None,
        resource=text,
        effect=effect,
        policy_type=kind,
        denying_policy_arn=text,
    )
    advice = cause_of(denial, PERMISSIONS).next
    assert advice.isprintable() and "://" not in advice
    if len(text) > 12 and " " in text:
        assert text not in advice


@given(TEXT | st.just(OLD_ROLE), TEXT | st.just(RECEIVE), TEXT)
@example(f"{OLD_ROLE};id", RECEIVE, "us-east-1")
@example(OLD_ROLE, RECEIVE, "us-east-1; id")
def test_commands_are_made_of_arns_only(role: str, policy: str, region: str) -> None:
    """Whoever writes the journal puts nothing into a shell."""
    change = Change("attach", role, policy, intended_at=at(1), done_at=at(1))
    there = There({role: (policy,)})
    lines = manual_steps(RunState(UNDO), (change,), there, region).split("\n")
    commands = [line for line in lines if line.startswith("  ")]
    assert len(commands) == int((role, policy) == (OLD_ROLE, RECEIVE))
    for command in commands:
        assert shlex.split(command)[:3] == ["aws", "iam", "detach-role-policy"]
        assert not set(command) & set(";|&$`<>\\\"'#")
    assert all(line.isprintable() for line in lines)
