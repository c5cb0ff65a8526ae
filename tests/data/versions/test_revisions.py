"""``data.rev`` on real git and DVC repositories, and the light reader beside DVC's own answers."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from finai_rl.data.market import FileVersion
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.versions.revisions import fetch_revision, versioned_file
from finai_rl.data.versions.versioning import file_version
from finai_rl.errors import DataError
from tests.data.checkouts import Checkout, needs_dvc
from tests.markets import write_processed_csv


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def md5_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache of revisions"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Two tagged versions of a file and of a folder of files, pushed; `unpushed` is not."""
    folder = tmp_path_factory.mktemp("history")
    checkout = Checkout.made(folder / "the project")
    checkout.use_dvc(folder / "remote")
    file = checkout.root / "my data" / "features.csv"
    tree = checkout.root / "tree" / "below"
    tree.mkdir(parents=True)
    file.parent.mkdir()
    for n_days, tag in ((6, "v1"), (9, "v2")):
        write_processed_csv(file, n_days)
        write_processed_csv(tree / "other.csv", n_days + 1)
        checkout.dvc("add", "-q", "my data/features.csv", "tree")
        checkout.commit(tag)
        checkout.dvc("push", "-q")
    file.write_text("never pushed")
    checkout.dvc("add", "-q", "my data/features.csv")
    checkout.commit("unpushed")
    file.write_text("neither added nor committed")
    checkout.forget()
    return checkout


@pytest.mark.slow
@needs_dvc
@pytest.mark.parametrize("name", ["my data/features.csv", "tree/below/other.csv"])
def test_a_revision_is_what_dvc_gets(name: str, history, cache, tmp_path) -> None:
    for tag in ("v1", "v2"):
        wanted = tmp_path / f"{tag}.csv"
        history.dvc("get", "-q", "--rev", tag, "--out", str(wanted), ".", name)
        found, version = fetch_revision(history.root / name, tag, cache)
        commit = history.git("rev-parse", tag)
        md5 = md5_of(wanted.read_bytes())
        assert version == FileVersion(sha256_of(wanted), md5, commit, tag, False, "dvc")
        assert found.read_bytes() == wanted.read_bytes()
        assert found.name == Path(name).name
    assert (history.root / "my data/features.csv").read_text() == "neither added nor committed"


@pytest.mark.slow
@needs_dvc
def test_a_fetched_revision_is_kept(history, cache, monkeypatch) -> None:
    file = history.root / "my data" / "features.csv"
    first, version = fetch_revision(file, "v1", cache)
    assert first == cache / str(version.md5) / "features.csv"
    monkeypatch.setitem(sys.modules, "dvc.api", None)  # As if the extra were not installed.
    assert fetch_revision(file, str(version.rev)[:10], cache) == (first, version)
    first.write_text("damaged")
    with pytest.raises(DataError, match=r"pip install 'finai_rl\[dvc\]'"):
        fetch_revision(file, "v1", cache)
    monkeypatch.undo()
    assert sha256_of(fetch_revision(file, "v1", cache)[0]) == version.sha256


@pytest.mark.slow
@needs_dvc
def test_a_panel_of_a_revision_leads_back_to_it(history, cache, monkeypatch) -> None:
    monkeypatch.chdir(history.root)
    path = "my data/features.csv"
    market = load_processed_csv(path, rev="v2", rev_cache=str(cache))
    assert market.n_days == 9
    source = market.source
    assert (source.name, source.path) == ("features", path)
    assert source.version is not None
    assert (source.version.sha256, source.version.tag) == (source.sha256, "v2")
    said = rf"(?s)data\.rev=v1 .*sha256 \w{{64}}, but data\.sha256 is {'0' * 12};"
    with pytest.raises(DataError, match=said):
        load_processed_csv(path, rev="v1", sha256="0" * 12, rev_cache=str(cache))


@needs_dvc
def test_a_revision_that_was_never_pushed_says_push(history, cache) -> None:
    with pytest.raises(DataError, match=r"data\.rev=unpushed.*(?s:.*)dvc push"):
        fetch_revision(history.root / "my data" / "features.csv", "unpushed", cache)
    assert not [each for each in cache.rglob("*") if each.is_file()]


@needs_dvc
@pytest.mark.parametrize(
    ("rev", "name", "said"),
    [
        ("v3", "my data/features.csv", r"no revision 'v3' in .*; tags are .*v2"),
        ("1.10", "my data/features.csv", r"quote a tag that looks like a number"),
        ("", "my data/features.csv", "no revision ''"),
        ("--all", "my data/features.csv", "no revision '--all'"),
        ("v1:tree.dvc", "my data/features.csv", "no revision 'v1:tree.dvc'"),
        ("v1", "nowhere.csv", "neither git nor DVC tracks nowhere.csv .*, nor at any other"),
    ],
)
def test_what_cannot_be_had_is_said(rev, name, said, history, cache) -> None:
    with pytest.raises(DataError, match=said):
        fetch_revision(history.root / name, rev, cache)


def test_outside_of_a_checkout_there_are_no_revisions(tmp_path, cache) -> None:
    with pytest.raises(DataError, match="is not in a git repository"):
        fetch_revision(tmp_path / "none" / "features.csv", "v1", cache)


def test_a_cache_that_cannot_be_written_is_said(tmp_path) -> None:
    checkout = Checkout.made(tmp_path / "project")
    write_processed_csv(checkout.root / "features.csv")
    checkout.commit("v1")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be kept in data\.rev_cache="):
        load_processed_csv(
            str(checkout.root / "features.csv"), rev="v1", rev_cache=str(tmp_path / "file")
        )


def test_a_file_of_git_needs_no_dvc(tmp_path, cache, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "dvc.api", None)
    checkout = Checkout.made(tmp_path / "project")
    file = checkout.root / "a [file].csv"
    with pytest.raises(DataError, match="no revision 'main'"):
        fetch_revision(file, "main", cache)
    checkout.commit("empty")
    file.write_bytes(b"first\r\n")
    commit = checkout.commit("v1")
    file.write_bytes(b"second\r\n")
    found, version = fetch_revision(file, "v1", cache)
    assert found.read_bytes() == b"first\r\n"
    assert version == FileVersion(sha256_of(found), None, commit, "v1", False, "git")
    with pytest.raises(DataError, match=r"at commit \w{12}; it is tracked at v1"):
        fetch_revision(file, "empty", cache)
    file.unlink()
    assert fetch_revision(file, "main", cache)[1] == version
    with pytest.raises(DataError, match="no such file"):
        versioned_file(str(file))


@needs_dvc
@pytest.mark.slow
def test_the_light_reader_says_what_dvc_says(tmp_path) -> None:
    """Files, folders, stages of a pipeline and a repository below the checkout's top folder."""
    from dvc.api import DVCFileSystem

    checkout = Checkout.made(tmp_path / "project")
    (checkout.root / "below").mkdir()
    for folder in (".", "below"):
        options = [] if folder == "." else ["--subdir"]
        checkout.use_dvc(tmp_path / "remote", *options, folder=folder)
        top = checkout.root / folder
        (top / "tree" / "deep").mkdir(parents=True)
        (top / "made").mkdir()
        for number, name in enumerate(("plain.csv", "tree/a.csv", "tree/deep/b c.csv")):
            (top / name).write_text(f"content {number} of {folder}\n")
        (top / "dvc.yaml").write_text(
            "stages:\n"
            "  copy:\n    cmd: cp plain.csv out.csv\n    deps: [plain.csv]\n    outs: [out.csv]\n"
            "  nested:\n    wdir: made\n    cmd: mkdir -p d && cp ../plain.csv d/e.csv\n"
            "    outs: [d]\n"
        )
        checkout.dvc("add", "-q", "plain.csv", "tree", folder=folder)
        checkout.dvc("repro", "-q", folder=folder)
    commit = checkout.commit("v1")
    names = ["plain.csv", "tree/a.csv", "tree/deep/b c.csv", "out.csv", "made/d/e.csv"]
    theirs = DVCFileSystem(str(checkout.root), rev="v1", subrepos=True)
    for name in [*names, *(f"below/{name}" for name in names)]:
        file = checkout.root / name
        version = file_version(file)
        assert version.md5 == theirs.info(name)["md5"] == md5_of(file.read_bytes()), name
        assert (version.rev, version.tag, version.dirty) == (commit, "v1", False), name
        assert fetch_revision(file, "v1", tmp_path / "kept")[1] == version, name
        file.write_text("changed")
        assert file_version(file).dirty is True, name


@needs_dvc
@pytest.mark.slow
def test_files_that_dvc_links_from_its_cache(tmp_path) -> None:
    checkout = Checkout.made(tmp_path / "project")
    checkout.use_dvc(tmp_path / "remote")
    checkout.dvc("config", "cache.type", "symlink")
    file = checkout.root / "features.csv"
    write_processed_csv(file)
    checkout.dvc("add", "-q", "features.csv")
    checkout.commit("v1")
    assert file.is_symlink()
    version = file_version(file)
    assert (version.tag, version.dirty, version.tracked_by) == ("v1", False, "dvc")
    # The cache still has an earlier version: the right revision can be named.
    expected = sha256_of(file)
    checkout.dvc("unprotect", "features.csv")
    write_processed_csv(file, n_days=8)
    checkout.dvc("add", "-q", "features.csv")
    checkout.commit("v2")
    with pytest.raises(DataError, match=r"data\.rev=v1 has the expected bytes"):
        versioned_file(str(file), sha256=expected)
    file.unlink()
    with pytest.raises(DataError, match="dvc pull"):
        versioned_file(str(file))


@needs_dvc
@pytest.mark.slow
def test_without_a_remote_there_is_only_the_cache(tmp_path, cache) -> None:
    checkout = Checkout.made(tmp_path / "project")
    checkout.dvc("init", "-q")
    file = write_processed_csv(checkout.root / "features.csv")
    expected = sha256_of(file)
    checkout.dvc("add", "-q", "features.csv")
    checkout.commit("v1")
    file.unlink()
    assert fetch_revision(file, "v1", cache)[1].sha256 == expected
    shutil.rmtree(cache)
    checkout.forget()
    with pytest.raises(DataError, match="neither the local cache nor the remote"):
        fetch_revision(file, "v1", cache)
    checkout.dvc("remote", "add", "-q", "-d", "store", "s3://bucket/data")
    checkout.commit("v2")
    with pytest.raises(DataError, match=r"DVC cannot fetch it: .*dvc-s3"):
        fetch_revision(file, "v2", cache)


def test_a_link_leads_to_the_file_of_its_commit(tmp_path: Path, cache: Path) -> None:
    checkout = Checkout.made(tmp_path / "linked")
    root = checkout.root
    for n_days, tag in ((6, "v1"), (9, "v2")):
        write_processed_csv(root / f"{tag}.csv", n_days)
        for name, target in (("current.csv", f"{tag}.csv"), ("alias.csv", "./current.csv")):
            (root / name).unlink(missing_ok=True)
            (root / name).symlink_to(target)
        (root / "round.csv").unlink(missing_ok=True)
        (root / "round.csv").symlink_to("round.csv")
        checkout.commit(tag)
    for name in ("current.csv", "alias.csv"):
        for tag in ("v1", "v2"):
            kept, version = fetch_revision(root / name, tag, cache)
            assert kept.read_bytes() == (root / f"{tag}.csv").read_bytes()
            assert version.sha256 == sha256_of(root / f"{tag}.csv")
    with pytest.raises(DataError, match=r"it is a link to .*round.csv, which the commit does not"):
        fetch_revision(root / "round.csv", "v1", cache)
