"""Writes the files in this folder, which other programs than invnet must have written.

    python make.py

Needs numpy, h5py, tifffile, imagecodecs and pillow. Three images of 12 x 14 pixels with classes 0, 1 and 2 are in every file, by a
formula that the tests know too; a run with other versions of these programs may change bytes, not
images.
"""

import pathlib

import h5py
import numpy as np
import tifffile
from PIL import Image

HERE = pathlib.Path(__file__).parent
COUNT, HEIGHT, WIDTH = 3, 12, 14
n, y, x = np.meshgrid(np.arange(COUNT), np.arange(HEIGHT), np.arange(WIDTH), indexing="ij")
MAPS = ((7 * n + 3 * y + 5 * x + x * y) % 11 % 3).astype(np.uint8)


def hdf5(name, libver):
    """Kinds of storage, types and links, in the oldest and in the newest version of the format."""
    with h5py.File(HERE / name, "w", libver=libver) as file:
        chunked = {"data": MAPS, "chunks": (2, 6, 7)}
        file.create_dataset("gzip", data=MAPS.astype("<i4"), chunks=(1, 6, 7), compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("lzf", **chunked, compression="lzf")
        file.create_dataset("lzf-shuffle", data=MAPS.astype(">u2"), chunks=(1, 6, 7), compression="lzf", shuffle=True)
        file.create_dataset("scale", data=MAPS.astype("i4"), chunks=(1, 6, 7), scaleoffset=0)
        file.create_dataset("growing", **chunked, maxshape=(None, None, None))
        file.create_dataset("appended", **chunked, maxshape=(None, HEIGHT, WIDTH))
        file.create_dataset("enumeration", data=MAPS, dtype=h5py.enum_dtype({"void": 0, "ferrite": 1, "pearlite": 2}, basetype="u1"))
        file.create_dataset("truth", data=MAPS > 0)
        file.create_dataset("half", data=MAPS.astype(np.float16))
        file.create_dataset("double-big", data=MAPS.astype(">f8"))
        file.create_dataset("deep/er/images", data=MAPS)
        file.create_dataset("deep/time", data=np.arange(3))
        file.create_dataset("deep/name", data="steel")
        file.create_dataset("complex", data=MAPS.astype(np.complex64))
        file["deep/itself"] = file["deep"]
        file["nowhere"] = h5py.SoftLink("/not/there")
        file["elsewhere"] = h5py.ExternalLink("not-there.h5", "/images")
        file["soft"] = h5py.SoftLink("/gzip")


def links():
    """The only array of images, beside links that lead nowhere."""
    with h5py.File(HERE / "links.h5", "w") as file:
        file["elsewhere"] = h5py.ExternalLink("not-there.h5", "/images")
        file["images"] = MAPS
        file["nowhere"] = h5py.SoftLink("/not/there")


def odd():
    """What is refused: bfloat16, a virtual data set, values in another file, an unknown filter."""
    with h5py.File(HERE / "odd.h5", "w") as file:
        bfloat = h5py.h5t.IEEE_F32LE.copy()
        bfloat.set_fields(15, 7, 8, 0, 7)
        bfloat.set_size(2)
        bfloat.set_ebias(127)
        space = h5py.h5s.create_simple(MAPS.shape)
        h5py.h5d.create(file.id, b"bfloat", bfloat, space)
        layout = h5py.VirtualLayout(MAPS.shape, "u1")
        layout[:] = h5py.VirtualSource("links.h5", "images", MAPS.shape)
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", shape=MAPS.shape, dtype="u1", external=[("raw.bin", 0, MAPS.size)])
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(MAPS.shape)
        # Optional when written, so that the library does not look for it; the number is changed below.
        properties.set_shuffle()
        made = h5py.h5d.create(file.id, b"blosc", h5py.h5t.NATIVE_UINT8, space, properties)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, MAPS)
    content = bytearray((HERE / "odd.h5").read_bytes())
    # A pipeline message: version 1, one filter, reserved; number 2, name of 8 bytes, flags, one value.
    shuffle = bytes([1, 1, 0, 0, 0, 0, 0, 0]) + (2).to_bytes(2, "little") + (8).to_bytes(2, "little")
    at = content.find(shuffle)
    assert at >= 0, "the library writes another pipeline message"
    content[at + 8 : at + 10] = (32001).to_bytes(2, "little")
    (HERE / "odd.h5").write_bytes(content)


def huge():
    """Chunks that were never written need no room in a file."""
    with h5py.File(HERE / "huge.h5", "w") as file:
        file.create_dataset("images", shape=(1 << 20, 4096, 4096), dtype="u1", chunks=(1, 64, 64))


def matlab():
    """As MATLAB 7.3 lays a file out: a block of 512 bytes, then HDF5 with the axes turned round."""
    path = HERE / "matlab.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        variables = {"stack": (MAPS.transpose(1, 2, 0), "uint8"), "image": (MAPS[0].astype(float), "double"), "flags": (MAPS[1] > 0, "logical")}
        for name, (value, kind) in variables.items():
            data = file.create_dataset(name, data=np.asarray(value).astype("u1" if kind == "logical" else value.dtype).T)
            data.attrs["MATLAB_class"] = np.bytes_(kind)
        text = file.create_dataset("text", data=np.array([[ord(c)] for c in "steel"], dtype="u2"))
        text.attrs["MATLAB_class"] = np.bytes_("char")
        file.create_dataset("#refs#/a", data=np.zeros((4, 4)))
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."
    content = bytearray(path.read_bytes())
    content[:128] = header.ljust(124) + b"\x00\x02IM"
    path.write_bytes(content)


# Grains: a grid of nine, one pixel of none.
GRAINS = (1 + y // 4 * 3 + x // 5).astype(np.int32)
GRAINS[0, 5, 6] = 0
EULER = np.stack([GRAINS / 10 * 2 * np.pi, np.zeros(GRAINS.shape), np.zeros(GRAINS.shape)], axis=-1).astype("f4")


def cell_arrays(group, kind):
    for name, data in [("Phases", MAPS.astype("i4") + 1), ("FeatureIds", GRAINS), ("EulerAngles", EULER)]:
        made = group.create_dataset(name, data=data.reshape(COUNT, HEIGHT, WIDTH, -1), compression="gzip")
        made.attrs["ObjectType"] = np.bytes_(f"DataArray<{'float' if name == 'EulerAngles' else kind}>")


def dream3d():
    with h5py.File(HERE / "simpl.dream3d", "w") as file:
        file.attrs["FileVersion"] = np.bytes_("7.0")
        container = file.create_group("DataContainers/SyntheticVolume")
        container["_SIMPL_GEOMETRY/DIMENSIONS"] = np.array([WIDTH, HEIGHT, COUNT], dtype=np.int64)
        cell_arrays(container.create_group("CellData"), "int32_t")
        container["CellFeatureData/Phases"] = np.ones((10, 1), dtype=np.int32)
    with h5py.File(HERE / "nx.dream3d", "w") as file:
        file.attrs["FileVersion"] = "8.0"
        container = file.create_group("DataStructure/Outer/Volume")
        file["DataStructure/Outer"].attrs["ObjectType"] = "DataGroup"
        container.attrs["ObjectType"] = "ImageGeom"
        container.attrs["_DIMENSIONS"] = np.array((WIDTH, HEIGHT, COUNT), dtype=np.uint64)
        cells = container.create_group("Cell Data")
        cells.attrs["ObjectType"] = "AttributeMatrix"
        cell_arrays(cells, "int32")


# Four by four blocks of eight pixels, black and white: what JPEG keeps.
BLOCKS = np.kron(np.array([[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 0]]), np.ones((8, 8))).astype(np.uint8)


def images():
    grey = BLOCKS * 255
    colour = np.array([[0, 0, 255], [255, 0, 0]], dtype=np.uint8)[BLOCKS]
    tifffile.imwrite(HERE / "zstd.tif", MAPS, compression="zstd", photometric="minisblack")
    tifffile.imwrite(HERE / "half.tif", MAPS.astype(np.float16), photometric="minisblack")
    Image.fromarray(grey).convert("1").save(HERE / "group4.tif", compression="group4")
    Image.fromarray(grey).convert("1").save(HERE / "group3.tif", compression="group3")
    for name in ("lzma", "webp", "jpeg2000", "lerc"):
        tifffile.imwrite(HERE / f"{name}.tif", colour if name == "webp" else grey, compression=name)
    tifffile.imwrite(HERE / "jpeg-grey.tif", grey, compression="jpeg", photometric="minisblack")
    tifffile.imwrite(HERE / "jpeg-colour.tif", colour, compression="jpeg", photometric="rgb")
    tifffile.imwrite(HERE / "colour.tif", colour, photometric="rgb", compression="zlib")
    Image.fromarray(grey).save(HERE / "grey.jpg", quality=95)
    Image.fromarray(colour).save(HERE / "colour.jpg", quality=95)
    Image.fromarray(colour).save(HERE / "progressive.jpg", quality=95, progressive=True)
    Image.fromarray(colour).convert("CMYK").save(HERE / "cmyk.jpg", quality=95)
    Image.fromarray(grey).save(HERE / "grey.bmp")
    Image.fromarray(grey).convert("1").save(HERE / "bits.bmp")
    Image.fromarray(colour).save(HERE / "colour.bmp")
    indexed = Image.fromarray(BLOCKS)
    indexed.putpalette([0, 0, 255, 255, 0, 0])
    indexed.save(HERE / "palette.bmp")
    indexed.save(HERE / "palette.png")


images()
hdf5("old.h5", "earliest")
hdf5("new.h5", "latest")
links()
odd()
huge()
matlab()
dream3d()
