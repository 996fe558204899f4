"""Composite alarms with a suppressor, and which alarms DescribeAlarms shows.

Stands for: Alarm suppression (CloudWatch User Guide), and the API references of PutCompositeAlarm and
DescribeAlarms. While the suppressor is in ALARM, the composite alarm's state says so; when that ends, and the
extension period after it, another event follows. A composite alarm's rule is not evaluated: SetAlarmState
sets its state. The wait period, in which a suppressor that is not in ALARM suppresses too, and mute rules are
left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from sandbox.engine.core import Core

Changed = Callable[[Any, Mapping[str, Any]], None]


def install(core: Core, changed: Changed, state_of: Callable[[Any], dict[str, Any]]) -> None:
    """`changed` sends an alarm's event, with its previous state; `state_of` is a state as an event has it."""
    update_state, describe = Alarm.update_state, CloudWatchResponse.describe_alarms

    def suppressed_by(alarm: Any) -> str | None:
        suppressor = _backend(core).alarms.get(getattr(alarm, "actions_suppressor", None) or "")
        return "Alarm" if suppressor is not None and suppressor.state_value == "ALARM" else None

    def put(response: Any) -> Any:
        # moto makes a composite alarm of a metric alarm's request with a rule.
        response.put_metric_alarm()
        alarm: Any = _backend(core).alarms[response._get_param("AlarmName")]
        suppressor = response._get_param("ActionsSuppressor")
        alarm.actions_suppressor = suppressor.rpartition(":alarm:")[2] if suppressor else None
        alarm.actions_suppressor_extension_period = response._get_int_param(
            "ActionsSuppressorExtensionPeriod"
        )
        return EmptyResult()

    def updated(alarm: Any, reason: str, reason_data: str, state_value: str) -> None:
        before = {c.name: state_of(c) for c in _composites(core) if c.actions_suppressor == alarm.name}
        same = alarm.state_value == state_value
        update_state(alarm, reason, reason_data, state_value)
        if not same:
            alarm.state_transitioned_timestamp = alarm.state_updated_timestamp
        for composite in _composites(core):
            if composite.name in before and "actionsSuppressedBy" in before[composite.name]:
                wait = composite.actions_suppressor_extension_period or 0
                core.clock.call_later(wait, partial(over, composite, before[composite.name]))

    def over(composite: Any, previous: Mapping[str, Any]) -> None:
        if composite.state_value == "ALARM" and not suppressed_by(composite):
            changed(composite, previous)

    def shown(response: Any) -> Any:
        """moto minds one filter at a time, and no types."""
        found: Any = describe(response).result
        state = response._get_param("StateValue")
        types = response._get_param("AlarmTypes") or ["MetricAlarm"]
        return ActionResult(
            {
                f"{kind}s": [alarm for alarm in found[f"{kind}s"] if state in (None, alarm.state_value)]
                for kind in ("MetricAlarm", "CompositeAlarm")
                if kind in types
            }
        )

    _add(core, Alarm, "actions_suppressor", None)
    _add(core, Alarm, "actions_suppressed_by", property(suppressed_by))
    _add(core, CloudWatchResponse, "put_composite_alarm", put)
    core.patch(Alarm, "update_state", updated)
    core.patch(CloudWatchResponse, "describe_alarms", shown)


def _add(core: Core, target: type, name: str, value: object) -> None:
    """What moto does not have at all, for as long as the account is open."""
    setattr(target, name, value)
    core.on_close(partial(delattr, target, name))


def _backend(core: Core) -> CloudWatchBackend:
    backend: CloudWatchBackend = cloudwatch_backends[core.account_id][core.region]
    return backend


def _composites(core: Core) -> list[Any]:
    return [alarm for alarm in _backend(core).alarms.values() if alarm.rule]
