"""Files of a trained agent, looked at before anything in them is unpickled."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

from finai_rl.errors import InputError

STATISTICS_FILE = "vec_normalize.pkl"
SUFFIXES = (".zip", ".pth")
AGAIN = "copy it again from where it was saved, or train again"

_SB3_DATA = "data"
_BUILTINS = ("bytearray", "complex", "frozenset", "set", "slice")
_PLAIN = frozenset(
    {
        ("_codecs", "encode"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        *(("builtins", name) for name in _BUILTINS),
    }
)
_NUMPY = frozenset(
    {
        "__bit_generator_ctor",
        "__generator_ctor",
        "__randomstate_ctor",
        "_frombuffer",
        "_reconstruct",
        "dtype",
        "ndarray",
        "scalar",
    }
)
_SB3_MODULES = (
    "stable_baselines3.common.running_mean_std",
    "stable_baselines3.common.vec_env.vec_normalize",
)
_SB3_CLASSES = ("RunningMeanStd", "VecNormalize")


class SavedFileError(InputError):
    """A file of a trained agent that cannot be used: which, what is wrong, what to do."""

    def __init__(self, file: Path | str, problem: str, remedy: str = AGAIN) -> None:
        super().__init__(f"{file}: {problem}; {remedy}")


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_model(file: Path, sha256: str | None = None, name: str | None = None) -> None:
    """Refuse a model file that is damaged, of another kind or another one than was saved.

    Nothing of it is unpickled.

    Args:
        file: What ``agent.save`` wrote: ``.zip`` of Stable-Baselines3, ``.pth`` of ElegantRL.
        sha256: On record of it; None where there is none.
        name: What messages call it; None for its path.

    Raises:
        SavedFileError: One message.
    """
    called = name or str(file)
    content = _content(file, called)
    _check_record(content, sha256, called)
    if file.suffix not in SUFFIXES:  # Of an agent of the user's, in a form of its own.
        return
    not_whole = "is damaged or no model: it is not a whole zip archive"
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise SavedFileError(called, not_whole)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # Half of a model of SB3 may end with a whole archive of torch, which it holds.
            if min((entry.header_offset for entry in archive.infolist()), default=1) > 0:
                raise SavedFileError(called, not_whole)
            names = archive.namelist()
            broken = archive.testzip()
            data = archive.read(_SB3_DATA) if _SB3_DATA in names and broken is None else None
    except SavedFileError:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise SavedFileError(called, f"is damaged: {error}") from error
    if broken is not None:
        raise SavedFileError(called, f"is damaged: {broken} in it is not what was written")
    of_torch = any(name.endswith("/data.pkl") for name in names)
    if of_torch != (file.suffix == ".pth"):
        is_named, is_of = ("zip", "ElegantRL") if of_torch else ("pth", "Stable-Baselines3")
        other = ".pth" if of_torch else ".zip"
        raise SavedFileError(
            called, f"is named .{is_named} and is of {is_of}", f"give it its suffix {other} back"
        )
    if file.suffix == ".zip":
        _check_sb3(called, data, names)


def read_statistics(file: Path, sha256: str | None = None, name: str | None = None) -> Any:
    """Read what ``VecNormalize.save`` wrote, and run no code of it.

    Only classes of NumPy, Gymnasium's spaces and Stable-Baselines3's environments are made.

    Args:
        file: The file.
        sha256: On record of it; None where there is none.
        name: What messages call it; None for its path.

    Raises:
        SavedFileError: One message.
    """
    called = name or str(file)
    content = _content(file, called)
    _check_record(content, sha256, called)
    try:
        statistics = _StatisticsReader(io.BytesIO(content)).load()
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        raise SavedFileError(
            called, f"is damaged or holds no normalization statistics ({first_line})"
        ) from error
    if not (hasattr(statistics, "obs_rms") and hasattr(statistics, "normalize_obs")):
        raise SavedFileError(called, f"holds no normalization statistics but {type(statistics)}")
    return statistics


class _StatisticsReader(pickle.Unpickler):
    """Makes the objects that a ``VecNormalize`` is of, and no others."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = (module, name) in _PLAIN or (
            (module.partition(".")[0] == "numpy" and name in _NUMPY)
            or (module.startswith("numpy.random.") and _is_generator(name))
            or (module.startswith("numpy.dtypes") and name.endswith("DType"))
            or (module.startswith("gymnasium.spaces.") and name[:1].isupper())
            or (module in _SB3_MODULES and name in _SB3_CLASSES)
        )
        if not allowed or "." in name:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _is_generator(name: str) -> bool:
    return name[:1].isupper() or name.startswith("__pyx_unpickle_")


def _content(file: Path, called: str) -> bytes:
    if file.is_dir():
        raise SavedFileError(called, "is a folder, not a file", "name the file")
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise SavedFileError(called, "is not there", "correct the name, or train again") from error
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise SavedFileError(called, f"cannot be read: {said}", "see to its rights") from error
    if not content:
        raise SavedFileError(called, "is empty")
    return content


def _check_record(content: bytes, sha256: str | None, called: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise SavedFileError(
            called,
            f"is another file than was saved (sha256 {sha256[:12]}... on record, "
            f"{found[:12]}... now)",
            "bring the file of this run back, or train again",
        )


def _check_sb3(called: str, data: bytes | None, names: list[str]) -> None:
    if data is None or not any(name.endswith(".pth") for name in names):
        missing = "settings (data)" if data is None else "weights (.pth)"
        raise SavedFileError(called, f"is not the file of an agent: it holds no {missing}")
    try:
        settings = json.loads(data)
    except ValueError as error:
        raise SavedFileError(called, f"is damaged: its settings are no JSON ({error})") from error
    if not isinstance(settings, dict) or "observation_space" not in settings:
        raise SavedFileError(called, "is not the file of an agent: it names no observation space")
