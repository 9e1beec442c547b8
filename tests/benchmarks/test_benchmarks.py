"""What a benchmark's limit means."""

import pytest

from tests.benchmarks.rows import Row, table


@pytest.mark.parametrize(
    ("row", "verdict", "fails"),
    [
        pytest.param(Row("a", 9.0, "s"), "", False, id="no-limit"),
        pytest.param(Row("a", 2.0, "s", 2.0), "pass", False, id="within-the-limit"),
        pytest.param(Row("a", 9.0, "s", 2.0), "MISS", False, id="a-time-depends-on-the-machine"),
        pytest.param(Row.ratio("a", 3.9, 2.0), "MISS", False, id="a-ratio-within-the-noise"),
        pytest.param(Row.ratio("a", 4.1, 2.0), "MISS", True, id="a-ratio-beyond-the-noise"),
    ],
)
def test_only_a_ratio_beyond_the_noise_fails(row, verdict, fails):
    assert (verdict, fails) == (row.verdict, row.fails)


def test_the_table_is_aligned():
    expected = """\
              measured  limit
load             0.5 s    2 s  pass
match a name    2.12 x    2 x  MISS
closest          12 ms"""

    rows = [Row("load", 0.5, "s", 2.0), Row.ratio("match a name", 2.12, 2.0)]
    assert expected == table([*rows, Row("closest", 12.0, "ms")])
