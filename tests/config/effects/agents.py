"""Every setting of every agent: another value, and where it acts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping

import hydra

from finai_rl.config.command import CONFIG_DIR
from tests.config.effects.walk import Effect, acts, keys_of, raw, refused, shown_in

AGENTS = sorted(file.stem for file in (CONFIG_DIR / "agent").glob("*.yaml"))

OBJECTS = (
    "env",
    "_init_setup_model",
    "action_noise",
    "rollout_buffer_class",
    "rollout_buffer_kwargs",
    "replay_buffer_class",
    "replay_buffer_kwargs",
)
"""Parameters of the libraries' classes that are no settings but objects, or given by the run."""

MACHINE = "tests/experiment/test_machine.py"
NO_TARGET = "is not in a package that a config may name"
SDE, NO_SDE = {"agent.use_sde": True}, {"agent.use_sde": False}
BACKTRACKS = {"agent.target_kl": 5.0, "agent.cg_damping": 1e-6}
"""Steps so long that TRPO's line search has to shorten them."""

COMMON: Mapping[str, Effect] = {
    "_target_": refused("os.system", NO_TARGET),
    "action_noise._target_": refused("os.system", NO_TARGET),
    "action_noise._partial_": refused(False, "n_actions"),
    "action_noise.sigma": acts(0.5),
    "action_noise_std": acts(0.5),
    "alive_bonus_offset": acts(1000.0, beside={
        "env.reward_scaling": 1.0, "env.allow_short": True, "env.initial_margin": 0.0,
        "env.maintenance_margin": 0.0, "env.hmax": 1_000_000, "agent.delta_std": 5.0,
    }),
    "batch_size": acts(8),
    "buffer_size": acts(24),
    "cg_damping": acts(10.0),
    "cg_max_steps": acts(1),
    "clip_range": acts(1e-3),
    "clip_range_vf": acts(1e-4),
    "delta_std": acts(0.5),
    "device": shown_in(f"{MACHINE}::test_what_auto_chose_is_logged_and_a_tag"),
    "ent_coef": acts(0.5),
    "gae_lambda": acts(0.5),
    "gamma": acts(0.5),
    "gradient_steps": acts(4),
    "init_from": shown_in(
        "tests/experiment/learning/test_warm_start.py::test_an_agent_starts_with_the_weights_of_another"
    ),
    "learning_rate": acts(1e-2),
    "learning_starts": acts(24),
    "line_search_max_iter": acts(1, beside=BACKTRACKS),
    "line_search_shrinking_factor": acts(0.1, beside=BACKTRACKS),
    "max_grad_norm": acts(1e-3),
    "n_critic_updates": acts(1),
    "n_delta": acts(3),
    "n_epochs": acts(1),
    "n_eval_episodes": acts(4),
    "n_steps": acts(8),
    "n_top": acts(1),
    "net_dims": acts([8]),
    "normalize_advantage": acts(False),
    "optimize_memory_usage": refused(True, "optimize_memory_usage"),
    "policy": refused("CnnPolicy", "agent: "),
    "policy_delay": acts(1),
    "policy_kwargs.lstm_hidden_size": acts(8),
    "policy_kwargs.n_critics": acts(1),
    "policy_kwargs.n_lstm_layers": acts(2),
    "policy_kwargs.n_quantiles": acts(5),
    "policy_kwargs.net_arch": acts([8]),
    "policy_kwargs.net_arch.pi": acts([8]),
    "policy_kwargs.net_arch.qf": acts([8]),
    "policy_kwargs.with_bias": acts(False),
    "rms_prop_eps": acts(1e-1, off={"agent.use_rms_prop": False}),
    "sde_sample_freq": acts(1, beside=SDE, off=NO_SDE),
    "seed": acts(3),
    "stats_window_size": acts(1),
    "sub_sampling_factor": acts(2),
    "target_entropy": acts(50.0, off={"agent.ent_coef": 0.1}),
    "target_kl": acts(1e-9),
    "target_noise_clip": acts(1e-3, off={"agent.target_policy_noise": 0.0}),
    "target_policy_noise": acts(1.0),
    "target_update_interval": acts(3),
    "tau": acts(0.5),
    "tensorboard_log": shown_in(f"{MACHINE}::test_tensorboard_gets_what_progress_csv_gets"),
    "top_quantiles_to_drop_per_net": acts(0),
    "train_freq": acts(2),
    "use_rms_prop": acts(False),
    "use_sde": acts(True),
    "use_sde_at_warmup": acts(True, beside=SDE, off=NO_SDE),
    "verbose": acts(1),
    "vf_coef": acts(5.0),
    "zero_policy": acts(False),
}  # fmt: skip
"""By name: the same setting of any agent."""

OWN: Mapping[str, Mapping[str, Effect]] = {"ars": {"stats_window_size": Effect(1, off={})}}
"""Of an agent: where its setting of that name is another matter."""


@functools.cache
def settings_of(agent: str) -> list[str]:
    """Return every setting of an agent: those of its YAML, and its class's that are left out."""
    keys = keys_of("agent", f"agent={agent}")
    given = {key.partition(".")[0] for key in keys} | set(OBJECTS)
    target = raw(f"agent={agent}").agent._target_
    known = inspect.signature(hydra.utils.get_object(target)).parameters
    return [*keys, *(name for name in known if name not in given)]


def entry_of(agent: str, name: str) -> Effect:
    """Return the entry of an agent's setting."""
    return OWN.get(agent, {}).get(name) or COMMON[name]
