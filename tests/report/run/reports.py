"""What random agents made of the days of an agent, from backtests."""

import numpy as np

from finai_rl.evaluation.random_band import RandomBand
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
