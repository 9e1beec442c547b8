"""The lists of the stand-in: filtered, paged, and behind by the lag."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.sandbox.azure_devops.organization import (
    CHURN,
    Organisation,
    Pipeline,
    Project,
    ReleaseDefinition,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.stand_in import NOON, PARAMETERS, Clock, client, create, run, send


def test_lists_of_definitions_filter_by_name_and_folder_and_expand_on_demand():
    definitions = (
        ReleaseDefinition(1, "Deploy churn", path="\\Teams\\A"),
        ReleaseDefinition(2, "Deploy churn weekly", path="\\Teams\\B"),
        replace(CHURN, id=3, name="DEPLOY CHURN"),
    )
    with AzureDevOps((Organisation("contoso", (Project("ml", definitions),)),)) as azure_devops:
        listed = client(azure_devops, "release").get_release_definitions

        def ids(**query):
            return [definition.id for definition in listed("ml", **query)]

        assert [1, 2, 3] == ids(search_text="churn")
        assert [1, 3] == ids(search_text="deploy churn", is_exact_name_match=True)
        assert [1, 2] == ids(path="\\Teams")
        assert [2] == ids(path="\\Teams\\B")
        assert [] == ids(path="\\Team")
        assert [3, 2, 1] == ids(query_order="idDescending")
        assert [None, None, None] == [each.artifacts for each in listed("ml")]
        assert "_churn" == listed("ml", expand="artifacts")[2].artifacts[0].alias


def test_lists_of_releases_filter_by_definition_time_and_name():
    clock = Clock()
    with AzureDevOps(clock=clock) as azure_devops:
        for definition in (1, 2, 1):
            create(azure_devops, definitionId=definition)
            clock.move(minutes=1)
        listed = client(azure_devops, "release").get_releases

        def ids(**query):
            return [release.id for release in listed("ml", **query)]

        assert [3, 2, 1] == ids()
        assert [1, 2, 3] == ids(query_order="ascending")
        assert [3, 1] == ids(definition_id=1)
        assert [3, 2] == ids(min_created_time=NOON + timedelta(seconds=1))
        assert [2, 1] == ids(max_created_time=NOON + timedelta(seconds=90))
        assert [3] == ids(search_text="release-2")
        assert [] == ids(status_filter="draft")


def test_a_project_shows_its_own_releases_and_runs_only():
    pipelines = (Pipeline(5, "deploy"),)
    organisation = Organisation(
        "contoso",
        (Project("ml", (CHURN,), pipelines), Project("web", (CHURN,), (Pipeline(6, "other"),))),
    )
    with AzureDevOps((organisation,)) as azure_devops:
        create(azure_devops, definitionId=1)
        run(azure_devops)
        for resource in ("release/releases", "build/builds"):
            for project, found in (("ml", 1), ("web", 0)):
                path = f"{project}/_apis/{resource}"
                assert found == send(azure_devops, "GET", path)[2]["count"]
                status = 200 if found else 404
                assert status == send(azure_devops, "GET", f"{path}/1")[0]


def test_a_list_of_releases_shows_descriptions_always_and_variables_when_expanded(azure_devops):
    create(azure_devops, definitionId=2, description="why")
    listed = client(azure_devops, "release").get_releases
    assert ("why", {}) == (listed("ml")[0].description, listed("ml")[0].variables)
    assert {"modelName", "modelVersion"} == set(listed("ml", expand="variables")[0].variables)


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        pytest.param({}, [50, 50, 20], id="50 by default"),
        pytest.param({"$top": "500"}, [100, 20], id="100 at most"),
        pytest.param({"$top": "60", "queryOrder": "ascending"}, [60, 60], id="as asked"),
    ],
)
def test_pages_of_releases_follow_their_continuation_tokens(azure_devops, query, sizes):
    for _ in range(120):
        create(azure_devops, definitionId=2)
    pages, token = [], {}
    while token is not None:
        address = "&".join(f"{name}={value}" for name, value in (query | token).items())
        _, headers, page = send(azure_devops, "GET", f"ml/_apis/release/releases?{address}")
        pages.append([release["id"] for release in page["value"]])
        following = headers["X-MS-ContinuationToken"]
        token = {"continuationToken": following} if following else None
    assert sizes == [len(page) for page in pages]
    assert set(range(1, 121)) == {number for page in pages for number in page}


def test_the_real_client_pages_with_the_token_of_the_next_release(azure_devops):
    for _ in range(3):
        create(azure_devops, definitionId=2)
    listed = client(azure_devops, "release").get_releases
    assert [3, 2] == [release.id for release in listed("ml", top=2)]
    assert [1] == [release.id for release in listed("ml", top=2, continuation_token=1)]


def test_a_new_release_and_a_new_run_are_missing_from_lists_for_the_time_of_the_lag():
    clock = Clock()
    with AzureDevOps(clock=clock, list_lag=30) as azure_devops:
        create(azure_devops, definitionId=2)
        run(azure_devops, templateParameters=PARAMETERS)
        release, build = client(azure_devops, "release"), client(azure_devops, "build")
        assert 1 == release.get_release("ml", 1).id
        clock.move(seconds=29)
        assert ([], []) == (release.get_releases("ml"), build.get_builds("ml"))
        clock.move(seconds=1)
        assert [1] == [each.id for each in release.get_releases("ml")]
        assert [1] == [each.id for each in build.get_builds("ml")]


def test_lists_of_builds_filter_and_their_times_are_those_that_they_are_ordered_by():
    clock = Clock()
    with AzureDevOps(clock=clock) as azure_devops:
        for _ in range(3):
            run(azure_devops, templateParameters=PARAMETERS)
            clock.move(minutes=1)
        listed = client(azure_devops, "build").get_builds

        def ids(**query):
            return [build.id for build in listed("ml", **query)]

        later = NOON + timedelta(seconds=1)
        assert [3, 2, 1] == ids()
        assert [3, 2] == ids(min_time=later, query_order="queueTimeDescending")
        assert [2, 3] == ids(min_time=later, query_order="queueTimeAscending")
        assert [1] == ids(max_time=later, query_order="queueTimeAscending")
        assert [] == ids(min_time=NOON - timedelta(days=1))
        assert [3, 2, 1] == ids(definitions=[5])
        assert [] == ids(definitions=[6])
        assert [2] == ids(build_number="20261101.2")
        assert [3, 2, 1] == ids(build_number="20261101.*")
        assert [] == ids(status_filter="completed")
        assert [] == ids(branch_name="refs/heads/other")
        assert [3, 2] == ids(top=2)
        next_page = {"continuation_token": "1"}
        assert [1] == ids(top=2, **next_page)
