"""CloudWatch alarms that evaluate, every minute, on the account's clock.

Stands for: Using Amazon CloudWatch alarms (periods, M out of N datapoints, how missing data is treated,
actions only on a transition) and the texts of Alarm events and EventBridge. Alarms on metric math, anomaly
detection and composite alarms (composite.py) are left as they are. Which datapoints exist is logs.py's
part, or PutMetricData's.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, Statistics, cloudwatch_backends

from sandbox.engine.core import Core

EVERY = 60.0
COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


def evaluate(alarm: Alarm, values: list[float | None], times: list[datetime], now: datetime) -> None:
    """Change the alarm's state if `values` say so: one a period, newest first, None where there is none.

    The last `evaluationPeriods` count; older ones only stand in for missing ones.
    """
    wanted = int(alarm.evaluation_periods)
    needed = int(alarm.datapoints_to_alarm or wanted)
    breaches, words = COMPARISONS[alarm.comparison_operator]
    threshold = float(alarm.threshold)
    real = [(value, at) for value, at in zip(values, times, strict=True) if value is not None][:wanted]
    treatment = alarm.treat_missing_data or "missing"
    missing = wanted - len(real)
    breaching = [point for point in real if breaches(point[0], threshold)]
    if not real and treatment in ("missing", "ignore"):
        if treatment == "missing":
            text = f"Insufficient Data: {wanted} datapoint{_s(wanted)} {_were(wanted)} unknown."
            _change(alarm, "INSUFFICIENT_DATA", text, [], now)
        return
    counted = len(breaching) + (missing if treatment == "breaching" else 0)
    undecided = counted < needed <= counted + missing and treatment in ("missing", "ignore")
    if undecided and alarm.state_value != "INSUFFICIENT_DATA":
        return  # too few points to decide: the alarm keeps the state it has
    state = "ALARM" if counted >= needed else "OK"
    if not real:
        treated = "Breaching" if treatment == "breaching" else "NonBreaching"
        reason = (
            f"Threshold Crossed: no datapoints were received for {wanted} period{_s(wanted)} and {wanted} "
            f"missing datapoint{_s(wanted)} {_were(wanted)} treated as [{treated}]."
        )
    else:
        shown = breaching if state == "ALARM" and breaching else real
        listed = ", ".join(f"{value} ({at:%d/%m/%y %H:%M:%S})" for value, at in shown)
        crossing = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
        minimum = needed if state == "ALARM" else wanted - needed + 1
        reason = (
            f"Threshold Crossed: {len(shown)} out of the last {wanted} datapoints [{listed}] "
            f"{_were(len(shown))} {'' if state == 'ALARM' else 'not '}{words} the threshold "
            f"({threshold}) (minimum {minimum} datapoint{_s(minimum)} for {crossing} transition)."
        )
    _change(alarm, state, reason, real, now)


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _change(alarm: Alarm, state: str, reason: str, real: list[tuple[float, datetime]], now: datetime) -> None:
    if alarm.state_value == state:
        return
    data: dict[str, Any] = {
        "version": "1.0",
        "queryDate": _iso(now),
        "statistic": alarm.statistic,
        "period": int(alarm.period),
        "recentDatapoints": [value for value, _ in reversed(real)],
        "threshold": float(alarm.threshold),
        "evaluatedDatapoints": [
            {"timestamp": _iso(at), "sampleCount": 1.0, "value": value} for value, at in real
        ],
    }
    if real:
        data["startDate"] = _iso(real[-1][1])
    alarm.update_state(reason, json.dumps(data), state)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"


class Alarms:
    def __init__(self, core: Core) -> None:
        self.core = core
        self._forced: dict[str, datetime] = {}

    @property
    def backend(self) -> CloudWatchBackend:
        backend: CloudWatchBackend = cloudwatch_backends[self.core.account_id][self.core.region]
        return backend

    def evaluate_all(self) -> None:
        now = self.core.clock.now()
        for alarm in list(self.backend.alarms.values()):
            if (
                alarm.metric_name
                and not alarm.metric_data_queries
                and alarm.comparison_operator in COMPARISONS
            ):
                values, times = self._points(alarm, now)
                evaluate(alarm, values, times, now)

    def _points(self, alarm: Alarm, now: datetime) -> tuple[list[float | None], list[datetime]]:
        """One value a period, newest first. The period that runs counts as soon as it has a datapoint."""
        period = timedelta(seconds=int(alarm.period))
        dimensions = {(d.name, d.value) for d in alarm.dimensions}
        epoch = datetime.fromtimestamp(0, UTC)
        newest = epoch + (now - epoch) // period * period
        times = [newest - period * n for n in range(int(alarm.evaluation_periods) + 2)]
        data = [
            datum
            for datum in reversed(self.backend.metric_data)
            if datum.namespace == alarm.namespace
            and datum.name == alarm.metric_name
            and {(d.name, d.value) for d in datum.dimensions} == dimensions
        ]
        values = [_statistic(alarm.statistic, data, at, at + period) for at in times]
        if values[0] is None:
            return values[1:], times[1:]
        return values[:-1], times[:-1]


def _statistic(name: str, data: list[Any], start: datetime, end: datetime) -> float | None:
    points = [datum for datum in data if start <= _aware(datum.timestamp) < end]
    if not points:
        return None
    statistics = Statistics([name], start)
    statistics.metric_data = points
    value: Any = statistics.get_statistics_for_type(name)
    return None if value is None else float(value)


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def install(core: Core) -> None:
    """Evaluate the account's alarms for as long as it is open."""
    initialise = Alarm.__init__

    def init(self: Alarm, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        self.state_value = "INSUFFICIENT_DATA"  # moto begins with OK

    core.patch(Alarm, "__init__", init)
    core.clock.every(EVERY, Alarms(core).evaluate_all)
