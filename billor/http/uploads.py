"""Files as request bodies, received completely before they are processed.

So a slow client keeps no transaction open. Large files are kept on disk.
"""

import hashlib
from collections.abc import Callable
from functools import wraps
from tempfile import SpooledTemporaryFile

from flask import g, request

from billor.errors import Unsupported
from billor.http.media_types import ACCEPTED, HEAD_BYTES, recognise, require_utf8
from billor.http.strict_json import MAX_NAME_TOLD
from billor.logs import printable

PIECE_BYTES = 64 * 1024
IN_MEMORY_BYTES = 1024 * 1024
PLAIN_CODINGS = {
    "Content-Encoding": ("", "identity"),
    "Transfer-Encoding": ("", "identity", "chunked"),
}


def takes_file(max_bytes: int) -> Callable[[Callable], Callable]:
    """Call a view with the body, a file, and what `recognise` says it is, as its first arguments.

    Raises `Unsupported` for other kinds of files, and `RequestEntityTooLarge` for more than
    `max_bytes`.
    """

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def receive(*args, **kwargs):
            refuse_coded_body()
            if request.mimetype not in ACCEPTED:
                raise Unsupported
            require_utf8(request)
            request.max_content_length = max_bytes
            with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
                _receive(file)
                media_type = recognise(file.read(HEAD_BYTES), request.mimetype)
                file.seek(0)
                return view(file, media_type, *args, **kwargs)

        return receive

    return decorate


def refuse_coded_body() -> None:
    """Raise `Unsupported`, which names it, for a body with any coding.

    gunicorn takes the chunks of one with a transfer coding apart, and leaves it coded.
    """
    for header, plain in PLAIN_CODINGS.items():
        for coding in request.headers.get(header, "").split(","):
            if coding.strip().lower() not in plain:
                name = printable(coding.strip()[:MAX_NAME_TOLD])
                detail = f"The body has the {header} {name}. Send it as it is, without one."
                raise Unsupported(detail)


def _receive(file: SpooledTemporaryFile[bytes]) -> None:
    """Read the body, and keep its digest in `g.body_digest`: it can be read only once."""
    digest = hashlib.sha256()
    while piece := request.stream.read(PIECE_BYTES):
        digest.update(piece)
        file.write(piece)
    g.body_digest = digest.digest()
    file.seek(0)
