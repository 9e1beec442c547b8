"""YAML pipelines in the stand-in for Azure DevOps: get and list them, check and preview a run."""

import json
from collections.abc import Iterator

from tests.sandbox.azure_devops.call import Call
from tests.sandbox.azure_devops.messages import Answer, Json, ServiceError, answer, page
from tests.sandbox.azure_devops.organization import Parameter, Pipeline


def find_pipeline(call: Call, pipeline_id: int) -> Pipeline:
    """Return a pipeline of the project; its id is also that of its build definition.

    Message: https://github.com/MicrosoftDocs/vsts-rest-api-specs/issues/356.
    """
    for pipeline in call.project.pipelines:
        if pipeline.id == pipeline_id:
            return pipeline
    message = f"Build pipeline {pipeline_id} was not found."
    raise ServiceError(404, "DefinitionNotFoundException", message)


def get_pipeline(call: Call, pipeline_id: str) -> Answer:
    """Return a pipeline."""
    call.require("view build pipeline", allowed=call.identity.view)
    pipeline = find_pipeline(call, int(pipeline_id))
    configuration = {"type": "yaml", "path": f"/{pipeline.name}.yml"}
    return answer(pipeline_document(call, pipeline) | {"configuration": configuration})


def list_pipelines(call: Call) -> Answer:
    """Return the pipelines of the project, by name."""
    call.require("view build pipeline", allowed=call.identity.view)
    rows = sorted(call.project.pipelines, key=lambda pipeline: pipeline.name.lower())
    return page(rows, call.request, lambda pipeline: pipeline_document(call, pipeline))


def get_build_definition(call: Call, definition_id: str) -> Answer:
    """Return a pipeline in the form of the build area."""
    call.require("view build pipeline", allowed=call.identity.view)
    return answer(build_definition_document(call, find_pipeline(call, int(definition_id))))


def list_build_definitions(call: Call) -> Answer:
    """Return the pipelines of the project as build definitions; `name` may contain `*`.

    https://learn.microsoft.com/rest/api/azure/devops/build/definitions/list
    """
    call.require("view build pipeline", allowed=call.identity.view)
    query = call.request.query
    rows = [
        pipeline
        for pipeline in call.project.pipelines
        if name_matches(query.get("name", "*"), pipeline.name)
        and query.get("path", pipeline.folder).lower() == pipeline.folder.lower()
    ]
    return page(rows, call.request, lambda pipeline: build_definition_document(call, pipeline))


def name_matches(pattern: str, name: str) -> bool:
    """Whether a name equals the pattern, or begins with it if it ends in `*`; case-insensitive."""
    pattern, name = pattern.lower(), name.lower()
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def preview(call: Call, pipeline_id: str) -> Answer:
    """Return the YAML that a run would use, without starting it.

    https://learn.microsoft.com/rest/api/azure/devops/pipelines/preview/preview
    """
    pipeline = find_pipeline(call, int(pipeline_id))
    check_run(call, pipeline)
    return answer({"finalYaml": final_yaml(pipeline)})


def check_run(call: Call, pipeline: Pipeline) -> None:
    """Reject a run as the service does: permissions first, then every other problem.

    Permissions: https://github.com/microsoft/terraform-provider-azuredevops/issues/1040.
    """
    allowed = call.identity.queue_builds
    if allowed is not None and pipeline.id not in allowed:
        message = (
            f"TF215106: Access denied. {call.identity.name} needs Queue builds permissions for "
            f"build pipeline {pipeline.id} in team project {call.project.name}."
        )
        raise ServiceError(403, "AccessDeniedException", message)
    problems = [
        *_branch_problems(call, pipeline),
        *_parameter_problems(pipeline, call.body.get("templateParameters", {})),
        *_variable_problems(pipeline, call.body.get("variables", {})),
        *_stage_problems(pipeline, call.body.get("stagesToSkip", [])),
    ]
    if problems:
        raise ServiceError(400, "PipelineValidationException", "\n".join(problems))


def branch(call: Call, pipeline: Pipeline) -> str:
    """Return the ref of a run: the requested one, or the default branch."""
    repositories = call.body.get("resources", {}).get("repositories", {})
    return repositories.get("self", {}).get("refName", pipeline.default_branch)


def parameters(call: Call, pipeline: Pipeline) -> dict[str, str | None]:
    """Return the parameters of a run, including defaults."""
    given = call.body.get("templateParameters", {})
    return {each.name: given.get(each.name, each.default) for each in pipeline.parameters}


def final_yaml(pipeline: Pipeline) -> str:
    """Return the YAML of a pipeline (JSON is YAML): its parameters and its stages."""
    declared = [
        {"name": each.name, "type": each.type}
        | ({} if each.default is None else {"default": each.default})
        | ({"values": each.values} if each.values else {})
        for each in pipeline.parameters
    ]
    stages = [{"stage": stage, "jobs": [{"job": "job"}]} for stage in pipeline.stages]
    return f"parameters: {json.dumps(declared)}\nstages: {json.dumps(stages)}\n"


def pipeline_document(call: Call, pipeline: Pipeline) -> Json:
    """Return a pipeline as JSON."""
    api = f"pipelines/{pipeline.id}"
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "folder": pipeline.folder,
        "revision": 1,
        "url": f"{call.project_url}/_apis/{api}",
        "_links": call.links(api, f"_build/definition?definitionId={pipeline.id}"),
    }


def build_definition_document(call: Call, pipeline: Pipeline) -> Json:
    """Return a pipeline as the JSON of a build definition."""
    api = f"build/definitions/{pipeline.id}"
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "path": pipeline.folder,
        "type": "build",
        "queueStatus": "enabled",
        "revision": 1,
        "project": call.project_reference,
        "url": f"{call.project_url}/_apis/{api}",
        "_links": call.links(api, f"_build/definition?definitionId={pipeline.id}"),
    }


def _branch_problems(call: Call, pipeline: Pipeline) -> Iterator[str]:
    """Yield a problem with the branch.

    Message: https://github.com/microsoft/coe-starter-kit/issues/5004.
    """
    ref = branch(call, pipeline)
    if ref not in {pipeline.default_branch, *pipeline.branches}:
        yield (
            f"/{pipeline.name}.yml: Could not get the latest source version for repository "
            f"{call.project.name} hosted on Azure Repos using ref {ref}."
        )


def _parameter_problems(pipeline: Pipeline, given: Json) -> Iterator[str]:
    """Yield the problems with the parameters.

    Messages: https://github.com/ChristopherHX/runner.server/issues/236 and
    https://github.com/microsoft/coe-starter-kit/issues/3205.
    """
    declared = {parameter.name: parameter for parameter in pipeline.parameters}
    for name in given.keys() - declared.keys():
        yield f"Unexpected parameter '{name}'"
    for name, parameter in declared.items():
        if name in given:
            yield from _value_problems(parameter, given[name])
        elif parameter.default is None:
            yield f"A value for the '{name}' parameter must be provided."


def _value_problems(parameter: Parameter, value: str) -> Iterator[str]:
    if parameter.values and value not in parameter.values:
        allowed = ", ".join(parameter.values)
        yield f"The '{parameter.name}' parameter value '{value}' is not one of {allowed}."
    elif not READABLE.get(parameter.type, lambda _: True)(value):
        yield f"The '{parameter.name}' parameter is not a valid {parameter.type}: '{value}'."


def _variable_problems(pipeline: Pipeline, given: Json) -> Iterator[str]:
    """Yield a problem with the variables.

    Message: https://learn.microsoft.com/azure/devops/pipelines/security/inputs.
    """
    refused = [name for name in given if name not in pipeline.variables]
    if refused:
        yield (
            f"You can't set the following variables ({', '.join(refused)}). "
            "If you want to be able to set these variables, then edit the pipeline and select "
            "Settable at queue time on the variables tab of the pipeline editor."
        )


def _stage_problems(pipeline: Pipeline, skipped: list[str]) -> Iterator[str]:
    for stage in skipped:
        if stage not in pipeline.stages:
            yield f"Stage '{stage}' does not exist in the pipeline."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


READABLE = {"number": _is_number, "boolean": lambda text: text.lower() in {"true", "false"}}
