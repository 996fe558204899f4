"""What started a handover: a person's input, or the event of the end of one. Never raises: what is wrong with
it is its refusal.

Everything in the input is data: addresses and ids go into HCL that the runner writes, so they have the forms
that Terraform and AWS give them, and nothing that ends or opens a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from regrant.model.aws import execution_name
from regrant.model.catalogue import parse_service
from regrant.model.handover import Source, Spec, Target
from regrant.model.results import Refusal
from regrant.opening.ended_run import EVENT, RESCUES, is_other, own_input, rescues
from regrant.opening.request import as_input, shown
from regrant.settings import Settings

_INDEX = r"(?:\[(?:[0-9]{1,6}|\"[A-Za-z0-9._:/@ -]{1,100}\")\])?"
_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
_ADDRESS = re.compile(rf"(?:module\.{_NAME}{_INDEX}\.)*([a-z][a-z0-9_]{{0,127}})\.{_NAME}{_INDEX}")
_ID = re.compile(r"[A-Za-z0-9+=,.@:/_|*-]{1,1024}")
_VERSION = re.compile(r"[A-Za-z0-9._/-]{1,200}")
_PART = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,100}")
_REVISION = re.compile(
    r"arn:aws[a-z-]*:ecs:([a-z0-9-]+):([0-9]{12}):task-definition/[A-Za-z0-9_-]{1,255}:[0-9]+"
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}")
_DEFINITION, _SERVICE = "aws_ecs_task_definition", "aws_ecs_service"
_KEYS = {"mode", "source", "directory", "imports", "services", "roles"}
_MOST_IMPORTS, _MOST_SERVICES = 200, 10
_ENDED = ("ABORTED", "TIMED_OUT", "FAILED")
_HOW = "docs/handover-machine.md says what a handover takes."


class HandoverRequest(msgspec.Struct, frozen=True):
    """A trigger as far as it could be read. Without a refusal, spec is there for a handover, and subject (the
    name of one) for an undo; ended is the execution whose end is the trigger."""

    mode: Literal["handover", "undo"]
    trigger: str
    spec: Spec | None = None
    subject: str | None = None
    ended: str | None = None
    refusal: Refusal | None = None


def read_request(raw: object, settings: Settings) -> HandoverRequest:
    if not isinstance(raw, Mapping):
        return _refused("handover", "a person", "The input is not a JSON object.")
    if "detail-type" in raw or "detail" in raw:
        return _read_end(raw, settings)
    mode = raw.get("mode", "handover")
    if mode == "undo":
        subject = execution_name(raw.get("handover"))
        if subject is None or set(raw) != {"mode", "handover"}:
            undo = as_input(mode="undo", handover="<execution name>")
            return _refused("undo", "a person", f"An undo takes the handover's name and nothing else:{undo}")
        return HandoverRequest("undo", "a person", subject=subject)
    if mode != "handover":
        return _refused(
            "handover", "a person", f"There is no mode {shown(mode)}; there are handover and undo."
        )
    spec = read_spec(raw, settings)
    if isinstance(spec, str):
        return _refused("handover", "a person", spec)
    return HandoverRequest("handover", "a person", spec=spec)


def read_spec(raw: Mapping[str, Any], settings: Settings) -> Spec | str:
    """The spec, or what is wrong with it, in words."""
    unknown = sorted(set(map(str, raw)) - _KEYS)
    if unknown:
        return f"The input has unknown keys: {', '.join(map(shown, unknown[:5]))}."
    try:
        source = msgspec.convert(raw.get("source"), Source)
    except msgspec.ValidationError:
        return "The source is to have two versions of the HCL, before and after."
    versions = (source.before, source.after)
    if not all(_VERSION.fullmatch(version) and not version.startswith("-") for version in versions):
        return (
            f"A version of the source is no commit, tag or object version: {', '.join(map(shown, versions))}."
        )
    directory = raw.get("directory", ".")
    if not _is_directory(directory):
        return f"The directory {shown(directory)} is no path inside the source."
    imports, services, roles = (_texts(raw.get(key)) for key in ("imports", "services", "roles"))
    if imports is None or services is None or roles is None or not services:
        return "imports, services and roles are to be objects of texts, with one service at least."
    if len(imports) > _MOST_IMPORTS or len(services) > _MOST_SERVICES:
        return f"At most {_MOST_IMPORTS} imports and {_MOST_SERVICES} services go in one handover."
    if wrong := next(_wrong(imports, services, roles), None):
        return wrong
    targets = tuple(_targets(imports, services, roles, settings))
    bad = next((each for each in targets if isinstance(each, str)), None)
    if bad is not None:
        return bad
    good = tuple(each for each in targets if isinstance(each, Target))
    if len({target.service for target in good}) < len(good):
        return "Two addresses are one and the same service."
    return Spec(source, directory, imports, good)


def _is_directory(given: object) -> bool:
    if not isinstance(given, str):
        return False
    return given == "." or (len(given) <= 200 and all(_PART.fullmatch(part) for part in given.split("/")))


def _texts(given: object) -> dict[str, str] | None:
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in (*given, *given.values())):
        return None
    return dict(given)


def _wrong(imports: dict[str, str], services: dict[str, str], roles: dict[str, str]) -> Iterator[str]:
    for address in (*imports, *services, *services.values(), *roles):
        if len(address) > 512 or not _ADDRESS.fullmatch(address):
            yield f"{shown(address)} is no address of a resource."
    for address, given in imports.items():
        if not _ID.fullmatch(given):
            yield f"{shown(given)}, by which {address} is to be imported, is no id of AWS."
    if set(services.values()) != set(roles):
        yield "roles is to have each task definition that services names, and no other."


def _kind(address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    return found[1] if found else ""


def _targets(
    imports: dict[str, str], services: dict[str, str], roles: dict[str, str], settings: Settings
) -> Iterator[Target | str]:
    """Each service, or what is wrong with it."""
    for address, definition in services.items():
        service, revision = parse_service(imports.get(address)), imports.get(definition, "")
        arn, role = _REVISION.fullmatch(revision), roles[definition]
        if (_kind(address), _kind(definition)) != (_SERVICE, _DEFINITION):
            yield f"{address} is to be an {_SERVICE}, and {definition} an {_DEFINITION}."
        elif service is None:
            yield f"imports is to have {address} as <cluster>/<service>."
        elif arn is None or (arn[1], arn[2]) != settings.place:
            yield f"imports is to have {definition} as the ARN of its revision here."
        elif not _ROLE.fullmatch(role):
            yield f"{shown(role)} is no role's ARN."
        else:
            yield Target(address, definition, service, revision, role)


def _refused(mode: Literal["handover", "undo"], trigger: str, message: str) -> HandoverRequest:
    return HandoverRequest(mode, trigger, refusal=Refusal("INVALID_HANDOVER", message, _HOW))


# The end of a handover


def _read_end(raw: Mapping[str, Any], settings: Settings) -> HandoverRequest:
    detail: Any = raw.get("detail")
    if raw.get("detail-type") != EVENT or not isinstance(detail, Mapping):
        kind = shown(raw.get("detail-type"))
        refusal = Refusal("EVENT_NOT_SUPPORTED", f"Events of type {kind} start nothing here.", _HOW)
        return HandoverRequest("undo", f"an event of type {kind}", refusal=refusal)
    name, status = execution_name(detail.get("name")), detail.get("status")
    trigger = f"the end of handover {shown(name)} ({shown(status)})"
    if name is None or detail.get("stateMachineArn") != settings.handover_machine or is_other(name, detail):
        refusal = Refusal(
            "OTHER_STATE_MACHINE", "The event is not of a handover of this stack.", "Correct what sent it."
        )
        return HandoverRequest("undo", trigger, refusal=refusal)
    given = own_input(detail.get("input"))
    before = _undone_by(given)
    if status not in _ENDED:
        refusal = Refusal(
            "RUN_NOT_ENDED",
            f"Handover {name} is {shown(status)}, so there is nothing to undo.",
            "Correct the rule that sent it.",
            outcome="NOTHING_TO_FIX",
        )
        return HandoverRequest("undo", trigger, refusal=refusal)
    in_a_row = rescues(given)
    if in_a_row >= RESCUES or (in_a_row and status == "ABORTED"):
        refusal = Refusal(
            "UNDO_STOPPED",
            f"Handover {name} was itself an undo that another one's end had started; it is {status}.",
            "What the first one changed may still be there. Undo it by hand:"
            + as_input(mode="undo", handover=before or name),
        )
        return HandoverRequest("undo", trigger, subject=before or name, refusal=refusal)
    return HandoverRequest("undo", trigger, subject=before or name, ended=name)


def _undone_by(given: Mapping[str, Any]) -> str | None:
    """The handover that an execution with this input was to undo; None if it was no undo."""
    if given.get("mode") == "undo":
        return execution_name(given.get("handover"))
    detail = given.get("detail")
    if given.get("detail-type") != EVENT or not isinstance(detail, Mapping):
        return None
    return _undone_by(own_input(detail.get("input"))) or execution_name(detail.get("name"))
