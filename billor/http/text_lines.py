"""Lines of a file in UTF-8, with limits."""

import codecs
from collections import deque
from collections.abc import Iterator
from typing import Protocol

MAX_RECORD_BYTES = 64 * 1024
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Readable(Protocol):
    """The part of a file's interface that reading lines needs."""

    def readline(self, limit: int, /) -> bytes: ...


class TooLong(Exception):
    """A record has more than `MAX_RECORD_BYTES`."""


class NotUtf8(Exception):
    """A line is not UTF-8. The message says what it is, if that is known."""


class Lines:
    """The lines of a file as text, ended by CR LF, LF or CR, without a byte order mark.

    At most `MAX_RECORD_BYTES` are read from one `end_record` to the next. Raises `TooLong` and
    `NotUtf8`.
    """

    def __init__(self, stream: Readable):
        self._stream = stream
        self._waiting: deque[bytes] = deque()
        self._unfinished = b""
        self._is_first = True
        self.end_record()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._waiting:
            self._read()
        line = self._waiting.popleft()
        self._left -= len(line)
        if self._left < 0:
            raise TooLong
        return self._decode(line)

    def end_record(self) -> None:
        self._left = MAX_RECORD_BYTES

    def _read(self) -> None:
        """Split what can be read next into lines. Raises `StopIteration` at the end."""
        space = self._left - len(self._unfinished)
        if space < 0:
            raise TooLong
        piece = self._stream.readline(space + 1)
        text = self._unfinished + piece
        if not text:
            raise StopIteration
        self._waiting.extend(text.splitlines(keepends=True))
        # What lacks its end goes on in the next piece, and a CR may be half of one.
        is_whole = not piece or text.endswith(b"\n")
        self._unfinished = b"" if is_whole else self._waiting.pop()

    def _decode(self, line: bytes) -> str:
        is_first, self._is_first = self._is_first, False
        if is_first and _is_utf16(line):
            raise NotUtf8("The file is UTF-16.")
        try:
            return line.decode("utf-8-sig" if is_first else "utf-8")
        except UnicodeDecodeError as error:
            raise NotUtf8 from error


def _is_utf16(line: bytes) -> bool:
    """Return whether a line begins with UTF-16's mark, or with ASCII characters in UTF-16."""
    return line.startswith(UTF_16_MARKS) or b"\0\0" in (line[0:4:2], line[1:4:2])
