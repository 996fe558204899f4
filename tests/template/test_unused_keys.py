"""Each condition key that AWS offers for what the stack may call is used, or SECURITY.md says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.privileges.reference import load
from tests.template.cloudformation import Template, as_list, statements

PAGE = (Path(__file__).parents[2] / "SECURITY.md").read_text("utf-8")
INCIDENTS = ("StringNotLike", "*#*")


def used(stack: Template) -> set[str]:
    conditions = [each.get("Condition", {}) for _, each in statements(stack)]
    return {key.lower() for condition in conditions for keys in condition.values() for key in keys}


def explained() -> set[str]:
    section = PAGE.partition("### Condition keys that are not used\n")[2].partition("\n**")[0]
    rows = re.findall(r"(?m)^\| ([^|]*`[^|]+) \| [^|]{10,} \|$", section)
    return {key.lower() for row in rows for key in re.findall(r"`(\w+:[\w-]+)`", row)}


def test_every_key_that_the_reference_offers_is_used_or_explained(stack: Template) -> None:
    offered = {key for asked in load().actions.values() for question in asked for key in question.keys}
    assert len(offered) > 25
    assert sorted(offered - used(stack) - explained()) == []


def test_no_key_is_explained_that_the_reference_does_not_offer() -> None:
    offered = {key for asked in load().actions.values() for question in asked for key in question.keys}
    tags = {key for key in explained() if "tag" in key and key not in offered}
    assert sorted(explained() - offered - tags) == [] and len(tags) == 6


@pytest.mark.parametrize(
    ("step", "operator", "items"),
    [
        ("Diagnose", "StringLike", "role#*"),
        ("RedeployService", *INCIDENTS),
        ("UndoService", *INCIDENTS),
    ],
)
def test_a_step_reads_only_the_items_that_it_is_for(
    stack: Template, step: str, operator: str, items: str
) -> None:
    reads = [
        each
        for owner, each in statements(stack)
        if owner == step and {"dynamodb:Query", "dynamodb:GetItem"} & {*as_list(each["Action"])}
    ]
    (statement,) = reads
    assert statement["Condition"] == {
        f"ForAllValues:{operator}": {"dynamodb:LeadingKeys": items},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
