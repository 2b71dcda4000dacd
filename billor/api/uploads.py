"""Files as request bodies."""

import hashlib
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from flask import g, request

from billor.errors import Unsupported

IN_MEMORY_BYTES = 1024 * 1024


@contextmanager
def received_file(media_types: Container[str], max_bytes: int) -> Iterator[IO[bytes]]:
    """Receive the whole body before the block, which then never waits for a slow client.

    Raises `Unsupported` for other media types, and `RequestEntityTooLarge`.
    """
    if request.mimetype not in media_types:
        raise Unsupported
    request.max_content_length = max_bytes
    with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        shutil.copyfileobj(request.stream, file)
        file.seek(0)
        g.body_digest = hashlib.file_digest(file, "sha256").digest()  # a stream is read once
        file.seek(0)
        yield file
