"""Where claims and marks are kept, as far as the protocol needs to know."""

from datetime import datetime
from typing import Protocol

from model_trigger.claims.claim import Claim, Mark, Partition, Snapshot
from model_trigger.deadline import Deadline
from model_trigger.targets.request import StartRequest


class LedgerError(Exception):
    """The ledger could not be read or written; a write may have taken effect all the same."""


class UnreadableRowError(LedgerError):
    """A row of the ledger is invalid; whoever operates the app must correct or remove it."""


class ConflictError(Exception):
    """Another process has changed the rows since they were read: read them again."""


class ClaimStore(Protocol):
    """Claims and marks. Every method raises LedgerError, and ConflictError where it says so."""

    def read(self, partition: Partition, version: str, deadline: Deadline) -> Snapshot:
        """Read the claim of one version and the mark, with the storage time."""
        ...

    def all_in(self, partition: Partition, deadline: Deadline) -> list[Claim]:
        """Read all claims of a partition."""
        ...

    def write(
        self, partition: Partition, claim: Claim | None, mark: Mark | None, deadline: Deadline
    ) -> tuple[Claim | None, Mark | None]:
        """Write a claim, a mark or both in one transaction; return them with their new etags.

        Raises ConflictError when one of them has changed since it was read.
        """
        ...

    def open_claims(self, deadline: Deadline) -> tuple[list[tuple[Partition, Claim]], datetime]:
        """Read the claims of all partitions that are not final, with the storage time."""
        ...

    def of_model(
        self, model: str, version: str, deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        """Read up to a thousand claims of a model, or of one version of it."""
        ...

    def troubled(self, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read up to a thousand claims that are open, were given up, or started twice."""
        ...

    def on_target(self, request: StartRequest, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read the claims on the request's definition that started something, or may have."""
        ...

    def remove(self, partition: Partition, version: str | None, deadline: Deadline) -> list[str]:
        """Remove one claim, or all claims and the mark; return the keys of the removed rows."""
        ...
