"""What Terraform gets of the environment.

TF_CLI_ARGS* add arguments, TF_WORKSPACE and TF_DATA_DIR choose another state, TF_LOG* and
TF_REATTACH_PROVIDERS change the output and the provider: each changes what runs, or what is read of it. So of
TF_* only what is listed here is kept
(https://developer.hashicorp.com/terraform/cli/config/environment-variables).
"""

from __future__ import annotations

from collections.abc import Mapping

KEPT = frozenset({
    *("TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"),
    *("TF_PLUGIN_CACHE_DIR", "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"),
    *("TF_REGISTRY_DISCOVERY_RETRY", "TF_REGISTRY_CLIENT_TIMEOUT"),
})  # fmt: skip
KEPT_BEGINNINGS = ("TF_VAR_", "TF_TOKEN_")
SET = {
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
    "CHECKPOINT_DISABLE": "1",
    # The workspace that .terraform/environment names would be another state.
    "TF_WORKSPACE": "default",
}


def for_terraform(given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment, and the names of what was dropped from it."""
    dropped = [name for name in given if name.startswith("TF_") and not _kept(name)]
    kept = {name: value for name, value in given.items() if name not in dropped}
    return kept | SET, sorted(dropped)


def _kept(name: str) -> bool:
    return name in KEPT or name in SET or name.startswith(KEPT_BEGINNINGS)
