"""Answer "where is its release?" for one model, or for one version of it, from the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.decisions.history import Cursor, DecisionSearch, PastDecision
from model_trigger.pages.shown import Reading, Shown, show

_MOST_DECISIONS = 50
_MOST_CLAIMS = 50
# How far one page looks back; the next one goes on from there.
_LOOK_BACK = timedelta(days=31)
# Longer than any name or version in Azure ML; storage could not be asked for it.
_LONGEST_ASKED = 1000

_CLAIMS_SAY: Mapping[str, str] = {
    State.STARTED: "Rule {rule} started it",
    State.OBSERVED: "Rule {rule} only observes, and would have started it",
    State.STARTING: "Rule {rule} is starting it right now",
    State.UNKNOWN: "Whether rule {rule} started it is not known yet",
    State.WAITING: "Rule {rule} has not started it yet",
    State.FAILED: "Rule {rule} could not start it",
    State.KEPT: "Rule {rule} keeps it until the rule is fixed",
    State.SUPERSEDED: "Rule {rule} did not start it",
    State.GIVEN_UP: "Rule {rule} does not try to start it any more",
    State.CLOSED: "Rule {rule} will not start it",
}
_DECISIONS_SAY: Mapping[str, str] = {
    Outcome.NOT_MATCHED: "No release was started",
    Outcome.REJECTED: "Its event was rejected",
    Outcome.PENDING: "Rule {rule} has not started it yet",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: nothing, a model, or one version of it, perhaps in one workspace.

    `before` is where the decisions are to begin, None for the newest.
    """

    model: str = ""
    version: str = ""
    workspace: str = ""
    before: Cursor | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Question":
        """Read the parameters of these names; others are passed over.

        Raises ValueError with a sentence for whoever asks.
        """
        texts = {name: query.get(name, "").strip() for name in ("model", "version", "workspace")}
        for name, text in texts.items():
            if len(text) > _LONGEST_ASKED:
                msg = f"{name} has {len(text):,} characters; at most {_LONGEST_ASKED:,} are read"
                raise ValueError(msg)
        before = query.get("before", "")
        return cls(**texts, before=Cursor.parse(before) if before else None)

    def is_about(self, workspace: str) -> bool:
        """Tell whether a workspace, given by its resource id, is asked for."""
        asked = self.workspace.rstrip("/").lower()
        return not asked or asked == workspace.lower()


@dataclass(frozen=True, slots=True)
class Sentence:
    """One answer, since when it holds, and the release that it is about."""

    state: str
    text: str
    since: datetime | None = None
    release_id: int | None = None
    release_url: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger knows of what is asked; `older` is where to look further, None at the end."""

    model: str
    version: str
    answers: Sequence[Sentence]
    claims: Sequence[Shown]
    more_claims: int
    decisions: Sequence[PastDecision]
    older: str | None


def find(question: Question, reading: Reading) -> Found:
    """Find what is known. Raises LedgerError, ConflictError."""
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
        list(_answers(question, claims, decisions)),
        claims[:_MOST_CLAIMS],
        len(claims[_MOST_CLAIMS:]),
        decisions,
        older,
    )


def past_decisions(
    question: Question, reading: Reading, *, of_model: bool = False
) -> tuple[list[PastDecision], str | None]:
    """Return the decisions before what is asked, and where to continue, None at the end.

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


def _answers(
    question: Question, claims: Sequence[Shown], decisions: Sequence[PastDecision]
) -> Iterator[Sentence]:
    """Answer for each claim of the version, or else for the newest decision of each rule."""
    if not claims and not decisions:
        yield Sentence("", _nothing_known(question))
    if not question.version:
        return
    for claim in claims:
        text = _said(_CLAIMS_SAY[claim.state], claim.rule, claim.reason)
        yield Sentence(claim.state, text, claim.since, claim.release_id, claim.release_url)
    newest = {one.rule: one for one in reversed(decisions)} if not claims else {}
    for one in newest.values():
        text = _said(_DECISIONS_SAY.get(one.outcome, "Rule {rule}"), one.rule, one.reason)
        yield Sentence(one.outcome, text, one.decided_at, one.release_id, one.release_url)


def _said(template: str, rule: str, reason: str) -> str:
    text = template.format(rule=rule)
    return f"{text}: {reason}" if reason else text


def _nothing_known(question: Question) -> str:
    about = f"{question.model} {question.version}".strip()
    return (
        f"Nothing is known of {about}: no event of it has arrived, or it was decided on long ago. "
        "Case counts in names. Otherwise see whether its workspace is among those of the app, and "
        "whether an event subscription there leads to the app"
    )
