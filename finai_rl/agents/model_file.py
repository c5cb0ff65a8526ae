"""An agent's model file without what differs from run to run: equal agents are equal bytes."""

from __future__ import annotations

import base64
import json
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

SETTINGS = "data"
"""Member of SB3's archive that holds the agent's settings as JSON."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a ZIP archive has a name for."""
PICKLED = ":serialized:"
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
ELAPSED = "t"
"""Seconds that an episode had taken, in what `VecMonitor` says of it."""


def make_reproducible(file: Path) -> None:
    """Rewrite a model file of SB3 in place, so that it depends on the agent alone.

    Of the archive go the times of its members; of ``data`` the start of the training
    (``start_time``, which ``learn`` sets anew), the seconds in ``ep_info_buffer`` and the memory
    addresses in its descriptions. What an agent is loaded from stays as it is. ``system_info.txt``
    still names the machine and its versions. Any other file, such as that of an ElegantRL agent,
    whose bytes depend on nothing else already, is left alone.

    Args:
        file: What ``agent.save`` wrote.

    Example:
        >>> from hashlib import sha256
        >>> from tempfile import TemporaryDirectory
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> found = set()
        >>> for _ in range(2):
        ...     env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        ...     with TemporaryDirectory() as folder:
        ...         A2C("MlpPolicy", env, seed=0).learn(10).save(f"{folder}/model.zip")
        ...         make_reproducible(Path(folder, "model.zip"))
        ...         found.add(sha256(Path(folder, "model.zip").read_bytes()).hexdigest())
        >>> len(found)
        1
    """
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    if SETTINGS not in members:
        return
    settings = {name: _timeless(name, value) for name, value in _json(members[SETTINGS]).items()}
    members[SETTINGS] = json.dumps(settings, indent=4).encode()
    written = file.with_name(f".{file.name}.part")
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    os.replace(written, file)


def _json(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def _timeless(name: str, value: Any) -> Any:
    if name == "start_time":
        return 0
    if not (isinstance(value, dict) and PICKLED in value):
        return value
    if name == "ep_info_buffer":
        episodes = pickle.loads(base64.b64decode(value[PICKLED]))
        for episode in episodes or ():
            episode.update({ELAPSED: 0.0} if ELAPSED in episode else {})
        value = {**value, PICKLED: base64.b64encode(pickle.dumps(episodes)).decode()}
    # What stands beside the pickle is for people to read.
    return {
        key: ADDRESS.sub("", text) if isinstance(text, str) and key != PICKLED else text
        for key, text in value.items()
    }
