"""Any JSON at all, as no site should answer and some day one does."""

from hypothesis import strategies as st

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
# Finite, as a server of this machine writes them.
odd_json = st.recursive(
    PLAIN.filter(lambda value: not isinstance(value, float) or abs(value) < 1e300),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
