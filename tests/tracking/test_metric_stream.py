import numpy as np
from stable_baselines3 import A2C
from stable_baselines3.common.logger import Figure, Logger

from finai_rl.tracking import MLflowOutputFormat, NoTracker


class Recorder(NoTracker):
    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, float], int]] = []
        self.flushed = 0

    def log_metrics(self, metrics, step) -> None:
        self.calls.append((dict(metrics), step))

    def flush(self) -> None:
        self.flushed += 1


def dump(step: int = 7, **excluded_or_value) -> Recorder:
    recorder = Recorder()
    logger = Logger(None, [MLflowOutputFormat(recorder)])
    for key, (value, exclude) in excluded_or_value.items():
        logger.record(key.replace("__", "/"), value, exclude=exclude)
    logger.dump(step)
    return recorder


def test_numbers_of_every_kind_arrive_under_their_names_at_their_step() -> None:
    recorder = dump(
        step=2048,
        rollout__ep_rew_mean=(np.float32(0.5), None),
        train__n_updates=(np.int64(3), None),
        time__fps=(100, None),
        flag=(np.bool_(True), None),
    )
    assert recorder.calls == [
        ({"rollout/ep_rew_mean": 0.5, "train/n_updates": 3.0, "time/fps": 100.0, "flag": 1.0}, 2048)
    ]


def test_texts_and_pictures_are_skipped() -> None:
    recorder = dump(text=("hello", None), picture=(Figure(None, False), None), n=(1, None))
    assert recorder.calls == [({"n": 1.0}, 7)]


def test_keys_excluded_from_mlflow_are_skipped() -> None:
    recorder = dump(a=(1, "mlflow"), b=(2, ("stdout", "mlflow")), c=(3, "tensorboard"))
    assert recorder.calls == [({"c": 3.0}, 7)]


def test_a_dump_without_numbers_sends_nothing() -> None:
    assert dump(text=("hello", None)).calls == []


def test_a_training_s_metrics_reach_the_store(open_tracker, client) -> None:
    agent = A2C("MlpPolicy", "Pendulum-v1", n_steps=5, device="cpu")
    with open_tracker() as tracker:
        agent.set_logger(Logger(None, [MLflowOutputFormat(tracker)]))
        agent.learn(20, log_interval=2)
    loss = client.get_metric_history(tracker.run_id, "train/value_loss")
    assert [metric.step for metric in loss] == [10, 20]
    assert {"time/fps", "train/policy_loss"} <= set(client.get_run(tracker.run_id).data.metrics)


def test_closing_the_logger_flushes() -> None:
    recorder = Recorder()
    Logger(None, [MLflowOutputFormat(recorder)]).close()
    assert recorder.flushed == 1
