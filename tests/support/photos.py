"""Small files of each type that Billor takes."""

import struct
import zlib


def jpeg(width: int = 640, height: int = 480, more: bytes = b"") -> bytes:
    frame = struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + more + b"\xff\xd9"


def png(width: int = 640, height: int = 480) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")


def webp(width: int = 640, height: int = 480) -> bytes:
    frame = b"\0\0\0\x9d\1\x2a" + struct.pack("<HH", width, height)
    body = b"WEBPVP8 " + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def heic(width: int = 640, height: int = 480) -> bytes:
    """As phones make them: rotated, and with the size behind the data."""

    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data) + 8) + kind + data

    size = box(b"ispe", struct.pack(">III", 0, width, height))
    sizes = box(b"ipco", size + box(b"irot", b"\3"))
    items = box(b"pitm", b"\0\0\0\0\0\1") + box(b"iprp", sizes)
    data = struct.pack(">I4sQ", 1, b"mdat", 16 + 64) + bytes(64)
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + data + box(b"meta", bytes(4) + items)


PDF = b"%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\nstartxref\n9\n%%EOF\n"
GOOD = {
    "image/jpeg": jpeg(),
    "image/png": png(),
    "image/webp": webp(),
    "image/heic": heic(),
    "application/pdf": PDF,
}
