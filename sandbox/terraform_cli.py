"""Where Terraform and its AWS provider are on this machine, for tests, demos and CI.

The product knows nothing of this: it runs whatever `terraform` is on its PATH, with the configuration that
the user has, or with the registry. Here the provider may come from a filesystem mirror, because no test
should load 700 MB from the network. What was taken is said, and a missing Terraform is an error: only
TERRAFORM=none leaves out what needs it, and says so.

    TF_CLI_CONFIG_FILE=$(python -m sandbox.terraform_cli build/terraform.rc)
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MIRROR = "REGRANT_TERRAFORM_MIRROR"
LEFT_OUT = "TERRAFORM=none: what runs the real Terraform is left out"
_PROVIDER = Path("registry.terraform.io/hashicorp/aws")
_NO_FILES = {"dev", "proc", "sys"}
_KEPT = ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR")
"""Where the user has providers come from."""


class TerraformMissing(Exception):
    """There is no Terraform, or no mirror where one was named. The text says what to do."""


@dataclass(frozen=True)
class Terraform:
    """binary: its path. mirror: the folder above registry.terraform.io; None: providers come from where the
    user has them come from. said: which was taken, in one line."""

    binary: str
    mirror: Path | None
    said: str

    def environment(self, folder: Path) -> dict[str, str]:
        """What a process needs in its environment. A configuration of the CLI is written into the folder."""
        if self.mirror is None:
            return {}
        file = folder / "terraform.rc"
        file.write_text(configuration(self.mirror), "utf-8")
        return {"TF_CLI_CONFIG_FILE": str(file)}


def configuration(mirror: Path) -> str:
    """Terraform documentation, "CLI Configuration File": filesystem_mirror."""
    return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'


def find(environment: Mapping[str, str] | None = None, root: Path = Path("/")) -> Terraform | None:
    """None if TERRAFORM=none says to do without. Raises TerraformMissing. root: where mirrors are below."""
    given = os.environ if environment is None else environment
    if given.get("TERRAFORM") == "none":
        return None
    binary = shutil.which("terraform", path=given.get("PATH"))
    if binary is None:
        raise TerraformMissing(
            "terraform is not on the PATH; install 1.11, or leave out what needs it with TERRAFORM=none"
        )
    if named := given.get(MIRROR):
        if not (Path(named) / _PROVIDER).is_dir():
            raise TerraformMissing(f"{MIRROR} is {named}, and there is no {_PROVIDER} in it")
        return Terraform(binary, Path(named), f"{binary}, providers from {named} ({MIRROR})")
    own = given.get("TF_CLI_CONFIG_FILE", "")
    if own and Path(own).is_file():
        return Terraform(binary, None, f"{binary}, providers as {own} says (TF_CLI_CONFIG_FILE)")
    for mirror in _mirrors(root):
        return Terraform(binary, mirror, f"{binary}, providers from {mirror} (found there)")
    return Terraform(binary, None, f"{binary}, providers from the registry: no mirror was found")


def without_settings(environment: Mapping[str, str], found: Terraform, folder: Path) -> dict[str, str]:
    """An environment for it, with nobody's credentials and nothing that would change what it does."""
    mine = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "TF_"))}
    kept = {name: environment[name] for name in _KEPT if name in environment and not found.mirror}
    ours = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    return mine | kept | ours | found.environment(folder)


def _mirrors(root: Path) -> Iterator[Path]:
    """Folders with the provider in them, one or two levels below the root."""
    for first in sorted(each for each in root.iterdir() if each.name not in _NO_FILES):
        for folder in (first, *_folders(first)):
            if (folder / _PROVIDER).is_dir():
                yield folder


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir())
    except OSError:  # not a folder, or not for us
        return []


def main() -> int:
    """Say on stderr what was taken, and on stdout which TF_CLI_CONFIG_FILE to set."""
    file = Path(sys.argv[1])
    try:
        found = find()
    except TerraformMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(found.said if found else LEFT_OUT, file=sys.stderr)
    if found and found.mirror:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(configuration(found.mirror), "utf-8")
        print(file.resolve())
    else:
        print(os.environ.get("TF_CLI_CONFIG_FILE", ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
