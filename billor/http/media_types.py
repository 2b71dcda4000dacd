"""Media types of bodies: which formats of files there are, and how one is recognised."""

import codecs

from werkzeug.wrappers import Request

from billor.errors import Unsupported

CSV = "text/csv"
NDJSON = "application/x-ndjson"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OLE = "application/x-ole-storage"
"""Old .xls workbooks, and .xlsx ones with a password. None of them can be read."""

# By the extension of a file's name.
BY_EXTENSION = {"csv": CSV, "ndjson": NDJSON, "jsonl": NDJSON, "xlsx": XLSX}
SYNONYMS = {"application/csv": CSV}
# What programs call a file without looking inside. Windows takes CSV for Excel's.
VAGUE = {"application/octet-stream", "application/vnd.ms-excel", "text/plain"}
ACCEPTED = {*BY_EXTENSION.values(), *SYNONYMS, *VAGUE}

SIGNATURES = {
    b"PK\x03\x04": XLSX,
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": OLE,
}
HEAD_BYTES = 512
"""How many of the first bytes of a file `recognise` looks at."""


def recognise(head: bytes, media_type: str) -> str:
    """Return the format of a file: `CSV`, `NDJSON`, `XLSX` or `OLE`.

    `head` is its first bytes, which are believed before `media_type`, one of `ACCEPTED`. Raises
    `Unsupported` for JSON of a vague type.
    """
    for signature, format_ in SIGNATURES.items():
        if head.startswith(signature):
            return format_
    if media_type not in VAGUE:
        return SYNONYMS.get(media_type, media_type)
    if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"{", b"[")):
        raise Unsupported
    return CSV


def require_utf8(request: Request) -> None:
    """Raise `Unsupported` if the request's body says that it is in another encoding than UTF-8."""
    charset = request.mimetype_params.get("charset", "utf-8")
    try:
        is_utf8 = codecs.lookup(charset).name in ("ascii", "utf-8", "utf-8-sig")
    except (LookupError, ValueError):  # ValueError: a NUL in it
        is_utf8 = False
    if not is_utf8:
        raise Unsupported(f"The charset {charset[:40]} is not supported. Send the body in UTF-8.")
