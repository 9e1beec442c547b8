"""Claims and marks as rows of `<prefix>releases`: a partition per (rule, workspace, model).

A partition holds a row `mark`, and a row for each claim.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from model_trigger.claims.claim import OPEN, Baseline, Claim, Mark, Partition, Snapshot, State
from model_trigger.deadline import Deadline
from model_trigger.ledger.table import (
    Row,
    Table,
    conditional,
    digest,
    gathered,
    parsed,
    readable,
    readable_key,
    shortened,
    spread,
    utc,
    utc_or_none,
    without_none,
)
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.targets.kinds import read_request
from model_trigger.targets.request import Release, StartRequest

MARK_KEY = "mark"
# The most claims that are read to be shown.
_MOST_CLAIMS = 1000
# In bytes of an entity.
_LONGEST_REASON = 120_000

# Rows of the first version: it called `kept` by another name, had no `tried_at`, and had the end of
# a lookup in `lease_until`, beside `post_until`.
_FORMER_STATES = {"unreadable": "kept"}
_IS_OPEN = " or ".join(f"state eq '{state}'" for state in (*OPEN, *_FORMER_STATES))


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims and marks in a table. Every method raises LedgerError."""

    table: Table

    def read(self, partition: Partition, version: str, deadline: Deadline) -> Snapshot:
        """Read the claim of one version and then the mark, with the storage time of the first.

        Two point reads: a filter with `or` makes Table Storage scan the partition. Whoever writes
        names the etags of both, so it does not matter what changes in between.
        https://learn.microsoft.com/azure/storage/tables/table-storage-design-for-query
        """
        claim, read_at = self.claim(partition, version, deadline)
        return Snapshot(claim, self.mark(partition, deadline), read_at)

    def claim(
        self, partition: Partition, version: str, deadline: Deadline
    ) -> tuple[Claim | None, datetime]:
        """Read the claim of one version alone, with the storage time."""
        row, read_at = self.table.read(partition_key(partition), claim_key(version), deadline)
        return parsed(read_claim, row) if row else None, read_at

    def mark(self, partition: Partition, deadline: Deadline) -> Mark | None:
        """Read the mark alone."""
        row, _ = self.table.read(partition_key(partition), MARK_KEY, deadline)
        return parsed(read_mark, row) if row else None

    def all_in(self, partition: Partition, deadline: Deadline) -> list[Claim]:
        """Read all claims of a partition."""
        found = self.table.query(
            "PartitionKey eq @partition and RowKey ne @mark",
            {"partition": partition_key(partition), "mark": MARK_KEY},
            deadline,
        )
        return [parsed(read_claim, row) for row in found]

    def write(
        self, partition: Partition, claim: Claim | None, mark: Mark | None, deadline: Deadline
    ) -> tuple[Claim | None, Mark | None]:
        """Write a claim, a mark or both in one transaction; return them with their new etags.

        One without an etag must not exist yet. Raises ConflictError if one of them has changed
        since it was read.
        """
        operations = [conditional(claim_row(partition, claim), claim.etag)] if claim else []
        operations += [conditional(mark_row(partition, mark), mark.etag)] if mark else []
        etags = self.table.submit(operations, deadline)
        return (
            replace(claim, etag=etags[0]) if claim else None,
            replace(mark, etag=etags[-1]) if mark else None,
        )

    def open_claims(self, deadline: Deadline) -> tuple[list[tuple[Partition, Claim]], datetime]:
        """Read the open claims of all partitions, with the storage time."""
        found, read_at = self.table.query_at(_IS_OPEN, {}, deadline)
        return list(readable(read_with_partition, found)), read_at

    def of_model(
        self, model: str, version: str, deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        """Read up to a thousand claims of a model, or of one version of it."""
        # `state ge ''` leaves out the notes on models, which have no state.
        text, parameters = "model eq @model and state ge @any", {"model": model, "any": ""}
        if version:
            text, parameters = f"{text} and version eq @version", {**parameters, "version": version}
        return self._first(text, parameters, deadline)

    def troubled(self, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read up to a thousand claims that are open, were given up, or started twice."""
        text = f"{_IS_OPEN} or state eq '{State.GIVEN_UP}' or second_release_url ge @any"
        return self._first(text, {"any": ""}, deadline)

    def on_target(self, request: StartRequest, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read the claims that started the request's target, or may have."""
        found = self.table.pages("target eq @target", {"target": target_key(request)}, deadline)
        # An invalid row is an error here: its run could be taken for that of another claim.
        return [parsed(read_with_partition, row) for row in found]

    def remove(self, partition: Partition, version: str | None, deadline: Deadline) -> list[str]:
        """Remove one claim, or all claims and the mark; return the keys of the removed rows."""
        text, parameters = "PartitionKey eq @partition", {"partition": partition_key(partition)}
        if version is not None:
            text = f"{text} and RowKey eq @row"
            parameters["row"] = claim_key(version)
        found = self.table.query(text, parameters, deadline)
        return [row["RowKey"] for row in found if self.table.remove_unchanged(row, deadline)]

    def _first(
        self, text: str, parameters: Mapping[str, str], deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        found = self.table.pages(text, parameters, deadline)
        return list(islice(readable(read_with_partition, found), _MOST_CLAIMS))


def partition_key(partition: Partition) -> str:
    """Return the key of a partition: readable, and unique because of its digest."""
    observe = ["observe"] if partition.observed else []
    name = partition.workspace.name.lower()
    shown = readable_key(*observe, partition.rule, name, partition.model)
    return f"{shown}|{digest(partition.rule, partition.workspace.key, partition.model)}"


def claim_key(version: str) -> str:
    """Return the row key of a version's claim."""
    shown = readable_key(version)
    return f"claim|{version}" if shown == version else f"claim|{shown}|{digest(version)}"


def claim_row(partition: Partition, claim: Claim) -> Row:
    """Return the row of a claim."""
    request, release, second = claim.request, claim.release, claim.second_release
    row: dict[str, Any] = {
        "PartitionKey": partition_key(partition),
        "RowKey": claim_key(claim.version),
        "rule": partition.rule,
        "observed": partition.observed,
        "workspace": partition.workspace.id,
        "model": partition.model,
        "version": claim.version,
        "state": claim.state.value,
        "owner": claim.owner,
        "key": claim.key,
        "claimed_at": claim.claimed_at,
        "lease_until": claim.lease_until,
        "tried_at": claim.tried_at,
        "release_id": str(release.id) if release else None,
        "release_url": release.url if release else None,
        "second_release_id": str(second.id) if second else None,
        "second_release_url": second.url if second else None,
        "attempts": claim.attempts,
        "failed_since": claim.failed_since,
        "not_before": claim.not_before,
        "absent_since": claim.absent_since,
        "was_absent": claim.was_absent or None,
        "target": target_key(request) if request else None,
        **spread("reason", shortened(claim.reason, _LONGEST_REASON)),
        **spread("registration", claim.registration.to_json()),
        **spread("request", request.to_json() if request else ""),
    }
    return without_none(row)


def read_claim(row: Row, etag: str) -> Claim:
    """Parse what `claim_row` returned."""
    request = gathered(row, "request")
    return Claim(
        registration=Registration.from_json(gathered(row, "registration")),
        state=State(_FORMER_STATES.get(row["state"], row["state"])),
        owner=row["owner"],
        key=row["key"],
        claimed_at=utc(row["claimed_at"]),
        lease_until=utc(row.get("post_until", row["lease_until"])),
        tried_at=utc(row.get("tried_at", row["claimed_at"])),
        request=read_request(request) if request else None,
        release=_release(row, "release"),
        second_release=_release(row, "second_release"),
        reason=gathered(row, "reason"),
        attempts=row["attempts"],
        failed_since=utc_or_none(row.get("failed_since")),
        not_before=utc_or_none(row.get("not_before")),
        absent_since=utc_or_none(row.get("absent_since")),
        was_absent=row.get("was_absent", False),
        etag=etag,
    )


def read_with_partition(row: Row, etag: str) -> tuple[Partition, Claim]:
    """Parse what `claim_row` returned, with the partition of the claim."""
    workspace = Workspace.parse(row["workspace"])
    partition = Partition(row["rule"], workspace, row["model"], row["observed"])
    return partition, read_claim(row, etag)


def _release(row: Row, name: str) -> Release | None:
    number = row.get(f"{name}_id")
    return Release(int(number), row[f"{name}_url"]) if number else None


def mark_row(partition: Partition, mark: Mark) -> Row:
    """Return the row of a mark."""
    baseline = mark.baseline
    row: dict[str, Any] = {
        "PartitionKey": partition_key(partition),
        "RowKey": MARK_KEY,
        "version": mark.version,
        "compared": mark.compared,
        "ordering": mark.ordering,
        "baseline_version": baseline and baseline.version,
        "baseline_compared": baseline and baseline.compared,
        "baseline_ordering": baseline and baseline.ordering,
        "in_flight": mark.in_flight,
        "in_flight_until": mark.in_flight_until,
    }
    return without_none(row)


def read_mark(row: Row, etag: str) -> Mark:
    """Parse what `mark_row` returned."""
    # The first version wrote a baseline as the mark itself.
    is_baseline = row.get("baseline")
    prefix = "" if is_baseline else "baseline_"
    baseline = None
    if row.get(f"{prefix}compared"):
        names = ("version", "compared", "ordering")
        baseline = Baseline(*(row[f"{prefix}{name}"] for name in names))
    return Mark(
        version="" if is_baseline else row["version"],
        compared=None if is_baseline else row.get("compared"),
        ordering=row["ordering"],
        baseline=baseline,
        in_flight=row["in_flight"],
        in_flight_until=utc_or_none(row.get("in_flight_until")),
        etag=etag,
    )


def target_key(request: StartRequest) -> str:
    """Return a digest of what a request starts."""
    return digest(*map(str, request.target))
