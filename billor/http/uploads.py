"""Files as request bodies, received completely before they are processed.

So a slow client keeps no transaction open. Large files are kept on disk.
"""

import hashlib
from collections.abc import Callable, Collection
from functools import wraps
from tempfile import SpooledTemporaryFile

from flask import g, request
from werkzeug.exceptions import UnsupportedMediaType

from billor.errors import UnsupportedCoding
from billor.http.strict_json import MAX_NAME_TOLD
from billor.logs import printable

PIECE_BYTES = 64 * 1024
IN_MEMORY_BYTES = 1024 * 1024


def takes_file(media_types: Collection[str], max_bytes: int) -> Callable[[Callable], Callable]:
    """Call a view with the body, a file of one of the `media_types`, as its first argument.

    Raises `UnsupportedMediaType`, `UnsupportedCoding`, and `RequestEntityTooLarge` for more than
    `max_bytes`.
    """

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def receive(*args, **kwargs):
            refuse_coded_body()
            if request.mimetype not in media_types:
                raise UnsupportedMediaType
            request.max_content_length = max_bytes
            with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
                _receive(file)
                return view(file, *args, **kwargs)

        return receive

    return decorate


def refuse_coded_body() -> None:
    """Raise `UnsupportedCoding`, which names it, for a body with any content coding."""
    given = request.headers.get("Content-Encoding", "")
    for coding in given.split(","):
        if coding.strip().lower() not in ("", "identity"):
            name = printable(coding.strip()[:MAX_NAME_TOLD])
            detail = f"The body has the Content-Encoding {name}. Send it as it is, without one."
            raise UnsupportedCoding("unsupported_media_type", detail)


def _receive(file: SpooledTemporaryFile[bytes]) -> None:
    """Read the body, and keep its digest in `g.body_digest`: it can be read only once."""
    digest = hashlib.sha256()
    while piece := request.stream.read(PIECE_BYTES):
        digest.update(piece)
        file.write(piece)
    g.body_digest = digest.digest()
    file.seek(0)
