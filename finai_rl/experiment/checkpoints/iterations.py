"""Between the iterations of an agent's training, where its state is small and whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm


def iteration_of(agent: BaseAlgorithm) -> str | None:
    """Return the method that ``learn`` calls once an iteration, before anything else of it.

    SB3's families collect a rollout and then learn from it; ARS tries its candidates. None for an
    algorithm of neither, whose iterations are not known.
    """
    if isinstance(agent, OnPolicyAlgorithm | OffPolicyAlgorithm):
        return "collect_rollouts"
    return "_do_one_update" if hasattr(agent, "_do_one_update") else None


@contextmanager
def before_each_iteration(agent: BaseAlgorithm, call: Callable[[], None]) -> Iterator[None]:
    """Call a function before each iteration of an agent's ``learn``.

    SB3's callbacks come too late: RecurrentPPO has read its states by then, and ARS has drawn its
    candidates.
    """
    name = iteration_of(agent)
    assert name is not None

    def iteration(self: BaseAlgorithm, original: Any, *args: Any, **kwargs: Any) -> Any:
        if self is agent:
            call()
        return original(self, *args, **kwargs)

    with _replaced(type(agent), name, iteration):
        yield


@contextmanager
def counting_from(agent: BaseAlgorithm, iterations: int, interval: int) -> Iterator[int]:
    """Let a new ``learn`` count its iterations on from those before, and log when it is time.

    Args:
        agent: The agent; only SB3's on-policy family counts so.
        iterations: How many were done before.
        interval: Iterations from one log to the next.

    Yields:
        The ``log_interval`` to call ``learn`` with.
    """
    if not iterations or not isinstance(agent, OnPolicyAlgorithm):
        yield interval
        return

    def dump_logs(self: BaseAlgorithm, original: Any, iteration: int = 0) -> None:
        if self is not agent or not iteration:
            original(self, iteration)
        elif (iteration + iterations) % interval == 0:
            original(self, iteration + iterations)

    with _replaced(type(agent), "dump_logs", dump_logs):
        yield 1


@contextmanager
def _replaced(owner: type, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Replace a method of a class; an attribute of the agent would be saved with it."""
    original = getattr(owner, name)
    own = name in vars(owner)

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, original, *args, **kwargs)

    setattr(owner, name, replacement)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)
