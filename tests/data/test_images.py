import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from rebind.data.broken import BrokenImageError
from rebind.data.images import decode_image

LEFT, RIGHT = (200, 30, 60), (20, 160, 90)


def halves(size=(16, 8)):
    """A picture whose left half has one colour and whose right half another."""
    image = Image.new("RGB", size, RIGHT)
    image.paste(LEFT, (0, 0, size[0] // 2, size[1]))
    return image


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def pixels(data):
    image = decode_image(data)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "BMP", "TIFF", "JPEG"])
def test_plain_pictures(form, tmp_path):
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    data = encoded(halves(), form, **options)
    assert np.abs(pixels(data) - np.asarray(halves()).astype(int)).max() <= (3 if form == "JPEG" else 0)
    (tmp_path / "a").write_bytes(data)
    np.testing.assert_array_equal(pixels(tmp_path / "a"), pixels(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation):
    upright = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8) * 5
    # How a camera stores the upright scene so that each orientation value undoes it (EXIF 2.3, tag 0x0112).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(pixels(data)[..., 0], upright)


def test_orientation_of_a_16_bit_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(np.full((2, 5), 65535, dtype=np.uint16)), "PNG", exif=exif)
    assert decode_image(data).size == (2, 5)


def test_damaged_exif_does_not_matter():
    data = encoded(halves(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff nonsense")
    assert decode_image(data).size == (16, 8)


def test_cmyk_and_inverted_adobe_cmyk():
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # full magenta and yellow: red
    assert np.abs(pixels(encoded(cmyk, "TIFF")) - (255, 0, 0)).max() == 0
    assert np.abs(pixels(encoded(cmyk, "JPEG", quality=100)) - (255, 0, 0)).max() <= 3


def test_palette():
    image = halves().quantize(2)
    np.testing.assert_array_equal(pixels(encoded(image)), np.asarray(halves()))
    np.testing.assert_array_equal(pixels(encoded(image, "GIF")), np.asarray(halves()))


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_palette_with_transparency_lies_on_white(form):
    image = halves().quantize(2)
    data = pixels(encoded(image, form, transparency=image.getpixel((0, 0))))
    assert (data[:, :8] == 255).all()
    assert (data[:, 8:] == RIGHT).all()


def test_alpha_lies_on_white():
    rgba = halves().convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize((16, 8)))
    alpha = np.asarray(rgba)[..., 3:] / 255
    expected = np.asarray(halves()) * alpha + 255 * (1 - alpha)
    assert np.abs(pixels(encoded(rgba)) - expected).max() <= 1
    assert (pixels(encoded(Image.new("LA", (4, 4), (100, 0)))) == 255).all()
    assert (pixels(encoded(Image.new("LA", (4, 4), (100, 255)))) == 100).all()
    assert (pixels(encoded(Image.new("RGB", (4, 4), LEFT), transparency=LEFT)) == 255).all()


def test_gray_and_one_bit():
    assert (pixels(encoded(Image.new("L", (4, 4), 77))) == 77).all()
    one_bit = np.array([[True, False, True]])
    assert (pixels(encoded(Image.fromarray(one_bit)))[0, :, 0] == [255, 0, 255]).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_not_clipped(form):
    values = np.array([[0, 256, 1000, 32768, 65535]], dtype=np.uint16)
    expected = np.round(values / 65535 * 255)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(values), form))[..., 0], expected)


def test_big_endian_16_bit():
    values = np.array([[0, 1000, 65535]], dtype=">u2")
    image = Image.frombytes("I;16B", (3, 1), values.tobytes())
    assert pixels(encoded(image, "TIFF"))[0, :, 0].tolist() == [0, 4, 255]


def test_16_bit_colour():
    """Pillow cannot write one: 16-bit RGB PNG, by the specification."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = b"\0" + struct.pack(">6H", 65535, 0, 32768, 1000, 30000, 60000)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    expected = np.array([65535, 0, 32768, 1000, 30000, 60000]) / 257
    assert np.abs(pixels(data).ravel() - expected).max() <= 1


def test_pixels_without_known_range_are_refused():
    with pytest.raises(BrokenImageError, match="floating-point pixels have no known range"):
        decode_image(encoded(Image.new("F", (2, 2), 0.5), "TIFF"))
    with pytest.raises(BrokenImageError, match="more than 16 bits"):
        decode_image(encoded(Image.new("I", (2, 2), 70000), "TIFF"))
    assert (pixels(encoded(Image.new("I", (2, 2), 65535), "TIFF")) == 255).all()


def test_the_first_frame_is_taken():
    data = encoded(Image.new("RGB", (4, 4), LEFT), "WEBP", lossless=True, save_all=True, append_images=[halves((4, 4))])
    assert (pixels(data) == LEFT).all()
    pages = encoded(Image.new("RGB", (4, 4), LEFT), "MPO", save_all=True, append_images=[halves((4, 4))])
    assert np.abs(pixels(pages) - LEFT).max() <= 3


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_picture(form, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, form)
    with pytest.raises(BrokenImageError) as caught:
        decode_image(data[: int(len(data) * share)])
    assert str(caught.value)


def test_a_truncated_file_says_so():
    data = encoded(halves((200, 200)), "JPEG")
    with pytest.raises(BrokenImageError, match="truncated"):
        decode_image(data[:-40])


def test_a_decompression_bomb_is_refused_by_its_header():
    """60000 x 60000 pixels declared; were they decoded, 10 GB."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    for side in (11_000, 60_000):
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        data += chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        with pytest.raises(BrokenImageError, match=r"pixels"):
            decode_image(data)
    with pytest.raises(BrokenImageError, match="16 x 8 pixels are more than the 100 allowed"):
        decode_image(encoded(halves()), max_pixels=100)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
def test_what_is_no_picture(data):
    with pytest.raises(BrokenImageError, match="not a JPEG, PNG, WebP, GIF, BMP or TIFF picture"):
        decode_image(data)


def test_other_formats_of_pillow_are_not_opened():
    with pytest.raises(BrokenImageError, match="not a JPEG"):
        decode_image(encoded(halves(), "TGA"))


def test_what_is_no_file(tmp_path):
    with pytest.raises(BrokenImageError, match=r"gone\.png does not exist or is not a file"):
        decode_image(tmp_path / "gone.png")
    with pytest.raises(BrokenImageError, match="does not exist or is not a file"):
        decode_image(tmp_path)
    with pytest.raises(BrokenImageError):
        decode_image(tmp_path / ("x" * 300))


def test_as_stored_is_what_pillow_makes_of_it():
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
    clear = Image.fromarray(np.full((8, 8, 4), (200, 30, 60, 128), dtype=np.uint8))
    for data in (encoded(halves(), exif=exif), encoded(deep), encoded(clear), encoded(halves(), "GIF")):
        expected = Image.open(io.BytesIO(data)).convert("RGB")
        np.testing.assert_array_equal(np.asarray(decode_image(data, as_stored=True)), np.asarray(expected))


def numpy_file(value, **options):
    file = io.BytesIO()
    np.save(file, value, **options)
    return file.getvalue()


def test_a_frame_of_a_video_is_bgr():
    frame = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    decoded = decode_image(numpy_file(frame), as_stored=True)
    np.testing.assert_array_equal(np.asarray(decoded), frame[:, :, [2, 1, 0]])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (numpy_file(np.array([{"any": "object"}], dtype=object), allow_pickle=True), "a frame must be uint8 of shape"),
        (numpy_file(np.zeros((4, 4), np.uint8)), "a frame must be uint8 of shape"),
        (numpy_file(np.zeros((4, 4, 3))), "a frame must be uint8 of shape"),
        (numpy_file(np.zeros((4, 4, 3), np.uint8))[:-9], "."),
        (
            numpy_file(np.zeros((4, 4, 3), np.uint8)).replace(b"(4, 4, 3), }", b"(90000, 90000, 3), }"),
            "90000 x 90000 pixels are more than",
        ),
        (b"\x93NUMPY noise", "."),
    ],
)
def test_damaged_frames_and_pickles_are_broken(data, reason):
    with pytest.raises(BrokenImageError, match=reason):
        decode_image(data, as_stored=True)


def test_frames_are_no_pictures_of_training():
    with pytest.raises(BrokenImageError, match="not a JPEG, PNG"):
        decode_image(numpy_file(np.zeros((4, 4, 3), np.uint8)))
