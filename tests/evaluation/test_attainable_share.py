"""The scale from equal weight to what can be earned."""

from __future__ import annotations

import pytest

from finai_rl.evaluation.attainable_share import AttainableShare, mean_share


def test_the_rule_itself_has_all_of_it_and_equal_weight_went_none_of_the_way() -> None:
    rule = AttainableShare(agent=4.0, equal_weight=1.0, attainable=4.0)
    assert (rule.share, rule.progress) == (1.0, 1.0)
    held = AttainableShare(agent=1.0, equal_weight=1.0, attainable=4.0)
    assert (held.share, held.progress) == (0.25, 0.0)


def test_what_is_negative_stays_negative_and_what_is_undefined_is_left_out() -> None:
    below = AttainableShare(agent=-2.0, equal_weight=-1.0, attainable=4.0)
    assert below.share == -0.5
    assert below.progress == pytest.approx(-0.2)
    nothing = AttainableShare(agent=0.5, equal_weight=-0.5, attainable=-0.5)
    assert (nothing.share, nothing.progress) == (None, None)
    assert nothing.values == {"attainable_sharpe": -0.5}


def test_there_is_no_way_to_go_from_an_equal_weight_above_the_attainable() -> None:
    above = AttainableShare(agent=1.5, equal_weight=2.0, attainable=1.0)
    assert (above.share, above.progress) == (1.5, None)
    assert "equal weight" not in above.words


def test_it_is_said_in_one_sentence() -> None:
    found = AttainableShare(agent=2.0, equal_weight=1.0, attainable=5.0, rule="the rule")
    assert found.words == (
        "Attainable Sharpe ratio: at least 5.00, by who knows the signal (the rule); the agent's "
        "2.00 is 40 % of it, 25 % of the way from equal weight's 1.00."
    )


def test_of_several_blocks_the_ratios_are_means() -> None:
    one = AttainableShare(1.0, 0.0, 4.0, "slow")
    other = AttainableShare(2.0, 1.0, 2.0, "slow")
    assert mean_share([one, other]) == AttainableShare(1.5, 0.5, 3.0, "slow")
    assert mean_share([one, AttainableShare(1.0, 0.0, 4.0, "fast")]).rule == ""
