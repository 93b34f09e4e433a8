"""Packages on disk."""

from __future__ import annotations

import io
import os
import random
import stat
import struct
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labkit.emulator.packages import MOST_FILES, MOST_FOLDERS, PackageStore
from labkit.errors import InvalidParameterValue, RequestTooLarge, ServiceError
from labkit.model import UNZIPPED_BYTES, ZIP_BYTES


def zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def store(tmp_path):
    return PackageStore(tmp_path / "packages")


def test_a_package_is_unpacked_with_its_byte_code(store):
    package = store.add(zipped({"app.py": b"x = 1", "lib/inner.py": b"y = 2", "data.bin": b"\0"}))
    folder = store.folder_of(package)
    assert package.files == ("app.py", "data.bin", "lib/inner.py")
    assert list(folder.glob("__pycache__/app.*.pyc"))
    assert list(folder.glob("lib/__pycache__/inner.*.pyc"))


def test_fifty_megabytes_are_the_limit_of_what_is_uploaded_not_of_what_lies_in_s3(store):
    content = zipped({"data.bin": bytes(ZIP_BYTES)})  # stored as it is, so the zip is a little larger
    with pytest.raises(RequestTooLarge, match=f"smaller than {ZIP_BYTES} bytes"):
        store.add(content)
    assert store.add(content, uploaded=False).size_bytes == len(content)


def test_the_same_content_is_one_package(store):
    content = zipped({"app.py": b"x = 1"})
    assert store.add(content) is store.add(content)


def test_the_same_content_from_several_callers_at_once_is_one_package(store):
    content = zipped({f"m{n}.py": b"x = 1" for n in range(50)})
    with ThreadPoolExecutor(8) as pool:
        packages = set(pool.map(store.add, [content] * 16))
    assert len(packages) == 1
    folder = store.folder_of(packages.pop())
    assert len(list(folder.glob("__pycache__/*.pyc"))) == 50
    assert sorted(p.suffix for p in folder.parent.iterdir()) == ["", ".zip"]


def test_layers_lie_on_top_of_each_other(store):
    lower = store.add(zipped({"python/a.py": b"a = 1", "python/both.py": b"x = 'lower'"}))
    upper = store.add(zipped({"python/both.py": b"x = 'upper'", "python/b.py": b"b = 1"}))
    store.layered([lower, upper])
    opt = store.opt_of([lower, upper])
    assert {p.name for p in (opt / "python").glob("*.py")} == {"a.py", "b.py", "both.py"}
    assert (opt / "python" / "both.py").read_text() == "x = 'upper'"
    assert (store.folder_of(lower) / "python" / "both.py").read_text() == "x = 'lower'"
    store.layered([upper, lower])
    assert (store.opt_of([upper, lower]) / "python" / "both.py").read_text() == "x = 'lower'"


def test_a_module_that_does_not_compile_is_kept_for_its_import_to_fail(store):
    assert store.add(zipped({"app.py": b"def broken(:"})).files == ("app.py",)


def test_files_of_a_package_are_read_only(store):
    folder = store.folder_of(store.add(zipped({"app.py": b"x = 1"})))
    assert not os.stat(folder / "app.py").st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


def test_requirements_are_read(store):
    package = store.add(zipped({"requirements.txt": b"# pinned\nnumpy==2.4.6\n\nscikit-learn==1.9.1\n"}))
    assert package.requirements == ("numpy==2.4.6", "scikit-learn==1.9.1")


def test_a_link_in_a_zip_is_refused(store):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ServiceError, match="leaves the package"):
        store.add(buffer.getvalue())


def test_a_refused_package_leaves_nothing_on_disk(store, tmp_path):
    with pytest.raises(ServiceError):
        store.add(zipped({"good.py": b"x = 1", "../evil.py": b"x"}))
    assert list((tmp_path / "packages").iterdir()) == []
    assert not (tmp_path / "evil.py").exists()


NAMES = st.text(alphabet="ab./\\:~ \né", min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.binary(max_size=20), max_size=5))
def test_whatever_a_zip_is_called_inside_nothing_lands_outside(tmp_path_factory, entries):
    home = tmp_path_factory.mktemp("home")
    (home / "packages").mkdir()
    store = PackageStore(home / "packages")
    with suppress(ServiceError):
        store.add(zipped(entries))
    assert [p.name for p in home.iterdir()] == ["packages"]
    assert all(p.suffix in ("", ".zip") for p in (home / "packages").iterdir())


@given(st.binary(max_size=300))
def test_bytes_that_are_no_zip_are_an_error_of_the_api(tmp_path_factory, content):
    with pytest.raises(ServiceError):
        PackageStore(tmp_path_factory.mktemp("packages")).add(content)


# --- bad input ------------------------------------------------------------------------------------------------

TIMES = int(os.environ.get("FRONT_DOOR_TIMES", "1"))
ODD_NAMES = st.one_of(
    st.text(min_size=1, max_size=30),
    st.sampled_from(
        ["../x", "/etc/x", "..\\x", "C:\\x", "C:x", "//x", "a/../../x", "a/./b", "./a", "a//b", "a", "a/", "a/b", "A", "app.py", "APP.py", "app.py/x", "a\\b.py",
         ".", "..", "/", "\\", "...", "\x01", "a\nb", "x" * 300, "x/" * 200 + "y", "x" * 5000, "task", "tmp", ".zip", ".lock", "__pycache__", "__pycache__/app.cpython-311.pyc/x",
         "requirements.txt", "requirements.txt/x", "é.py", "python/x.py", "-rf", "~", "$HOME", "con", "a\u202eb"]
    ),
)  # fmt: skip
KINDS = [stat.S_IFREG, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR, 0]
MODES = [0, 0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o7777, 0o111]
ENTRIES = st.tuples(
    ODD_NAMES,
    st.one_of(st.binary(max_size=30), st.just(b"a" * 3000), st.just(b"def f(" * 500), st.just(b"[" * 5000)),
    st.sampled_from([kind | mode for kind, mode in product(KINDS, MODES)]),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
)
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)


def odd_zip(entries, before: bytes = b"") -> bytearray:
    buffer = io.BytesIO()
    buffer.write(before)
    with zipfile.ZipFile(buffer, "a", strict_timestamps=False) as archive:
        for name, content, mode, compression in entries:
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            info.external_attr, info.compress_type = mode << 16, compression
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a name twice
                archive.writestr(info, content)
    return bytearray(buffer.getvalue())


def added_or_refused(home, content: bytes) -> None:
    store = PackageStore(home / "packages")
    try:
        package = store.add(content)
    except InvalidParameterValue:
        assert list((home / "packages").iterdir()) == []
    else:
        folder = store.folder_of(package)
        assert sorted((home / "packages").iterdir()) == sorted([folder, folder.with_suffix(".zip")])
        assert store.unpacked_bytes(package) >= 0
        for name in package.files:
            assert (folder / name).resolve().is_relative_to(folder.resolve())
            assert not (folder / name).is_symlink()
            assert (folder / name).stat().st_mode & 0o7000 == 0
        store.layered([package])
    assert [path.name for path in home.iterdir()] == ["packages"]


@settings(max_examples=60 * TIMES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=TIMES == 1)
@given(st.lists(ENTRIES, max_size=4), CHANGES, st.binary(max_size=20), st.floats(0, 1))
@example([("a\\b.py", b"x = 1", 0o644, 0)], [], b"", 1.0)
@example([("x/" * 1500 + "y", b"", 0o644, 0)], [], b"", 1.0)
@example([("a.py", b"a" * 3000, 0o644, zipfile.ZIP_DEFLATED)], [(0.3, 255), (0.31, 0)], b"", 1.0)
@example([("a.py", b"a" * 3000, 0o644, zipfile.ZIP_LZMA)], [(0.3, 255), (0.35, 0)], b"", 1.0)
@example([("d", b"", stat.S_IFCHR | 0o666, 0)], [], b"", 1.0)
def test_a_damaged_zip_is_refused_or_lies_in_its_folder(tmp_path_factory, entries, changes, before, kept):
    content = odd_zip(entries, before)
    for where, byte in changes:
        content[int(where * len(content))] = byte
    added_or_refused(
        tmp_path_factory.mktemp("home"), bytes(content[: int(kept * len(content))] if kept > 0.5 else content)
    )


def test_any_single_byte_may_be_wrong(tmp_path_factory):
    rng = random.Random(7)
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        whole = odd_zip([("é/app.py", b"x = 1\n" * 9, 0o644, compression), ("b", b"", 0, 0)])
        for at in rng.sample(range(len(whole)), 40 * TIMES if TIMES < 5 else len(whole)):
            content = bytearray(whole)
            content[at] ^= 1 << rng.randrange(8)
            added_or_refused(tmp_path_factory.mktemp("home"), bytes(content))


def claiming(content: bytes, size: int) -> bytes:
    """The zip, whose directory says another size of its first entry."""
    at = content.rindex(b"PK\x01\x02") + 24
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


def with_flags(content: bytes, flags: int, compression: int | None = None) -> bytes:
    at = content.rindex(b"PK\x01\x02") + 8
    kind = content[at + 2 : at + 4] if compression is None else struct.pack("<H", compression)
    local = content.index(b"PK\x03\x04") + 6
    changed = content[:at] + struct.pack("<H", flags) + kind + content[at + 4 :]
    return changed[:local] + struct.pack("<H", flags) + kind + changed[local + 4 :]


ONE = zipped({"app.py": b"x = 1\n" * 5})
REFUSED = {
    "a size that is too small": claiming(ONE, 3),
    "a size beyond the limit": claiming(ONE, UNZIPPED_BYTES + 1),
    "an encrypted entry": with_flags(ONE, 1),
    "an unknown compression": with_flags(ONE, 0, 97),
    "compressed by nothing that is": with_flags(ONE, 0, zipfile.ZIP_DEFLATED),
    "a name that is not in its encoding": with_flags(zipped({"a": b""}).replace(b"a", b"\xff"), 0x800),
    "a file that is a folder": zipped({"a": b"1", "a/b": b"2"}),
    "a folder that is a file": zipped({"a/b": b"1", "a": b"2"}),
    "too deep": zipped({"x/" * MOST_FOLDERS + "y": b""}),
    "a name that is too long": zipped({"x" * 256: b""}),
    "a path that is too long": zipped({("x" * 200 + "/") * 30: b""}),
    "cut off": ONE[:-5],
    "no zip at all": b"PK\x03\x04" + bytes(50),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_sound_package_is_refused_without_a_trace(store, tmp_path, content):
    with pytest.raises(InvalidParameterValue):
        store.add(content)
    assert list((tmp_path / "packages").iterdir()) == []


def test_entries_that_overlap_unpack_no_more_than_the_limit(store, tmp_path):
    content = bytearray(zipped({"kernel": bytes(2_000_000)}))
    directory = content.rindex(b"PK\x01\x02")
    entry, end = bytes(content[directory:-22]), content[-22:]
    many = b"".join(entry.replace(b"kernel", b"k%05d" % n) for n in range(200))
    struct.pack_into("<HHI", end, 8, 200, 200, len(many))
    with pytest.raises(InvalidParameterValue):
        store.add(bytes(content[:directory]) + many + bytes(end))
    assert list((tmp_path / "packages").iterdir()) == []


def test_a_package_has_a_largest_number_of_files(store):
    with pytest.raises(InvalidParameterValue, match="Unzipped size"):
        store.add(zipped(dict.fromkeys(map(str, range(MOST_FILES + 1)), b"")))


def test_bytes_before_a_zip_do_not_matter(store):
    assert store.add(b"#!/bin/sh\n" + ONE).files == ("app.py",)


def test_a_file_whose_path_has_backslashes_is_named_where_it_lies(store):
    package = store.add(zipped({"lib\\inner.py": b"y = 2"}))
    assert package.files == ("lib/inner.py",)
    assert store.unpacked_bytes(package) == 5


def test_of_a_name_that_is_there_twice_the_last_counts(store):
    content = odd_zip([("app.py", b"x = 1", 0o644, 0), ("app.py", b"x = 22", 0o644, 0)])
    package = store.add(bytes(content))
    assert (package.files, store.unpacked_bytes(package)) == (("app.py",), 6)


@pytest.mark.parametrize("mode", [0, 0o4755, stat.S_IFCHR | 0o6777, stat.S_IFIFO | 0o644])
def test_a_file_is_a_plain_readable_file_whatever_the_zip_says(store, mode):
    folder = store.folder_of(store.add(bytes(odd_zip([("tool", b"#!", mode, 0)]))))
    said = os.stat(folder / "tool").st_mode
    assert (stat.S_ISREG(said), said & 0o7000, bool(said & stat.S_IRUSR)) == (True, 0, True)
