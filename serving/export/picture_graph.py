"""From encoded pictures to pixels in a TensorFlow graph: the same pixels as `keras_fixhead.data.pictures`.

TensorFlow's own resizing differs from Pillow's by several grey levels. Here Pillow's is written as what it is, two
matrix products with weights of 22 bits, each rounded to whole levels; in float64 they are exact, so the pixels are the
same. The accurate DCT makes JPEG pixels the same as well; TensorFlow's default is a faster, coarser one. Cameras'
orientation is read from the file's bytes, which `tf.io.decode_image` ignores.
"""
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from keras_fixhead.data.orientation import TURNS
from keras_fixhead.data.pictures import LUMA, PictureForm, decoding_ratio, place
from keras_fixhead.data.reduced import Part, Upright, part_of
from keras_fixhead.encodings import BGR, JPEG

_WEIGHT_BITS = 22
_BLOCK = 16  # outputs per matrix product: each needs only some of the inputs
_MOST_SEGMENTS = 2**16
_MOST_TAGS = 512
_BRANCHES = (0, 0, 1, 1, 2, 2, 2, 2, 3)  # from a ratio to its place among 1, 2, 4 and 8
_REFUSED = "unknown"
"""Decoded in place of a picture that is refused: TensorFlow says that it does not know the format."""


def picture_graph(form: PictureForm) -> Callable[[Any], Any]:
    """Returns a function from the bytes of a picture, a scalar string tensor, to uint8 pixels (H, W, C).

    Args:
        form: size of the pixels, and how a picture is fitted to it.
    """
    import tensorflow as tf

    def pixels_of(picture: Any) -> Any:
        content = contents(picture)
        upright = upright_picture(picture, content, orientation(content), form)
        if form.channels == 1:
            upright = dataclasses.replace(upright, pixels=grey(upright.pixels))
        return tf.ensure_shape(fitted(upright, form), [form.height, form.width, form.channels])

    unconverted: Callable[[Any], Any] = tf.autograph.experimental.do_not_convert(pixels_of)
    return unconverted


def contents(picture: Any) -> Any:
    """Returns the bytes of a scalar string tensor, uint8, with a 0 added, so that there is at least one."""
    import tensorflow as tf

    return tf.io.decode_raw(tf.strings.join([picture, "\0"]), tf.uint8)


def upright_picture(picture: Any, content: Any, orientation: Any, form: PictureForm) -> Upright:
    """Returns an encoded picture, decoded and turned, as `keras_fixhead.data.pictures.upright_picture` does.

    Args:
        picture: scalar string tensor.
        content: its bytes, from `contents`.
        orientation: its EXIF orientation, a scalar from 1 to 8.
        form: what is to be made of it.
    """
    import tensorflow as tf

    if form.decoding == "full":
        return whole(turned(decoded(picture, content), orientation))
    transpose, upwards, leftwards = (tf.gather([each[axis] for each in TURNS], orientation - 1) for axis in range(3))

    def jpeg() -> tuple[Any, ...]:
        stored = tf.io.extract_jpeg_shape(picture)
        rows, columns = tf.where(transpose, stored[1], stored[0]), tf.where(transpose, stored[0], stored[1])
        ratio = decoding_ratio(rows, columns, form, tf.minimum, tf.maximum, tf.gather)
        ways = [functools.partial(_jpeg, picture, each) for each in (1, 2, 4, 8)]
        pixels = tf.switch_case(tf.gather(_BRANCHES, ratio), ways)
        return (turned(pixels, orientation), rows, columns, ratio,
                tf.where(upwards, -rows % ratio, 0), tf.where(leftwards, -columns % ratio, 0))

    def other() -> tuple[Any, ...]:
        pixels = turned(decoded(picture, content), orientation)
        return pixels, tf.shape(pixels)[0], tf.shape(pixels)[1], 1, 0, 0

    return Upright(*tf.cond(_starts(content, JPEG), jpeg, other))


def whole(pixels: Any) -> Upright:
    """Returns upright pixels, uint8 (H, W, C), as a picture that was decoded at its full size."""
    import tensorflow as tf

    return Upright(pixels, tf.shape(pixels)[0], tf.shape(pixels)[1])


def decoded(picture: Any, content: Any) -> Any:
    """Returns the pixels of an encoded picture, uint8 (H, W, 3); of an animated GIF, its first frame.

    What TensorFlow decodes to other pixels than Pillow is refused, see `keras_fixhead.encodings`.

    Args:
        picture: scalar string tensor.
        content: its bytes, from `contents`.
    """
    import tensorflow as tf

    def any_format(picture: Any = picture) -> Any:
        # without expand_animations=False a GIF would have an additional axis
        return tf.ensure_shape(tf.io.decode_image(picture, channels=3, expand_animations=False), [None, None, 3])

    def webp() -> Any:  # with transparency it has four channels, and TensorFlow refuses to give three of them
        # an animated one would make TensorFlow write beyond the end of its memory
        animated = tf.logical_and(_starts(content, b"VP8X", 12), _bytes(content, 20) // 2 % 2 == 1)
        pixels = tf.io.decode_image(tf.where(animated, _REFUSED, picture), channels=0, expand_animations=False)
        return tf.ensure_shape(pixels, [None, None, None])[:, :, :3]

    def bmp() -> Any:
        start, header, kind = (_number(content, position, 4, True) for position in (10, 14, 30))
        bits = _number(content, 28, 2, True)
        plain = (header >= 40) & ((kind == 0) | ((kind == 3) & (bits == 32) & _starts(content, BGR, 54)))
        pixels = any_format(tf.where(plain, picture, _REFUSED))

        def coloured() -> Any:  # TensorFlow takes the numbers of a palette for levels of grey
            palette = tf.reshape(content[14 + header : start], [-1, 4])
            return tf.gather(palette[:, 2::-1], tf.cast(pixels[:, :, 0], tf.int32))

        return tf.cond(bits == 8, coloured, lambda: pixels)

    def gif() -> Any:
        whole, flags = _first_frame(content)
        # TensorFlow makes what is transparent black: without the flag, it has its colour
        opaque = tf.strings.join([tf.strings.substr(picture, 0, flags), "\0",
                                  tf.strings.substr(picture, flags + 1, tf.size(content))])
        return any_format(tf.where(whole, tf.where(flags > 0, opaque, picture), _REFUSED))

    return tf.ensure_shape(tf.case([
        (_starts(content, JPEG), lambda: _jpeg(picture)), (_is_webp(content), webp), (_starts(content, b"BM"), bmp),
        (_starts(content, b"GIF8"), gif)], default=any_format), [None, None, 3])


def _jpeg(picture: Any, ratio: int = 1) -> Any:
    import tensorflow as tf

    return tf.io.decode_jpeg(picture, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")


def turned(pixels: Any, orientation: Any) -> Any:
    """Returns pixels as they are shown with an EXIF orientation, a scalar from 1 to 8."""
    import tensorflow as tf

    transpose, rows, columns = (tf.gather([each[axis] for each in TURNS], orientation - 1) for axis in range(3))
    for condition, change in ((transpose, lambda image: tf.transpose(image, [1, 0, 2])),
                              (rows, lambda image: tf.reverse(image, [0])),
                              (columns, lambda image: tf.reverse(image, [1]))):
        before = pixels
        pixels = tf.cond(condition, lambda change=change, image=before: change(image), lambda image=before: image)
    return tf.ensure_shape(pixels, [None, None, 3])


def grey(pixels: Any) -> Any:
    """Returns the levels of grey of uint8 pixels, (H, W, 1), as `keras_fixhead.data.pictures.in_channels` does."""
    import tensorflow as tf

    weighted = tf.reduce_sum(tf.cast(pixels, tf.int32) * LUMA, axis=2, keepdims=True)
    return tf.cast((weighted + 0x8000) // 2**16, tf.uint8)


def fitted(upright: Upright, form: PictureForm) -> Any:
    """Returns uint8 pixels of the form's size, as `keras_fixhead.data.pictures.fit_upright` does."""
    import tensorflow as tf

    where = place(upright.rows, upright.columns, form, tf.minimum, tf.maximum)
    down = part_of(where.top, where.rows, upright.ratio, upright.above)
    across = part_of(where.left, where.columns, upright.ratio, upright.before)
    pixels = upright.pixels[down.first : down.last, across.first : across.last]
    pixels = _along(pixels, across, where.before, where.width, form.width, "hlc,lo->hoc", axis=1)
    return _along(pixels, down, where.above, where.height, form.height, "lwc,lo->owc", axis=0)


def _along(pixels: Any, part: Part, start: Any, count: Any, outputs: int, product: str, *, axis: int) -> Any:
    """Resizes one axis of a part to `count` pixels, placed at `start` of `outputs`.

    A few outputs at a time, because they need only a part of the inputs: a product with all weights would take fifty
    times as long for a photograph.
    """
    import tensorflow as tf

    first, last, weights_of = _resampling(part, start, count, outputs)
    blocks = [slice(each, min(each + _BLOCK, outputs)) for each in range(0, outputs, _BLOCK)]
    ranges = [(tf.reduce_min(first[block]), tf.reduce_max(last[block])) for block in blocks]
    done = []
    for block, (low, high) in zip(blocks, ranges, strict=True):
        inputs = pixels[:, low:high] if axis == 1 else pixels[low:high]
        sums = tf.einsum(product, tf.cast(inputs, tf.float64), weights_of(block, low, high))
        levels = tf.floor((sums + 2.0 ** (_WEIGHT_BITS - 1)) / 2.0**_WEIGHT_BITS)
        done.append(tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8))
    return tf.concat(done, axis=axis)


def _resampling(part: Part, start: Any, count: Any, outputs: int) -> tuple[Any, Any, Callable[[slice, Any, Any], Any]]:
    """Returns the first input of each output, the one after its last, and a function that returns weights.

    Weights are integers of 22 bits in float64, shape (inputs, outputs), computed as in Pillow's `Resample.c`: sums of
    products with them are exact.
    """
    import tensorflow as tf

    size = part.last - part.first
    ratio = tf.cast(part.length, tf.float64) / tf.cast(count, tf.float64)
    stretch = tf.maximum(ratio, 1.0)
    numbers = tf.range(outputs) - start
    inside = tf.logical_and(numbers >= 0, numbers < count)
    centres = part.start + (tf.cast(numbers, tf.float64) + 0.5) * ratio

    def whole(values: Any) -> Any:  # truncated, as C does; black bars may lie outside the range
        return tf.clip_by_value(tf.cast(tf.clip_by_value(values, 0.0, 2.0**30), tf.int32), 0, size)

    first, last = whole(centres - 2.0 * stretch + 0.5), whole(centres + 2.0 * stretch + 0.5)
    first = tf.minimum(first, size - 1)
    last = tf.maximum(last, first + 1)

    def weights_of(block: slice, low: Any, high: Any) -> Any:
        inputs = tf.range(low, high)[:, None]
        taken = tf.logical_and(tf.logical_and(inputs >= first[block], inputs < last[block]), inside[block])
        distances = (tf.cast(inputs, tf.float64) - centres[block] + 0.5) * (1.0 / stretch)
        weights = tf.where(taken, _bicubic(tf.abs(distances)), tf.zeros_like(distances))
        total = tf.reduce_sum(weights, axis=0)
        weights = weights / tf.where(total == 0.0, tf.ones_like(total), total) * 2.0**_WEIGHT_BITS
        return tf.where(weights < 0.0, tf.math.ceil(weights - 0.5), tf.floor(weights + 0.5))

    return first, last, weights_of


def _bicubic(distances: Any) -> Any:
    """Keys' cubic convolution with a = -0.5, as in Pillow."""
    import tensorflow as tf

    a = -0.5
    near = ((a + 2.0) * distances - (a + 3.0)) * distances * distances + 1.0
    far = (((distances - 5.0) * distances + 8.0) * distances - 4.0) * a
    return tf.where(distances < 1.0, near, tf.where(distances < 2.0, far, tf.zeros_like(far)))


def orientation(content: Any) -> Any:
    """Returns the EXIF orientation in the bytes of a picture (see `contents`), an int32 scalar from 1 to 8.

    See `keras_fixhead.data.orientation.orientation`, which this repeats in a graph.
    """
    import tensorflow as tf

    start = tf.cond(_starts(content, b"\xff\xd8"), lambda: _jpeg_exif(content), lambda: tf.cond(
        _starts(content, b"\x89PNG\r\n\x1a\n"), lambda: _chunk(content, 8, b"eXIf", size_first=True), lambda: tf.cond(
            _is_webp(content), lambda: _webp_exif(content), lambda: tf.constant(-1))))
    return tf.cond(start < 0, lambda: tf.constant(1), lambda: _orientation_at(content, start))


def _bytes(content: Any, positions: Any) -> Any:
    """The bytes at positions as int32; 0 beyond the end."""
    import tensorflow as tf

    size = tf.size(content)
    valid = tf.logical_and(positions >= 0, positions < size)
    found = tf.gather(content, tf.clip_by_value(positions, 0, size - 1))
    return tf.where(valid, tf.cast(found, tf.int32), 0)


def _number(content: Any, positions: Any, size: int, little: Any) -> Any:
    """Unsigned numbers of `size` bytes at positions, at most 2^31 - 1; in little-endian order if `little` is true."""
    import tensorflow as tf

    each = [tf.cast(_bytes(content, positions + index), tf.int64) for index in range(size)]
    low = sum(value * 256**index for index, value in enumerate(each))
    high = sum(value * 256**index for index, value in enumerate(reversed(each)))
    return tf.cast(tf.minimum(tf.where(little, low, high), 2**31 - 1), tf.int32)


def _starts(content: Any, expected: bytes, position: Any = 0) -> Any:
    """Whether the content has these bytes at a position."""
    import tensorflow as tf

    inside = position + len(expected) <= tf.size(content)
    return tf.logical_and(inside, tf.reduce_all(
        _bytes(content, position + tf.range(len(expected))) == list(expected)))


def _is_webp(content: Any) -> Any:
    import tensorflow as tf

    return tf.logical_and(_starts(content, b"RIFF"), _starts(content, b"WEBP", 8))


def _first_frame(content: Any) -> tuple[Any, Any]:
    """Whether a GIF's first frame fills the canvas, and where the flags are that make it transparent; 0 if nowhere."""
    import tensorflow as tf

    packed = _bytes(content, 10)
    palette = tf.where(packed >= 0x80, 3 * tf.bitwise.left_shift(2, packed % 8), 0)

    def goes_on(position: Any, inside: Any, flags: Any) -> Any:
        return (position < tf.size(content)) & (inside | (_bytes(content, position) == 0x21))

    def step(position: Any, inside: Any, flags: Any) -> tuple[Any, Any, Any]:
        """Over the start of an extension, or one of its blocks; the last is empty."""
        first = _bytes(content, position)
        ours = tf.logical_not(inside) & (_bytes(content, position + 1) == 0xF9) & (flags == 0)
        return (position + tf.where(inside, first + 1, 2), tf.logical_not(inside) | (first > 0),
                tf.where(ours & (_bytes(content, position + 3) % 2 == 1), position + 3, flags))

    position, _, flags = tf.while_loop(goes_on, step, (13 + palette, tf.constant(False), tf.constant(0)),
                                       maximum_iterations=_MOST_SEGMENTS)
    sizes = _bytes(content, position + 5 + tf.range(4)) == _bytes(content, 6 + tf.range(4))
    return tf.reduce_all(sizes) & _starts(content, b"," + bytes(4), position), flags


def _jpeg_exif(content: Any) -> Any:
    import tensorflow as tf

    def marker(position: Any) -> Any:
        return _bytes(content, position + 1)

    def goes_on(position: Any, found: Any) -> Any:
        ends = tf.logical_or(marker(position) == 0xDA, marker(position) == 0xD9)
        return (found < 0) & (_bytes(content, position) == 0xFF) & tf.logical_not(ends)

    def step(position: Any, found: Any) -> tuple[Any, Any]:
        fill = marker(position) == 0xFF
        is_exif = tf.logical_and(marker(position) == 0xE1, _starts(content, b"Exif\0\0", position + 4))
        length = _number(content, position + 2, 2, False)
        return (position + tf.where(fill, 1, 2 + length),
                tf.where(tf.logical_and(is_exif, tf.logical_not(fill)), position + 10, found))

    return tf.while_loop(goes_on, step, (tf.constant(2), tf.constant(-1)), maximum_iterations=_MOST_SEGMENTS)[1]


def _chunk(content: Any, start: int, kind: bytes, *, size_first: bool) -> Any:
    """The position of the content of the first chunk of a kind, in PNG (size first, big-endian) or RIFF; -1 if none."""
    import tensorflow as tf

    end = tf.size(content)

    def goes_on(position: Any, found: Any) -> Any:
        return tf.logical_and(found < 0, position + 8 <= end)

    def step(position: Any, found: Any) -> tuple[Any, Any]:
        size = tf.minimum(_number(content, position if size_first else position + 4, 4, not size_first), end)
        ours = _starts(content, kind, position + 4 if size_first else position)
        return (position + 8 + size + (4 if size_first else size % 2), tf.where(ours, position + 8, found))

    return tf.while_loop(goes_on, step, (tf.constant(start), tf.constant(-1)), maximum_iterations=_MOST_SEGMENTS)[1]


def _webp_exif(content: Any) -> Any:
    import tensorflow as tf

    start = _chunk(content, 12, b"EXIF", size_first=False)
    return tf.where(tf.logical_and(start >= 0, _starts(content, b"Exif\0\0", start)), start + 6, start)


def _orientation_at(content: Any, start: Any) -> Any:
    """The orientation in the TIFF directory at a position."""
    import tensorflow as tf

    little = _starts(content, b"II", start)
    known = tf.logical_or(little, _starts(content, b"MM", start))
    directory = start + tf.minimum(_number(content, start + 4, 4, little), tf.size(content))
    count = tf.minimum(_number(content, directory, 2, little), _MOST_TAGS)
    entries = directory + 2 + 12 * tf.range(count)
    ours = tf.boolean_mask(entries, _number(content, entries, 2, little) == 0x0112)
    value = tf.cond(tf.size(ours) > 0, lambda: _number(content, ours[0] + 8, 2, little), lambda: tf.constant(1))
    return tf.where(known & (value >= 1) & (value <= 8), value, 1)
