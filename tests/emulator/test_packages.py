"""Packages on disk."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.packages import PackageStore
from labkit.errors import RequestTooLarge, ServiceError
from labkit.model import ZIP_BYTES


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
