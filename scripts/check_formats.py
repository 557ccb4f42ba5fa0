"""Reads every format that invnet writes, and lets invnet read what other programs write.

    python check_formats.py INVNET FOLDER

Every pixel is compared. Prints a line for each check; exits with 1 if any failed. The usual way to run
it is scripts/check-formats, which installs what it needs.
"""

import csv
import pathlib
import subprocess
import sys

import h5py
import numpy as np
import tifffile
from PIL import Image
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter

INVNET, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
SIZE, COUNT = 32, 7
failed = 0


def invnet(*args):
    done = subprocess.run([INVNET, *map(str, args)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def check(name, holds):
    global failed
    failed += not holds
    print(f"{'ok    ' if holds else 'FAILED'}  {name}")


def data_set(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def imported(name, source, expected, *options):
    """What invnet makes of a source must be these classes, with their fractions."""
    out = FOLDER / "imported.npz"
    code, _, err = invnet("data", "import", source, "--out", out, "--overwrite", *options)
    if code != 0:
        check(f"in   {name}: {err.strip()}", False)
        return
    got = data_set(out)
    fractions = np.stack([(expected == k).mean(axis=(1, 2)) for k in range(int(got["classes"]))], axis=1)
    same = np.array_equal(got["maps"], expected) and np.allclose(got["properties"], fractions, rtol=0, atol=1e-6)
    check(f"in   {name}", same)


def refused(name, source, *options, says=""):
    out = FOLDER / "refused.npz"
    code, _, err = invnet("data", "import", source, "--out", out, *options)
    one_line = len(err.strip().splitlines()) == 1
    check(f"in   refused: {name}: {err.strip()}", code == 2 and one_line and says in err and not out.exists())


def files_out():
    """Every format that is written, by its own reader."""
    formats = "npy,npz,png,tiff,csv,vti,hdf5,dream3d"
    code, _, err = invnet(
        "data", "circles", "--size", SIZE, "--count", COUNT, "--out", FOLDER / "c.npz",
        "--format", formats, "--spacing", 0.5, "--unit", "um",
    )
    check(f"out  all formats {err.strip()}", code == 0)
    data = data_set(FOLDER / "c.npz")
    maps, names = data["maps"], list(data["names"])
    check("out  npz by numpy", maps.shape == (COUNT, SIZE, SIZE) and data["classes"] == 3 and set(np.unique(maps)) == {0, 1, 2})
    check("out  npy by numpy", np.array_equal(np.load(FOLDER / "c.npy"), maps))

    images = [Image.open(path) for path in sorted((FOLDER / "c-png").iterdir())]
    check("out  png by Pillow", len(images) == COUNT and all(i.mode == "P" and np.array_equal(np.asarray(i), m) for i, m in zip(images, maps)))
    colours = {tuple(image.convert("RGB").getpixel((x, y))) for image in images for x in range(SIZE) for y in range(SIZE)}
    check(f"out  png shows {len(colours)} colours", len(colours) == 3)

    pages = tifffile.imread(FOLDER / "c.tiff")
    check("out  tiff by tifffile", pages.dtype == np.uint8 and np.array_equal(pages, maps))
    with Image.open(FOLDER / "c.tiff") as tiff:
        same = tiff.n_frames == COUNT
        for i in range(COUNT):
            tiff.seek(i)
            same &= np.array_equal(np.asarray(tiff), maps[i])
        check("out  tiff by Pillow", bool(same))

    with open(FOLDER / "c.csv", newline="") as file:
        table = list(csv.reader(file))
    values = np.array([row[1:] for row in table[1:]], dtype=np.float32)
    # Lengths in pixels, then in the unit: a centre is half a pixel from the corner of its pixel.
    scaled = [(data["properties"][:, k] + (0.5 if name.startswith("c") else 0)) * 0.5 for k, name in enumerate(names)]
    same = table[0] == ["image", *names, *(f"{name}_um" for name in names)]
    same &= np.array_equal(values[:, : len(names)], data["properties"])
    check("out  csv by csv", same and np.allclose(values[:, len(names) :], np.stack(scaled, axis=1), rtol=1e-6, atol=0))

    same = True
    for i in range(COUNT):
        reader = vtkXMLImageDataReader()
        reader.SetFileName(str(FOLDER / "c-vti" / f"c_{i:06}.vti"))
        reader.Update()
        image = reader.GetOutput()
        same &= reader.GetErrorCode() == 0 and image.GetCellData().GetScalars() is not None
        if not same:
            break
        cells = vtk_to_numpy(image.GetCellData().GetArray("class"))
        same &= np.array_equal(cells.reshape(SIZE, SIZE), maps[i])
        same &= image.GetDimensions() == (SIZE + 1, SIZE + 1, 2) and image.GetSpacing() == (0.5, 0.5, 0.5)
        # Cell (row 1, column 2) spans x from 1.0 to 1.5 and y from 0.5 to 1.0 below the top.
        top = SIZE / 2
        same &= image.GetCell(SIZE + 2).GetBounds() == (1.0, 1.5, top - 1.0, top - 0.5, 0.0, 0.5)
        field = image.GetFieldData()
        same &= field.GetAbstractArray("unit").GetValue(0) == "um"
        same &= all(field.GetArray(n).GetValue(0) == v for n, v in zip(names, data["properties"][i]))
    check("out  vti by VTK", bool(same))

    with h5py.File(FOLDER / "c.h5") as file:
        same = np.array_equal(file["maps"], maps) and np.array_equal(file["properties"], data["properties"])
        same &= list(file["names"].asstr()) == names
        attributes = dict(file["maps"].attrs)
        check("out  hdf5 by h5py", bool(same) and attributes == {"classes": 3, "spacing": 0.5, "unit": b"um"})

    with h5py.File(FOLDER / "c.dream3d") as file:
        container = file["DataContainers/ImageDataContainer"]
        geometry, cells = container["_SIMPL_GEOMETRY"], container["CellData"]
        phases = cells["Phases"]
        same = file.attrs["FileVersion"] == b"7.0" and b"6.5" in file.attrs["DREAM3D Version"]
        same &= phases.dtype == np.int32 and np.array_equal(phases[..., 0], maps.astype(np.int32) + 1)
        same &= list(geometry["DIMENSIONS"]) == [SIZE, SIZE, COUNT] and list(geometry["SPACING"]) == [0.5] * 3
        same &= geometry.attrs["GeometryTypeName"] == b"ImageGeometry" and list(geometry.attrs["GeometryType"]) == [0]
        for tuples in (cells.attrs["TupleDimensions"], phases.attrs["TupleDimensions"]):
            same &= tuples.dtype == np.uint64 and list(tuples) == [SIZE, SIZE, COUNT]
        same &= list(cells.attrs["AttributeMatrixType"]) == [3] and list(phases.attrs["ComponentDimensions"]) == [1]
        same &= phases.attrs["ObjectType"] == b"DataArray<int32_t>" and list(phases.attrs["DataArrayVersion"]) == [2]
        check("out  dream3d by h5py", bool(same))

    for source in ["c.npz", "c.npy", "c-png", "c.tiff", "c.h5", "c.dream3d", "c-vti"]:
        imported(f"our own {source}", FOLDER / source, maps)


def images_in():
    """Images as other programs save them."""
    rng = np.random.default_rng(1)
    maps = rng.integers(0, 3, (4, 24, 24)).astype(np.uint8)
    levels = np.array([0, 128, 255], dtype=np.uint8)[maps]
    palette = [200, 0, 0, 0, 200, 0, 0, 0, 200]

    def images(name, make):
        folder = FOLDER / name
        folder.mkdir()
        for i in range(len(maps)):
            make(i).save(folder / f"{i}.{'tif' if 'tiff' in name else 'png'}", **({"compression": "tiff_lzw"} if "tiff" in name else {}))
        return folder

    def indexed(i):
        image = Image.fromarray(maps[i], mode="P")
        image.putpalette(palette)
        return image

    imported("grey png of Pillow", images("grey", lambda i: Image.fromarray(levels[i])), maps, "--levels", "0,128,255")
    imported("palette png of Pillow", images("palette", indexed), maps)
    imported("16-bit png of Pillow", images("deep", lambda i: Image.fromarray(levels[i].astype(np.uint16) * 257)), maps, "--levels", "0,32896,65535")
    imported("1-bit png of Pillow", images("bits", lambda i: Image.fromarray(maps[i] > 0)), (maps > 0).astype(np.uint8))
    imported("rgb png that is grey", images("rgb", lambda i: Image.fromarray(levels[i]).convert("RGB")), maps, "--levels", "0,128,255")
    imported("lzw tiff of Pillow", images("tiff-lzw", lambda i: Image.fromarray(levels[i])), maps, "--levels", "0,128,255")
    imported("palette tiff of Pillow", images("tiff-palette", indexed), maps)
    refused("coloured png", images("colour", lambda i: indexed(i).convert("RGB")), "--levels", "0,200", says="colour")
    refused("unlisted level", FOLDER / "grey", "--levels", "0,255", says="128")
    refused("levels without a rule", FOLDER / "grey", says="--levels 0,128,255")

    field = maps.astype(np.float32) / 4
    half = (field >= 0.25).astype(np.uint8)
    for name, array, options, expected in [
        ("deflate", levels, {"compression": "zlib"}, None),
        ("deflate with predictor", levels, {"compression": "zlib", "predictor": 2}, None),
        ("packbits", levels, {"compression": "packbits"}, None),
        ("big-endian 16 bits", levels.astype(np.uint16), {"byteorder": ">"}, None),
        ("BigTIFF", levels, {"bigtiff": True}, None),
        ("tiles", levels, {"tile": (16, 16)}, None),
        ("white is zero", 255 - levels, {"photometric": "miniswhite"}, None),
        ("float fields", field, {}, half),
    ]:
        path = FOLDER / f"{name.replace(' ', '-')}.tif"
        tifffile.imwrite(path, array, **({"photometric": "minisblack"} | options))
        rule = ["--levels", "0,128,255"] if expected is None else ["--threshold", "0.25"]
        imported(f"tiff of tifffile, {name}", path, maps if expected is None else expected, *rule)
    tifffile.imwrite(FOLDER / "zstd.tif", levels, photometric="minisblack", compression="zstd")
    imported("tiff of tifffile, ZSTD", FOLDER / "zstd.tif", maps, "--levels", "0,128,255")
    images("tiff-group4", lambda i: Image.fromarray(maps[i] > 0))
    for i in range(len(maps)):
        Image.fromarray(maps[i] > 0).save(FOLDER / "tiff-group4" / f"{i}.tif", compression="group4")
    imported("Fax group 4 tiff of Pillow", FOLDER / "tiff-group4", (maps > 0).astype(np.uint8))
    tifffile.imwrite(FOLDER / "lzma.tif", levels, photometric="minisblack", compression="lzma")
    refused("LZMA tiff", FOLDER / "lzma.tif", "--levels", "0,128,255", says="LZMA")
    blocks = np.kron(maps, np.ones((1, 8, 8), dtype=np.uint8))
    (FOLDER / "jpeg").mkdir()
    for i in range(len(maps)):
        Image.fromarray((blocks[i] > 0).astype(np.uint8) * 255).save(FOLDER / "jpeg" / f"{i}.jpg", quality=95)
    imported("jpeg of Pillow", FOLDER / "jpeg", (blocks > 0).astype(np.uint8), "--threshold", 128)
    refused("jpeg without a threshold", FOLDER / "jpeg", says="changes values")
    colours = np.array(palette, dtype=np.uint8).reshape(3, 3)
    (FOLDER / "bmp").mkdir()
    for i in range(len(maps)):
        Image.fromarray(colours[maps[i]]).save(FOLDER / "bmp" / f"{i}.bmp")
    imported("coloured bmp of Pillow", FOLDER / "bmp", maps, "--colours", "#c80000,#00c800,#0000c8")
    imported("coloured png of Pillow", FOLDER / "colour", maps, "--colours", "#c80000,#00c800,#0000c8")
    np.savetxt(FOLDER / "a.txt", maps[0])
    imported("text of numpy.savetxt", FOLDER / "a.txt", maps[:1])
    vtk_in(maps)
    for order in "<>":
        for big in (False, True):
            path = FOLDER / f"palette{order}{big}.tif"
            colours = np.zeros((3, 256), dtype=np.uint16)
            tifffile.imwrite(path, maps[0], photometric="palette", colormap=colours, byteorder=order, bigtiff=big)
            imported(f"palette tiff of tifffile, {order}, {'64' if big else '32'} bits", path, maps[:1])
    return maps, field, half


def vtk_in(maps):
    """Image data as VTK and ParaView save it, in every mode."""
    image = vtkImageData()
    image.SetDimensions(25, 25, len(maps) + 1)
    cells = numpy_to_vtk(maps.ravel().astype(np.int32), deep=True)
    cells.SetName("phase")
    image.GetCellData().SetScalars(cells)
    for mode in ("Ascii", "Binary", "Appended"):
        for compressor in (None, "ZLib"):
            writer = vtkXMLImageDataWriter()
            writer.SetFileName(str(FOLDER / "vtk.vti"))
            writer.SetInputData(image)
            getattr(writer, f"SetDataModeTo{mode}")()
            writer.SetCompressorTypeToZLib() if compressor else writer.SetCompressorTypeToNone()
            writer.Write()
            imported(f"VTK image data, {mode}, {compressor or 'not compressed'}", FOLDER / "vtk.vti", maps)


def arrays_in(maps, field, half):
    """Arrays as other programs save them."""
    for dtype in ("u1", "i1", "<u2", ">i4", "<i8", ">u8"):
        np.save(FOLDER / "a.npy", maps.astype(dtype))
        imported(f"npy {dtype}", FOLDER / "a.npy", maps)
    np.save(FOLDER / "a.npy", np.asfortranarray(maps))
    imported("npy in Fortran order", FOLDER / "a.npy", maps)
    np.save(FOLDER / "a.npy", field.astype("f2"))
    imported("npy f2", FOLDER / "a.npy", half, "--threshold", 0.25)
    np.save(FOLDER / "a.npy", field.astype("f8"))
    imported("npy f8", FOLDER / "a.npy", half, "--threshold", 0.25)
    np.save(FOLDER / "a.npy", maps > 0)
    imported("npy of truth values", FOLDER / "a.npy", (maps > 0).astype(np.uint8))
    np.save(FOLDER / "a.npy", maps.reshape(4, -1))
    imported("npy rows", FOLDER / "a.npy", maps, "--shape", "24,24")
    np.savez_compressed(FOLDER / "a.npz", first=maps, second=maps[::-1])
    imported("npz, second array", FOLDER / "a.npz", maps[::-1], "--dataset", "second")
    refused("npz of two arrays", FOLDER / "a.npz", says="first, second")
    np.save(FOLDER / "a.npy", np.array([None]), allow_pickle=True)
    refused("npy of objects", FOLDER / "a.npy", says="a.npy")

    with h5py.File(FOLDER / "a.h5", "w") as file:
        file.create_dataset("morphology", data=field.reshape(4, -1), chunks=(3, 24 * 24), compression="gzip", shuffle=True)
        file.create_dataset("images", data=maps, dtype="i4")
        file.create_dataset("group/flags", data=maps > 0)
    imported("HDF5 rows, gzip and shuffle", FOLDER / "a.h5", half, "--dataset", "morphology", "--threshold", 0.25)
    imported("HDF5 [N, H, W]", FOLDER / "a.h5", maps, "--dataset", "images")
    imported("HDF5 truth values in a group", FOLDER / "a.h5", (maps > 0).astype(np.uint8), "--dataset", "group/flags")
    refused("HDF5 of several", FOLDER / "a.h5", says="morphology")
    with h5py.File(FOLDER / "new.h5", "w", libver="latest") as file:
        file.create_dataset("images", data=maps, dtype="u1", chunks=True, compression="gzip", fletcher32=True)
    imported("HDF5 of the latest format", FOLDER / "new.h5", maps)

    with h5py.File(FOLDER / "kinds.h5", "w") as file:
        file["nowhere"] = h5py.SoftLink("/not/there")
        file.create_dataset("lzf", data=maps, chunks=(1, 12, 12), compression="lzf")
        file.create_dataset("named", data=maps, dtype=h5py.enum_dtype({"a": 0, "b": 1, "c": 2}, basetype="u1"))
        file.create_dataset("half", data=field.astype("f2"))
    imported("HDF5, LZF", FOLDER / "kinds.h5", maps, "--dataset", "lzf")
    imported("HDF5, enumeration", FOLDER / "kinds.h5", maps, "--dataset", "named")
    imported("HDF5, half precision", FOLDER / "kinds.h5", half, "--dataset", "half", "--threshold", 0.25)
    refused("HDF5, list of data sets", FOLDER / "kinds.h5", says="lzf [4, 24, 24] u1")

    # As DREAM.3D lays its files out: x fastest, slices along z, two arrays over the cells.
    with h5py.File(FOLDER / "a.dream3d", "w") as file:
        file.attrs["FileVersion"] = np.bytes_("7.0")
        container = file.create_group("DataContainers/SyntheticVolume")
        container["_SIMPL_GEOMETRY/DIMENSIONS"] = np.array([24, 24, 4], dtype=np.int64)
        container["_SIMPL_GEOMETRY/SPACING"] = np.ones(3, dtype=np.float32)
        container["Cell Data/Phases"] = (maps[..., None] + 1).astype(np.int32)
        container["Cell Data/FeatureIds"] = np.arange(1, 4 * 24 * 24 + 1, dtype=np.int32).reshape(4, 24, 24, 1)
        container["Cell Data/EulerAngles"] = np.zeros((4, 24, 24, 3), dtype=np.float32)
        container["CellFeatureData/Volumes"] = np.zeros((9, 1), dtype=np.float32)
    imported("DREAM.3D phases", FOLDER / "a.dream3d", maps)
    refused("DREAM.3D, too many features", FOLDER / "a.dream3d", "--dataset", "FeatureIds", says="FeatureIds")
    refused("DREAM.3D vectors", FOLDER / "a.dream3d", "--dataset", "EulerAngles", says="EulerAngles")
    for name in ["a.h5", "a.dream3d", "a.npz", "c.tiff"]:
        path = FOLDER / f"cut-{name}"
        whole = (FOLDER / name).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        refused(f"half of {name}", path, says=path.name)


files_out()
arrays_in(*images_in())
print("all held" if not failed else f"{failed} failed")
sys.exit(failed > 0)
