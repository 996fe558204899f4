"""Where no container can be started, `make sam-local` says so and is no failure of a build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtimes import engine, samlocal
from runtimes.engine import Engine
from runtimes.steps import NoEngine, NotReady, Step


def refuse(reason: str) -> None:
    raise NoEngine(reason)


STEP = Step("SweepFunction", "regrant-sweep", "handlers.sweep.handler", Path("build"), {})


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samlocal, "steps", lambda: [STEP])


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "of_the_user", lambda: None)
    monkeypatch.setattr(engine, "prepare", lambda: refuse("only root on Linux can bring one up"))


@pytest.mark.parametrize(("ci", "status"), [("true", 0), ("", 1)])
def test_without_an_engine_it_says_why_and_what_to_do(
    no_engine: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, status: int
) -> None:
    monkeypatch.setenv("CI", ci)
    assert samlocal.main([]) == status
    said = capsys.readouterr().out
    assert "SKIPPED sam local: only root on Linux can bring one up" in said
    assert "Install Docker" in said


def test_what_was_not_built_is_a_failure_and_is_not_skipped(
    no_engine: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing() -> list[Step]:
        raise NotReady("a function without an event: events/sweep.json")

    monkeypatch.setattr(samlocal, "steps", nothing)
    monkeypatch.setenv("CI", "true")
    assert samlocal.main([]) == 1
    said = capsys.readouterr()
    assert "events/sweep.json" in said.err
    assert "SKIPPED" not in said.out


def invoked(code: str) -> Any:
    """The payload if this Python program stands for sam."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    return samlocal._invoke(STEP, {}, Engine(), process)


def test_a_sam_that_says_nothing_is_a_wrong_answer() -> None:
    assert invoked("raise SystemExit(3)") == "sweep: sam said nothing, exit status 3"


def test_a_sam_that_is_slow_is_a_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samlocal, "_INVOKE_SECONDS", 0.2)
    said = invoked("import time; time.sleep(60)")
    assert said == "sweep: no answer in 0.2 s; sam was killed, exit status -9"


def test_an_engine_that_gets_no_image_gives_way_to_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "of_the_user", lambda: Engine(bind="127.0.0.1"))
    monkeypatch.setattr(samlocal, "_compare", lambda every, users: refuse("no registry of images"))
    monkeypatch.setattr(samlocal, "_in_an_engine_of_ours", lambda: 0)
    assert samlocal.main([]) == 0
    assert "Your container engine cannot be used: no registry of images" in capsys.readouterr().out


def test_an_engine_of_ours_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(NotReady, match="only root on Linux"):
        engine.prepare()


def test_its_programs_are_installed_without_starting_a_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrote = tmp_path / "wrote"
    (tmp_path / "apt-get").write_text(f'#!/bin/sh\necho "$RUNLEVEL $*" >> {wrote}\n')
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (tmp_path / "sh").symlink_to("/bin/sh")
    with pytest.raises(NotReady, match="apt-get did not bring dockerd"):
        engine.prepare()
    assert wrote.read_text().splitlines() == [
        "1 -qq -o DPkg::Lock::Timeout=60 update",
        "1 -qq -o DPkg::Lock::Timeout=60 install -y --no-install-recommends docker.io iptables mmdebstrap",
    ]
