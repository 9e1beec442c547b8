"""Who comes in to the stand-in, and what each identity may do."""

from dataclasses import replace

import pytest

from tests.sandbox.azure_devops.organization import (
    CHURN,
    DEPLOY_CHURN,
    Identity,
    Organisation,
    Project,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.stand_in import PARAMETERS, basic, send

READER = Identity("Reader", "reader", create_releases=(), queue_builds=())
TEAM = Identity("Team", "team", create_releases=(2,), queue_builds=(5,))
STRANGER = Identity("Stranger", "stranger", view=False)
EXPIRED = Identity("Expired", "old", expired=True)
GUARDED = Organisation(
    "contoso",
    (Project("ml", (CHURN, replace(CHURN, id=2)), (DEPLOY_CHURN,)),),
    (READER, TEAM, STRANGER, EXPIRED),
)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param("", 401, id="none"),
        pytest.param(basic(""), 401, id="an empty token"),
        pytest.param("Basic not-base64", 401, id="a token that is not encoded"),
        pytest.param(basic("wrong"), 401, id="an unknown token"),
        pytest.param("Bearer wrong", 401, id="an unknown bearer token"),
        pytest.param(basic("old"), 401, id="an expired personal access token"),
        pytest.param("Bearer old", 203, id="an expired bearer token gets the sign-in page"),
        pytest.param(basic("reader"), 200, id="a personal access token"),
        pytest.param("Bearer reader", 200, id="a bearer token"),
    ],
)
def test_only_known_credentials_come_in(authorization, status):
    with AzureDevOps((GUARDED,)) as azure_devops:
        for method, path in (("OPTIONS", "_apis"), ("GET", "ml/_apis/pipelines")):
            answer = send(azure_devops, method, path, authorization=authorization)
            assert status == answer[0]
            assert (status == 203) is answer[1]["Content-Type"].startswith("text/html")


def test_without_identities_any_credentials_do_but_not_none(azure_devops):
    for authorization in (basic("anything"), "Bearer anything"):
        assert 200 == send(azure_devops, "OPTIONS", "_apis", authorization=authorization)[0]
    assert 401 == send(azure_devops, "OPTIONS", "_apis", authorization="")[0]


@pytest.mark.parametrize(
    ("secret", "method", "path", "body", "status"),
    [
        pytest.param("reader", "GET", "release/definitions/1", None, 200, id="a reader reads"),
        pytest.param(
            "reader", "POST", "release/releases", {"definitionId": 1}, 403, id="and creates nothing"
        ),
        pytest.param("reader", "POST", "pipelines/5/runs", {}, 403, id="and runs nothing"),
        pytest.param("team", "POST", "release/releases", {"definitionId": 2}, 200, id="its own"),
        pytest.param(
            "team", "POST", "release/releases", {"definitionId": 1}, 403, id="not that of others"
        ),
        pytest.param(
            "team",
            "POST",
            "pipelines/5/runs",
            {"templateParameters": PARAMETERS},
            200,
            id="its run",
        ),
        pytest.param(
            "stranger", "GET", "release/definitions/1", None, 403, id="sees no definition"
        ),
        pytest.param("stranger", "GET", "release/releases", None, 403, id="sees no release"),
        pytest.param("stranger", "GET", "build/builds", None, 403, id="sees no build"),
        pytest.param("stranger", "GET", "pipelines", None, 403, id="sees no pipeline"),
    ],
)
def test_an_identity_does_what_its_permissions_allow(secret, method, path, body, status):
    with AzureDevOps((GUARDED,)) as azure_devops:
        answer = send(azure_devops, method, f"ml/_apis/{path}", body, basic(secret))
        assert status == answer[0]
        started = len(azure_devops.releases) + len(azure_devops.runs)
    assert (method == "POST" and status == 200) == started
    if status == 403:
        assert "AccessDeniedException" == answer[2]["typeKey"]
