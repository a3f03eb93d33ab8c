"""Which picture files TensorFlow decodes to the pixels that Pillow gives, from their bytes alone.

TensorFlow crashes on an animated WebP, gives a GIF's first frame without the canvas around it, and refuses or misreads
the rarer kinds of BMP. A served model's graph refuses such files (`fixhead_serving.export.picture_graph`), the server
refuses the first for any model, and the client sends them as PNG.
"""
import struct
import zlib

PALETTE_BYTES = 256 * 4
"""A shorter palette of a BMP may lack colours that its pixels have: Pillow takes them for black."""

JPEG = b"\xff\xd8\xff"
"""The first bytes of a JPEG file."""

BGR = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
"""The only masks of a BMP's 32 bits that TensorFlow reads, the usual ones."""


def decoded_alike(content: bytes) -> bool:
    r"""Returns whether TensorFlow gives the pixels that Pillow reads from a file; False for TIFF and AVIF.

    Example:
        >>> decoded_alike(b"II*\0"), decoded_alike(b"RIFF....WEBPVP8L")
        (False, True)
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _whole_png(content)
    if content.startswith(b"GIF8"):
        return _full_opaque_gif(content)
    if content.startswith(b"BM"):
        return _plain_bmp(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return not is_animated_webp(content)
    return content.startswith(JPEG)


def is_animated_webp(content: bytes) -> bool:
    """Returns whether a file is a WebP that says that it is animated, even if it has one frame.

    Example:
        >>> is_animated_webp(b"RIFF....WEBPVP8L"), is_animated_webp(b"RIFF....WEBPVP8X...." + bytes([2]))
        (False, True)
    """
    return (content[:4] == b"RIFF" and content[8:16] == b"WEBPVP8X" and bool(content[20:21])
            and bool(content[20] & 2))


def _whole_png(content: bytes) -> bool:
    """Pillow takes a PNG whose end is missing or has a wrong checksum; TensorFlow does not."""
    position = 8
    while position + 12 <= len(content):
        end = position + 8 + int.from_bytes(content[position : position + 4], "big")
        found = zlib.crc32(memoryview(content)[position + 4 : end])
        if found != int.from_bytes(content[end : end + 4], "big"):
            return False
        if content[position + 4 : position + 8] == b"IEND":
            return True
        position = end + 4
    return False


def _full_opaque_gif(content: bytes) -> bool:
    """Whether the first frame fills the canvas, without transparency, which TensorFlow makes black."""
    try:
        position = 13 + (3 * 2 ** ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
        while content[position] == 0x21:  # an extension
            if content[position + 1] == 0xF9 and content[position + 3] & 1:
                return False
            position += 2
            while content[position]:
                position += content[position] + 1
            position += 1
        return content[position : position + 9] == b"," + bytes(4) + content[6:10]
    except IndexError:
        return False


def _plain_bmp(content: bytes) -> bool:
    try:
        pixels, header = struct.unpack_from("<II", content, 10)
        bits, compression = struct.unpack_from("<HI", content, 28)
    except struct.error:
        return False
    if header < 40:
        return False
    if bits == 8:
        return compression == 0 and bool(pixels - 14 - header == PALETTE_BYTES)
    return (bits in (24, 32) and compression == 0) or (bits == 32 and compression == 3 and content[54:66] == BGR)
