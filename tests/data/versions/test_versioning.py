"""What is said of a file's version, without DVC: pointers are written by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finai_rl.data.market import FileVersion
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.versions.versioning import check_sha256, file_version
from finai_rl.errors import DataError, InputError
from tests.data.checkouts import Checkout
from tests.markets import write_processed_csv

CONTENT = b"date,tic,close\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout.made(tmp_path / "a project")


def pointed_to(file: Path, md5: str = MD5, hash_line: str = "  hash: md5\n") -> Path:
    """Write a file and its pointer as `dvc add` would."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(CONTENT)
    (file.parent / ".gitignore").write_text(f"/{file.name}\n")
    pointer = file.with_name(f"{file.name}.dvc")
    pointer.write_text(f"outs:\n- md5: {md5}\n  size: 15\n{hash_line}  path: {file.name}\n")
    return pointer


def test_outside_of_a_checkout_only_the_content_is_known(tmp_path, monkeypatch) -> None:
    pointed_to(tmp_path / "features.csv")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert file_version(tmp_path / "features.csv") == FileVersion(SHA256)


def test_without_the_git_command_only_the_content_is_known(checkout, monkeypatch) -> None:
    pointed_to(checkout.root / "features.csv")
    checkout.commit()
    monkeypatch.setenv("PATH", str(checkout.root))
    assert file_version(checkout.root / "features.csv") == FileVersion(SHA256)


def test_a_file_of_git_has_a_commit_and_can_be_dirty(checkout) -> None:
    file = checkout.root / "a [file].csv"
    file.write_bytes(CONTENT)
    assert file_version(file) == FileVersion(SHA256)
    commit = checkout.commit("v1")
    assert file_version(file) == FileVersion(SHA256, None, commit, "v1", False, "git")
    file.write_bytes(b"changed")
    assert file_version(file).dirty is True


def test_a_link_in_git_says_nothing_of_the_bytes(checkout, tmp_path) -> None:
    (tmp_path / "elsewhere.csv").write_bytes(CONTENT)
    (checkout.root / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    checkout.commit()
    assert file_version(checkout.root / "link.csv") == FileVersion(SHA256)


@pytest.mark.parametrize("name", ["features.csv", "data of mine/the features.csv", "ä/ü.csv"])
def test_a_pointer_that_is_committed_is_clean(name: str, checkout) -> None:
    file = checkout.root / name
    pointed_to(file)
    assert file_version(file).dirty is True  # Before the first commit.
    commit = checkout.commit("v1.2")
    assert file_version(file) == FileVersion(SHA256, MD5, commit, "v1.2", False, "dvc")
    later = checkout.commit()
    assert file_version(file) == FileVersion(SHA256, MD5, later, None, False, "dvc")


def test_a_file_that_is_not_its_pointers_is_dirty(checkout) -> None:
    file = checkout.root / "features.csv"
    pointed_to(file)
    checkout.commit()
    file.write_bytes(CONTENT + b"more")
    version = file_version(file)
    assert (version.md5, version.dirty) == (MD5, True)


def test_a_pointer_that_is_not_committed_is_dirty(checkout) -> None:
    file = checkout.root / "features.csv"
    pointed_to(file, "0" * 32)
    checkout.commit()
    pointed_to(file)
    version = file_version(file)
    assert (version.md5, version.dirty) == (MD5, True)
    checkout.commit()
    assert file_version(file).dirty is False


def test_of_an_old_pointer_only_equal_bytes_are_known_to_be_clean(checkout) -> None:
    file = checkout.root / "features.csv"
    pointed_to(file, hash_line="")
    checkout.commit()
    assert file_version(file).dirty is False
    # Hashed by DVC 2 after its line ends were made those of Unix.
    file.write_bytes(CONTENT.replace(b"\n", b"\r\n"))
    assert file_version(file).dirty is None


def test_a_link_into_the_cache_is_the_tracked_file(checkout) -> None:
    file = checkout.root / "features.csv"
    pointed_to(file)
    checkout.commit()
    held = checkout.root / ".dvc" / "cache" / "files" / "md5" / MD5[:2] / MD5[2:]
    held.parent.mkdir(parents=True)
    file.replace(held)
    file.symlink_to(held)
    assert file_version(file).md5 == MD5
    shortcut = checkout.root.parent / "shortcut.csv"
    shortcut.symlink_to(checkout.root / "data")
    (checkout.root / "data").symlink_to(checkout.root)
    assert file_version(shortcut / "features.csv").md5 == MD5


@pytest.mark.parametrize("wdir", [".", "elsewhere"])
def test_an_output_of_a_stage_is_found_in_the_lock(wdir: str, checkout) -> None:
    file = checkout.root / wdir / "out.csv"
    pointed_to(file).unlink()
    folder = checkout.root / "pipeline"
    folder.mkdir()
    stages = f"stages:\n  make:\n    wdir: ../{wdir}\n    foreach: [a, b]\n"
    (folder / "dvc.yaml").write_text(stages)
    out = f"    - path: out.csv\n      hash: md5\n      md5: {MD5}\n"
    (folder / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  make@a:\n    outs:\n{out}")
    commit = checkout.commit()
    assert file_version(file) == FileVersion(SHA256, MD5, commit, None, False, "dvc")


def test_a_file_of_a_tracked_folder_needs_the_folders_listing(checkout) -> None:
    file = checkout.root / "tree" / "below" / "features.csv"
    pointed_to(file).unlink()
    digest = "ab" * 16 + ".dir"
    pointer = f"outs:\n- md5: {digest}\n  hash: md5\n  path: tree\n"
    (checkout.root / "tree.dvc").write_text(pointer)
    (checkout.root / ".gitignore").write_text("/tree\n/.dvc/cache\n")
    (checkout.root / ".dvc").mkdir()
    (checkout.root / ".dvc" / "config").write_text("[cache]\n    dir = ../../shared cache\n")
    commit = checkout.commit()
    assert file_version(file) == FileVersion(SHA256, None, commit, None, None, "dvc")
    listing = checkout.root.parent / "shared cache" / "files" / "md5" / digest[:2] / digest[2:]
    listing.parent.mkdir(parents=True)
    listing.write_text(json.dumps([{"md5": MD5, "relpath": "below/features.csv"}]))
    assert file_version(file) == FileVersion(SHA256, MD5, commit, None, False, "dvc")
    (file.parent / "new.csv").write_bytes(CONTENT)
    assert file_version(file.parent / "new.csv") == FileVersion(SHA256)


def test_a_shallow_clone_and_a_submodule(checkout, tmp_path) -> None:
    pointed_to(checkout.root / "features.csv")
    checkout.commit()
    commit = checkout.commit()
    url = checkout.root.as_uri()
    outer = Checkout.made(tmp_path / "outer")
    outer.git("clone", "-q", "--depth", "1", url, "shallow")
    allowed = ("-c", "protocol.file.allow=always")
    outer.git(*allowed, "submodule", "add", "-q", url, "inner")
    outer.commit()
    for name in ("shallow", "inner"):
        file = outer.root / name / "features.csv"
        file.write_bytes(CONTENT)
        assert file_version(file) == FileVersion(SHA256, MD5, commit, None, False, "dvc")


@given(pointer=st.text(max_size=80) | st.sampled_from(["[1", "outs: 3", "outs: [3]", "- outs"]))
def test_a_damaged_pointer_is_no_error(pointer: str, tmp_path_factory) -> None:
    checkout = Checkout.made(tmp_path_factory.mktemp("damaged"))
    file = checkout.root / "features.csv"
    pointed_to(file).write_bytes(pointer.encode(errors="surrogatepass"))
    (checkout.root / "dvc.lock").write_bytes(pointer.encode(errors="surrogatepass"))
    assert file_version(file).sha256 == SHA256


@pytest.mark.parametrize("digits", [12, 13, 64])
def test_the_expected_content_is_read(digits: int, tmp_path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    market = load_processed_csv(str(file), sha256=sha256[:digits].upper())
    assert market.source.sha256 == sha256
    assert market.source.version == FileVersion(sha256)


def test_other_content_than_expected_is_refused_with_both(tmp_path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(DataError, match=f"(?s)features.csv.*{sha256}.*{'f' * 64}"):
        load_processed_csv(str(file), sha256="f" * 64)


@pytest.mark.parametrize("sha256", ["", "abc", "f" * 11, "f" * 65, "x" * 64, "1.2e+20"])
def test_what_is_no_sha256_is_refused(sha256: str, tmp_path) -> None:
    file = write_processed_csv(tmp_path / "features.csv")
    with pytest.raises(InputError, match=r"data\.sha256: .* is not a sha256"):
        load_processed_csv(str(file), sha256=sha256)


def test_the_revision_of_the_expected_content_is_named(checkout) -> None:
    file = checkout.root / "features.csv"
    for number, tag in enumerate(["v1", "v2", None]):
        file.write_bytes(CONTENT * (number + 1))
        checkout.commit(tag)
    with pytest.raises(DataError, match=r"data\.rev=v1 has the expected bytes"):
        check_sha256("it", file_version(file), SHA256[:16], file)
