"""Where no container can be started, `make sam-local` says so and is no failure of a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes import engine, samlocal
from runtimes.engine import Engine
from runtimes.steps import NotReady


def refuse(reason: str) -> None:
    raise NotReady(reason)


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


def test_an_engine_that_gets_no_image_gives_way_to_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "of_the_user", lambda: Engine(bind="127.0.0.1"))
    monkeypatch.setattr(samlocal, "_compare", lambda users: refuse("no registry of images"))
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
