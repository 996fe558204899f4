"""Two small adapters: notifications, and the catalogue's parameters."""

from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.catalogue import ParameterCatalogue
from regrant.aws.topic import SnsTopic
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.catalogue import Service
from regrant.opening.catalogue import read_entry
from tests.aws.account import client, create_lists, create_topic, enrol
from tests.unit.fakes import ALLOWED, CATALOGUE, ENTRY, SETTINGS, WORKER


def published(subject: str) -> dict[str, Any]:
    sns, sent = create_topic(), []
    sns.meta.events.register("provide-client-params.sns.Publish", lambda params, **_: sent.append(params))
    SnsTopic(sns, SETTINGS.topic).publish(subject, "the report")
    (params,) = sent
    assert isinstance(params, dict)
    return params


def test_a_notification_has_subject_and_report() -> None:
    params = published(f"CONTAINED {WORKER}")
    assert params == {"TopicArn": SETTINGS.topic, "Subject": f"CONTAINED {WORKER}", "Message": "the report"}


def test_a_long_subject_is_cut_to_what_sns_takes() -> None:
    assert len(published("ROLLBACK_INCOMPLETE " + "c" * 500)["Subject"]) < 100


def test_a_topic_that_is_gone_is_refused() -> None:
    with pytest.raises(AwsRefused):
        SnsTopic(client("sns"), SETTINGS.topic).publish("x", "y")


def test_every_enrolled_service_has_its_entry() -> None:
    ssm = enrol()
    create_lists()
    ssm.put_parameter(Name="/regrant/services/cluster/other", Type="String", Value="{}")
    entries = ParameterCatalogue(ssm, CATALOGUE).entries()
    assert set(entries) == {WORKER, Service("cluster", "other")}
    assert read_entry(entries[WORKER], WORKER, ALLOWED, CATALOGUE) == ENTRY


def test_one_entry_is_read_as_it_is_now() -> None:
    ssm = enrol()
    assert (
        ParameterCatalogue(ssm, CATALOGUE).entry(WORKER)
        == ParameterCatalogue(ssm, CATALOGUE).entries()[WORKER]
    )
    ssm.put_parameter(Name=f"/regrant/services/{WORKER}", Value="{}", Overwrite=True)
    assert ParameterCatalogue(ssm, CATALOGUE).entry(WORKER) == "{}"


def test_a_service_that_is_not_enrolled_has_no_entry() -> None:
    assert ParameterCatalogue(client("ssm"), CATALOGUE).entry(WORKER) is None


def test_a_parameter_that_is_named_after_no_service_is_no_entry() -> None:
    ssm = enrol()
    ssm.put_parameter(Name="/regrant/services/notes", Type="String", Value="x")
    ssm.put_parameter(Name="/regrant/services/a/b/c", Type="String", Value="x")
    assert set(ParameterCatalogue(ssm, CATALOGUE).entries()) == {WORKER}


def test_entries_are_read_page_by_page() -> None:
    ssm = enrol()
    for number in range(25):
        ssm.put_parameter(Name=f"/regrant/services/cluster/s{number}", Type="String", Value="{}")
    assert len(ParameterCatalogue(ssm, CATALOGUE).entries()) == 26


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", AwsRefused), ("ThrottlingException", AwsUnavailable)]
)
def test_a_catalogue_that_cannot_be_read_is_not_an_empty_one(code: str, error: type[Exception]) -> None:
    ssm = client("ssm")
    with Stubber(ssm) as stub:
        stub.add_client_error("get_parameters_by_path", code)
        with pytest.raises(error):
            ParameterCatalogue(ssm, CATALOGUE).entries()
        stub.add_client_error("get_parameter", code)
        with pytest.raises(error):
            ParameterCatalogue(ssm, CATALOGUE).entry(WORKER)
