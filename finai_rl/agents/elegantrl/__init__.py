"""ElegantRL's agents behind the surface of Stable-Baselines3's algorithms.

Networks, optimizers and updates are ElegantRL's; rollouts, callbacks, logging and the handling of
time limits are SB3's, so that both libraries see the same market and report the same metrics.
"""

from finai_rl.agents.elegantrl.a2c import ElegantRLA2C
from finai_rl.agents.elegantrl.ddpg import ElegantRLDDPG
from finai_rl.agents.elegantrl.ppo import ElegantRLPPO
from finai_rl.agents.elegantrl.sac import ElegantRLSAC
from finai_rl.agents.elegantrl.td3 import ElegantRLTD3

__all__ = ["ElegantRLA2C", "ElegantRLDDPG", "ElegantRLPPO", "ElegantRLSAC", "ElegantRLTD3"]
