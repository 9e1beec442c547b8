"""What several modules draw with Hypothesis, and how."""

from hypothesis import settings
from hypothesis import strategies as st

relaxed = settings(deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
