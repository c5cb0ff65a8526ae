"""Slurm's commands for one machine: jobs are processes, the queue is a folder of their numbers.

Copied to files of the names ``sbatch.py``, ``srun.py``, ``squeue.py`` and ``scancel.py``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

QUEUE = "STAND_IN_SLURM"
"""Environment variable that names the folder."""


def sbatch(arguments: list[str]) -> None:
    queue = Path(os.environ[QUEUE])
    number = len(list(queue.glob("*.script")))
    script = queue / f"{number}.script"
    text = Path(arguments[-1]).read_text()
    script.write_text(text.replace("%j", str(number)))
    known = {"SLURM_JOB_ID": str(number), "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1"}
    known |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    known |= {"SLURM_JOB_NODELIST": "here", "SLURMD_NODENAME": "here"}
    job = subprocess.Popen(
        ["bash", str(script)],
        env={**os.environ, **known},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    (queue / f"{number}.process").write_text(str(job.pid))
    print(f"Submitted batch job {number}")


def srun(arguments: list[str]) -> None:
    rest = iter(arguments)
    for argument in rest:
        if argument in ("--output", "--error"):
            file = os.open(next(rest).replace("%t", "0"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            os.dup2(file, 1 if argument == "--output" else 2)
        elif not argument.startswith("-"):
            os.execv(argument, [argument, *rest])


def squeue(arguments: list[str]) -> None:
    for file in Path(os.environ[QUEUE]).glob("*.process"):
        if lives(int(file.read_text())):
            print(file.stem)


def scancel(arguments: list[str]) -> None:
    for number in (text for text in arguments if not text.startswith("-")):
        process = int((Path(os.environ[QUEUE]) / f"{number}.process").read_text())
        if lives(process):
            os.killpg(process, signal.SIGTERM)


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


if __name__ == "__main__":
    command = {"sbatch": sbatch, "srun": srun, "squeue": squeue, "scancel": scancel}
    command[Path(sys.argv[0]).stem](sys.argv[1:])
