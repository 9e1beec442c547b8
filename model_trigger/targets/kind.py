"""The interface of a kind of target: all that differs between the things that rules start."""

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel

from model_trigger.targets.fields import TargetFields
from model_trigger.targets.request import (
    Definition,
    StartRequest,
    TargetAddress,
    TargetDefaults,
    TargetError,
)
from model_trigger.targets.values import Placeholder, Template, Values
from model_trigger.text import quoted

# A request is stored with its registration, in an entity of at most 1 MiB:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_LONGEST_REQUEST = 200_000

Fields_contra = TypeVar("Fields_contra", bound=TargetFields, contravariant=True)
AnyDefinition = TypeVar("AnyDefinition", bound=Definition)


class Kind(Protocol[Fields_contra, AnyDefinition]):
    """A kind of target. Methods that are not abstract have defaults."""

    # The field of a rule that contains a target, and the kind in rows of the ledger.
    name: ClassVar[str]
    # The noun for a target in a sentence, and the description of the rule's field in editors.
    what: ClassVar[str]
    about: ClassVar[str]
    fields: ClassVar[type[BaseModel]]
    # A target as written in a rule, and an example for each field that takes JSON.
    example: ClassVar[str]
    examples: ClassVar[Mapping[str, str]]

    @abstractmethod
    def named(self, fields: Fields_contra) -> int | str:
        """Return the id or name of what is started."""

    def branch(self, fields: Fields_contra) -> str | None:
        """Return the branch to run; None for the default, or where there are no branches."""

    @abstractmethod
    def templates(self, fields: Fields_contra) -> Iterable[Template]:
        """Return the templates of all values that must be safe to pass to a script."""

    @abstractmethod
    def body(
        self, fields: Fields_contra, definition: AnyDefinition, values: Values, key: str
    ) -> Mapping[str, Any]:
        """Return the body of the POST; it contains `key`, to find what the POST started.

        Raises UnsafeValueError for a value that may not be passed, and TargetError when the
        definition does not accept the fields.
        """
        ...

    @abstractmethod
    def accepting(self, fields: Fields_contra) -> AnyDefinition:
        """Return a definition that accepts the fields, for use where the real one is unknown."""
        ...

    @abstractmethod
    def looks_alike(self, body: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether what `other` started may be mistaken for what `body` started in the same target.

        Never where the key alone identifies what was started.
        """
        ...

    def problem(self, request: StartRequest, definition: AnyDefinition) -> str | None:
        """Return a problem with a start that would be accepted, or None."""

    def hint(self, definition: AnyDefinition) -> str | None:
        """Return a remark, shown in brackets, on a definition that accepts the rule, or None."""

    def describe(self, fields: Fields_contra) -> str:
        """Return a short description, such as `release 1 in ml`, with names in quotes."""
        named = json.dumps(self.named(fields), ensure_ascii=False)
        project = f" in {fields.project}" if fields.project else ""
        organization = f" at {fields.organization_url}" if fields.organization_url else ""
        return f"{self.name} {named}{project}{organization}"

    def placeholders(self, fields: Fields_contra) -> Iterator[Placeholder]:
        """Yield the placeholders in all values that are passed."""
        for template in self.templates(fields):
            yield from template.placeholders

    def address(self, fields: Fields_contra, rule: str, defaults: TargetDefaults) -> TargetAddress:
        """Complete the target of a rule with the organization and project of the app.

        Raises TargetError when both leave one of them out.
        """
        organization_url = fields.organization_url or defaults.organization_url
        project = fields.project or defaults.project
        if not organization_url or not project:
            setting = "AZURE_DEVOPS_PROJECT" if organization_url else "AZURE_DEVOPS_ORG_URL"
            wanted = "project" if organization_url else "organization_url"
            field_path = f"{rule}.{self.name}.{wanted}"
            msg = f"no {wanted} is configured: set the app setting {setting}, or {field_path}"
            raise TargetError(msg)
        return TargetAddress(
            kind=self.name,
            organization_url=organization_url.rstrip("/"),
            project=project,
            definition=self.named(fields),
            branch=self.branch(fields),
        )

    def request(
        self,
        fields: Fields_contra,
        values: Values,
        address: TargetAddress,
        definition: AnyDefinition,
        key: str,
    ) -> StartRequest:
        """Build the request to start a target; `key` identifies what it starts.

        Raises UnsafeValueError and TargetError as `body` does, and TargetError for a request that
        is too large to store.
        """
        body = self.body(fields, definition, values, key)
        request = StartRequest(
            self.name, address.organization_url, address.project, definition.id, body
        )
        length = len(request.to_json())
        if length > _LONGEST_REQUEST:
            msg = (
                f"the request of rule {quoted(values.rule)} has {length:,} characters; at most "
                f"{_LONGEST_REQUEST:,} can be stored: pass fewer or shorter tags and properties"
            )
            raise TargetError(msg)
        return request
