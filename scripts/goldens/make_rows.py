#!/usr/bin/env python3
"""The same rows in every packing, and token files. Writes tests/data/rows/. Needs: pip install numpy pyarrow

    python3 scripts/goldens/make_rows.py
"""
import bz2
import gzip
import lzma
import struct
from pathlib import Path

import numpy
import pyarrow

HERE = Path(__file__).resolve().parents[2] / "tests" / "data" / "rows"


def zstd(text):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text)
    return sink.getvalue().to_pybytes()


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    lines = "".join('{"text": "row %d %s"}\n' % (i, "x" * (i * 37 % 200)) for i in range(300)).encode()
    write = lambda name, data: (HERE / name).write_bytes(data)
    write("rows.jsonl", lines)
    half = len(lines) // 2
    write("rows.jsonl.gz", gzip.compress(lines, mtime=0))
    write("members.jsonl.gz", gzip.compress(lines[:half], mtime=0) + gzip.compress(lines[half:], mtime=0))
    write("rows.jsonl.xz", lzma.compress(lines))
    write("rows.jsonl.bz2", bz2.compress(lines))
    write("rows.jsonl.zst", zstd(lines))
    for ending, pack in (("gz", lambda text: gzip.compress(text, mtime=0)), ("xz", lzma.compress), ("bz2", bz2.compress), ("zst", zstd)):
        write("empty.jsonl." + ending, pack(b""))

    ids = numpy.arange(1, 41) % 11  # 10 ends documents
    write("ids.bin", ids.astype("<u2").tobytes())
    write("gpt2.bin", struct.pack("<3i", 20240520, 1, len(ids)).ljust(1024, b"\0") + ids.astype("<u2").tobytes())
    write("llama3.bin", struct.pack("<3i", 20240801, 7, len(ids)).ljust(1024, b"\0") + ids.astype("<u4").tobytes())
    for kind in ("<u2", "<u4", "<i4", "<i8"):
        numpy.save(HERE / f"ids_{kind[1:]}.npy", ids.astype(kind))
    numpy.save(HERE / "table.npy", ids.astype("<u2").reshape(8, 5))
    numpy.save(HERE / "floats.npy", ids.astype("<f4"))
    numpy.save(HERE / "fortran.npy", numpy.asfortranarray(ids.astype("<u2").reshape(8, 5)))
    numpy.save(HERE / "cube.npy", ids.astype("<u2").reshape(2, 4, 5))


if __name__ == "__main__":
    main()
