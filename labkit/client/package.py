"""Deployment packages: a source and its included files become a zip with the same bytes each time.

Owns what is in the zip, where, and what the handler's module is called; and which installed distributions provide
the modules that it imports. Knows no endpoint: the caller deploys the bytes.

**The same bytes.** Names are sorted, every time stamp is 1980-01-01 00:00 (the zip format's first moment), files are
0o644, or 0o755 if someone may execute them, and the compression level is fixed. So `code_sha256` changes only when
content does, as a deployment expects. (Another implementation of zlib may compress the same content differently.)

**Included files** keep their path below the notebook's folder; what lies outside comes in under its own name, and
`SRC=DEST` places it elsewhere:

    data.csv                 data.csv
    models                   models/..., all of it, without __pycache__, .ipynb_checkpoints and .git
    models/*.json            models/a.json, models/b.json
    ../shared/rates.json     rates.json
    ../shared/v2.json=r.json r.json         (`DEST/`, with a slash at its end, is a folder)
    models/*.json=m          m/a.json, m/b.json

A source may be anywhere; a destination never leaves the package. Links are followed, but never in a circle; links to
nothing, which editors leave behind as locks, are passed over inside a folder.

**The module's name** is the function's with every character that a name cannot have replaced by `_`, `fn_` before a
leading digit, and `_function` behind a name that is taken: keywords, the standard library, what AWS's runtime brings,
and what is installed here. A module `json.py` in the package would otherwise be what `import json` finds.
"""

from __future__ import annotations

import base64
import difflib
import glob
import hashlib
import importlib.util
import io
import json
import keyword
import math
import os
import posixpath
import re
import sys
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from labkit.client.source import Source
from labkit.errors import MissingInclude, SourceError
from labkit.model import UNZIPPED_BYTES, ZIP_BYTES

if TYPE_CHECKING:  # it brings `email`, and is needed when something is deployed
    from importlib.metadata import Distribution

SKIPPED = frozenset({"__pycache__", ".ipynb_checkpoints", ".git"})

_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEVEL = 6
_REGULAR_FILE = 0o100000
_UNIX = 3
_EXTENSIONS = (".so", ".pyd")

_Contents = Mapping[str, Path | bytes]


def build(
    source: Source,
    *,
    module: str,
    include: Sequence[str | Path] = (),
    folder: Path,
    requirements: Sequence[str] = (),
    zip_limit: int = ZIP_BYTES,
    unzipped_limit: int = UNZIPPED_BYTES,
) -> bytes:
    """A zip with `module`.py, the included files and requirements.txt, unless one is included or none is needed.

    Limits are in bytes. Raises MissingInclude, or SourceError for files that collide, leave the package, cannot be
    read, or are too large together.
    """
    files = included_files(include, folder=folder)
    _refuse_other_module(files, module)
    contents: dict[str, Path | bytes] = {**files, f"{module}.py": source.text.encode()}
    if requirements:
        lines = sorted(set(requirements), key=lambda line: (line.lower(), line))
        contents.setdefault("requirements.txt", "".join(f"{line}\n" for line in lines).encode())
    _refuse_file_as_folder(contents)
    sizes = {name: _size(name, content) for name, content in contents.items()}
    _refuse_too_large("unzipped", sum(sizes.values()), unzipped_limit, sizes)
    packed = _zipped(contents)
    _refuse_too_large("zipped", len(packed), zip_limit, sizes)
    return packed


def code_sha256(zip_bytes: bytes) -> str:
    """The package's digest as AWS shows it (`CodeSha256`): base64 of the SHA-256."""
    return base64.b64encode(hashlib.sha256(zip_bytes).digest()).decode("ascii")


def included_files(include: Sequence[str | Path], *, folder: Path) -> dict[str, Path]:
    """Where each included file comes from, by its place in the package. Raises as `build` does."""
    root = Path(os.path.abspath(folder))
    files: dict[str, Path] = {}
    for item in include:
        try:
            for destination, path in _expanded(item, root):
                _add(files, _checked(destination, item), path)
        except OSError as error:
            raise _unreadable(error.filename or item, error) from None
    return files


def shipped_modules(include: Sequence[str | Path], *, folder: Path) -> tuple[str, ...]:
    """The top-level modules and packages among the included files: what the handler can import from its package."""
    found = {_MODULE_FILE.match(f"{name},") for name in included_files(include, folder=folder)}
    return tuple(sorted({match[1] for match in found if match}))


# --- from --include to files -------------------------------------------------------------------------------


def _expanded(item: str | Path, root: Path) -> Iterator[tuple[str, Path]]:
    """The files that one include means, each with its place in the package."""
    text, asked = _parted(item, root)
    places = _places(text, root)
    if not places:
        raise MissingInclude(text, str(root), near=_near(text, root))
    for place in places:
        base = _base(place, text, asked, root)
        if place.is_dir():
            yield from ((posixpath.join(base, below.relative_to(place).as_posix()), below) for below in _below(place))
        elif place.is_file():
            yield base, place
        else:
            raise SourceError(f"--include {text}: {place.name} is neither a file nor a folder.")


def _parted(item: str | Path, root: Path) -> tuple[str, str | None]:
    """`SRC=DEST`, unless a file has such a name: `year=2024/a.csv` is one."""
    text = os.fspath(item)
    if isinstance(item, Path) or "=" not in text or _places(text, root):
        return text, None
    source, _, destination = text.rpartition("=")
    return source, destination


def _places(text: str, root: Path) -> list[Path]:
    """What a path or a pattern means here; a file whose name looks like a pattern is that file."""
    if not text.strip() or "\0" in text:
        return []
    exact = _exact(text, root)
    if exact:
        return [exact]
    return _matches(text, root) if glob.has_magic(text) else []


def _exact(text: str, root: Path) -> Path | None:
    """The file or folder of this very name. Behind a link, `..` is not what the text alone suggests."""
    given = root / os.path.expanduser(text)
    if not given.exists():
        return None
    tidy = _absolute(root, text)
    return tidy if tidy.exists() and tidy.samefile(given) else Path(os.path.realpath(given))


def _matches(pattern: str, root: Path) -> list[Path]:
    """As in a shell, a wildcard matches no hidden name unless the pattern names one. `**` follows no links."""
    fixed, rest = _fixed(pattern, root)
    hidden = any(part.startswith(".") for part in rest.parts)
    try:
        found = sorted(set(fixed.glob(str(rest))))
    except (ValueError, NotImplementedError):  # "a**b" before Python 3.13
        return []
    below = {place: place.relative_to(fixed).parts for place in found}
    return [
        place
        for place, parts in below.items()
        if SKIPPED.isdisjoint(parts) and (hidden or not any(part.startswith(".") for part in parts))
    ]


def _fixed(pattern: str, root: Path) -> tuple[Path, Path]:
    """The folder before a pattern's first wildcard, and the rest of the pattern."""
    parts = Path(pattern).parts
    plain = list(takewhile(lambda part: not glob.has_magic(part), parts))
    return _absolute(root, *plain), Path(*parts[len(plain) :])


def _absolute(root: Path, *parts: str) -> Path:
    return Path(os.path.abspath(root / os.path.expanduser(Path(*parts))))


def _base(place: Path, text: str, asked: str | None, root: Path) -> str:
    """Where a file, or a folder's content, goes."""
    if asked is None:
        return _below_root(place, root) or place.name
    if place != _exact(text, root):
        return posixpath.join(asked, place.relative_to(_fixed(text, root)[0]).as_posix())
    into_folder = asked.endswith("/") or posixpath.normpath(asked) == "."
    return posixpath.join(asked, place.name) if into_folder and not place.is_dir() else asked


def _below_root(place: Path, root: Path) -> str | None:
    """The path relative to the notebook's folder; that folder may be a link, and the path given without it."""
    for top in (root, Path(os.path.realpath(root))):
        if place.is_relative_to(top):
            return place.relative_to(top).as_posix()
    return None


def _below(directory: Path, entered: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    status = directory.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in entered:
        return
    for entry in sorted(directory.iterdir()):
        if entry.name in SKIPPED:
            continue
        if entry.is_dir():
            yield from _below(entry, entered | {identity})
        elif entry.is_file():
            yield entry


def _near(text: str, root: Path) -> list[str]:
    """Paths that a missing one may have meant, written as the student would write them."""
    parts = Path(text).parts
    for i, part in enumerate(parts):
        if (root / Path(*parts[: i + 1])).exists():
            continue
        parent = root / Path(*parts[:i])
        names = sorted(entry.name for entry in parent.iterdir()) if parent.is_dir() else []
        guesses = [Path(*parts[:i], name) for name in difflib.get_close_matches(part, names)]
        whole = [guess / Path(*parts[i + 1 :]) for guess in guesses]
        return [str(w if (root / w).exists() else guess) for w, guess in zip(whole, guesses, strict=True)]
    return []


def _checked(destination: str, item: str | Path) -> str:
    normal = posixpath.normpath(destination)
    if normal.startswith("/") or normal.split("/")[0] == ".." or "\\" in normal or "\0" in normal:
        raise SourceError(
            f"--include {item}: {destination} is not a place inside the package.",
            hint="Give a place relative to the package's root, such as models/model.json; nothing was deployed.",
        )
    try:
        normal.encode()
    except UnicodeEncodeError:
        raise SourceError(f"--include {item}: the file name {normal!a} is not valid Unicode; rename it.") from None
    return normal


# --- what collides or is too large -------------------------------------------------------------------------


def _add(files: dict[str, Path], destination: str, path: Path) -> None:
    """The same file may be included twice, as `models` and `models/a.json` are."""
    present = files.setdefault(destination, path)
    if present != path and not os.path.samefile(present, path):
        raise SourceError(
            f"Two included files would both be {destination}: {present} and {path}.",
            hint="Give one of them another place with --include SRC=DEST; nothing was deployed.",
        )


def _refuse_other_module(files: Collection[str], module: str) -> None:
    for name in sorted(files):
        if _is_module(name, module):
            raise SourceError(
                f"The included file {name} would replace {module}.py, the module made from this cell.",
                hint="Give the function another name, or the file another place with --include SRC=DEST.",
            )


def _is_module(name: str, module: str) -> bool:
    """Whether `import module` could find this file: Python prefers packages and extensions to `module.py`."""
    package = name.startswith(f"{module}/__init__.") and name.count("/") == 1
    extension = name.startswith(f"{module}.") and name.endswith(_EXTENSIONS) and "/" not in name
    return package or extension or name == f"{module}.py"


def _refuse_file_as_folder(contents: _Contents) -> None:
    for name in sorted(contents):
        for parent in PurePosixPath(name).parents:
            if str(parent) in contents:
                raise SourceError(f"{parent} would be a file and, for {name}, a folder of the package.")


def _refuse_too_large(state: str, size: int, limit: int, sizes: Mapping[str, int]) -> None:
    if size <= limit:
        return
    largest = sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))[:3]
    listed = ", ".join(f"{name} ({_mb(bytes_)})" for name, bytes_ in largest)
    raise SourceError(
        f"The package is {_mb(size)} {state}; Lambda accepts {_mb(limit)}. Its largest files: {listed}.",
        hint="Leave out what the handler does not read, or let it fetch large data from S3; nothing was deployed.",
    )


def _mb(size: int) -> str:
    """Rounded up, so that what is over a limit also reads so; a MB is 1024 * 1024 bytes here, as in AWS's limits."""
    return f"{math.ceil(size / 1024 / 1024 * 10) / 10:.1f} MB"


# --- the zip -----------------------------------------------------------------------------------------------


def _zipped(contents: _Contents) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(contents):
            data, mode = _read(name, contents[name])
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = (_REGULAR_FILE | mode) << 16
            archive.writestr(entry, data, compresslevel=_LEVEL)
    return buffer.getvalue()


def _read(name: str, content: Path | bytes) -> tuple[bytes, int]:
    if isinstance(content, bytes):
        return content, 0o644
    try:
        return content.read_bytes(), 0o755 if content.stat().st_mode & 0o111 else 0o644
    except OSError as error:
        raise _unreadable(name, error) from None


def _size(name: str, content: Path | bytes) -> int:
    try:
        return len(content) if isinstance(content, bytes) else content.stat().st_size
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: object, error: OSError) -> SourceError:
    return SourceError(f"The included file {name} cannot be read: {error.strerror}.")


# --- the module's name -------------------------------------------------------------------------------------

# What AWS's runtime has on its path besides the standard library, and names that Python itself gives a meaning.
_RESERVED = frozenset(
    {"__init__", "__main__", "awslambdaric", "bootstrap", "boto3", "botocore", "labkit", "lambda_runtime_client"}
    | {"runtime_client", "sitecustomize", "test", "usercustomize"}
)


def module_name(function_name: str) -> str:
    """The name of the module that holds a function's source; the module docstring has the rule.

    >>> module_name("predict-price"), module_name("3d"), module_name("json")
    ('predict_price', 'fn_3d', 'json_function')
    """
    name = re.sub(r"[^0-9A-Za-z_]", "_", function_name)
    if not name or name[0].isdigit():
        name = f"fn_{name}"
    while _taken(name):
        name += "_function"
    return name


def _taken(name: str) -> bool:
    known = keyword.iskeyword(name) or name in sys.stdlib_module_names or name in _RESERVED
    return known or bool(_owners(name)) or _in_site_packages(name)


# --- which distributions are imported ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Requirements:
    """`pinned` ("scikit-learn==1.9.1") is what provides the imported modules here; `missing` is what nothing does."""

    pinned: tuple[str, ...]
    missing: tuple[str, ...]


def pinned(imports: Iterable[str], *, shipped: Collection[str] = ()) -> Requirements:
    """The distributions that provide these top-level modules in this interpreter, sorted, without duplicates.

    The standard library and `shipped` modules need none. A namespace such as `google` belongs to several
    distributions, and all of them are listed. A module beside the notebook that is not shipped is missing.

    >>> pinned(["json", "sklearn", "nowhere"])
    Requirements(pinned=('scikit-learn==1.9.1',), missing=('nowhere',))
    """
    here = {*sys.stdlib_module_names, *shipped, "__main__", "test"}
    wanted = [name for name in dict.fromkeys(imports) if name not in here]
    owners = {name: _owners(name) for name in wanted}
    found = {_normal(str(d.name)): f"{d.name}=={d.version}" for name in wanted for d in reversed(owners[name])}
    missing = tuple(name for name in wanted if not owners[name] and not _in_site_packages(name))
    return Requirements(tuple(sorted(found.values(), key=str.lower)), missing)


@dataclass(frozen=True, slots=True)
class _Editable:
    """A distribution that is installed as a pointer to its source; `direct`: its modules lie directly in `folder`."""

    folder: Path
    direct: bool
    distribution: Distribution


@dataclass(frozen=True, slots=True)
class _Installed:
    by_module: Mapping[str, tuple[Distribution, ...]]
    editable: tuple[_Editable, ...]


# A line of a RECORD that is a module, or a file of a package: six.py, numpy/__init__.py, _cffi.cpython-311-darwin.so
_MODULE_FILE = re.compile(r'^"?([^\W\d]\w*)(?:/[^,\n]*|\.[\w.-]+)?\.(?:py|so|pyd)"?,', re.MULTILINE)
_PATH_FILE = re.compile(r"^([^/\n,]+\.pth),", re.MULTILINE)


def _owners(module: str) -> Sequence[Distribution]:
    """The distributions that provide a module, in the order of sys.path."""
    installed = _installed_now()
    if module in installed.by_module:
        return installed.by_module[module]
    places = _where(module) if installed.editable else []
    fitting = [e for e in installed.editable if any(_provides(e, place) for place in places)]
    return [max(fitting, key=lambda e: len(e.folder.parts)).distribution] if fitting else []


def _provides(editable: _Editable, place: Path) -> bool:
    return place.parent == editable.folder if editable.direct else place.is_relative_to(editable.folder)


def _installed_now() -> _Installed:
    """Cached until a folder of sys.path changes, as it does when something is installed.

    `importlib.metadata.packages_distributions` answers the same at five times the cost, each time, and does not know
    the modules of an editable installation.
    """
    folders = [os.path.abspath(folder) for folder in sys.path]
    return _installed(tuple((f, os.stat(f).st_mtime_ns) for f in dict.fromkeys(folders) if os.path.isdir(f)))


@lru_cache(maxsize=1)
def _installed(folders: tuple[tuple[str, int], ...]) -> _Installed:
    from importlib.metadata import distributions  # as above

    by_module: dict[str, list[Distribution]] = {}
    editable: list[_Editable] = []
    for distribution in distributions(path=[folder for folder, _ in folders]):
        declared = (distribution.read_text("top_level.txt") or "").split()
        record = distribution.read_text("RECORD") or _listed(distribution)
        for module in {name.split("/")[0] for name in declared} or set(_MODULE_FILE.findall(record)):
            by_module.setdefault(module, []).append(distribution)
        editable += _pointers(distribution, _PATH_FILE.findall(record))
    return _Installed({module: tuple(owners) for module, owners in by_module.items()}, tuple(editable))


def _listed(distribution: Distribution) -> str:
    """The files of an installation without RECORD, such as a system package's, as lines of one."""
    return "".join(f"{path},,\n" for path in distribution.files or ())


def _pointers(distribution: Distribution, path_files: list[str]) -> list[_Editable]:
    """Where an editable installation's source is: what its .pth adds to sys.path, else the whole project."""
    recorded = distribution.read_text("direct_url.json") if path_files else None
    origin = json.loads(recorded) if recorded else {}
    if not origin.get("dir_info", {}).get("editable"):
        return []
    lines = [line.strip() for name in path_files for line in _lines_of(distribution, name)]
    added = [Path(line) for line in lines if os.path.isabs(line)]
    project = Path(unquote(urlsplit(origin["url"]).path))
    return [_Editable(folder, True, distribution) for folder in added] or [_Editable(project, False, distribution)]


def _lines_of(distribution: Distribution, path_file: str) -> list[str]:
    try:
        return Path(str(distribution.locate_file(path_file))).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _in_site_packages(module: str) -> bool:
    """Installed, but by nothing that says its version: it is there, and cannot be pinned."""
    return any({"site-packages", "dist-packages"} & set(place.parts) for place in _where(module))


def _where(module: str) -> list[Path]:
    """The module's file or its package's folders; nothing is imported to find them."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a module that somebody put into sys.modules by hand has no spec
        return []
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return folders or ([Path(spec.origin)] if spec.has_location and spec.origin else [])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
