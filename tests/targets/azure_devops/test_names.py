"""Names in Azure DevOps: the definition or pipeline of a name, and the message if there is none."""

import pytest

from model_trigger.targets.request import Refused, StartRequest, TargetError
from tests.sandbox.azure_devops.organization import CHURN, Identity, Pipeline, ReleaseDefinition
from tests.support.build import deadline
from tests.support.organization import PIPELINE, RELEASE, Clock, adapter, address, changed, stand_in

KINDS = [
    pytest.param(RELEASE, ReleaseDefinition, id="release"),
    pytest.param(PIPELINE, Pipeline, id="pipeline"),
]


class TestNames:
    """A definition or a pipeline by its name."""

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("Deploy churn", id="exact"),
            pytest.param("deploy CHURN", id="in another case"),
            pytest.param("/ml/prod/Deploy churn", id="with its folder"),
            pytest.param(
                "\\ml\\prod\\Deploy churn", id="with its folder, as the service writes it"
            ),
            pytest.param("ML/Prod/deploy churn", id="with its folder, without a leading slash"),
        ],
    )
    def test_a_name_is_found_however_it_is_written(self, kind, make, name):
        with stand_in(
            make(3, "Deploy churn", "\\ml\\prod"), make(4, "Deploy churn 2", "\\")
        ) as azure_devops:
            definition = adapter().definition(address(azure_devops, name, kind), deadline())

        assert 3 == definition.id

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    @pytest.mark.parametrize(
        ("name", "found"), [("/Deploy", 3), ("/ml/Deploy", 4), ("/ml/prod/Deploy", 5)]
    )
    def test_a_folder_distinguishes_definitions_of_one_name(self, kind, make, name, found):
        same = (make(3, "Deploy", "\\"), make(4, "Deploy", "\\ml"), make(5, "Deploy", "\\ml\\prod"))
        with stand_in(*same) as azure_devops:
            assert found == adapter().definition(address(azure_devops, name, kind), deadline()).id

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    @pytest.mark.parametrize(
        ("there", "wanted", "reported"),
        [
            pytest.param(
                [(3, "Deploy", "\\a"), (7, "Deploy", "\\b")],
                "Deploy",
                "{what} 'Deploy' exists in several folders of project 'ml': add the folder or use "
                "the id, one of '/a/Deploy' (3), '/b/Deploy' (7)",
                id="ambiguous",
            ),
            pytest.param(
                [(1, "Deploy fraud", "\\"), (2, "Deploy churn", "\\ml")],
                "Deploy chrun",
                "there is no {what} 'Deploy chrun' in project 'ml': use one of "
                "'/ml/Deploy churn' (2), '/Deploy fraud' (1)",
                id="misspelled: the closest first",
            ),
            pytest.param(
                [(2, "Deploy churn", "\\ml")],
                "/prod/Deploy churn",
                "there is no {what} '/prod/Deploy churn' in project 'ml': use one of "
                "'/ml/Deploy churn' (2)",
                id="in another folder",
            ),
            pytest.param(
                [(number, f"d{number:02}", "\\") for number in range(1, 14)],
                4711,
                "there is no {what} 4711 in project 'ml': use one of "
                + ", ".join(f"'/d{number:02}' ({number})" for number in range(1, 11))
                + ", and 3 more",
                id="an unknown id",
            ),
            pytest.param(
                [],
                "Deploy",
                "there is no {what} 'Deploy' in project 'ml', nor any other that the app's "
                "identity may view: correct the project, or grant the permission to view its "
                "{what}s",
                id="no definitions",
            ),
        ],
    )
    def test_a_name_that_is_not_unique_or_missing_is_refused_with_the_existing_ones(
        self, kind, make, there, wanted, reported
    ):
        what = {RELEASE: "release definition", PIPELINE: "pipeline"}[kind]
        with (
            stand_in(*(make(*one) for one in there)) as azure_devops,
            pytest.raises(TargetError) as refused,
        ):
            adapter().definition(address(azure_devops, wanted, kind), deadline())

        assert reported.format(what=what) == str(refused.value)

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    def test_a_missing_project_is_reported(self, kind, make):
        with (
            stand_in(make(1, "Deploy", "\\")) as azure_devops,
            pytest.raises(TargetError) as reported,
        ):
            adapter().definition(address(azure_devops, 1, kind, project="mll"), deadline())

        assert (
            f"there is no project 'mll' in {azure_devops.url}: correct AZURE_DEVOPS_PROJECT, or "
            "the project in the rule" == str(reported.value)
        )

    def test_a_name_is_looked_up_once_and_a_definition_is_read_again_after_a_minute(self):
        clock = Clock()
        with stand_in(CHURN) as azure_devops:
            using, where = adapter(clock=clock), address(azure_devops, "Deploy churn")
            for clock.now in (0, 59, 61, 200):
                using.definition(where, deadline())

        looked_up = [each for each in azure_devops.requests if "searchText" in each.query]
        read = [each for each in azure_devops.requests if each.path.endswith("/definitions/1")]
        assert (1, 3) == (len(looked_up), len(read))

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    def test_a_name_is_looked_up_again_when_its_id_is_gone(self, kind, make):
        clock = Clock()
        with stand_in(make(1, "Deploy", "\\")) as azure_devops:
            using, where = adapter(clock=clock), address(azure_devops, "Deploy", kind)
            using.definition(where, deadline())
            gone = StartRequest(kind, azure_devops.url, "ml", 1, {"definitionId": 1})
            with changed(azure_devops, make(2, "Deploy", "\\")):
                assert isinstance(using.start(gone, deadline()), Refused)
                assert 2 == using.definition(where, deadline()).id

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    def test_a_missing_permission_to_view_is_named(self, kind, make):
        blind = Identity("trigger", "pat", view=False)
        using = adapter(lambda _: "Basic OnBhdA==")
        with stand_in(make(1, "Deploy", "\\"), identities=(blind,)) as azure_devops:
            where = address(azure_devops, "Deploy", kind)
            with pytest.raises(
                TargetError, match=r"\(HTTP 403\): VS402904: .*: the app's"
            ) as reported:
                using.definition(where, deadline())

        needed = {
            RELEASE: "View release pipeline, View releases and Create releases",
            PIPELINE: "View builds, Queue builds and Edit queue build configuration",
        }
        assert f"the app's identity needs {needed[kind]}" in str(reported.value)
