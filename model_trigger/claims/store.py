"""The storage of claims and marks, as a protocol."""

from datetime import datetime
from typing import Protocol

from model_trigger.claims.claim import Claim, Mark, Partition, Snapshot
from model_trigger.deadline import Deadline
from model_trigger.targets.request import StartRequest


class LedgerError(Exception):
    """The ledger could not be read or written; a failed write may still have taken effect."""


class UnreadableRowError(LedgerError):
    """A row of the ledger is invalid; the operator must correct or delete it."""


class ConflictError(Exception):
    """Another process changed the rows after they were read: read them again."""


class ClaimStore(Protocol):
    """Stores claims and marks. Every method may raise LedgerError."""

    def read(self, partition: Partition, version: str, deadline: Deadline) -> Snapshot:
        """Read the claim of one version and the mark, with the storage time."""
        ...

    def claim(
        self, partition: Partition, version: str, deadline: Deadline
    ) -> tuple[Claim | None, datetime]:
        """Read the claim of one version alone, with the storage time."""
        ...

    def mark(self, partition: Partition, deadline: Deadline) -> Mark | None:
        """Read the mark alone."""
        ...

    def all_in(self, partition: Partition, deadline: Deadline) -> list[Claim]:
        """Read all claims of a partition."""
        ...

    def write(
        self, partition: Partition, claim: Claim | None, mark: Mark | None, deadline: Deadline
    ) -> tuple[Claim | None, Mark | None]:
        """Write a claim, a mark or both in one transaction; return them with their new etags.

        Raises ConflictError if either has changed since it was read.
        """
        ...

    def open_claims(self, deadline: Deadline) -> tuple[list[tuple[Partition, Claim]], datetime]:
        """Read the open claims of all partitions, with the storage time."""
        ...

    def of_model(
        self, model: str, version: str, deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        """Read up to a thousand claims of a model, or of one version of it."""
        ...

    def troubled(self, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read up to a thousand claims that are open, given up, or started twice."""
        ...

    def on_target(self, request: StartRequest, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read the claims that started the request's definition, or may have."""
        ...

    def remove(self, partition: Partition, version: str | None, deadline: Deadline) -> list[str]:
        """Delete one claim, or all claims and the mark; return the keys of the deleted rows."""
        ...
