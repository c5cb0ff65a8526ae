"""Wrong inputs, by kind: what is given, and what the one message has to name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrong:
    """A wrong input.

    Attributes:
        kind: What is wrong about it.
        given: Overrides, as on a command line.
        said: What the message holds: the key or file, or what would be right.
        command: Which command it is given to.
    """

    kind: str
    given: str
    said: str
    command: str = "train"


def _of(kind: str, *pairs: tuple[str, str], command: str = "train") -> list[Wrong]:
    return [Wrong(kind, given, said, command) for given, said in pairs]


IN_PROCESS: list[Wrong] = [
    *_of(
        "out of range",
        ("agent.gamma=2", "agent.gamma: must be from 0 to 1, got 2"),
        ("agent.gamma=-1", "agent.gamma: must be from 0 to 1, got -1"),
        ("agent.gae_lambda=1.5", "agent.gae_lambda: must be from 0 to 1"),
        ("agent.clip_range=-1", "agent.clip_range: must be above 0, got -1"),
        ("agent.clip_range=0", "agent.clip_range: must be above 0, got 0"),
        ("agent.learning_rate=-1", "agent.learning_rate: must be at least 0, got -1"),
        ("agent.batch_size=0", "agent.batch_size: must be at least 1, got 0"),
        ("agent.n_epochs=0", "agent.n_epochs: must be at least 1, got 0"),
        ("agent.n_steps=-5", "agent.n_steps: must be at least 1, got -5"),
        ("agent.vf_coef=-0.5", "agent.vf_coef: must be at least 0"),
        ("agent.max_grad_norm=0", "agent.max_grad_norm: must be above 0"),
        ("agent.target_kl=0", "agent.target_kl: must be above 0"),
        ("agent.verbose=7", "agent.verbose: must be from 0 to 2"),
        ("agent=sac agent.tau=2", "agent.tau: must be from 0 to 1"),
        ("agent=sac agent.gradient_steps=0", "agent.gradient_steps: must be at least 1, or -1"),
        ("agent=sac agent.train_freq=0", "agent.train_freq: must be at least 1"),
        ("agent=sac agent.buffer_size=0", "agent.buffer_size: must be at least 1"),
        ("agent=td3 agent.action_noise.sigma=-1", "agent.action_noise.sigma: must be at least 0"),
        ("agent=ars agent.delta_std=0", "agent.delta_std: must be above 0"),
        ("agent=trpo agent.cg_max_steps=0", "agent.cg_max_steps: must be at least 1"),
        ("agent=erl_td3 agent.action_noise_std=-1", "agent.action_noise_std: must be at least 0"),
        ("env.clip_obs=-1", "env.clip_obs: must be above 0, got -1.0"),
        ("env.reward_scaling=0", "env.reward_scaling: must be above 0, got 0.0"),
        ("env.n_envs=0 agent.batch_size=8", "env.n_envs: must be at least 1"),
        ("env.initial_amount=-1", "env.initial_amount: must be at least 0"),
        ("env.buy_cost_pct=1", "env.buy_cost_pct: must be below 1"),
        ("env.observation=relative env.horizons=[0]", "env.horizons[0]: must be at least 1"),
        ("reward=log_return reward.scale=0", "reward.scale: must be above 0"),
        ("split.train=0", "split.train: must lie between 0 and 1"),
        ("evaluation.risk_free=-1", "evaluation.risk_free: must be an annual rate"),
        ("+evaluation.env.hmax=0", "evaluation.env.hmax: must be at least 1, got 0"),
        ("clone.tolerance=2", "clone.tolerance: must lie between 0 and 1"),
        ("curriculum=costs curriculum.stages.0.until=2", "curriculum.stages[0].until: must lie"),
        ("sweep.seeds=0", "sweep.seeds: must be at least 1"),
        ("data=synthetic data.volatility=0", "data.volatility: must lie between 0 and 10"),
        ("total_timesteps=0", "total_timesteps: must be at least 1"),
        ("torch_threads=0", "torch_threads: must be at least 1"),
        ("torch_threads=1000000", "torch_threads: must be below 1025"),
        ("env.n_envs=100000000", "env.n_envs: must be below 1000001"),
        ("model_dir=", "model_dir: must name a file or folder"),
        ("data=processed_csv data.path=", "data.path: must name a file or folder"),
    ),
    *_of(
        "no number",
        ("agent.gamma=nan", "agent.gamma: must be a finite number, got nan"),
        ("agent.learning_rate=inf", "agent.learning_rate: must be a finite number, got inf"),
        ("agent.max_grad_norm=nan", "agent.max_grad_norm: must be above 0, got nan"),
        ("env.reward_scaling=nan", "env.reward_scaling: must be a finite number"),
        ("env.initial_amount=inf", "env.initial_amount: must be a finite number"),
        ("env.turbulence_threshold=nan", "env.turbulence_threshold: must be a finite number"),
        ("env.buy_cost_pct=[0.1,nan]", "env.buy_cost_pct[1]: must be a finite number"),
        ("data=synthetic data.drift=nan", "data.drift: must be a finite number"),
        ("sweep.ruined=-inf", "sweep.ruined: must be a finite number"),
        ("evaluation.risk_free=nan", "evaluation.risk_free: must be a finite number"),
    ),
    *_of(
        "wrong type",
        ("agent.gamma=high", "agent.gamma: must be a number, got 'high'"),
        ("agent.gamma=null", "agent.gamma: must not be null"),
        ("agent.n_steps=1.5", "agent.n_steps: must be a whole number"),
        ("agent.ent_coef=auto", "agent.ent_coef: must be a number, got 'auto'"),
        ("agent=sac agent.ent_coef=auto_x", "agent.ent_coef: must be a number or auto"),
        ("agent.learning_rate=fast", "agent.learning_rate: must be a number or a schedule"),
        ("+agent.use_sde=maybe", "agent.use_sde: must be true or false"),
        ("env.hmax=many", "env.hmax: Value 'many'"),
        ("env.normalize=7x", "env.normalize: Value '7x'"),
        ("seeds=[a]", "seeds"),
        ("callbacks=Stop", "callbacks: must be a list"),
    ),
    *_of(
        "layers",
        ("agent.policy_kwargs.net_arch=[64,-1]", "net_arch[1]: must be a whole number from 1"),
        ("agent.policy_kwargs.net_arch=[0]", "net_arch[0]: must be a whole number from 1"),
        ("agent.policy_kwargs.net_arch=64", "net_arch: must be a list of the sizes"),
        ("agent=erl_ppo agent.net_dims=[-8]", "agent.net_dims[0]: must be a whole number from 1"),
        ("agent=erl_ppo agent.net_dims=[]", "net_dims: needs sizes of hidden layers"),
        ("agent=recurrent_ppo agent.policy_kwargs.n_lstm_layers=0", "n_lstm_layers: must be at"),
        ("network=attention network.n_heads=3", "network.n_heads: must divide network.d_model"),
        ("+agent.policy_kwargs.optimizer_kwargs={eps:-1}", "optimizer_kwargs.eps: must be at"),
    ),
    *_of(
        "seed",
        ("seed=-1", "seed: must be at least 0, got -1"),
        ("seed=4294967296", "seed: must be below 4294967296"),
        ("seeds=[0,4294967296]", "seeds[1]: must be below 4294967296"),
        ("data=synthetic data.seed=4294967296", "data.seed: must be below 4294967296"),
        ("seed=4294967295 sweep.seeds=2", "seed: sweep.seeds=2 count up from it"),
    ),
    *_of(
        "beside others",
        ("split.train=0.9 split.validation=0.2", "split.validation: must add up to at most 1"),
        ("split=walk_forward split.fold=5", "split.fold: must be one of 0 to 4"),
        ("split=cpcv split.fold=15", "split.fold: must be one of 0 to 14"),
        ("split=cpcv split.n_validation_folds=6", "split.n_validation_folds: must be below"),
        (
            "split=dates split.validation_start=2015-01-01 split.test_start=2014-01-01",
            "split.test_start: must lie after split.validation_start",
        ),
        ("env.allow_short=true env.maintenance_margin=0.9", "env.maintenance_margin: must be at"),
        ("agent=sac agent.train_freq=[1,episode]", "agent.train_freq: counts steps beside"),
        ("agent=sac total_timesteps=1000", "agent.learning_starts: 16384 random steps"),
        ("agent=tqc agent.top_quantiles_to_drop_per_net=25", "top_quantiles_to_drop_per_net: must"),
    ),
    *_of(
        "names and dates",
        ("objective=sharp_ratio", "objective: no metric 'sharp_ratio'; did you mean sharpe_ratio"),
        ("objective=luck", "objective: no metric 'luck'; choose from"),
        ("data.start=2000", "data.start: must be a full ISO date such as 2019-12-31, got '2000'"),
        ("split=dates split.validation_start=soon", "split.validation_start: must be a full ISO"),
        ("tracking.registered_model_name=my/agent", "tracking.registered_model_name: must be a"),
        ("tracking.registered_model_name='my:agent'", "tracking.registered_model_name: must be"),
        ("tracking.experiment_name=''", "tracking.experiment_name: must be a name of 1 to 500"),
        ("sweep.alias=v3", "sweep.alias: must be letters"),
        ("on_divergence=halt", "on_divergence: must be stop or continue"),
        ("ensemble.combine=worst", "ensemble.combine: must be best"),
        ("+agent.learning_rat=1", "agent.learning_rat: stable_baselines3.PPO has no such setting"),
        ("+env.hmx=50", "env.hmx: no such setting; did you mean env.hmax?"),
        ("agent.policy=Mlp", "agent: Policy Mlp unknown"),
        ("agent._target_=stable_baselines3.PPOO", "stable_baselines3 has no PPOO"),
    ),
    *_of(
        "this machine",
        ("agent.device=warp", "agent.device: warp: no device of this machine"),
        ("agent.device='cuda:99'", "agent.device: cuda:99: "),
        ("agent=sac agent.buffer_size=1e15", "agent: MemoryError: Unable to allocate"),
    ),
    *_of("other commands", ("seed=4294967296", "seed: must be below"), command="evaluate"),
    *_of("other commands", ("risk_free=nan", "risk_free: must be a finite"), command="compare"),
    *_of("other commands", ("days=0", "days: must be at least 1"), command="verify"),
]
"""Refused by what a command does first, which is done here without the command."""

COMMANDS: list[Wrong] = [
    *_of("out of range", ("agent.gamma=2", "agent.gamma: must be from 0 to 1, got 2")),
    *_of("no number", ("env.clip_obs=nan", "env.clip_obs: must be above 0, got nan")),
    *_of("wrong type", ("agent.n_epochs=two", "agent.n_epochs: must be a whole number")),
    *_of("layers", ("agent.policy_kwargs.net_arch=[-1]", "agent.policy_kwargs.net_arch[0]: must")),
    *_of("seed", ("seed=4294967296", "seed: must be below 4294967296")),
    *_of("beside others", ("split.train=0.9 split.validation=0.2", "split.validation: must add")),
    *_of(
        "names and dates",
        ("objective=luck", "objective: no metric 'luck'; choose from"),
        ("agent=nobody", "Available options in 'agent'"),
        ("env.hmx=50", "Key 'hmx' is not in struct"),
        ("tracking.registered_model_name=my/agent", "tracking.registered_model_name: must be"),
    ),
    *_of("this machine", ("agent.device=warp", "agent.device: warp: no device of this machine")),
    *_of(
        "search",
        ("-m sweep=a2c hydra.sweeper.n_trials=0", "hydra.sweeper.n_trials: must be at least 1"),
        ("-m sweep=a2c hydra.sweeper.max_failure_rate=2", "hydra.sweeper.max_failure_rate: must"),
        ("-m sweep=a2c hydra.sweeper.pruner.interval_steps=0", "hydra.sweeper.pruner"),
        ("-m sweep=a2c agent.gamma=2,3", "agent.gamma: must be from 0 to 1, got"),
    ),
    *_of(
        "files",
        ("data=processed_csv data.path=nowhere.csv", "nowhere.csv"),
        ("data=processed_csv data.path=noise.csv", "noise.csv"),
        ("env.num_stock_shares=nowhere.csv", "nowhere.csv"),
        (
            "+evaluation.env.num_stock_shares=[1,2,3]",
            "evaluation.env: num_stock_shares must",
        ),
        ("agent.init_from=nowhere.zip", "nowhere.zip: there is no such file or folder"),
        ("tracking.uri=file:./mlruns", "tracking.uri"),
    ),
    *_of("files", ("raw.path=nowhere.csv", "nowhere.csv"), command="prepare"),
    *_of("other commands", ("run_id=0123", "0123"), command="evaluate"),
    *_of(
        "other commands", ("risk_free=-2", "risk_free: must be an annual rate"), command="compare"
    ),
    *_of("other commands", ("information.horizons=0", "information.horizons"), command="verify"),
]
"""Given to the whole command, some of every kind."""
