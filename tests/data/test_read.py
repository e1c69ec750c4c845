"""Reading: each kind of file by its stated rule, against Pillow, tifffile and numbers worked out by hand."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from whyscan.data.catalogue import Entry
from whyscan.data.decode import decode
from whyscan.data.read import read_entry, read_scan, read_scans, scan_files
from whyscan.data.scan import content_hash
from whyscan.errors import BadScan


def noise(*shape: int, peak: int = 255, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, peak + 1, shape)
    return values.astype(np.uint8 if peak == 255 else np.uint16)


def save(path: Path, values: np.ndarray, **options: object) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


def write_png16(path: Path, values: np.ndarray) -> Path:
    """A 16-bit PNG of 1, 2, 3 or 4 channels by the specification (filter Sub on every row): Pillow writes none."""
    values = values.reshape(*values.shape[:2], -1)
    height, width, channels = values.shape
    rows = values.astype(">u2").view(np.uint8).reshape(height, -1)
    step = 2 * channels
    filtered = rows.copy()
    filtered[:, step:] = rows[:, step:] - rows[:, :-step]
    body = b"".join(b"\1" + row.tobytes() for row in filtered)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "webp"])
def test_lossless_formats_keep_every_value(tmp_path: Path, ending: str) -> None:
    values = noise(9, 12, 3)
    scan = read_scan(save(tmp_path / f"a.{ending}", values, **({"lossless": True} if ending == "webp" else {})))
    np.testing.assert_array_equal(scan.pixels, np.moveaxis(values, -1, 0).astype(np.float32) / np.float32(255))
    assert scan.pixels.dtype == np.float32 and scan.source == f"a.{ending}" and scan.reading == ()
    assert scan.content == content_hash(values)


def test_jpeg_is_what_pillow_decodes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", noise(16, 24, 3), quality=90)
    np.testing.assert_array_equal(read_scan(path).thumbnail(), np.asarray(Image.open(path)))


def test_three_equal_channels_are_one_grey_channel_with_one_identity(tmp_path: Path) -> None:
    grey = noise(8, 9)
    one = read_scan(save(tmp_path / "grey.png", grey))
    three = read_scan(save(tmp_path / "rgb.png", np.stack([grey] * 3, axis=-1)))
    assert one.pixels.shape == three.pixels.shape == (1, 8, 9)
    assert one.content == three.content


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int, ending: str) -> None:
    image = Image.fromarray(noise(10, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    image.save(path, exif=exif)
    image.save(tmp_path / f"plain.{ending}")
    with Image.open(tmp_path / f"plain.{ending}") as plain:
        plain.getexif()[0x0112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(plain))
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.thumbnail(), expected)
    assert (scan.reading != ()) == (orientation != 1)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    palette = Image.frombytes("P", (8, 8), bytes(i % 3 for i in range(64)))
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    palette.save(tmp_path / "p.png")
    scan = read_scan(tmp_path / "p.png")
    assert scan.pixels[:, 0, :3].T.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert scan.reading == ("palette looked up as RGB",)


def test_a_transparent_palette_entry_is_black(tmp_path: Path) -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.save(tmp_path / "p.png", transparency=1)
    assert read_scan(tmp_path / "p.png").pixels.max() == 0


def test_alpha_is_composited_on_black_and_an_opaque_one_dropped(tmp_path: Path) -> None:
    values = np.full((8, 8, 4), 200, np.uint8)
    values[..., 1] = 100
    values[..., 3] = 255
    opaque = read_scan(save(tmp_path / "opaque.png", values))
    assert opaque.reading == () and opaque.thumbnail()[0, 0].tolist() == [200, 100, 200]
    values[0, 0, 3], values[0, 1, 3] = 0, 51
    scan = read_scan(save(tmp_path / "a.png", values))
    assert scan.reading == ("alpha composited on black",)
    assert scan.thumbnail()[0, :3].tolist() == [[0, 0, 0], [40, 20, 40], [200, 100, 200]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image.save(tmp_path / "a.tif")
    scan = read_scan(tmp_path / "a.tif")
    assert scan.pixels[:, 0, 0].tolist() == [1, 0, 0]
    assert scan.reading == ("CMYK converted to RGB",)


@pytest.mark.parametrize(
    ("maximum", "peak"), [(255, 255), (256, 1023), (1024, 4095), (4095, 4095), (4096, 16383), (40000, 65535)]
)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bit_is_scaled_by_the_depth_that_holds_its_maximum(
    tmp_path: Path, maximum: int, peak: int, channels: int, ending: str
) -> None:
    values = (np.arange(120 * channels).reshape(10, 12, channels) * maximum // (120 * channels)).astype(np.uint16)
    values[0, 0] = maximum
    path = tmp_path / f"a.{ending}"
    if ending == "png":
        write_png16(path, values)
    else:
        tifffile.imwrite(path, values.squeeze(), photometric="rgb" if channels == 3 else "minisblack")
    scan = read_scan(path)
    np.testing.assert_allclose(np.moveaxis(scan.pixels, 0, -1), values / peak, atol=1e-6)
    assert scan.reading == (f"16-bit file read as {(peak + 1).bit_length() - 1} bit: {peak} is white",)


def test_8_bit_values_in_a_16_bit_file_are_the_same_scan(tmp_path: Path) -> None:
    values = noise(8, 8)
    values[0, 0] = 255
    wide = read_scan(write_png16(tmp_path / "wide.png", values.astype(np.uint16)))
    assert wide.content == read_scan(save(tmp_path / "narrow.png", values)).content


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}, {"rowsperstrip": 3}])
def test_16_bit_rgb_tiff_of_every_make(tmp_path: Path, order: str, options: dict[str, object]) -> None:
    values = noise(10, 12, 3, peak=65535)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", byteorder=order, **options)
    np.testing.assert_array_equal(decode(tmp_path / "a.tif").values, tifffile.imread(tmp_path / "a.tif"))


def test_16_bit_alpha(tmp_path: Path) -> None:
    values = np.full((8, 8, 4), 60000, np.uint16)
    values[..., 3] = 65535
    values[0, 0] = (60000, 30000, 10000, 32768)
    pixels = decode(write_png16(tmp_path / "a.png", values)).values
    assert pixels[1, 1].tolist() == [60000] * 3
    assert pixels[0, 0].tolist() == [30000, 15000, 5000]


def test_a_chosen_page(tmp_path: Path) -> None:
    pages = [noise(8, 8, 3, peak=65535, seed=seed) for seed in range(3)]
    for page in pages:
        tifffile.imwrite(tmp_path / "a.tif", page, photometric="rgb", append=True)
    with pytest.raises(BadScan, match=r"a.tif has 3 pages.*chosen, never guessed"):
        read_scan(tmp_path / "a.tif")
    scan = read_scan(tmp_path / "a.tif", frame=1)
    np.testing.assert_allclose(np.moveaxis(scan.pixels, 0, -1), pages[1] / 65535, atol=1e-6)
    assert scan.reading[0] == "page 1 of the file"
    with pytest.raises(BadScan, match=r"frame 3 of a.tif.*0 to 2"):
        read_scan(tmp_path / "a.tif", frame=3)


def test_jpeg_quality_is_recovered(tmp_path: Path) -> None:
    for quality in (30, 50, 75, 90, 95):
        path = save(tmp_path / "a.jpg", noise(16, 16), quality=quality)
        assert decode(path).quality == pytest.approx(quality, abs=1)
    assert decode(save(tmp_path / "a.png", noise(8, 8))).quality is None


def _missing(path: Path) -> None:
    pass


def _folder(path: Path) -> None:
    path.mkdir()


def _empty(path: Path) -> None:
    path.touch()


def _text(path: Path) -> None:
    path.write_text("not an image, whatever it is called")


def _truncated(path: Path) -> None:
    save(path, noise(64, 64), format="PNG")
    path.write_bytes(path.read_bytes()[:2000])


def _one_pixel(path: Path) -> None:
    save(path, noise(1, 1), format="PNG")


def _narrow(path: Path) -> None:
    save(path, noise(40, 7), format="PNG")


def _header_only(path: Path, width: int, height: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + end
    )


def _giant(path: Path) -> None:
    _header_only(path, 10_001, 10_000)


def _bomb(path: Path) -> None:
    _header_only(path, 100_000, 100_000)


def _float(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((9, 9), np.float32))


def _grey_alpha16(path: Path) -> None:
    write_png16(path, noise(8, 8, 2, peak=65535))


def _gif(path: Path) -> None:
    save(path, noise(8, 8), format="GIF")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_missing, "a.png is missing"),
        (_folder, "a.png is a folder"),
        (_empty, "a.png is 0 bytes long"),
        (_text, "a.png is not an image"),
        (_truncated, "a.png is damaged or truncated"),
        (_one_pixel, "a.png is 1 x 1 pixels.*at least 8 x 8"),
        (_narrow, "a.png is 7 x 40 pixels"),
        (_giant, "10001 x 10000 pixels, more than 100 million"),
        (_bomb, "100 million"),
        (_float, "a.png holds values of the kind F;32"),
        (_grey_alpha16, "a.png holds values of the kind LA;16B"),
        (_gif, "a.png is not an image"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, make: object, words: str) -> None:
    make(tmp_path / "a.png")  # type: ignore[operator]
    with pytest.raises(BadScan, match=words):
        read_scan(tmp_path / "a.png")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP"]),
    damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 400),
)
def test_damaged_files_are_read_or_refused_by_name(
    tmp_path: Path, kind: str, damage: list[tuple[int, int]], cut: int
) -> None:
    path = tmp_path / "a"
    save(path, noise(12, 12), format=kind)
    content = bytearray(path.read_bytes())
    for at, value in damage:
        content[at % len(content)] = value
    path.write_bytes(content[: max(1, len(content) - cut)] if cut < 200 else content)
    try:
        scan = read_scan(path)
    except BadScan:
        return
    assert np.isfinite(scan.pixels).all() and scan.pixels.min() >= 0 and scan.pixels.max() <= 1


def test_mask(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noise(8, 10))
    drawn = np.zeros((8, 10), np.uint8)
    drawn[2:4, 3:5] = 1
    region = read_scan(path, mask=save(tmp_path / "m.png", drawn)).region
    assert region is not None and region.dtype == bool
    np.testing.assert_array_equal(region, drawn > 0)
    empty = read_scan(path, mask=save(tmp_path / "e.png", drawn * 0)).region
    assert empty is not None and not empty.any()
    coloured = np.zeros((8, 10, 3), np.uint8)
    coloured[1, 1, 2] = 9
    found = read_scan(path, mask=save(tmp_path / "c.png", coloured)).region
    assert found is not None and found.sum() == 1 and found[1, 1]
    assert read_scan(path).region is None


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noise(8, 10))
    with pytest.raises(BadScan, match=r"the mask m.png is 9 x 8 pixels and its scan 10 x 8"):
        read_scan(path, mask=save(tmp_path / "m.png", noise(8, 9)))


def test_read_scans_of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    for name in ("b/two.png", "a/one.PNG", ".hidden/three.png", "masks/a/one.png", "a/._one.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        save(tmp_path / name, noise(8, 8), format="PNG")
    (tmp_path / "notes.txt").write_text("no scan")
    assert [scan.source for scan in read_scans(tmp_path)] == ["a/one.PNG", "b/two.png"]
    assert [scan.source for scan in read_scans(tmp_path / "b" / "two.png")] == ["two.png"]
    (tmp_path / "bare").mkdir()
    with pytest.raises(BadScan, match="bare holds no image"):
        scan_files(tmp_path / "bare")


def test_read_entry_carries_what_the_catalogue_knows(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noise(8, 8))
    mask = save(tmp_path / "m.png", np.ones((8, 8), np.uint8))
    scan = read_entry(Entry("x/a.png", path, "glioma", "p1", "test", mask))
    assert (scan.source, scan.label, scan.patient) == ("x/a.png", "glioma", "p1")
    assert scan.region is not None and scan.region.all()


@pytest.mark.parametrize("fails", ["stat", "open"])
def test_a_file_that_may_not_be_read_is_a_bad_scan(tmp_path: Path, fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "locked.png", noise(20, 20))

    def refuse(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, fails, refuse)
    with pytest.raises(BadScan, match=r"^locked.png cannot be read \(Permission denied\)") as caught:
        decode(path)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_is_named_without_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadScan, match=r"gone\.png is missing") as caught:
        read_scan(tmp_path / "gone.png")
    assert str(tmp_path) not in str(caught.value)
