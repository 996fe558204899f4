"""The files that Regrant writes beside somebody's HCL, and what it finds there."""

from __future__ import annotations

from pathlib import Path

import pytest

from regrant_terraform import files, hcl
from regrant_terraform.config import State
from regrant_terraform.errors import Refused
from tests.terraform.acting import result
from tests.terraform.fake import Fake

BACKEND = """\
terraform {
  backend "s3" {
    bucket         = "retainwise-terraform-state"
    key            = "prod/terraform.tfstate"
    region         = "us-east-1"
    encrypt        = true
"""
ENDS = "  }\n}\n"


def text(table: str | None) -> str:
    return files.backend_text(
        State("retainwise-terraform-state", "prod/terraform.tfstate", table), "us-east-1"
    )


def test_the_backend_has_exactly_one_lock() -> None:
    by_table, by_object = text("retainwise-terraform-locks"), text(None)
    assert by_table.endswith(BACKEND + '    dynamodb_table = "retainwise-terraform-locks"\n' + ENDS)
    assert by_object.endswith(BACKEND + "    use_lockfile   = true\n" + ENDS)


def test_ours_is_written_again_with_another_state_and_theirs_never(tmp_path: Path) -> None:
    files.write(tmp_path, files.BACKEND, text("locks"))
    files.write(tmp_path, files.BACKEND, text(None))
    file = tmp_path / files.BACKEND
    assert file.read_text() == text(None)
    for theirs in (
        text(None) + 'resource "a" "b" {}\n',
        "",
        text(None).replace("encrypt", "# encrypt"),
        BACKEND + ENDS,
    ):
        file.write_text(theirs)
        with pytest.raises(Refused, match="FILE_NOT_OURS"):
            files.write(tmp_path, files.BACKEND, text("locks"))
        assert file.read_text() == theirs


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(text(None))
    (tmp_path / files.BACKEND).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="FILE_NOT_OURS"):
        files.write(tmp_path, files.BACKEND, text("locks"))


def test_an_id_can_be_nothing_but_an_id() -> None:
    hostile = 'x"\n}\nresource "a" "b" { ${file("/etc/passwd")} %{if true} \\'
    (line,) = [line for line in files.imports_text({"a.b": hostile}).splitlines() if "id" in line]
    assert line == r'  id = "x\"\n}\nresource \"a\" \"b\" { $${file(\"/etc/passwd\")} %%{if true} \\"'


ELSEWHERE = {
    "backend.tf": 'terraform {\n  backend "s3" {\n  }\n}\n',
    "one-line.tf": 'terraform { backend "local" {} }',
    "cloud.tf": 'terraform {\n  cloud {\n    organization = "x"\n  }\n}\n',
    "override.tf": 'terraform {\n  required_version = "x" # {\n  backend "gcs" {}\n}\n',
    "json.tf.json": '{"terraform": {"backend": {"s3": {}}}}',
    "list.tf.json": '{"terraform": [{"required_version": "x"}, {"cloud": {}}]}',
}
NOT_ELSEWHERE = {
    "comment.tf": '# terraform { backend "s3" {} }\n// backend "s3" {\n/*\nterraform {\nbackend "s3" {\n*/\n',
    "heredoc.tf": 'locals {\n  x = <<-EOT\n    terraform {\n      backend "s3" {\n      }\n    }\n  EOT\n}\n',
    "string.tf": 'locals {\n  x = "{ backend \\"s3\\" {"\n}\n',
    "other.tf": 'resource "aws_lb" "backend" {\n}\nmodule "backend" {\n}\nlocals { cloud = { x = 1 } }\n',
    "broken.tf.json": "{",
    "text.md": 'backend "s3" {',
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_second_backend_is_found_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    fake = Fake(tmp_path)
    (fake.hcl / name).write_text(ELSEWHERE[name])
    done = result(fake, "prepare")
    assert (done["error"], name in done["reason"]) == ("BACKEND_ELSEWHERE", True)
    assert not (fake.hcl / files.BACKEND).exists()


@pytest.mark.parametrize("name", NOT_ELSEWHERE)
def test_what_only_looks_like_one_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(NOT_ELSEWHERE[name])
    assert hcl.backends_elsewhere(tmp_path) == []


def test_the_lock_file_of_the_owner_is_only_read(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    assert result(fake, "prepare")["status"] == "DONE"
    (fake.hcl / ".terraform.lock.hcl").write_text("")
    assert result(fake, "prepare")["status"] == "DONE"
    given = [call["argv"] for call in fake.calls if call["argv"][0] == "init"]
    assert ["-lockfile=readonly" in arguments for arguments in given] == [False, True]
