"""Which Terraform tests take, and from where its provider comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.terraform_cli import MIRROR, TerraformMissing, configuration, find

PROVIDER = "registry.terraform.io/hashicorp/aws"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which there is a terraform."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "terraform").write_text("#!/bin/sh\n")
    (folder / "terraform").chmod(0o755)
    return str(folder)


def mirror(folder: Path) -> Path:
    (folder / PROVIDER).mkdir(parents=True)
    return folder


def test_without_terraform_it_says_what_to_install_and_how_to_do_without(tmp_path: Path) -> None:
    with pytest.raises(TerraformMissing, match=r"install 1\.11, or .* TERRAFORM=none"):
        find({"PATH": str(tmp_path)})
    assert find({"PATH": str(tmp_path), "TERRAFORM": "none"}) is None


def test_a_mirror_that_is_named_counts_most(path: str, tmp_path: Path) -> None:
    mirror(tmp_path / "root" / "opt" / "plugins")
    own = tmp_path / "own.rc"
    own.touch()
    given = {"PATH": path, "TF_CLI_CONFIG_FILE": str(own), MIRROR: str(mirror(tmp_path / "named"))}
    found = find(given, tmp_path / "root")
    assert found and found.mirror == tmp_path / "named" and MIRROR in found.said


def test_a_mirror_that_is_named_and_not_there_is_an_error(path: str, tmp_path: Path) -> None:
    with pytest.raises(TerraformMissing, match=f"{MIRROR} is .*/nowhere"):
        find({"PATH": path, MIRROR: str(tmp_path / "nowhere")}, tmp_path)


def test_a_configuration_of_the_users_own_counts_more_than_a_mirror_that_is_found(
    path: str, tmp_path: Path
) -> None:
    mirror(tmp_path / "root" / "opt" / "plugins")
    own = tmp_path / "own.rc"
    own.touch()
    found = find({"PATH": path, "TF_CLI_CONFIG_FILE": str(own)}, tmp_path / "root")
    assert found and found.mirror is None and found.environment(tmp_path) == {}


def test_a_mirror_is_found_below_the_first_folders_of_the_root(path: str, tmp_path: Path) -> None:
    expected = mirror(tmp_path / "root" / "opt" / "plugins")
    found = find({"PATH": path, "TF_CLI_CONFIG_FILE": str(tmp_path / "missing.rc")}, tmp_path / "root")
    assert found and found.mirror == expected
    file = Path(found.environment(tmp_path)["TF_CLI_CONFIG_FILE"])
    assert file.read_text() == configuration(expected) and str(expected) in found.said


def test_without_any_mirror_the_registry_serves(path: str, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    found = find({"PATH": path}, tmp_path / "root")
    assert found and found.mirror is None and "registry" in found.said
