"""Data files in other wrappings, cut and wrong: compressed lines, and token ids as NumPy and llm.c write them."""
import bz2
import gzip
import lzma
import struct

from .corpus import Corpus
from .data_cases import GOOD, Data


def zstd_frame(data: bytes, *, size: int | None = None, block_size: int | None = None, last: bool = True, kind: int = 0,
               descriptor: int = 0xA0) -> bytes:
    """A frame of one raw block, with its size in the header; `size` and `block_size` may lie."""
    header = struct.pack("<IBI", 0xFD2FB528, descriptor, len(data) if size is None else size)
    block = (len(data) if block_size is None else block_size) << 3 | kind << 1 | last
    return header + struct.pack("<I", block)[:3] + data


def add_compressed(corpus: Corpus) -> None:
    data = Data(corpus, "packed", b"", "tiny")
    rows = GOOD * 200
    for ending, pack in dict(gz=lambda raw: gzip.compress(raw, mtime=0), zst=zstd_frame, xz=lzma.compress, bz2=bz2.compress).items():
        good = pack(rows)
        data.file(f"rows.jsonl.{ending}", good, valid=True)
        for part in (len(good) // 4, len(good) // 2, len(good) * 3 // 4, len(good) - 4, len(good) - 1):
            data.file(f"cut_after_{part}.jsonl.{ending}", good[:part])
        data.file(f"text_after.jsonl.{ending}", good + GOOD)
        data.file(f"empty.jsonl.{ending}", pack(b""), "no document")
        data.file(f"packed_twice.jsonl.{ending}", pack(good))
        data.file(f"broken_line.jsonl.{ending}", pack(GOOD + b'{"input_ids": [3\n' + GOOD), f"broken_line.jsonl.{ending}:3")
        data.file(f"binary.jsonl.{ending}", pack(bytes(range(128, 256)) * 40), f"binary.jsonl.{ending}:1")
        data.file(f"latin1.txt.{ending}", pack(b"the abc\nd\xe9j\xe0 vu\n"), f"latin1.txt.{ending}:2")
        if ending != "zst":   # raw blocks have no checksum: other bytes are other text
            middle = len(good) // 2
            data.file(f"flipped.jsonl.{ending}", good[:middle] + bytes([good[middle] ^ 0x55]) + good[middle + 1:])
    data.file("zst_block_beyond.jsonl.zst", zstd_frame(GOOD, block_size=200))
    data.file("zst_block_of_2_megabytes.jsonl.zst", zstd_frame(GOOD, block_size=2**21 - 1))
    data.file("zst_size_lies.jsonl.zst", zstd_frame(GOOD, size=len(GOOD) + 1))
    data.file("zst_size_of_4_gigabytes.jsonl.zst", zstd_frame(GOOD, size=2**32 - 1))
    data.file("zst_not_the_last_block.jsonl.zst", zstd_frame(GOOD, last=False))
    data.file("zst_reserved_block.jsonl.zst", zstd_frame(GOOD, kind=3))
    data.file("zst_reserved_bit.jsonl.zst", zstd_frame(GOOD, descriptor=0xA8))
    data.file("zst_dictionary.jsonl.zst", zstd_frame(GOOD, descriptor=0xA1))
    # A small file of a long line: what it unpacks to counts for the memory.
    long = 100_000_000
    for name, text in dict(unclosed=b'{"text": "' + b"a" * long, zeros=bytes(long), brackets=b"[" * long).items():
        corpus.file("packed", f"100_megabytes_{name}.jsonl.gz", gzip.compress(GOOD + text + b"\n", 1, mtime=0),
                    f"100_megabytes_{name}.jsonl.gz:3", verb="train", recipe="tiny", unpacked_bytes=long)


def numpy_file(shape: str, kind: str = "<u2", data: bytes = b"", *, order: str = "False", version: int = 1, length: int | None = None,
               header: str | None = None) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}" if header is None else header
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + (struct.pack("<H", size) if version == 1 else struct.pack("<I", size)) + text.encode() + data


def ids(*values: int, form: str = "H") -> bytes:
    return struct.pack(f"<{len(values)}{form}", *values)


def add_numpy(corpus: Corpus) -> None:
    add = Data(corpus, "numpy", b"", "tiny").file
    sound = ids(3, 4, 5, 6)
    Data(corpus, "valid", b"", "tiny").file("stream.npy", numpy_file("(4,)", data=sound), valid=True)
    Data(corpus, "valid", b"", "tiny").file("table.npy", numpy_file("(2, 2)", data=sound), valid=True)
    whole = numpy_file("(4,)", data=sound)
    for part in (0, 1, 6, 8, 9, 10, 11, 30, len(whole) - 8, len(whole) - 3, len(whole) - 1):
        add(f"cut_after_{part}.npy", whole[:part])
    add("bytes_after.npy", whole + b"\0")
    for name, shape in {"of_nothing": "()", "of_three": "(1, 2, 2)", "negative": "(-4,)", "beyond": "(5,)", "below": "(3,)", "2_to_64": f"({2**64},)",
                        "overflowing": f"({2**33}, {2**31})", "empty_rows": "(4, 0)", "words": "(four,)", "unclosed": "(4", "a_number": "4",
                        "rows_of_2_to_30": f"(1, {2**30})"}.items():
        add(f"shape_{name}.npy", numpy_file(shape, data=sound))
    for kind in ("<f4", "<f8", "|b1", ">u2", ">i8", "<U4", "|O", "<c8", "<u1", ""):
        name = "".join(letter for letter in kind if letter.isalnum()) + ("_big" if kind.startswith(">") else "")
        add(f"type_{name or 'none'}.npy", numpy_file("(4,)", kind, sound * 4))
    add("fortran.npy", numpy_file("(2, 2)", data=sound, order="True"), "C order")
    for version in (0, 4, 255):
        add(f"version_{version}.npy", numpy_file("(4,)", data=sound, version=version), "version")
    add("header_beyond.npy", numpy_file("(4,)", data=sound, length=60000))
    add("header_of_4_gigabytes.npy", numpy_file("(4,)", data=sound, version=2, length=2**32 - 1))
    for name, header in dict(empty="", words="the abc", no_shape="{'descr': '<u2', 'fortran_order': False}",
                             no_descr="{'fortran_order': False, 'shape': (4,)}", brackets="(" * 5000).items():
        add(f"header_{name}.npy", numpy_file("", header=header, data=sound))
    add("id_beyond.npy", numpy_file("(4,)", data=ids(3, 4, 48, 5)), "id 3")
    add("id_negative.npy", numpy_file("(4,)", "<i4", ids(3, -1, 4, 5, form="i")), "id 2")
    add("id_2_to_63.npy", numpy_file("(2,)", "<u8", ids(3, 2**63, form="Q")), "id 2")
    add("empty.npy", numpy_file("(0,)"), "no document")


def add_bin(corpus: Corpus) -> None:
    add = Data(corpus, "bin", b"", "tiny").file

    def llm_c(count: int, data: bytes, magic: int = 20240520, version: int = 1) -> bytes:
        return struct.pack("<3I", magic, version, count).ljust(1024, b"\0") + data

    Data(corpus, "valid", b"", "tiny").file("stream.bin", ids(3, 4, 5, 6), valid=True)
    Data(corpus, "valid", b"", "tiny").file("llm_c.bin", llm_c(4, ids(3, 4, 5, 6)), valid=True)
    add("odd.bin", ids(3, 4, 5) + b"\0", "odd number")
    add("one_byte.bin", b"\3")
    add("empty.bin", b"", "no document")
    add("id_beyond.bin", ids(3, 4, 48, 5), "id 3")
    add("ids_of_4_bytes.bin", ids(3, 70_000, 4, form="I"), "id 3")
    add("llm_c_version_2.bin", llm_c(4, ids(3, 4, 5, 6), version=2), "version")
    add("llm_c_count_one_over.bin", llm_c(5, ids(3, 4, 5, 6)))
    add("llm_c_count_one_under.bin", llm_c(3, ids(3, 4, 5, 6)))
    add("llm_c_count_2_to_32.bin", llm_c(2**32 - 1, ids(3, 4, 5, 6)))
    add("llm_c_cut.bin", llm_c(4, ids(3, 4, 5)))
    add("llm_c_cut_inside_an_id.bin", llm_c(4, ids(3, 4, 5, 6)[:-1]))
    add("llm_c_long_ids_short.bin", llm_c(4, ids(3, 4, 5, 6), magic=20240801, version=7))
    add("llm_c_id_beyond.bin", llm_c(4, ids(3, 4, 5, 48)), "id 4")
    add("llm_c_header_alone.bin", llm_c(0, b""), "no document")


def add(corpus: Corpus) -> None:
    add_compressed(corpus)
    add_numpy(corpus)
    add_bin(corpus)
