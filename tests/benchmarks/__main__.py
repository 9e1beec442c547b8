"""Run every benchmark, print the table; exit code 1 when a ratio is more than twice its limit.

To add one, write a module with `measure() -> Iterable[Row]` and name it in `_BENCHMARKS`.
"""

import sys

from tests.benchmarks import chaos, cold_start, rules
from tests.benchmarks.rows import table

_BENCHMARKS = (rules, cold_start, chaos)


def main() -> int:
    rows = [row for benchmark in _BENCHMARKS for row in benchmark.measure()]
    sys.stdout.write(f"{table(rows)}\n")
    return 1 if any(row.fails for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
