"""The ledger: two tables, and the rows in each."""

from dataclasses import dataclass

from azure.data.tables import TableServiceClient

from model_trigger.ledger.claims import Claims
from model_trigger.ledger.decisions import Decisions
from model_trigger.ledger.notes import Notes
from model_trigger.ledger.table import Table


@dataclass(frozen=True, slots=True)
class Ledger:
    """Claims and notes in `<prefix>releases`, decisions in `<prefix>decisions`."""

    claims: Claims
    notes: Notes
    decisions: Decisions

    @classmethod
    def open(cls, service: TableServiceClient, prefix: str) -> "Ledger":
        """Return the ledger with this prefix, without calling storage."""
        releases = Table(service.get_table_client(f"{prefix}releases"))
        decisions = Table(service.get_table_client(f"{prefix}decisions"))
        return cls(Claims(releases), Notes(releases), Decisions(decisions))
