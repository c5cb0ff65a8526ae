"""What Hydra's command line cannot say is refused in one message (tickers: test_ticker_file)."""

from __future__ import annotations

import pytest

from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.command_line import refuse_unreadable


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("curriculum=null", "calm, costs, episodes, generated_first"),
        ("agent=5", "a2c, ars"),
        ("clone=null,momentum", "equal_weight"),
        ("tracking=1.5,mlflow", "mlflow, none"),
        ("agent=range(1,3)", "a2c, ars"),
        ("debug=true", "fast"),
    ],
)
def test_a_group_without_the_name_of_an_option_is_refused(
    argument: str, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        refuse_unreadable(["seed=1", argument], CONFIG_DIR)
    assert end.value.code == 1
    (said,) = capsys.readouterr().err.splitlines()
    group = argument.partition("=")[0]
    assert said.startswith(f"{argument}: {group} is chosen by name, of {options}")
    assert said.endswith(f"leave {group}=... out for what the config has without it")


@pytest.mark.parametrize(
    "argument",
    [
        "agent=a2c",
        'agent="a2c"',
        "agent=a2c,ppo",
        "agent=choice(a2c,ppo)",
        "agent=glob(*)",
        "agent=shuffle(a2c,ppo)",
        "agent={gamma:0.5}",
        "agent.gamma=null",
        "checkpoint_every=null",
        "~curriculum",
        "+experiment=trading",
        "hydra/launcher=processes",
        "agent=[",
        "--help",
    ],
)
def test_all_else_is_left_to_hydra(argument: str) -> None:
    refuse_unreadable([argument], CONFIG_DIR)


def test_a_value_without_a_setting_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    refuse_unreadable(["agent=a2c", "+x=1", "~env.window"], CONFIG_DIR)
    with pytest.raises(SystemExit):
        refuse_unreadable(["agent=a2c", "=1"], CONFIG_DIR)
    assert capsys.readouterr().err == "=1: names no setting; write setting=value\n"


def test_the_command_asks_before_hydra_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from finai_rl.train import main

    monkeypatch.setattr("sys.argv", ["train", "curriculum=null"])
    with pytest.raises(SystemExit):
        main()
    assert "curriculum is chosen by name" in capsys.readouterr().err
