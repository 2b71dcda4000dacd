"""Files as request bodies."""

import hashlib
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from flask import g, request

from billor.api.fields import MAX_NAME_LENGTH
from billor.errors import Unsupported
from billor.observe.logs import printable

IN_MEMORY_BYTES = 1024 * 1024
PLAIN_CODINGS = {
    "Content-Encoding": ("", "identity"),
    "Transfer-Encoding": ("", "identity", "chunked"),
}


@contextmanager
def received_file(media_types: Container[str], max_bytes: int) -> Iterator[IO[bytes]]:
    """Receive the whole body before the block, so that a slow client keeps nothing else.

    Raises `Unsupported` for other media types, and `RequestEntityTooLarge`.
    """
    refuse_coded_body()
    if request.mimetype not in media_types:
        raise Unsupported
    request.max_content_length = max_bytes
    with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        shutil.copyfileobj(request.stream, file)
        file.seek(0)
        g.body_digest = hashlib.file_digest(file, "sha256").digest()  # it can be read only once
        file.seek(0)
        yield file


def refuse_coded_body() -> None:
    """Raise `Unsupported`, which names it, for a body with any coding.

    gunicorn takes the chunks of one with a transfer coding apart, and leaves it coded.
    """
    for header, plain in PLAIN_CODINGS.items():
        for coding in request.headers.get(header, "").split(","):
            if coding.strip().lower() not in plain:
                name = printable(coding.strip()[:MAX_NAME_LENGTH])
                detail = f"The body has the {header} {name}. Send it as it is, without one."
                raise Unsupported(detail)
