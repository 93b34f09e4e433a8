"""Deployment packages on disk: unpacked once per content, with byte code, shared by all environments.

Byte code is compiled here, at deploy time: without it scikit-learn takes 3.4 s to import instead of 1.0.
A zip is unpacked below its own folder only, or not at all.
"""

from __future__ import annotations

import base64
import compileall
import hashlib
import io
import lzma
import os
import shutil
import stat
import struct
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from labkit.errors import InvalidParameterValue, RequestTooLarge
from labkit.model import UNZIPPED_BYTES, ZIP_BYTES, DeploymentPackage

MOST_FILES = 50_000
MOST_FOLDERS = 100  # in one path: what walks, links or deletes a tree is recursive
PIECE_BYTES = 1024 * 1024
# what zipfile raises for bytes that are no sound zip, by its own account (BadZipFile) and not: a compressor's errors,
# names that are not in their encoding (ValueError), encrypted entries (RuntimeError), parts that are cut off
NO_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, OSError, EOFError,
    ValueError, OverflowError, MemoryError, IndexError, KeyError,
)  # fmt: skip
REQUIREMENTS = "requirements.txt"


class PackageStore:
    """Packages by digest in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, DeploymentPackage] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def folder_of(self, package: DeploymentPackage) -> Path:
        return self._folder / base64.b64decode(package.sha256).hex()

    def zip_of(self, sha256: str) -> bytes | None:
        """The content as it was uploaded; None if there is no such package."""
        package = self._known.get(sha256)
        return self.folder_of(package).with_suffix(".zip").read_bytes() if package else None

    def opt_of(self, layers: Sequence[DeploymentPackage]) -> Path | None:
        """The folder that stands for `/opt` with these layers; None without layers."""
        names = "\n".join(layer.sha256 for layer in layers)
        return self._folder / f"opt-{hashlib.sha256(names.encode()).hexdigest()}" if layers else None

    def layered(self, layers: Sequence[DeploymentPackage]) -> None:
        """Fills `opt_of` with the files of all layers: a later layer's file replaces an earlier one's.

        Files are hard links to the layers' own; blocking.
        """
        target = self.opt_of(layers)
        if target is None or target.exists():
            return
        staging = Path(tempfile.mkdtemp(dir=self._folder))
        for layer in layers:
            shutil.copytree(self.folder_of(layer), staging, copy_function=_link, dirs_exist_ok=True)
        _settle(staging, target)

    def adopt(self, package: DeploymentPackage) -> bool:
        """Takes up a package of an earlier emulator; False if its files are not there as they were uploaded."""
        folder = self.folder_of(package)
        try:
            content = folder.with_suffix(".zip").read_bytes()
        except OSError:
            return False
        if base64.b64encode(hashlib.sha256(content).digest()).decode() != package.sha256:
            return False
        if folder.is_dir():
            self._known[package.sha256] = package
        else:
            self.add(content)
        return True

    def sweep(self) -> None:
        """Deletes what no adopted package needs: leftovers of an emulator that was killed, code of deleted versions."""
        needed = {self.folder_of(package) for package in self._known.values()}
        for path in self._folder.iterdir():
            if path.with_suffix("") not in needed:
                _delete(path)

    def unpacked_bytes(self, package: DeploymentPackage) -> int:
        folder = self.folder_of(package)
        return sum((folder / name).stat().st_size for name in package.files)

    def add(self, content: bytes, *, uploaded: bool = True) -> DeploymentPackage:
        """Unpacks a zip; blocking. Raises InvalidParameterValue or RequestTooLarge, in AWS's words.

        One that was not uploaded in the request itself may be as large as it unpacks.
        """
        digest = hashlib.sha256(content).digest()
        sha256 = base64.b64encode(digest).decode()
        if sha256 in self._known:
            return self._known[sha256]
        if uploaded and len(content) > ZIP_BYTES:
            raise RequestTooLarge(f"Request must be smaller than {ZIP_BYTES} bytes for the CreateFunction operation")
        folder = self._folder / digest.hex()
        staging = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            files = _unpack(content, staging)
            _compile(staging)
            _write_whole(folder.with_suffix(".zip"), content)
            _settle(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        package = DeploymentPackage(sha256, len(content), tuple(files), _requirements(folder))
        self._known[sha256] = package
        return package


def _write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing, whenever this process is killed."""
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    partial.write_bytes(content)
    partial.replace(path)


def _settle(staging: Path, target: Path) -> Path:
    """Gives a finished folder its name; another thread with the same content may have been faster."""
    staging.chmod(0o755)
    try:
        staging.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _link(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(target)
    os.link(source, target)


def _unpack(content: bytes, folder: Path) -> list[str]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except NO_ZIP:
        raise InvalidParameterValue(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from None
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > UNZIPPED_BYTES or len(entries) > MOST_FILES:
        raise InvalidParameterValue(f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes")
    left = UNZIPPED_BYTES
    for entry in entries:
        left -= _unpack_entry(archive, entry, folder, left)
    return sorted({str(_path(entry)) for entry in entries if not entry.is_dir()})


def _path(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Where an entry lies in its package; zips from Windows may have backslashes."""
    return PurePosixPath(entry.filename.replace("\\", "/"))


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, left: int) -> int:
    """Writes one entry and returns its size; a path that leaves the folder, or a link, is refused."""
    path = _path(entry)
    if not path.parts or path.is_absolute() or ".." in path.parts or stat.S_ISLNK(entry.external_attr >> 16):
        raise InvalidParameterValue(f"The zip file has an entry that leaves the package: {entry.filename!r}.")
    if len(path.parts) > MOST_FOLDERS:
        raise InvalidParameterValue(f"The zip file has an entry in more than {MOST_FOLDERS} folders.")
    try:
        return _written(archive, entry, folder / path, left)
    except NO_ZIP as error:
        raise InvalidParameterValue(f"Could not unzip uploaded file: {entry.filename!r}: {error}.") from None


def _written(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(entry) as source, target.open("wb") as file:
        while piece := source.read(PIECE_BYTES):
            size += len(piece)
            if size > left:  # the directory of the zip lied about sizes
                raise InvalidParameterValue(f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes")
            file.write(piece)
    if entry.external_attr >> 16 & stat.S_IXUSR:
        target.chmod(0o755)
    return size


def _compile(folder: Path) -> None:
    """Byte code for every module; a module that does not compile fails when it is imported, as on Lambda."""
    compileall.compile_dir(folder, maxlevels=50, quiet=2, force=False, workers=1, optimize=-1)
    sys.stdout.flush()
    for root, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(root, name)
            os.chmod(path, os.stat(path).st_mode & ~0o222)


def _requirements(folder: Path) -> tuple[str, ...]:
    path = folder / REQUIREMENTS
    if not path.is_file():
        return ()
    lines = (line.strip() for line in path.read_text("utf-8", "replace").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
