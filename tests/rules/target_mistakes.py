"""What can be wrong with the target of a rule, and the full message about each."""

from tests.rules.mistakes import EMPTY, PLACEHOLDERS, rule

RELEASE_FIELDS = "definition, project, organization_url, variables, artifacts, description"
PIPELINE_FIELDS = "id, project, organization_url, branch, parameters, variables, stages_to_skip"
ID = "is neither an id (the number in the address of its page) nor a name"
ADDRESS = "is not the address of an organization, such as https://dev.azure.com/contoso"


def release(**fields: object) -> dict[str, object]:
    return rule(release={"definition": 1} | fields)


def pipeline(**fields: object) -> dict[str, object]:
    return rule(release=None, pipeline={"id": 1} | fields)


# A name for the case: the fields, and the message.
TARGET_MISTAKES = {
    # release
    "release-text": (
        rule(release="Deploy"),
        f'churn.release: "Deploy" is not a JSON object with the fields {RELEASE_FIELDS}',
    ),
    "release-no-definition": (
        rule(release={}),
        (
            "churn.release.definition: is missing; expected the id or name of the release "
            r"definition; a name may include its path: \ml\Deploy"
        ),
    ),
    "release-definition": (release(definition=0), f"churn.release.definition: 0 {ID}"),
    "release-unknown-field": (
        release(desciption="x"),
        (
            f"churn.release.desciption: is not a field; allowed: {RELEASE_FIELDS}; "
            "did you mean 'description'?"
        ),
    ),
    "release-project": (release(project=""), f'churn.release.project: "" {EMPTY}'),
    "release-project-unpaired-surrogate": (
        release(project="\ud800"),
        'churn.release.project: "\\ud800" contains an unpaired surrogate (invalid Unicode)',
    ),
    "release-variables": (
        release(variables="x"),
        'churn.release.variables: "x" is not a JSON object, such as {"name": "value"}',
    ),
    "release-variable-number": (
        release(variables={"retries": 3}),
        'churn.release.variables.retries: 3 is not text; put it in quotes: "3"',
    ),
    "release-variable-list": (
        release(variables={"stages": ["a"]}),
        'churn.release.variables.stages: ["a"] is not text',
    ),
    "release-variable-placeholder": (
        release(variables={"stage": "{model_nme}"}),
        (
            'churn.release.variables.stage: "{model_nme}" has {model_nme}, which is not a '
            f"placeholder; {PLACEHOLDERS}; did you mean 'model_name'?"
        ),
    ),
    "release-artifact-brace": (
        release(artifacts={"_churn": "{model_version"}),
        (
            'churn.release.artifacts._churn: "{model_version" has an unmatched brace; '
            "write {{ or }} for a literal brace"
        ),
    ),
    "release-description-brace": (
        release(description="model_name}"),
        (
            'churn.release.description: "model_name}" has an unmatched brace; '
            "write {{ or }} for a literal brace"
        ),
    ),
    # pipeline
    "pipeline-number": (
        rule(release=None, pipeline=5),
        f"churn.pipeline: 5 is not a JSON object with the fields {PIPELINE_FIELDS}",
    ),
    "pipeline-no-id": (
        rule(release=None, pipeline={}),
        (
            "churn.pipeline.id: is missing; expected the id or name of the pipeline; "
            "a name may include its folder"
        ),
    ),
    "pipeline-id": (pipeline(id=True), f"churn.pipeline.id: true {ID}"),
    "pipeline-unknown-field": (
        pipeline(definition=5),
        f"churn.pipeline.definition: is not a field; allowed: {PIPELINE_FIELDS}",
    ),
    "pipeline-branch": (pipeline(branch=""), f'churn.pipeline.branch: "" {EMPTY}'),
    "pipeline-parameter": (
        pipeline(parameters={"retries": 3}),
        'churn.pipeline.parameters.retries: 3 is not text; put it in quotes: "3"',
    ),
    "pipeline-stages": (
        pipeline(stages_to_skip="test"),
        'churn.pipeline.stages_to_skip: "test" is not a list; write ["test"]',
    ),
    # organization_url
    "address-without-scheme": (
        release(organization_url="dev.azure.com/contoso"),
        (
            f'churn.release.organization_url: "dev.azure.com/contoso" {ADDRESS}; '
            "did you mean 'https://dev.azure.com/contoso'?"
        ),
    ),
    "address-of-a-page": (
        pipeline(organization_url="https://dev.azure.com/contoso/ml/_build?a=b"),
        (
            'churn.pipeline.organization_url: "https://dev.azure.com/contoso/ml/_build?a=b" '
            f"{ADDRESS}; it has a query or a fragment; "
            "did you mean 'https://dev.azure.com/contoso'?"
        ),
    ),
    "address-without-encryption": (
        release(organization_url="http://dev.azure.com/contoso"),
        (
            f'churn.release.organization_url: "http://dev.azure.com/contoso" {ADDRESS}; '
            "over plain http, anyone on the network path could read the credential; "
            "did you mean 'https://dev.azure.com/contoso'?"
        ),
    ),
    "address-with-a-password": (
        release(organization_url="https://me:secret@dev.azure.com/contoso"),
        (
            f'churn.release.organization_url: "https://***@dev.azure.com/contoso" {ADDRESS}; '
            "it contains more than the organization; "
            "did you mean 'https://dev.azure.com/contoso'?"
        ),
    ),
    "address-of-a-server-with-a-password": (
        release(organization_url="https://secret@tfs.contoso.com/tfs"),
        f'churn.release.organization_url: "https://***@tfs.contoso.com/tfs" {ADDRESS}',
    ),
    "address-name-only": (
        release(organization_url="contoso"),
        f'churn.release.organization_url: "contoso" {ADDRESS}',
    ),
    "address-number": (release(organization_url=5), f"churn.release.organization_url: 5 {ADDRESS}"),
}
