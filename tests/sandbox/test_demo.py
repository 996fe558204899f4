"""What `make demo` shows: 80 columns, reasons and ARNs whole, colour on terminals only, a quiet Ctrl-C."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.account import LocalAccount
from sandbox.demo import main
from sandbox.scenarios.narrator import short_id
from sandbox.scenarios.play import play
from sandbox.scenarios.results import Result
from sandbox.scenarios.scenarios import SCENARIOS
from sandbox.scenarios.screen import ending, opening, printer

ROOT = Path(__file__).resolve().parents[2]
QUEUE = "arn:aws:sqs:us-east-1:123456789012:prod-retainwise-predictions-queue"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def unwrapped(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def test_all_that_is_shown_fits_a_terminal_but_for_single_words() -> None:
    scenario = SCENARIOS["refused-boundary"]
    live: list[str] = []
    with LocalAccount() as account:
        result = play(account, scenario, live.append)
    shown = [*opening(scenario, 20), *live, *ending(scenario, result, 1)]
    assert [line for line in shown if len(line) > 80 and len(line.split()) > 1] == []
    reason = "because no permissions boundary allows the sqs:sendmessage action"
    assert f"on resource: {QUEUE} {reason}" in unwrapped(live)


def test_runs_are_told_apart_by_the_ends_of_their_ids() -> None:
    runs = ["00000000-5_a308158e", "00000000-6_b308158e", "00000000-7_c408158f"]
    assert [short_id(run, runs) for run in runs] == ["…a308158e", "…b308158e", "…08158f"]


def test_a_run_whose_whole_id_ends_another_keeps_all_of_it() -> None:
    assert short_id("run-contained", ["another-run-contained", "run-contained"]) == "run-contained"


def test_a_scenario_that_passed_says_how_long_it_took() -> None:
    shown = [*ending(SCENARIOS["storm"], Result("storm", ok=True, simulated_seconds=236.4), 19.2)]
    assert shown[-1] == "Scenario `storm` passed (236 s simulated, 19 s real)."


def test_a_scenario_that_failed_says_why() -> None:
    result = Result("storm", complaints=["no run was started", "it is stuck"], simulated_seconds=9000)
    assert unwrapped([*ending(SCENARIOS["storm"], result, 60)]).endswith(
        "Scenario `storm` FAILED: no run was started; it is stuck (2 hours simulated, 60 s real)."
    )


def test_an_account_that_was_not_restored_is_hard_to_miss() -> None:
    result = Result("rolled-back", account_before="a" * 64, account_after="b" * 64)
    shown = [*ending(SCENARIOS["rolled-back"], result, 1)]
    assert f"account before  {'a' * 64}" in shown and f"account after   {'b' * 64}" in shown
    assert "                NOT EQUAL" in shown


def test_only_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal, file = Terminal(), io.StringIO()
    printer(terminal)("VerifyHealth UNHEALTHY, then HEALTHY")
    printer(file)("UNHEALTHY")
    assert terminal.getvalue() == "VerifyHealth \x1b[31mUNHEALTHY\x1b[0m, then \x1b[32mHEALTHY\x1b[0m\n"
    assert file.getvalue() == "UNHEALTHY\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_gets_no_colour_where_none_is_wanted(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    terminal = Terminal()
    printer(terminal)("HEALTHY")
    assert terminal.getvalue() == "HEALTHY\n"


def started() -> subprocess.Popen[str]:
    """The demo in a process, and a session, of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "functions")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_reader_that_goes_ends_the_demo_quietly() -> None:
    """As `make demo | head -1`."""
    with started() as demo:
        assert demo.stdout is not None and demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr.read() == ""
    assert demo.returncode == 0


@pytest.mark.parametrize(("name", "meant"), [("nope", ""), ("contain", " Did you mean SCENARIO=contained?")])
def test_a_scenario_that_is_none_is_answered_in_makes_words(
    name: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--scenario", name]) == 2
    assert capsys.readouterr().err == f"There is no scenario {name}.{meant} `make scenarios` lists them.\n"


def test_ctrl_c_ends_the_demo_in_one_line() -> None:
    with started() as demo:
        assert demo.stdout is not None
        assert any("is not authorized to perform" in line for line in demo.stdout)
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: the workloads' processes get it, too
        _, error = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert error == "\nInterrupted; nothing is left running.\n"
