"""Starting something again on purpose."""

import pytest

from model_trigger.claims.claim import Partition
from model_trigger.commands.forget import InFlightError, forget
from model_trigger.decisions.decision import Outcome
from model_trigger.rules.fields import Mode
from tests.support.build import WORKSPACE, deadline, registration, rule

CHURN = Partition("churn", WORKSPACE, "churn")


@pytest.fixture(name="services")
def _services(make_services):
    return make_services()


def start(services, version="17", **fields):
    of_version = registration(version)
    evaluation = rule(**fields).evaluate(of_version)
    return services.starter.start(evaluation, of_version, deadline()).outcome


def forgotten(services, version=None):
    return list(forget(CHURN, version, services.ledger.claims, deadline()))


def test_a_forgotten_claim_is_started_again(services, azure_devops):
    start(services)
    (reported,) = forgotten(services, "17")

    assert f"claim 17: started, {azure_devops.releases[0]['_links']['web']['href']}" == reported
    assert Outcome.STARTED == start(services)


def test_a_forgotten_claim_below_the_mark_stays_superseded(services):
    start(services, "16")
    start(services, "17")
    forgotten(services, "16")

    assert Outcome.SUPERSEDED == start(services, "16")


def test_without_a_version_the_mark_is_forgotten_too(services):
    start(services, "16")
    start(services, "17")
    reported = forgotten(services)

    assert ["claim 16", "claim 17", "mark of claims"] == [one.partition(":")[0] for one in reported]
    assert Outcome.STARTED == start(services, "1")


def test_what_was_observed_is_forgotten_too(services):
    start(services, mode=Mode.OBSERVE)

    assert ["observed claim 17: observed"] == forgotten(services, "17")


def test_other_models_and_rules_are_left_alone(services):
    start(services)
    other = Partition("other", WORKSPACE, "churn")

    assert [] == list(forget(other, None, services.ledger.claims, deadline()))
    assert Outcome.DUPLICATE == start(services)


def test_what_is_in_flight_is_not_forgotten(services, azure_devops):
    azure_devops.fault("error", status=500)
    start(services)

    with pytest.raises(InFlightError, match=r"^version 17 is being started, or it is not known"):
        forgotten(services)
    assert 1 == len(services.ledger.claims.all_in(CHURN, deadline()))
