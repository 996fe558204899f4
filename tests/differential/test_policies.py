"""Our reading of policies against another's: @cloud-copilot/iam-simulate, which knows the request's context.

We do not know it, so each question is put to the other in every context that could matter. A certain answer
must be its answer in all of them. UNKNOWN must leave open what it answers, and its answers must differ, or a
named reason says why they need not. DIFFERENTIAL_SEED=<number> asks other questions.
"""

from __future__ import annotations

import os
from collections import Counter

import msgspec
import pytest
from msgspec.structs import replace

from regrant.iam.policy import Answer, Policy, RoleEvaluation, evaluate_role, read
from scripts.privileges import simulation
from tests.differential.questions import Document, Question, questions

SEED = int(os.environ.get("DIFFERENTIAL_SEED", "20121017"))
ANSWERS: dict[str, Answer] = {
    "Allowed": "ALLOWED",
    "ImplicitlyDenied": "IMPLICIT_DENY",
    "ExplicitlyDenied": "EXPLICIT_DENY",
}


def test_both_read_policies_alike() -> None:
    if what := simulation.missing():
        pytest.skip(f"needs {what}: make setup installs what npm can")
    asked = questions(SEED, policies=1000, calls=2)
    answers: Counter[str] = Counter()
    agreeing: Counter[str] = Counter()
    complaints = []
    for question, theirs in zip(asked, answers_of_the_other(asked), strict=True):
        evaluation = ours(question)
        answers[evaluation.answer] += 1
        unanimous = evaluation.answer == "UNKNOWN" and len(theirs) == 1
        reason = why_all_agree(question) if unanimous else None
        if not theirs <= possible(evaluation) or (unanimous and not reason):
            complaints.append(f"{evaluation.answer}, theirs {sorted(theirs)}: {as_text(question)}")
        if reason:
            agreeing[reason] += 1
    print(f"DIFFERENTIAL_SEED={SEED}: {dict(answers)}; UNKNOWN where all contexts agree: {dict(agreeing)}")
    assert complaints == [], f"DIFFERENTIAL_SEED={SEED}"
    # Each answer often enough to mean something.
    assert len(answers) == 4 and min(answers.values()) > 100


def answers_of_the_other(asked: list[Question]) -> list[set[Answer]]:
    """Its answers to each question, over all contexts, from one process."""
    given = [simulated(understood(question)) for question in asked]
    return [{ANSWERS[text] for text in each} for each in simulation.answers(given)]


def simulated(question: Question) -> simulation.Question:
    requests = [
        simulation.Request(question.action, question.resource, context) for context in question.contexts
    ]
    return simulation.Question(question.policies, requests, question.boundary)


def as_text(question: Question) -> str:
    return msgspec.json.encode(question).decode()


def policies_of(question: Question) -> tuple[tuple[Policy, ...], Policy | None]:
    identity = tuple(Policy(f"policy-{n}", document) for n, document in enumerate(question.policies))
    return identity, Policy("boundary", question.boundary) if question.boundary else None


def ours(question: Question) -> RoleEvaluation:
    return evaluate_role(*policies_of(question), question.action, question.resource)


def understood(question: Question) -> Question:
    policies = tuple(translated(document) for document in question.policies)
    boundary = translated(question.boundary) if question.boundary else None
    return replace(question, policies=policies, boundary=boundary)


def translated(document: Document) -> Document:
    """The document in words that the other reads as IAM's pages do. What it reads otherwise:

    - it knows variables in version 2008-10-17, where `${` is text;
    - it compares the first five fields of an ARN without regard to case;
    - it takes no resource to be outside of an incomplete ARN in NotResource.
    """
    old = document["Version"] != "2012-10-17"
    listed = document["Statement"]
    statements = listed if isinstance(listed, list) else [listed]
    return {"Version": "2012-10-17", "Statement": [_translated(statement, old) for statement in statements]}


def _translated(statement: Document, old: bool) -> Document:
    changed = dict(statement)
    for element in ("Resource", "NotResource"):
        if element in statement:
            value = statement[element]
            texts = value if isinstance(value, list) else [value]
            changed[element] = [_pattern(text, old) for text in texts]
    return changed


def _pattern(text: str, old: bool) -> str:
    if not text.strip("*"):
        return text
    head, resource = (fields := text.split(":", 5))[:5], fields[5:]
    head = ["nowhere" if field != field.lower() else field for field in head]
    complete = ":".join([*head, *resource, *["*"] * (6 - len(fields))])
    return complete.replace("${", "${$}{") if old else complete


def uncertain(question: Question) -> list[tuple[str, ...]]:
    """For each statement that may or may not apply, what that depends on."""
    identity, boundary = policies_of(question)
    statements = [s for p in (*identity, *([boundary] if boundary else [])) for s in read(p)]
    matches = [statement.match(question.action, question.resource) for statement in statements]
    return [match.unknown for match in matches if match.unknown]


def why_all_agree(question: Question) -> str | None:
    """Why UNKNOWN may be right although every context has the same answer."""
    depends = uncertain(question)
    if any("the wildcard" in reason for reasons in depends for reason in reasons):
        return "IAM's pages leave open how far the wildcard reaches, and it decides"
    if len(depends) > 1:
        return "several statements depend on something, and together they come to the same"
    return None


def possible(evaluation: RoleEvaluation) -> set[Answer]:
    """What our answer leaves open."""
    if evaluation.answer != "UNKNOWN":
        return {evaluation.answer}
    layers = [evaluation.identity, *([evaluation.boundary] if evaluation.boundary else [])]
    answers: set[Answer] = set()
    if any(layer.deny for layer in layers):
        answers.add("EXPLICIT_DENY")
    if not all(layer.allow and not layer.allow.unknown for layer in layers):
        answers.add("IMPLICIT_DENY")
    if all(layer.allow for layer in layers):
        answers.add("ALLOWED")
    return answers
