"""The policies of sb3-contrib's algorithms with heads shared across stocks."""

from __future__ import annotations

from sb3_contrib.crossq.policies import CrossQPolicy
from sb3_contrib.tqc.policies import TQCPolicy

from finai_rl.agents.policies import SharedHeads


class SharedTQCPolicy(SharedHeads, TQCPolicy):
    """The policy of TQC with heads shared across stocks."""


class SharedCrossQPolicy(SharedHeads, CrossQPolicy):
    """The policy of CrossQ with heads shared across stocks; batches are normalized over stocks."""
