"""What is in a package and where, that it is always the same, and what it says it needs."""

from __future__ import annotations

import base64
import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import keyword
import os
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.client.package import Requirements, build, code_sha256, included_files, module_name, pinned, shipped_modules
from labkit.client.source import Source
from labkit.errors import MissingInclude, SourceError

SOURCE = Source("# %%function f\ndef handler(event, context):\n    return 'ä'\n", "handler", ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A notebook's folder with models, data and what nobody wants in a package; `shared` lies beside it."""
    files = {
        "lesson/models/a.json": "a",
        "lesson/models/b.json": "b",
        "lesson/models/deep/c.json": "c",
        "lesson/models/__pycache__/m.pyc": "no",
        "lesson/models/.ipynb_checkpoints/a.json": "no",
        "lesson/models/.git/config": "no",
        "lesson/data.csv": "1,2",
        "lesson/mylib.py": "RATE = 3",
        "lesson/year=2024/x.csv": "hive",
        "shared/rates.json": "{}",
        "shared/tables/t.csv": "t",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "lesson"


def unpacked(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def names(folder: Path, *include: str | Path) -> list[str]:
    return sorted(set(unpacked(build(SOURCE, module="app", include=include, folder=folder))) - {"app.py"})


# --- the same bytes ----------------------------------------------------------------------------------------


def test_the_module_holds_the_text_as_utf_8(folder: Path) -> None:
    assert unpacked(build(SOURCE, module="app", folder=folder)) == {"app.py": SOURCE.text.encode()}


INCLUDES = ("models", "data.csv", "mylib.py", "../shared/rates.json", "models/*.json", "year=2024", "data.csv=d/e.csv")


@settings(deadline=None)
@given(order=st.permutations(INCLUDES))
def test_the_bytes_do_not_depend_on_the_order_of_includes(
    order: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "permuted" / "lesson"
    for name in ("models/a.json", "models/b.json", "data.csv", "mylib.py", "../shared/rates.json", "year=2024/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    first = build(SOURCE, module="app", include=INCLUDES, folder=folder, requirements=["b==1", "A==2"])
    assert build(SOURCE, module="app", include=order, folder=folder, requirements=["A==2", "b==1"]) == first


def test_the_bytes_do_not_depend_on_times_groups_or_the_umask(folder: Path) -> None:
    before = build(SOURCE, module="app", include=["data.csv"], folder=folder)
    os.utime(folder / "data.csv", (1_000_000_000, 1_000_000_000))
    (folder / "data.csv").chmod(0o600)
    assert build(SOURCE, module="app", include=["data.csv"], folder=folder) == before


def test_the_bytes_change_with_the_text(folder: Path) -> None:
    other = Source(SOURCE.text + "\n", "handler", ())
    assert build(SOURCE, module="app", folder=folder) != build(other, module="app", folder=folder)


def test_entries_are_sorted_dated_1980_and_keep_only_whether_they_run(folder: Path) -> None:
    (folder / "models" / "b.json").chmod(0o700)
    packed = build(SOURCE, module="middle", include=["models", "data.csv"], folder=folder)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        entries = {e.filename: (e.date_time, oct(e.external_attr >> 16)) for e in archive.infolist()}
    assert list(entries) == ["data.csv", "middle.py", "models/a.json", "models/b.json", "models/deep/c.json"]
    assert {when for when, _ in entries.values()} == {(1980, 1, 1, 0, 0, 0)}
    assert entries["models/b.json"][1] == "0o100755"
    assert {mode for name, (_, mode) in entries.items() if name != "models/b.json"} == {"0o100644"}


def test_the_digest_is_base64_of_sha_256() -> None:
    assert code_sha256(b"") == base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert code_sha256(b"").startswith("47DEQpj8HBSa")


# --- requirements ------------------------------------------------------------------------------------------


def test_requirements_are_listed_one_a_line_in_order(folder: Path) -> None:
    packed = build(SOURCE, module="app", folder=folder, requirements=["PyYAML==6", "numpy==2", "numpy==2"])
    assert unpacked(packed)["requirements.txt"] == b"numpy==2\nPyYAML==6\n"


def test_requirements_that_the_student_includes_are_kept(folder: Path) -> None:
    (folder / "requirements.txt").write_text("numpy<2\n")
    packed = build(SOURCE, module="app", include=["requirements.txt"], folder=folder, requirements=["numpy==2"])
    assert unpacked(packed)["requirements.txt"] == b"numpy<2\n"


# --- where included files go -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("data.csv", ["data.csv"]),
        ("./models/../data.csv", ["data.csv"]),
        ("models", ["models/a.json", "models/b.json", "models/deep/c.json"]),
        ("models/", ["models/a.json", "models/b.json", "models/deep/c.json"]),
        ("models/*.json", ["models/a.json", "models/b.json"]),
        ("models/**/*.json", ["models/a.json", "models/b.json", "models/deep/c.json"]),
        ("m*", ["models/a.json", "models/b.json", "models/deep/c.json", "mylib.py"]),
        ("models/[ab].json", ["models/a.json", "models/b.json"]),
        ("../shared/rates.json", ["rates.json"]),
        ("../shared/tables", ["tables/t.csv"]),
        ("../shared/*.json", ["rates.json"]),
        ("data.csv=x/y.csv", ["x/y.csv"]),
        ("data.csv=x/", ["x/data.csv"]),
        ("data.csv=.", ["data.csv"]),
        ("data.csv=x/../y.csv", ["y.csv"]),
        ("models=m", ["m/a.json", "m/b.json", "m/deep/c.json"]),
        ("models=.", ["a.json", "b.json", "deep/c.json"]),
        ("models/*.json=m", ["m/a.json", "m/b.json"]),
        ("models/**/*.json=m", ["m/a.json", "m/b.json", "m/deep/c.json"]),
        ("year=2024", ["year=2024/x.csv"]),
        ("year=*/x.csv", ["year=2024/x.csv"]),
        ("year=2024/x.csv=x.csv", ["x.csv"]),
    ],
)
def test_an_include_has_its_place(folder: Path, include: str, expected: list[str]) -> None:
    assert names(folder, include) == expected


def test_the_content_of_an_included_file_arrives(folder: Path) -> None:
    packed = build(SOURCE, module="app", include=["models", "../shared/rates.json=r.json"], folder=folder)
    found = unpacked(packed)
    assert (found["models/deep/c.json"], found["r.json"]) == (b"c", b"{}")


def test_the_notebooks_own_folder_comes_in_whole(folder: Path) -> None:
    assert {"data.csv", "models/deep/c.json", "mylib.py"} <= set(names(folder, "."))


def test_an_absolute_path_below_the_folder_keeps_its_relative_place(folder: Path) -> None:
    assert names(folder, folder / "models" / "a.json") == ["models/a.json"]
    assert names(folder, str(folder.parent / "shared" / "rates.json")) == ["rates.json"]


def test_a_path_object_is_never_split_at_its_equals_sign(folder: Path) -> None:
    with pytest.raises(MissingInclude):
        names(folder, Path("data.csv=x.csv"))


def test_a_folder_reached_through_a_link_keeps_relative_places(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    assert names(folder.parent / "link", folder / "models" / "a.json") == ["models/a.json"]


def test_wildcards_in_the_folders_own_name_mean_nothing(tmp_path: Path) -> None:
    odd = tmp_path / "[lesson] *"
    odd.mkdir()
    (odd / "a.json").write_text("a")
    (odd / "[1].json").write_text("1")
    assert names(odd, "*.json") == ["[1].json", "a.json"]
    assert names(odd, "[1].json") == ["[1].json"]


def test_a_wildcard_matches_no_hidden_name_unless_it_asks_for_one(folder: Path) -> None:
    (folder / ".secret").write_text("s")
    assert ".secret" not in names(folder, "*")
    assert names(folder, ".s*") == [".secret"]


def test_a_file_may_be_included_twice(folder: Path) -> None:
    assert names(folder, "models/a.json", "models/*.json", folder / "models" / "a.json") == [
        "models/a.json",
        "models/b.json",
    ]


def test_links_are_followed_to_files_and_folders(folder: Path) -> None:
    (folder / "models" / "link.json").symlink_to(folder / "data.csv")
    (folder / "models" / "tables").symlink_to(folder.parent / "shared" / "tables")
    found = unpacked(build(SOURCE, module="app", include=["models"], folder=folder))
    assert (found["models/link.json"], found["models/tables/t.csv"]) == (b"1,2", b"t")


def test_two_dots_behind_a_link_lead_where_the_system_says(folder: Path) -> None:
    (folder / "models" / "tables").symlink_to(folder.parent / "shared" / "tables")
    assert names(folder, "models/tables/../rates.json") == ["rates.json"]


def test_a_circle_of_links_ends(folder: Path) -> None:
    (folder / "models" / "deep" / "up").symlink_to(folder / "models")
    (folder / "models" / "self").symlink_to(folder / "models")
    assert names(folder, "models") == ["models/a.json", "models/b.json", "models/deep/c.json"]
    assert names(folder, "models/**/*.json") == ["models/a.json", "models/b.json", "models/deep/c.json"]


def test_a_link_to_nothing_is_passed_over_in_a_folder_and_missing_by_name(folder: Path) -> None:
    (folder / "models" / ".#a.json").symlink_to("nowhere")
    assert names(folder, "models") == ["models/a.json", "models/b.json", "models/deep/c.json"]
    with pytest.raises(MissingInclude):
        names(folder, "models/.#a.json")


# --- includes that are refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("include", "near"),
    [
        ("dta.csv", "data.csv"),
        ("models/aa.json", "models/a.json"),
        ("modles/a.json", "models/a.json"),
        ("modles/*.json", "models"),
        ("../shard/rates.json", "../shared/rates.json"),
        ("dta.csv=x.csv", "data.csv"),
    ],
)
def test_a_missing_include_names_the_path_that_it_may_have_meant(folder: Path, include: str, near: str) -> None:
    with pytest.raises(MissingInclude) as caught:
        names(folder, include)
    assert caught.value.message.endswith(f"Did you mean {near}?")


@pytest.mark.parametrize("include", ["nothing/like/it.bin", "*.parquet", "", " ", "a\0b", "~nobody-here/x", "a**b"])
def test_an_include_that_matches_nothing_is_missing(folder: Path, include: str) -> None:
    with pytest.raises(MissingInclude):
        names(folder, include)


@pytest.mark.parametrize("place", ["../x", "/x", "a/../../x", "..", "a\\b", "//x", "a\0b"])
def test_a_destination_never_leaves_the_package(folder: Path, place: str) -> None:
    with pytest.raises(SourceError, match="not a place inside the package"):
        names(folder, f"data.csv={place}")


@settings(deadline=None)
@given(place=st.text(st.sampled_from("./a\\"), max_size=12))
def test_whatever_the_destination_is_it_stays_inside_or_is_refused(
    place: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "data.csv").write_text("1")
    try:
        placed = list(included_files([f"data.csv={place}"], folder=folder))
    except SourceError:
        return
    root = os.path.realpath(folder)
    assert [os.path.commonpath([root, os.path.normpath(os.path.join(root, p))]) for p in placed] == [root]
    assert all(p == os.path.normpath(p) and p != "." for p in placed)


def test_two_files_for_one_place_are_refused_and_both_named(folder: Path) -> None:
    with pytest.raises(SourceError) as caught:
        names(folder, "data.csv=x.csv", "mylib.py=x.csv")
    assert all(word in caught.value.message for word in ("data.csv", "mylib.py", "both be x.csv"))


def test_a_place_cannot_be_a_file_and_a_folder(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"x would be a file and, for x/a\.json, a folder"):
        names(folder, "data.csv=x", "models/a.json=x/")


@pytest.mark.parametrize("place", ["app.py", "app/__init__.py", "app.cpython-311-x86_64-linux-gnu.so", "app.so"])
def test_no_included_file_replaces_the_handlers_module(folder: Path, place: str) -> None:
    with pytest.raises(SourceError, match=r"would replace app\.py"):
        names(folder, f"mylib.py={place}")


@pytest.mark.parametrize("place", ["app/data.py", "app.json", "deep/app.py", "app/x/__init__.py"])
def test_a_file_that_only_looks_like_the_handlers_module_is_welcome(folder: Path, place: str) -> None:
    assert names(folder, f"mylib.py={place}") == [place]


def test_what_is_neither_file_nor_folder_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(SourceError, match="pipe is neither a file nor a folder"):
        names(folder, "pipe")


def test_a_name_that_is_no_unicode_is_refused(folder: Path) -> None:
    try:
        (folder / "models" / "bad\udcff.json").write_text("x")
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    with pytest.raises(SourceError, match="not valid Unicode"):
        names(folder, "models")


# --- size --------------------------------------------------------------------------------------------------


def test_a_package_over_250_mb_unzipped_is_refused_with_its_three_largest_files(folder: Path) -> None:
    for name, megabytes in {"w.bin": 120, "x.bin": 100, "y.bin": 40, "z.bin": 1}.items():
        with (folder / name).open("wb") as file:
            file.truncate(megabytes * 1024 * 1024)  # a hole: takes no space and is never read
    with pytest.raises(SourceError) as caught:
        build(SOURCE, module="app", include=["*.bin"], folder=folder)
    message = caught.value.message
    assert message.startswith("The package is 261.1 MB unzipped; Lambda accepts 250.0 MB.")
    assert message.endswith("w.bin (120.0 MB), x.bin (100.0 MB), y.bin (40.0 MB).")


def test_a_package_may_be_as_large_as_the_limit_and_not_a_byte_larger(folder: Path) -> None:
    size = len(build(SOURCE, module="app", include=["models"], folder=folder))
    build(SOURCE, module="app", include=["models"], folder=folder, zip_limit=size)
    with pytest.raises(SourceError, match=r"MB zipped; Lambda accepts .*app\.py"):
        build(SOURCE, module="app", include=["models"], folder=folder, zip_limit=size - 1)


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "module"),
    [
        ("predict", "predict"),
        ("predict-price", "predict_price"),
        ("3d", "fn_3d"),
        ("", "fn_"),
        ("json", "json_function"),
        ("test", "test_function"),
        ("class", "class_function"),
        ("sys", "sys_function"),
        ("numpy", "numpy_function"),
        ("boto3", "boto3_function"),
        ("__main__", "__main___function"),
    ],
)
def test_a_functions_module_has_a_name_that_can_be_imported(function: str, module: str) -> None:
    assert module_name(function) == module


INSTALLED = frozenset(importlib.metadata.packages_distributions())


@settings(deadline=None)
@given(st.text(st.characters(codec="ascii"), max_size=64) | st.sampled_from(sorted(INSTALLED)))
def test_every_function_name_becomes_a_free_name(function: str) -> None:
    name = module_name(function)
    assert name.isidentifier()
    assert not keyword.iskeyword(name)
    assert name not in sys.stdlib_module_names
    assert name not in INSTALLED
    assert module_name(name) == name


def test_a_file_beside_the_notebook_takes_no_name_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_me.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert module_name("beside-me") == "beside_me"


def test_a_handler_can_import_the_module_that_its_function_is_called_after(tmp_path: Path) -> None:
    source = Source("import json\ndef handler(event, context): return json.dumps(event)", "handler", ("json",))
    with zipfile.ZipFile(io.BytesIO(build(source, module=module_name("json"), folder=tmp_path))) as archive:
        archive.extractall(tmp_path / "task")
    call = "import json_function; print(json_function.handler([1], None))"
    done = subprocess.run([sys.executable, "-c", call], cwd=tmp_path / "task", capture_output=True, text=True)
    assert done.stdout == "[1]\n"


# --- what is shipped and what must be installed ------------------------------------------------------------


def test_shipped_modules_are_the_top_level_modules_and_packages(folder: Path) -> None:
    (folder / "pkg" / "sub").mkdir(parents=True)
    (folder / "pkg" / "sub" / "x.py").write_text("")
    (folder / "fast.cpython-311-x86_64-linux-gnu.so").write_text("")
    found = shipped_modules(["pkg", "mylib.py", "fast.*", "models", "data.csv", "mylib.py=no-name.py"], folder=folder)
    assert found == ("fast", "mylib", "pkg")


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution into a folder of sys.path: its metadata files, and modules as its RECORD lists them."""
    site = tmp_path / "env" / "site-packages"
    site.mkdir(parents=True)
    monkeypatch.syspath_prepend(site)

    def install(name: str, version: str, *files: str, extra: Mapping[str, str] | None = None) -> None:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        for file in files:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).touch()
        (info / "RECORD").write_text("".join(f"{f},sha256=x,1\n" for f in (*files, f"{info.name}/METADATA")))
        for file, text in (extra or {}).items():
            (site / file.replace("INFO", info.name)).write_text(text)
        importlib.invalidate_caches()

    return install


def test_the_standard_library_and_shipped_modules_need_nothing() -> None:
    assert pinned(["json", "os", "__future__", "mylib", "test"], shipped=["mylib"]) == Requirements((), ())


def test_a_module_is_pinned_under_its_distributions_name() -> None:
    def pin(name: str) -> str:
        found = importlib.metadata.distribution(name)
        return f"{found.metadata['Name']}=={found.version}"

    assert pinned(["sklearn", "numpy", "dateutil", "numpy"]).pinned == tuple(
        sorted([pin("numpy"), pin("python-dateutil"), pin("scikit-learn")], key=str.lower)
    )


def test_every_installed_module_has_the_owners_that_the_standard_library_finds() -> None:
    expected = importlib.metadata.packages_distributions()
    specs = {name: importlib.util.find_spec(name) for name in expected if "." not in name}
    modules = {name for name, spec in specs.items() if spec is not None and spec.has_location}
    assert "numpy" in modules
    for module in sorted(modules - sys.stdlib_module_names):
        owners = {importlib.metadata.distribution(name) for name in expected[module]}
        assert pinned([module]).missing == ()
        assert set(pinned([module]).pinned) == {f"{d.metadata['Name']}=={d.version}" for d in owners}


@pytest.mark.parametrize(
    ("files", "module"),
    [
        (["YAML_like/__init__.py"], "YAML_like"),
        (["oneFile.py"], "oneFile"),
        (["_native.cpython-311-x86_64-linux-gnu.so"], "_native"),
        (["_stable.abi3.so"], "_stable"),
        (["spaced/deep/down/x.py"], "spaced"),
    ],
)
def test_a_wheel_without_top_level_txt_is_known_by_its_files(install: Install, files: list[str], module: str) -> None:
    install("Some-Thing", "1.2+cpu", *files, "../../bin/thing.py", "thing-data/x.py")
    assert pinned([module]) == Requirements(("Some-Thing==1.2+cpu",), ())
    assert pinned(["thing"]).missing == ("thing",)


def test_top_level_txt_names_modules_that_no_file_list_does(install: Install) -> None:
    install("Declared", "3", extra={"INFO/top_level.txt": "first_one\nsecond_one\n"})
    assert pinned(["second_one", "first_one"]) == Requirements(("Declared==3",), ())


def test_a_namespace_lists_every_distribution_that_has_a_part_in_it(install: Install) -> None:
    install("cloud-storage", "1", "cloudspace/storage/__init__.py")
    install("Cloud-auth", "2", "cloudspace/auth/__init__.py")
    assert pinned(["cloudspace"]).pinned == ("Cloud-auth==2", "cloud-storage==1")


def test_a_new_installation_is_seen_at_once(install: Install) -> None:
    assert pinned(["just_arrived"]).missing == ("just_arrived",)
    install("just-arrived", "1", "just_arrived.py")
    assert pinned(["just_arrived"]) == Requirements(("just-arrived==1",), ())


def editable(project: Path) -> str:
    return json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}})


def test_an_editable_installation_is_found_through_its_path_file(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "my project" / "src"
    (source / "my_tool").mkdir(parents=True)
    (source / "my_tool" / "__init__.py").touch()
    (source.parent / "beside_tool.py").touch()
    files = {"_my_tool.pth": f"{source}\n", "INFO/direct_url.json": editable(source.parent)}
    install("my-tool", "0.1.dev0", "_my_tool.pth", extra=files)
    for folder in (source, source.parent):
        monkeypatch.syspath_prepend(folder)
    assert pinned(["my_tool", "beside_tool"]) == Requirements(("my-tool==0.1.dev0",), ("beside_tool",))
    assert module_name("my-tool") == "my_tool_function"


def test_an_editable_installation_with_a_loader_owns_its_project(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "my project" / "python"
    source.mkdir(parents=True)
    (source / "my_loader_tool.py").touch()
    files = {"_loader.pth": "import _loader\n", "INFO/direct_url.json": editable(source.parent)}
    install("loader-tool", "1", "_loader.pth", extra=files)
    monkeypatch.syspath_prepend(source)
    assert pinned(["my_loader_tool"]).pinned == ("loader-tool==1",)


def test_the_first_of_two_versions_on_the_path_is_the_one_that_is_imported(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("Twice-There", "1", "twice_there.py")
    later = tmp_path / "later" / "twice_there-2.dist-info"
    later.mkdir(parents=True)
    (later / "METADATA").write_text("Metadata-Version: 2.1\nName: twice.there\nVersion: 2\n")
    (later / "RECORD").write_text("twice_there.py,,\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    assert pinned(["twice_there"]).pinned == ("Twice-There==1",)


def test_a_module_beside_the_notebook_is_missing_unless_it_is_shipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    assert pinned(["mylib"]).missing == ("mylib",)
    assert pinned(["mylib"], shipped=["mylib"]).missing == ()


def test_an_installed_module_of_no_distribution_is_neither_pinned_nor_missing(install: Install, tmp_path: Path) -> None:
    (tmp_path / "env" / "site-packages" / "copied_in.py").touch()
    importlib.invalidate_caches()
    assert pinned(["copied_in"]) == Requirements((), ())


def test_a_module_that_was_made_by_hand_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    assert pinned(["made_by_hand"]).missing == ("made_by_hand",)
