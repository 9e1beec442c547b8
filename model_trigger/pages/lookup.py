"""Find the releases of a model, or of one version of it, in the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.decisions.history import Cursor, DecisionSearch, PastDecision
from model_trigger.pages.shown import Reading, Shown, show

_MOST_DECISIONS = 50
_MOST_CLAIMS = 50
# How far back one page looks; the next page continues from there.
_LOOK_BACK = timedelta(days=31)
# Longer than any name or version in Azure ML, and short enough for a query to storage.
_LONGEST_TEXT = 1000

_CLAIM_ANSWERS: Mapping[str, str] = {
    State.STARTED: "Rule {rule} started it",
    State.OBSERVED: "Rule {rule} would have started it, but only observes",
    State.STARTING: "Rule {rule} is starting it now",
    State.UNKNOWN: "It is not yet known whether rule {rule} started it",
    State.WAITING: "Rule {rule} has not started it yet",
    State.FAILED: "Rule {rule} could not start it",
    State.KEPT: "Rule {rule} will be applied to it once the rule is fixed",
    State.SUPERSEDED: "Rule {rule} did not start it",
    State.GIVEN_UP: "Rule {rule} gave up trying to start it",
    State.CLOSED: "Rule {rule} will not start it",
}
_DECISION_ANSWERS: Mapping[str, str] = {
    Outcome.NOT_MATCHED: "No release was started",
    Outcome.REJECTED: "Its event was rejected",
    Outcome.PENDING: "Rule {rule} has not started it yet",
}


_NOTHING_KNOWN = (
    "Nothing is known about {name}: no event has arrived for it, or its decisions have expired. "
    "Names are case-sensitive. Check that the workspace is listed in WORKSPACES and has an event "
    "subscription for this app"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What to find: a model or one version of it, in one workspace or any, or nothing.

    `before` is where the decisions begin, None for the newest.
    """

    model: str = ""
    version: str = ""
    workspace: str = ""
    before: Cursor | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Question":
        """Parse the query; other parameters are ignored.

        Raises ValueError with a sentence for the user.
        """
        texts = {name: query.get(name, "").strip() for name in ("model", "version", "workspace")}
        for name, text in texts.items():
            if len(text) > _LONGEST_TEXT:
                msg = f"{name} has {len(text):,} characters; the limit is {_LONGEST_TEXT:,}"
                raise ValueError(msg)
        before = query.get("before", "")
        return cls(**texts, before=Cursor.parse(before) if before else None)

    def is_about(self, workspace: str) -> bool:
        """Whether the question covers a workspace, given by its resource id."""
        asked = self.workspace.rstrip("/").lower()
        return not asked or asked == workspace.lower()


@dataclass(frozen=True, slots=True)
class Sentence:
    """One answer, since when it is true, and the release that it is about."""

    state: str
    text: str
    since: datetime | None = None
    release_id: int | None = None
    release_url: str = ""

    @classmethod
    def of_claim(cls, claim: Shown) -> "Sentence":
        """Return the answer from a claim."""
        text = reasoned(_CLAIM_ANSWERS[claim.state].format(rule=claim.rule), claim.reason)
        return cls(claim.state, text, claim.since, claim.release_id, claim.release_url)

    @classmethod
    def of_decision(cls, one: PastDecision) -> "Sentence":
        """Return the answer from a decision."""
        template = _DECISION_ANSWERS.get(one.outcome, "Rule {rule}")
        text = reasoned(template.format(rule=one.rule), one.reason)
        return cls(one.outcome, text, one.decided_at, one.release_id, one.release_url)


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger knows; `older` is the cursor of the older decisions, None at the end."""

    model: str
    version: str
    answers: Sequence[Sentence]
    claims: Sequence[Shown]
    more_claims: int
    decisions: Sequence[PastDecision]
    older: str | None


def find(question: Question, reading: Reading) -> Found:
    """Return what the ledger knows. Raises LedgerError, ConflictError."""
    claims = [
        show(partition, claim, reading)
        for partition, claim in reading.claims.of_model(
            question.model, question.version, reading.deadline
        )
        if question.is_about(partition.workspace.id)
    ]
    claims.sort(key=lambda claim: claim.since, reverse=True)
    found, older = past_decisions(question, reading, of_model=True)
    decisions = [one for one in found if question.is_about(one.workspace)]
    return Found(
        question.model,
        question.version,
        list(answers(question, claims, decisions)),
        claims[:_MOST_CLAIMS],
        len(claims[_MOST_CLAIMS:]),
        decisions,
        older,
    )


def past_decisions(
    question: Question, reading: Reading, *, of_model: bool = False
) -> tuple[list[PastDecision], str | None]:
    """Return a page of decisions, and the cursor of the next page, None at the end.

    Raises LedgerError, ConflictError.
    """
    start = question.before or reading.today
    if start.day > reading.today.day:
        start = reading.today
    search = DecisionSearch(
        start=start,
        oldest=max(start.day - _LOOK_BACK, reading.kept_since),
        limit=_MOST_DECISIONS,
        model=question.model if of_model else "",
        version=question.version if of_model else "",
    )
    found, cursor = reading.decisions.search(search, reading.deadline)
    return found, None if cursor.day < reading.kept_since else str(cursor)


def answers(
    question: Question, claims: Sequence[Shown], decisions: Sequence[PastDecision]
) -> Iterator[Sentence]:
    """Yield an answer for each claim of the version, or else for each rule's newest decision."""
    if not claims and not decisions:
        name = f"{question.model} {question.version}".strip()
        yield Sentence("", _NOTHING_KNOWN.format(name=name))
    if not question.version:
        return
    yield from map(Sentence.of_claim, claims)
    if not claims:
        newest = {one.rule: one for one in reversed(decisions)}
        yield from map(Sentence.of_decision, newest.values())


def reasoned(text: str, reason: str) -> str:
    """Return a text with its reason, if there is one."""
    return f"{text}: {reason}" if reason else text
