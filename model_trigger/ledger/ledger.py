"""The ledger: two tables, and the rows in each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from azure.data.tables import TableServiceClient

from model_trigger.ledger.claims import Claims
from model_trigger.ledger.decisions import Decisions
from model_trigger.ledger.table import Table

if TYPE_CHECKING:
    from model_trigger.ledger.notes import Notes


@dataclass(frozen=True, slots=True)
class Ledger:
    """Claims and notes in `<prefix>releases`, decisions in `<prefix>decisions`.

    `notes` is imported when it is first called: no event needs it.
    """

    claims: Claims
    notes: "Callable[[], Notes]"
    decisions: Decisions

    @classmethod
    def open(cls, service: TableServiceClient, prefix: str) -> "Ledger":
        """Return the ledger with this prefix, without calling storage."""
        releases = Table(service.get_table_client(f"{prefix}releases"))
        decisions = Table(service.get_table_client(f"{prefix}decisions"))
        return cls(Claims(releases), cache(partial(_notes, releases)), Decisions(decisions))


def _notes(releases: Table) -> "Notes":
    from model_trigger.ledger.notes import Notes  # noqa: PLC0415 - see Ledger

    return Notes(releases)
