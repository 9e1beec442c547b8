"""Check requests to Azure DevOps against the published specification of its REST API, 7.1.

The specification (https://github.com/MicrosoftDocs/vsts-rest-api-specs, Swagger 2.0) is optional.
Every object schema is closed, so a field that the service does not know is a violation. Without
the specification, only the most important rules, listed here, are checked. Passing is necessary,
not sufficient: the specification requires no field of a new release, and the service checks more.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.sandbox.azure_devops.messages import Request

SPECIFICATIONS = Path(__file__).resolve().parents[4] / "shared" / "azure-devops-specs"
AREAS = ("release", "pipelines", "build")
METHODS = ("get", "post", "put", "patch", "delete")
# Property bags: their keys are up to the caller, whatever the specification lists.
FREE_FORM = frozenset({"PropertiesCollection", "ReferenceLinks", "JObject"})

RELEASE_FIELDS = frozenset(
    {
        "artifacts",
        "definitionId",
        "description",
        "environmentsMetadata",
        "isDraft",
        "manualEnvironments",
        "properties",
        "reason",
        "variables",
    }
)
RUN_FIELDS = frozenset(
    {
        "previewRun",
        "resources",
        "stagesToSkip",
        "templateParameters",
        "variables",
        "yamlOverride",
    }
)


class Contract(Protocol):
    """The interface of both contracts."""

    def violations(self, request: Request) -> list[str]:
        """Return the violations of a request, one sentence each."""


@cache
def load_contract(folder: Path = SPECIFICATIONS) -> Contract:
    """Return the published specification, or the built-in rules if `folder` does not exist."""
    if folder.is_dir():
        return Specification(folder)
    sys.stderr.write(f"Checking built-in rules only: no Azure DevOps specification at {folder}\n")
    return BuiltInRules()


class BuiltInRules:
    """The rules that most mistakes break, without the specification."""

    def violations(self, request: Request) -> list[str]:
        """Return the violations of a request."""
        found = [] if request.api_version else ["api-version is missing"]
        fields = _fields(request)
        if fields is None:
            return found
        body = request.json
        if not isinstance(body, dict):
            return [*found, "body: is not an object"]
        found += [f"body: {name!r} is not a field of it" for name in body if name not in fields]
        checks = (_variable_violations, _parameter_violations, _artifact_violations)
        return found + [violation for check in checks for violation in check(body)]


class Specification:
    """The published specification."""

    def __init__(self, folder: Path) -> None:
        self._operations = [each for area in AREAS for each in _operations(folder, area)]

    def violations(self, request: Request) -> list[str]:
        """Return the violations of a request by the operation that fits it best."""
        candidates = [
            list(operation.violations(request))
            for operation in self._operations
            if operation.meets(request)
        ]
        return min(candidates, key=len, default=[f"no operation {request.method} {request.path}"])


@dataclass(frozen=True)
class Operation:
    """An operation of the specification: its parameters, and a validator for its body."""

    method: str
    path: re.Pattern[str]
    parameters: tuple[Mapping[str, Any], ...]
    body: Draft4Validator | None

    def meets(self, request: Request) -> bool:
        """Whether a request has the method and the path of this operation."""
        return self.method == request.method and self.path.fullmatch(request.path) is not None

    def violations(self, request: Request) -> Iterator[str]:
        """Yield the violations of a request."""
        yield from self._query_violations(request)
        yield from self._path_violations(request)
        if self.body is None:
            return
        if request.json is None:
            yield "body: is missing"
            return
        for error in self.body.iter_errors(request.json):
            yield f"body{error.json_path.removeprefix('$')}: {error.message[:200]}"

    def _query_violations(self, request: Request) -> Iterator[str]:
        given = {name.lower(): value for name, value in request.query.items()}
        given |= {"api-version": request.api_version} if request.api_version else {}
        known = {each["name"].lower(): each for each in self.parameters if each["in"] == "query"}
        yield from (f"{name}: is not a query parameter" for name in given.keys() - known.keys())
        for name, parameter in known.items():
            if name in given:
                yield from _value_violations(parameter, given[name])
            elif parameter.get("required"):
                yield f"{parameter['name']}: is missing"

    def _path_violations(self, request: Request) -> Iterator[str]:
        values = self.path.fullmatch(request.path).groupdict()
        for parameter in self.parameters:
            if parameter["in"] == "path":
                yield from _value_violations(parameter, values[parameter["name"]])


def _operations(folder: Path, area: str) -> Iterator[Operation]:
    text = (folder / area / "7.1" / f"{area}.json").read_text(encoding="utf-8-sig")
    document = _closed(_absolute(json.loads(text), f"urn:{area}"))
    registry = Registry().with_resource(
        f"urn:{area}", Resource(contents=document, specification=DRAFT4)
    )
    # If two operations share a path, the second is under "x-ms-paths" with a "?" appended.
    for path, operations in [*document["paths"].items(), *document.get("x-ms-paths", {}).items()]:
        for method in operations.keys() & METHODS:
            yield _operation(document, registry, method, path, operations[method])


def _operation(
    document: Mapping[str, Any],
    registry: Registry,
    method: str,
    path: str,
    found: Mapping[str, Any],
) -> Operation:
    parameters = tuple(_resolved(document, each) for each in found.get("parameters", ()))
    schemas = [each["schema"] for each in parameters if each["in"] == "body"]
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path.partition("?")[0]))
    return Operation(
        method.upper(),
        re.compile(pattern, re.IGNORECASE),
        parameters,
        Draft4Validator(schemas[0], registry=registry) if schemas else None,
    )


def _resolved(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    name = parameter.get("$ref", "").rpartition("/")[2]
    return document["parameters"][name] if name else parameter


def _absolute(part: Any, base: str) -> Any:
    """Return a copy with absolute references, so that any part of it is a complete schema."""
    if isinstance(part, dict):
        return {
            key: base + value
            if key == "$ref" and isinstance(value, str)
            else _absolute(value, base)
            for key, value in part.items()
        }
    return [_absolute(each, base) for each in part] if isinstance(part, list) else part


def _closed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with object schemas that allow no additional fields."""
    for name, schema in document["definitions"].items():
        if name in FREE_FORM:
            schema.pop("properties", None)
        elif "properties" in schema and "allOf" not in schema:
            schema.setdefault("additionalProperties", False)
    return document


def _value_violations(parameter: Mapping[str, Any], value: str) -> Iterator[str]:
    kind = parameter.get("format") if parameter.get("format") == "date-time" else parameter["type"]
    if not READABLE[kind](value):
        yield f"{parameter['name']}: {value!r} is not a {kind}"
    if value not in parameter.get("enum", [value]):
        yield f"{parameter['name']}: {value!r} is not one of {', '.join(parameter['enum'])}"


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


READABLE = {
    "string": lambda _: True,
    "integer": lambda text: re.fullmatch(r"-?\d+", text) is not None,
    "boolean": lambda text: text.lower() in {"true", "false"},
    "date-time": _is_moment,
}


def _fields(request: Request) -> frozenset[str] | None:
    """Return the fields that the body may have, or None if there is no body to check."""
    path = request.path.lower()
    if request.method != "POST":
        return None
    if path.endswith("/_apis/release/releases"):
        return RELEASE_FIELDS
    return RUN_FIELDS if path.endswith(("/runs", "/preview")) else None


def _variable_violations(body: Mapping[str, Any]) -> Iterator[str]:
    variables = body.get("variables", {})
    if not isinstance(variables, dict):
        # The service silently ignores a list, and deploys the defaults:
        # https://github.com/MicrosoftDocs/vsts-rest-api-specs/issues/331
        yield "body.variables: is not an object"
        return
    for name, variable in variables.items():
        if not isinstance(variable, dict) or not isinstance(variable.get("value", ""), str):
            yield f"body.variables.{name}: is not an object with a text as its value"


def _parameter_violations(body: Mapping[str, Any]) -> Iterator[str]:
    parameters = body.get("templateParameters", {})
    if not isinstance(parameters, dict):
        yield "body.templateParameters: is not an object"
        return
    for name, value in parameters.items():
        if not isinstance(value, str):
            yield f"body.templateParameters.{name}: is not a text"


def _artifact_violations(body: Mapping[str, Any]) -> Iterator[str]:
    artifacts = body.get("artifacts", [])
    if not isinstance(artifacts, list):
        yield "body.artifacts: is not a list"
        return
    for index, artifact in enumerate(artifacts):
        reference = artifact.get("instanceReference", {}) if isinstance(artifact, dict) else None
        if not isinstance(reference, dict) or not isinstance(reference.get("id", ""), str):
            yield f"body.artifacts[{index}]: its instanceReference has no text as its id"
