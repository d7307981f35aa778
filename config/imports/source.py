"""Opens a delimited text file: plain or gzip, UTF-8 unless told otherwise, never guessing."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from config.imports.problems import UnreadableFile

_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK = 1 << 20
# No line of a shop's file is longer; one without end would be read into memory whole.
_LONGEST = 1 << 20
_DAMAGED = "The gzip file is damaged ({}). Fetch it again."


@dataclass(frozen=True, slots=True)
class Source:
    """One file. `sha256` is of its unpacked bytes, so packing it anew changes nothing."""

    path: Path
    encoding: str
    sha256: str
    size: int

    def records(self, on_bytes: Callable[[int], None]) -> Iterator[tuple[int, list[str]]]:
        """Each record with the number of its last line; bytes that are not text become surrogates.

        `on_bytes` is told now and then how many unpacked bytes have been read. Raises
        UnreadableFile where the quoting or the packing is broken.
        """
        with _unpacked(self.path) as raw:
            text = io.TextIOWrapper(
                io.BufferedReader(_Counted(raw, on_bytes), _CHUNK),
                encoding=self.encoding,
                errors="surrogateescape",
                newline="",
            )
            reader = csv.reader(text, strict=True)
            try:
                for record in reader:
                    yield reader.line_num, record
            except csv.Error as error:
                raise UnreadableFile(
                    f"Near line {reader.line_num} the quoting is broken ({error}). Look for a"
                    ' field that opens with " and never closes.'
                ) from error
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise UnreadableFile(_DAMAGED.format(error)) from error


class _Counted(io.RawIOBase):
    def __init__(self, raw: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self._raw = raw
        self._on_bytes = on_bytes
        self._seen = 0
        self._line_from = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the stub's Buffer has no len()
        chunk = self._raw.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._measure(chunk)
        self._seen += len(chunk)
        self._on_bytes(self._seen)
        return len(chunk)

    def _measure(self, chunk: bytes) -> None:
        ends = chunk.rfind(b"\n")
        begins = self._line_from
        until = self._seen + (len(chunk) if ends < 0 else chunk.find(b"\n"))
        if ends >= 0:
            self._line_from = self._seen + ends + 1
        if until - begins > _LONGEST:
            raise UnreadableFile(
                f"A line from byte {begins:,} on is longer than {_LONGEST:,} bytes. Check that this"
                " is the file you mean, and how its lines end."
            )


def _unpacked(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]  # GzipFile reads like one


def open_source(path: Path, encoding: str | None = None) -> Source:
    """Look at a file's first bytes and its hash. `encoding` None means UTF-8, with or without BOM.

    Raises UnreadableFile when there is no such file, it is empty, or it is UTF-16.
    """
    if not path.is_file():
        raise UnreadableFile(f"There is no file {path}.")
    digest = hashlib.sha256()
    size = 0
    head = b""
    try:
        with _unpacked(path) as raw:
            while chunk := raw.read(_CHUNK):
                head = head or chunk[:4096]
                digest.update(chunk)
                size += len(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(_DAMAGED.format(error)) from error
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror or error}.") from error
    if not head.strip():
        raise UnreadableFile(f"{path} is empty.")
    return Source(path, encoding or _encoding(path, head), digest.hexdigest(), size)


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith(_UTF16) or head.count(b"\0") > len(head) // 4:
        raise UnreadableFile(
            f"{path} is UTF-16, not UTF-8. Run again with --encoding utf-16, or convert it:"
            f" iconv -f UTF-16 -t UTF-8 {path.name} > utf8.csv"
        )
    return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
