"""The README's graph is the state machine's, whole."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from scripts.generate import graph

Definition = dict[str, Any]


@pytest.fixture(scope="module")
def definition() -> Definition:
    loaded: Definition = yaml.safe_load(graph.DEFINITION.read_text("utf-8"))
    return loaded


def test_readme_shows_the_graph_of_the_state_machine(
    definition: Definition,
) -> None:
    shown = graph.README.read_text("utf-8")
    assert graph.replace_block(shown, graph.block(definition)) == shown, f"run {graph.WRITE}"


def test_every_state_is_drawn_once(definition: Definition) -> None:
    drawn = re.findall(r"^ +(\w+)[\[({]", graph.mermaid(definition), flags=re.MULTILINE)
    assert sorted(drawn) == sorted(["start", *definition["States"]])


def test_the_happy_path_is_one_thick_line_to_the_good_end(
    definition: Definition,
) -> None:
    thick = re.findall(r"(\w+) ==>(?:\|[^|]*\|)? (\w+)", graph.mermaid(definition))
    assert thick[0][0] == "OpenIncident"
    assert thick[-1] == ("DecideOutcome", "Done")
    assert [came for _, came in thick[:-1]] == [left for left, _ in thick[1:]]


def test_a_failed_end_has_a_shape_of_its_own() -> None:
    states = {"Go": {"Type": "Pass", "Next": "Bad"}, "Bad": {"Type": "Fail"}, "Good": {"Type": "Succeed"}}
    text = graph.mermaid({"StartAt": "Go", "States": states})
    assert 'Bad{{"Bad<br/>FAILED"}}' in text
    assert 'Good(["Good<br/>SUCCEEDED"])' in text


def test_an_error_handler_shared_by_several_steps_gets_one_arrow() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Undo"}]
    states = {
        "One": {"Type": "Task", "Catch": catch, "Next": "Two"},
        "Two": {"Type": "Task", "Catch": catch, "Next": "End"},
        "Undo": {"Type": "Fail"},
        "End": {"Type": "Succeed"},
    }
    text = graph.mermaid({"StartAt": "One", "States": states})
    assert re.findall(r"(\w+) -\. any error \.-> (\w+)", text) == [("frame1", "Undo")]


def test_a_readme_without_the_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="one <!-- graph -->"):
        graph.replace_block("no graph here", "new")


def test_only_the_block_is_replaced() -> None:
    text = f"before\n{graph.BEGIN}\nold\n{graph.END}\nafter\n"
    assert graph.replace_block(text, "NEW") == "before\nNEW\nafter\n"
