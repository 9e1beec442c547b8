"""The names of rules, which are also part of app settings and of the keys of the ledger."""

import re
from collections.abc import Iterator

from model_trigger.rules.problems import Problem, problem

PATTERN = "[a-z](_?[a-z0-9])*"
LONGEST = 24


def check_name(name: str, path: str) -> Iterator[Problem]:
    """Yield a problem, with the nearest valid name, unless the name is valid."""
    if not re.fullmatch(PATTERN, name) or len(name) > LONGEST:
        spelled = re.sub(r"[^a-z0-9]+", "_", name.lower()).lstrip("_0123456789")
        spelled = spelled[:LONGEST].rstrip("_")
        hint = f"; did you mean {spelled!r}?" if spelled else ""
        yield problem(
            path,
            f"is not a valid rule name; allowed: at most {LONGEST} of a-z, 0-9 and single _, "
            f"starting with a letter and not ending with _{hint}",
        )
