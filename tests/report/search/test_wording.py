from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.report.search.wording import shortened, wrapped

NAMES = st.text(st.sampled_from("abcdef._:/ é"), max_size=200)


@given(NAMES, st.integers(4, 40), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_wrapped_names_fit_and_short_ones_are_whole(name, width, lines):
    rows = wrapped(name, width, lines)
    assert len(rows) <= lines
    assert all(len(row) <= width for row in rows)
    if len(name) <= width and " " not in name:
        assert "".join(rows) == name


def test_wrapped_names_keep_their_end():
    assert wrapped("ppo:agent.learning_rate", 18, 4) == ["ppo:agent.", "learning_rate"]
    rows = wrapped("agent." + "policy_kwargs." * 9 + "learning_rate", 18, 2)
    assert rows[-1].endswith("rate")
    assert "…" in "".join(rows)
    assert shortened("abcdefghij", 5) == "ab…ij"
