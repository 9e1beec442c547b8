"""Run every benchmark and print the table. Exit with 1 if a ratio exceeds twice its limit.

To add a benchmark, write a module with `measure() -> Iterable[Row]` and add it to `_BENCHMARKS`.
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
