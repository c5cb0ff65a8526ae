"""Parts of reports, from backtests: random agents, and what an agent did."""

import numpy as np

from finai_rl.evaluation.attribution import Attribution
from finai_rl.evaluation.behaviour import Behaviour, habits_of, trade_drivers
from finai_rl.evaluation.importance import PermutationImportance
from finai_rl.evaluation.random_band import RandomBand
from finai_rl.evaluation.response import ResponseCurve
from finai_rl.statistics.intervals.bootstrap import Interval
from finai_rl.statistics.returns import sharpe_ratio, total_return


def band(agent, draws):
    returns = [draw.returns for draw in draws]
    none = np.zeros(len(draws))
    return RandomBand(
        dates=agent.dates,
        account_value=np.array([draw.account_value for draw in draws]),
        sharpe_ratio=np.array([sharpe_ratio(r) for r in returns]),
        total_return=np.array([total_return(r) for r in returns]),
        turnover=none,
        agent_sharpe_ratio=sharpe_ratio(agent.returns),
        agent_total_return=total_return(agent.returns),
        agent_turnover=0.0,
        turnover_error=none,
    )


def behaviour_of(result):
    """What a page shows of an agent that looks at one feature."""
    drops = {"cash": Interval(0, 0, 0), "macd<b>": Interval(0.7, 0.2, 1.1)}
    levels = np.linspace(0.05, 0.95, 7)
    line = levels / 10 - 0.05
    nothing = np.full(7, np.nan)
    return Behaviour(
        habits_of(result),
        trade_drivers(result, {"close": result.close}),
        PermutationImportance(0.5, drops, {result.tickers[0]: Interval(0.1, -0.1, 0.3)}, 20),
        [
            ResponseCurve("macd<b>", levels, line, line - 0.01, line + 0.01),
            *(ResponseCurve(f"f{n}", levels, 0 * line, nothing, nothing) for n in range(5)),
        ],
        ["Something <was> left out."],
        Attribution({"cash": 0.1, "macd<b>": 0.6}, {"macd<b>": 0.3}, n_days=20, error=0.001),
    )
