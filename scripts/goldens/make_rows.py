#!/usr/bin/env python3
"""The same rows in every packing and table format, and token files. Writes tests/data/rows/.
Needs: pip install numpy pyarrow==26.0.1 datasets==5.2.0

    python3 scripts/goldens/make_rows.py
"""
import bz2
import datetime
import gzip
import json
import lzma
import shutil
import struct
from pathlib import Path

import datasets
import numpy
import pyarrow
import pyarrow.parquet

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
    write_tables()
    write_token_table()
    write_dataset()


def table():
    """Columns of every type that has a form in JSON, with nulls, and two that have none."""
    count = 11
    some = lambda values: [None if i % 4 == 3 else value for i, value in enumerate(values)]
    numbers = range(count)
    record = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.large_string()), ("weights", pyarrow.list_(pyarrow.float32()))])
    columns = {
        "text": some(['row %d "quoted" \\ \u00e9\u4e2d\U0001f600\n\t\x01' % i for i in numbers]),
        "long text": pyarrow.array(some(["x" * i for i in numbers]), pyarrow.large_string()),
        "messages": pyarrow.array(some([[{"role": "user", "content": "a%d" % i, "weights": [0.5, None, 1.0]}] * (i % 3) for i in numbers]), pyarrow.list_(record)),
        "record": pyarrow.array(some([{"role": "r", "content": None, "weights": []}] * count), record),
        "words": pyarrow.array(some(["one", "two"] * 5 + ["one"])).dictionary_encode(),
        "pair": pyarrow.array([[i, -i] for i in numbers], pyarrow.list_(pyarrow.int64(), 2)),  # Arrow 18 reads no nulls here
        "long list": pyarrow.array(some([list(range(i)) for i in numbers]), pyarrow.large_list(pyarrow.uint16())),
        "flag": some([i % 2 == 0 for i in numbers]),
        "nothing": pyarrow.nulls(count),
        "half": pyarrow.array(some([i / 2 for i in numbers]), pyarrow.float64()),
        "single": pyarrow.array(some([i / 10 for i in numbers]), pyarrow.float32()),
    }
    for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        low, high = (numpy.iinfo(kind).min, numpy.iinfo(kind).max)
        columns[kind] = pyarrow.array(some([low, high, 1] * 3 + [low, high]), kind)
    whole = pyarrow.table(columns)
    bare = pyarrow.table({"image": pyarrow.array([b"\xff"] * count), "when": pyarrow.array([datetime.datetime(2026, 1, 1)] * count, pyarrow.timestamp("us"))})
    return whole, pyarrow.table({**{n: whole[n] for n in whole.column_names}, **{n: bare[n] for n in bare.column_names}})


def write_tables():
    whole, wide = table()
    rows = whole.to_pylist()
    for row in rows:
        row["single"] = None if row["single"] is None else float(str(numpy.float32(row["single"])))
        row["image"] = {"type": "binary"}
        row["when"] = {"type": "timestamp[us]"}
    (HERE / "table.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    for name, options in (("table.parquet", {"row_group_size": 4}), ("snappy.parquet", {"compression": "snappy", "data_page_size": 64}), ("zstd.parquet", {"compression": "zstd", "row_group_size": 1})):
        pyarrow.parquet.write_table(wide, HERE / name, **options)
    pyarrow.parquet.write_table(wide.slice(0, 0), HERE / "empty.parquet")
    many = pyarrow.table({"text": ["row %d" % (i % 10) for i in range(9500)]})  # more rows in a group than are read at a time
    pyarrow.parquet.write_table(many, HERE / "many.parquet", row_group_size=9000)
    pyarrow.parquet.write_table(pyarrow.table({"text": [b"bytes"]}), HERE / "bytes.parquet")
    broken = pyarrow.StringArray.from_buffers(1, pyarrow.array([0, 1], pyarrow.int32()).buffers()[1], pyarrow.py_buffer(b"\xff"))
    pyarrow.parquet.write_table(pyarrow.table({"text": broken}), HERE / "utf8.parquet")
    with pyarrow.ipc.new_stream(HERE / "table.arrow", wide.schema) as stream:
        stream.write_table(wide, max_chunksize=3)
    with pyarrow.ipc.new_file(HERE / "file.arrow", wide.schema) as file:
        file.write_table(wide, max_chunksize=3)
    with pyarrow.ipc.new_stream(HERE / "packed.arrow", wide.schema, options=pyarrow.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(wide, max_chunksize=5)


def write_token_table():
    """Rows that a tiny model can learn from: ids below 48."""
    draw = numpy.random.default_rng(5)
    rows = [draw.integers(3, 48, draw.integers(6, 30)).tolist() for _ in range(24)]
    (HERE / "tokens.jsonl").write_text("".join(json.dumps({"input_ids": row}) + "\n" for row in rows))
    table = pyarrow.table({"input_ids": pyarrow.array(rows, pyarrow.list_(pyarrow.int32()))})
    pyarrow.parquet.write_table(table, HERE / "tokens.parquet", row_group_size=10)


def write_dataset():
    """As users save them, with objects of any shape in a Json column."""
    lines = [{"text": "row %d" % i, "tools": [{"name": "f", "arguments": {"x": i} if i % 2 else {"y": "z"}}]} for i in range(10)]
    features = datasets.Features({"text": datasets.Value("string"), "tools": datasets.List(datasets.Json())})
    objects = pyarrow.ExtensionArray.from_storage(pyarrow.json_(), pyarrow.array([json.dumps(line["tools"][0]) for line in lines]))
    offsets = pyarrow.array(range(len(lines) + 1), pyarrow.int32())
    columns = pyarrow.table({"text": [line["text"] for line in lines], "tools": pyarrow.ListArray.from_arrays(offsets, objects)})
    columns = columns.cast(features.arrow_schema)
    save = lambda rows: datasets.Dataset(rows, info=datasets.DatasetInfo(features=features), fingerprint="0")
    for folder in ("saved", "splits"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
    save(columns).save_to_disk(HERE / "saved", num_shards=3)
    datasets.DatasetDict({"train": save(columns.slice(0, 2))}).save_to_disk(HERE / "splits")
    save(columns).to_parquet(HERE / "saved.parquet")
    (HERE / "saved.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
