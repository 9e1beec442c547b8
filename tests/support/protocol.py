"""Makes candidates, marks and steps of the protocol, as values."""

from datetime import timedelta

from model_trigger.claims import protocol
from model_trigger.claims.claim import Baseline, Candidate, Done, Mark, Snapshot
from model_trigger.claims.protocol import Settle
from model_trigger.claims.transitions import Turn
from model_trigger.matching.versions import Scheme, parse_version
from tests.support.build import NOON, registration

LEASE = timedelta(minutes=2)
TURN = Turn("me", "key", LEASE, began=0.0)
ORDERING = "integer version"


def integer(text):
    return parse_version(text, Scheme.INTEGER)


def candidate(version="17", *, exclusive=True, ordering=ORDERING):
    return Candidate(
        registration=registration(version),
        compared=integer(version),
        ordering=ordering,
        exclusive=exclusive,
        read=integer,
        read_other=lambda found: integer(found.version),
    )


def mark(version="17", **fields):
    return Mark(**{"compared": version, "ordering": ORDERING, **fields}, version=version)


def before(version, compared=None):
    """Return a mark of what was registered before the rule: nothing is claimed."""
    return Mark("", None, ORDERING, baseline=Baseline(version, compared or version, ORDERING))


def step(of_claim=None, of_mark=None, now=NOON, **options):
    retry = options.pop("retry", False)
    owner = options.pop("owner", "me")
    snapshot = Snapshot(of_claim, of_mark, now)
    return protocol.next_step(snapshot, candidate(**options), owner, retry=retry)


def outcome(found):
    """Return the name of a step's type, or the outcome of an answer, settled or not."""
    done = found.done if isinstance(found, Settle) else found
    return done.outcome if isinstance(done, Done) else type(done)
