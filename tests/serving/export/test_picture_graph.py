"""A served model's graph sees the same pixels as training, for pictures of many sizes, modes and formats."""
import io
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fixhead_serving.client import upright
from fixhead_serving.export import export_model, own_pictures
from fixhead_serving.export.answers import answers_model
from fixhead_serving.export.own_pictures import own_reference
from fixhead_serving.export.picture_graph import contents, fitted, orientation, picture_graph, whole
from keras_fixhead.data import load_dataset
from keras_fixhead.data import pictures as definition
from keras_fixhead.data.pictures import FITS, PictureForm, decode_picture, fit_picture, picture_array
from keras_fixhead.errors import DataError, ServingError
from keras_fixhead.evaluation import Predictor
from keras_fixhead.models import build_model

DRAW = np.random.default_rng(0)
SIZES = [(40, 40), (90, 31), (31, 90), (11, 12), (200, 17), (64, 48)]
FORM = {**{fit: PictureForm(24, 20, fit) for fit in FITS}, "grey": PictureForm(24, 20, channels=1)}


def photograph(height, width):
    """Noise on gradients: JPEG and palettes keep neither exactly, so decoders may differ."""
    small = Image.fromarray(DRAW.integers(0, 256, (5, 5, 3)).astype(np.uint8))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(np.clip(smooth + DRAW.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8))


def encoded(image, form="PNG", turn=None, **options):
    if turn is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = turn
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def bmp(bits, compression, pixels, palette=b"", masks=b""):
    """Returns a BMP of 70x50 pixels that Pillow does not write."""
    start = 54 + len(masks) + len(palette)
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", start + len(pixels), 0, start, 40, 70, 50, 1, bits, compression,
                               len(pixels), 0, 0, len(palette) // 4, 0) + masks + palette + pixels


def os2_bmp(pixels):
    return b"BM" + struct.pack("<IIIIHHHH", 26 + len(pixels), 0, 26, 12, 70, 50, 1, 24) + pixels


def gif(canvas=(70, 50), place=(0, 0), **options):
    """Returns a GIF with a frame of 70x50 pixels somewhere on a canvas."""
    content = encoded(photograph(50, 70).convert("P"), "GIF", **options)
    frame = content.index(b"," + bytes(4))
    return (content[:6] + struct.pack("<HH", *canvas) + content[10 : frame + 1] + struct.pack("<HH", *place)
            + content[frame + 5 :])


def noise(*shape):
    return DRAW.integers(0, 256, shape).astype(np.uint8)


def transparent(picture):
    picture = picture.copy()
    picture.putalpha(Image.fromarray(DRAW.integers(0, 256, picture.size[::-1]).astype(np.uint8)))
    return picture


PICTURES = {
    **{f"{height}x{width}.png": encoded(photograph(height, width)) for height, width in SIZES},
    **{f"{mode}.png": encoded(photograph(50, 70).convert(mode)) for mode in ("L", "P", "1")},
    "alpha.png": encoded(transparent(photograph(50, 70))),
    "grey alpha.png": encoded(transparent(photograph(50, 70)).convert("LA")),
    "16 bits.png": encoded(Image.fromarray(DRAW.integers(0, 2**16, (50, 70)).astype(np.uint16))),
    "a.bmp": encoded(photograph(50, 70), "BMP"), "palette.bmp": encoded(photograph(50, 70).convert("P"), "BMP"),
    "a.gif": encoded(photograph(50, 70), "GIF"), "a.webp": encoded(photograph(50, 70), "WEBP"),
    "alpha.webp": encoded(transparent(photograph(50, 70)), "WEBP"),
    **{f"{quality}.jpg": encoded(photograph(50, 70), "JPEG", quality=quality) for quality in (30, 75, 100)},
    "progressive.jpg": encoded(photograph(50, 70), "JPEG", progressive=True),
    "grey.jpg": encoded(photograph(50, 70).convert("L"), "JPEG"),
    "cmyk.jpg": encoded(photograph(50, 70).convert("CMYK"), "JPEG"),
    **{f"turned {turn}.jpg": encoded(photograph(50, 70), "JPEG", turn) for turn in range(2, 9)},
    "turned 6.png": encoded(photograph(50, 70), "PNG", 6), "turned 8.webp": encoded(photograph(50, 70), "WEBP", 8),
}
LARGE = {  # of JPEG files: reduced to 1/2, 1/4 and 1/8
    **{f"{height}x{width}.jpg": encoded(photograph(height, width), "JPEG")
       for height, width in [(61, 83), (90, 31), (157, 203), (301, 307), (500, 61)]},
    **{f"large {turn}.jpg": encoded(photograph(157, 203), "JPEG", turn) for turn in range(1, 9)},
    **{f"large {mode}.jpg": encoded(photograph(203, 157).convert(mode), "JPEG") for mode in ("L", "CMYK")},
    "large progressive.jpg": encoded(photograph(203, 157), "JPEG", progressive=True),
    "two pictures.jpg": encoded(photograph(157, 203), "MPO", save_all=True, append_images=[photograph(50, 70)]),
    **{f"large {number}.jpg": encoded(photograph(157, 203), "JPEG", subsampling=number) for number in range(2)},
}
RLE = b"".join(b"".join(bytes([1, level]) for level in row) + b"\0\0" for row in noise(50, 70)) + b"\0\1"
BGR = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
ONLY_CLIENT = {  # TensorFlow refuses them, or gives other pixels; the client sends them as PNG
    "a.tif": encoded(photograph(50, 70), "TIFF"), "bits.bmp": encoded(photograph(50, 70).convert("1"), "BMP"),
    "canvas.gif": gif((90, 60)), "placed.gif": gif((90, 60), (10, 5)), "small canvas.gif": gif((60, 40)),
    "4 bits.bmp": bmp(4, 0, noise(50, 36).tobytes(), noise(16, 4).tobytes()),
    "555.bmp": bmp(16, 0, noise(50, 70, 2).tobytes()),
    "565.bmp": bmp(16, 3, noise(50, 70, 2).tobytes(), masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)),
    "rle.bmp": bmp(8, 1, RLE, noise(256, 4).tobytes()), "os2.bmp": os2_bmp(noise(50, 212).tobytes()),
    "beyond its palette.bmp": bmp(8, 0, noise(50, 72).tobytes(), noise(16, 4).tobytes()),
    "no end.png": encoded(photograph(50, 70))[:-12], "damaged end.png": encoded(photograph(50, 70))[:-1] + b"x",
}
PICTURES |= ONLY_CLIENT
PICTURES |= {"32 bits.bmp": bmp(32, 0, noise(50, 280).tobytes()), "transparent.gif": encoded(
    transparent(photograph(50, 70)), "GIF"), "masks.bmp": bmp(32, 3, noise(50, 280).tobytes(), masks=BGR)}
ANIMATED = encoded(photograph(50, 70), "WEBP", save_all=True, append_images=[photograph(50, 70)])


@pytest.fixture(scope="module")
def graphs():
    """Returns the compiled graph of each fit."""
    import tensorflow as tf

    return {fit: tf.function(picture_graph(form), input_signature=[tf.TensorSpec([], tf.string)])
            for fit, form in FORM.items()}


@pytest.mark.parametrize("fit", FORM)
def test_every_picture_has_the_same_pixels_in_training_in_a_graph_and_through_the_client(graphs, fit):
    for name, content in PICTURES.items():
        trained = picture_array(content, name, FORM[fit])
        sent = upright(content, name)

        np.testing.assert_array_equal(graphs[fit](sent).numpy(), trained, err_msg=name)
        if name not in ONLY_CLIENT:
            np.testing.assert_array_equal(graphs[fit](content).numpy(), trained, err_msg=name)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("fit", FITS)
def test_a_graph_reduces_jpeg_files_bit_for_bit_like_pillow(fit, channels):
    import tensorflow as tf

    form = PictureForm(24, 20, fit, channels=channels, decoding="reduced")
    graph = tf.function(picture_graph(form), input_signature=[tf.TensorSpec([], tf.string)])
    ratios = set()
    for name, content in (LARGE | {"a.png": PICTURES["90x31.png"], "a.gif": PICTURES["a.gif"]}).items():
        ratios.add(definition.upright_picture(content, name, form).ratio)
        np.testing.assert_array_equal(graph(content).numpy(), picture_array(content, name, form), err_msg=name)
    assert ratios == {1, 2, 4, 8}


@pytest.mark.parametrize("name", ONLY_CLIENT)
def test_a_graph_refuses_what_tensorflow_would_decode_to_other_pixels(graphs, name):
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError):
        graphs["pad"](ONLY_CLIENT[name])


def test_an_animated_webp_is_refused_and_does_not_crash_the_process(tmp_path):
    """In a process of its own: TensorFlow itself would write both frames into memory for one."""
    (tmp_path / "a.webp").write_bytes(ANIMATED)
    done = subprocess.run([sys.executable, "-c", """if True:
        import sys, pathlib
        import tensorflow as tf
        from fixhead_serving.export.picture_graph import picture_graph
        from keras_fixhead.data.pictures import PictureForm
        for _ in range(20):
            try:
                picture_graph(PictureForm(24, 20))(pathlib.Path(sys.argv[1]).read_bytes())
            except tf.errors.InvalidArgumentError:
                print("refused")
        """, str(tmp_path / "a.webp")], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.split()) == (0, ["refused"] * 20)


@pytest.mark.parametrize("fit", FITS)
def test_a_graph_resizes_bit_for_bit_like_pillow(fit):
    import tensorflow as tf

    form = PictureForm(33, 17, fit)
    resize = tf.function(tf.autograph.experimental.do_not_convert(lambda image: fitted(whole(image), form)),
                         input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])
    for _ in range(40):
        height, width = DRAW.integers(1, 150, 2)
        image = DRAW.integers(0, 256, (height, width, 3)).astype(np.uint8)
        np.testing.assert_array_equal(resize(image).numpy(), fit_picture(image, form), err_msg=f"{height}x{width}")


@pytest.mark.parametrize("content", [
    b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\0\x10Exif\0\0II*\0\xff\xff\xff\xff", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIf",
    b"RIFF\0\0\0\0WEBPEXIF\x06\0\0\0Exif\0\0",
    b"\xff\xd8\xff\xff\xff\xe1\0\x20Exif\0\0MM\0*\0\0\0\x08\0\x02" + b"\x01\x0f\0\x02\0\0\0\x01\0\0\0\0"
    + b"\x01\x12\0\x03\0\0\0\x01\0\x03\0\0", b"\xff\xd8\xff\xe0\0\x04ab\xff\xda\0\x02"])
def test_damaged_and_unusual_exif_is_read_alike(content):
    import tensorflow as tf

    assert int(orientation(contents(tf.constant(content)))) == definition.orientation(content) in (1, 3)


def test_the_folder_that_was_trained_on_has_the_same_predictions_everywhere(tmp_path, graphs):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number, (file, content) in enumerate(PICTURES.items()):
            (tmp_path / name / f"{number:02} {file}").write_bytes(content)
    data = load_dataset(str(tmp_path), image_size="20x24", fit="pad", hold_out=False)
    images = np.concatenate([data.train.images, data.test.images])
    predictor = Predictor(build_model("resnet18", (24, 20, 3), 3, width=1 / 64), ("x", "y", "z"), "pad")
    expected = predictor.probabilities(np.stack([graphs["pad"](upright(each)).numpy() for each in PICTURES.values()]))
    found = predictor.picture_probabilities(list(PICTURES.values()), list(PICTURES))

    np.testing.assert_array_equal(found, expected)
    assert {image.tobytes() for image in images} == {
        graphs["pad"](upright(each)).numpy().tobytes() for each in PICTURES.values()}


@pytest.fixture
def files(tmp_path):
    """Returns two picture files that do not have the model's proportions, one of them stored on its side."""
    for number, form in enumerate(("JPEG", "TIFF")):
        (tmp_path / f"{number}").write_bytes(encoded(photograph(60, 30), form, 6 if form == "JPEG" else None))
    return [tmp_path / "0", tmp_path / "1"]


def test_an_export_is_checked_on_the_files_of_its_run(files, tmp_path, checked_here):
    model = build_model("resnet18", (16, 16, 3), 3, width=1 / 64)
    made = export_model(model, tmp_path / "m", label_names=["a", "b", "c"], fit="pad", pictures=files)
    card = (made.path / "assets.extra" / "model_card.md").read_text()

    assert "2 of the run's own pictures, as files, give the answers that they gave in training." in card
    assert "padded with black to 16x16 pixels" in card


def test_an_export_with_reduced_decoding_is_checked_on_large_and_turned_files(tmp_path, checked_here):
    files = []
    for name, content in LARGE.items():
        files.append(tmp_path / name)
        files[-1].write_bytes(content)
    model = build_model("resnet18", (16, 16, 3), 3, width=1 / 64)
    made = export_model(model, tmp_path / "m", label_names=["a", "b", "c"], decoding="reduced", pictures=files)
    card = (made.path / "assets.extra" / "model_card.md").read_text()
    described = json.loads((made.path / "assets.extra" / "model_card.json").read_text())["model"]["pictures"]

    assert f"{len(files)} of the run's own pictures, as files, give the answers that they gave in training." in card
    assert "JPEG files are decoded at 1/2, 1/4 or 1/8 of their size where 1.5 times these pixels are left" in card
    assert described["decoding"] == "reduced"


def test_an_export_with_another_decoding_than_in_training_is_refused(tmp_path, monkeypatch):
    (tmp_path / "noise.jpg").write_bytes(encoded(Image.fromarray(noise(100, 100, 3)), "JPEG", quality=95))
    in_full = picture_graph(PictureForm(16, 16))
    monkeypatch.setattr(own_pictures, "picture_graph", lambda form: in_full)
    answers = answers_model(build_model("resnet18", (16, 16, 3), 3, width=1 / 64))

    with pytest.raises(ServingError, match=r"would see other pixels than training did: .*noise\.jpg differs by"):
        own_reference(answers, 1.0, ["a", "b", "c"], PictureForm(16, 16, decoding="reduced"), [tmp_path / "noise.jpg"])


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png cannot be read: No such file or directory\."):
        own_reference(None, 1.0, ["a"], FORM["pad"], [tmp_path / "gone.png"])


def test_a_decoded_picture_does_not_depend_on_where_it_is_decoded():
    """Turned pixels are those of Pillow's own `exif_transpose`."""
    from PIL import ImageOps

    for name, content in PICTURES.items():
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        if picture.mode != "I;16":
            np.testing.assert_array_equal(decode_picture(content, name), np.asarray(picture.convert("RGB")), name)
