"""The file ``progress.csv``: what a training logged, a row for each time."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.logger import CSVOutputFormat


class ProgressFile(CSVOutputFormat):
    r"""SB3's ``progress.csv``, which may go on from what stood in it before.

    Args:
        file: The file, which is written anew.
        before: What it begins with, whole rows below the names of the columns; None for nothing.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = ProgressFile(Path(folder, "progress.csv"), "loss,step\n0.5,10\n")
        ...     file.write({"step": 20, "loss": 0.25}, {"step": None, "loss": None})
        ...     file.close()
        ...     Path(folder, "progress.csv").read_text()
        'loss,step\n0.5,10\n0.25,20\n'
    """

    def __init__(self, file: Path, before: str | None = None) -> None:
        super().__init__(str(file))
        if before:
            self.file.write(before)
            self.file.flush()
            self.keys = before.partition("\n")[0].split(self.separator)
