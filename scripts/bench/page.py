"""docs/figures.md, from the figures of one run. Nothing in it depends on how fast the machine was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.bench import package, prices, recovery, startup

FILE = Path(__file__).resolve().parents[2] / "docs" / "figures.md"
TEMPLATE = Path(__file__).with_suffix(".md")
STATES_AIM, COLD_AIM, SEQUENCE_AIM, TOTAL_AIM = 13, 4, 12, 37
MEMORY = round(prices.GB * 1024)
CONTAIN = "contain, redeploy always"


def render(figures: Mapping[str, Any]) -> str:
    """The page. `figures` is what scripts.bench measures."""
    return TEMPLATE.read_text(encoding="utf-8").format(
        summary="\n".join(_summary(figures)),
        package=_package(figures["package"]),
        memory=_memory(figures["paths"]["memory"]),
        **_startup(figures["startup"]),
        **_paths(figures["paths"]),
        **_recovery(figures["recovery"]),
    )


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _aim(text: str, met: bool) -> str:
    return text if met else f"{text}, missed"


def _summary(figures: Mapping[str, Any]) -> Iterable[str]:
    handlers = figures["startup"]["handlers"]
    within = sum(row["met"] for row in handlers.values())
    contain, grant = figures["paths"]["runs"][CONTAIN], figures["paths"]["toGrant"]
    yield _row(
        f"handlers that start within {startup.AIM:.2f} of the bare start",
        f"{within} of {len(handlers)}",
        _aim("all", within == len(handlers)),
    )
    if "bytes" in figures["package"]:
        aim = _aim(f"≤ {package.AIM // 10**6} MB", figures["package"]["met"])
        yield _row("zip, without boto3", _megabytes(figures["package"]["bytes"]), aim)
    for what, figure, most in (
        ("states of a contain run, without polling", contain["states"], STATES_AIM),
        ("functions that start cold up to the grant", len(grant["functions"]), COLD_AIM),
        ("calls in sequence up to the grant", grant["sequence"], SEQUENCE_AIM),
        ("calls of a contain run, without polling", contain["calls"], TOTAL_AIM),
    ):
        yield _row(what, figure, _aim(f"≤ {most}", figure <= most))
    for way, services in figures["recovery"].items():
        for service, row in services.items():
            title = f"denial to verified recovery, {service}, redeploy {way}: p50, p95"
            yield _row(title, f"{row['p50']} s, {row['p95']} s", f"< {recovery.BY_HAND} s, by hand")


def _startup(figures: Mapping[str, Any]) -> dict[str, Any]:
    handlers, noise = figures["handlers"], figures["noise"]
    rows = [
        _row(
            name,
            f"{row['cpu']:.2f} [{row['cpuLow']:.2f} to {row['cpuHigh']:.2f}]",
            f"{row['withoutClients']:.2f}",
            ", ".join(row["clients"]),
        )
        for name, row in handlers.items()
    ]
    missed = [name for name, row in handlers.items() if not row["met"]]
    return {
        "startup_rounds": figures["rounds"],
        "startup_rows": "\n".join(rows),
        "startup_aim": f"{startup.AIM:.2f}",
        "startup_over": f"Over the aim: {', '.join(missed)}.\n\n" if missed else "",
        "noise": f"{noise['cpu']:.2f}",
        "noise_low": f"{noise['cpuLow']:.2f}",
        "noise_high": f"{noise['cpuHigh']:.2f}",
        "wall_low": f"{noise['wallLow']:.2f}",
        "wall_high": f"{noise['wallHigh']:.2f}",
        "powertools": f"{figures['powertools']:.2f}",
        "rested": f"{figures['rested']:.2f}",
    }


def _package(figures: Mapping[str, Any]) -> str:
    if "skipped" in figures:
        return f"SKIPPED: {figures['skipped']}."
    parts = ", ".join(f"{name} {_megabytes(size)}" for name, size in figures["parts"].items())
    boto3 = (
        "with boto3, which should not be there" if figures["boto3"] else "without boto3, which Lambda brings"
    )
    return (
        f"{figures['functions']} functions, each zip at most {_megabytes(figures['bytes'])} ({boto3}).\n"
        f"The aim is {package.AIM // 10**6} MB.\nThe largest parts: {parts}."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def _memory(figures: Mapping[str, int]) -> str:
    if not figures:
        return "SKIPPED: only Linux says what a process's own peak was."
    function, most = max(figures.items(), key=lambda item: item[1])
    median = sorted(figures.values())[len(figures) // 2]
    return (
        "The most that a process held in which one handler ran once against the local account, Python and\n"
        f"botocore in it: median {median} MB, most {most} MB ({function.removeprefix('regrant-')}), which is "
        f"{round(100 * most / MEMORY)} % of the {MEMORY} MB that\n"
        "each function has. Lambda's own runtime comes on top."
    )


def _paths(figures: Mapping[str, Any]) -> dict[str, Any]:
    runs: Mapping[str, Any] = figures["runs"]
    grant, contain = figures["toGrant"], runs[CONTAIN]
    rows = [
        _row(
            name,
            run["outcome"],
            run["states"],
            ", ".join(f"{state} {count}" for state, count in run["rounds"].items()) or "none",
            run["entered"],
            run["invocations"],
            f"{run['calls']} + {run['callsPolling']}",
        )
        for name, run in runs.items()
    ]
    before = grant["functions"]
    functions = [
        _row(
            name.removeprefix("regrant-"),
            before[name]["sequence"] if name in before else "",
            before[name]["total"] if name in before else "",
            calls,
        )
        for name, calls in contain["callsOf"].items()
    ]
    totals = _row("all", grant["sequence"], grant["total"], contain["calls"])
    return {
        "paths_rows": "\n".join(rows),
        "prices_rows": "\n".join(_row(name, *_dollars(run)) for name, run in runs.items()),
        "grant_rows": "\n".join((*functions, totals)),
        "entered": contain["entered"],
        "transitions": f"{contain['dollarsOfAThousand']['transitions']:.3f}",
        "states_aim": STATES_AIM,
        "cold_aim": COLD_AIM,
        "sequence_aim": SEQUENCE_AIM,
        "total_aim": TOTAL_AIM,
        "gb": prices.GB,
        "seconds": prices.SECONDS,
    }


def _dollars(run: Mapping[str, Any]) -> list[str]:
    parts = run["dollarsOfAThousand"]
    return [f"{value:.2f}" if name == "all" else f"{value:.3f}" for name, value in parts.items()]


def _recovery(figures: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        _row(
            way,
            service,
            f"{row['p50']} s",
            f"{row['p95']} s",
            f"{row['most']} s",
            f"{round(100 * row['p50'] / recovery.BY_HAND)} %",
            f"{row['redeployed']} of {row['stories']}",
            len(row["notContained"]),
        )
        for way, services in figures.items()
        for service, row in services.items()
    ]
    always, needed = figures["always"], figures["if-needed"]
    gains = (f"{service} {always[service]['p50'] - needed[service]['p50']} s" for service in always)
    bad = [
        story for services in figures.values() for row in services.values() for story in row["notContained"]
    ]
    return {
        "recovery_rows": "\n".join(rows),
        "stories": always["worker"]["stories"],
        "hand": recovery.BY_HAND,
        "gain": ", ".join(gains),
        "late": _late(needed),
        "bad": _explained(bad),
        "latencies": "\n".join(f"- {name}: {text}" for name, text in recovery.LATENCIES.items()),
    }


def _late(services: Mapping[str, Any]) -> str:
    replaced = [row for row in services.values() if row["redeployed"]]
    if not replaced:
        return "With `if-needed` no run replaced tasks."
    runs, least = (
        sum(row["redeployed"] for row in replaced),
        min(row["leastLagRedeployed"] for row in replaced),
    )
    if runs == 1:
        which = f"one run replaced tasks, in a story whose log lines came {least:.0f} s late"
    else:
        which = f"{runs} runs replaced tasks, all in stories whose log lines came {least:.0f} s late or later"
    return f"With `if-needed` {which},\nso that the proof was not in sight in time."


def _explained(stories: Sequence[Mapping[str, Any]]) -> str:
    if not stories:
        return "Every run of every story ended CONTAINED."
    lines = (
        f"- story {story['seed']}, {story['service']}, {story['way']}: {story['outcome']} with log lines "
        f"{story['log_lag']} s late. {story['why']}"
        for story in stories
    )
    return "\n".join(("Not CONTAINED, and so put back as they were:", "", *lines))
