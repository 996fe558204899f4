"""The set-up of tests/terraform, and the real Terraform of tests."""

from tests.conftest import terraform as terraform
from tests.terraform.conftest import account as account
from tests.terraform.conftest import backend as backend
from tests.terraform.conftest import checkout as checkout
