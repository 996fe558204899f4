"""What people do to the catalogue, to schedules and to runs."""

from __future__ import annotations

import json
from typing import Any

from sandbox.people.acts.services import delete_service
from sandbox.people.place import POLICIES, ROLES, SERVICES, Place, role_arn
from sandbox.scenarios import approver
from sandbox.scenarios.seeds import retainwise


def enrol(place: Place, service: str, changes: dict[str, Any]) -> None:
    """Deploy the enrolment with other values; roles and policies by short name."""
    name = f"/regrant/services/{SERVICES[service]}"
    entry = json.loads(place.ssm.get_parameter(Name=name)["Parameter"]["Value"])
    entry |= {key: _long(value) for key, value in changes.items()}
    place.ssm.put_parameter(Name=name, Value=json.dumps(entry), Overwrite=True, Type="String")


def unenrol(place: Place, service: str = "worker") -> None:
    place.ssm.delete_parameter(Name=f"/regrant/services/{SERVICES[service]}")


def break_entry(place: Place, service: str = "worker") -> None:
    """A typing error: the entry does not parse."""
    name = f"/regrant/services/{SERVICES[service]}"
    place.ssm.put_parameter(Name=name, Value="{", Overwrite=True, Type="String")


def alone(place: Place) -> None:
    """There is no second worker."""
    delete_service(place, "second")
    unenrol(place, "second")


def delete_schedules(place: Place) -> None:
    for each in place.scheduler.list_schedules()["Schedules"]:
        if each["GroupName"].startswith("regrant"):
            place.scheduler.delete_schedule(GroupName=each["GroupName"], Name=each["Name"])


def stop(place: Place) -> None:
    place.stop()


def answer(place: Place, word: str = "Yes") -> None:
    """Run the command that the newest question gives for this answer."""
    reply = approver.answer(place.account, place.questions()[-1], word)
    if reply.status != 200:
        raise LookupError(f"{reply.code}: {reply.message}")


def start(place: Place, given: dict[str, Any]) -> None:
    """A second run, while the first goes on."""
    place.start(given | {"service": SERVICES[given["service"]]} if "service" in given else given)


def _long(value: Any) -> Any:
    if isinstance(value, list):
        return [retainwise.policy_arn(POLICIES[each]) if each in POLICIES else each for each in value]
    return role_arn(ROLES[value]) if isinstance(value, str) and value in ROLES else value


ACTS = (enrol, unenrol, break_entry, alone, delete_schedules, stop, answer, start)
