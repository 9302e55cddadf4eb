"""Cross-check of our safetensors code against the Python library; needs torch and safetensors, no part of the test command.

Usage: python scripts/goldens/check_safetensors.py [--binary build/distill] [--seed N] [FILES...]

1. The library writes files of random tensors; `distill inspect --json` has to see the same names, types, shapes, bytes and
   non-finite values.
2. Damaged copies of such a file: both sides refuse, or both read. Ours is stricter on purpose in the cases listed in STRICTER.
3. FILES, written by us, are read by the library.
"""
import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import torch
from safetensors import deserialize, safe_open
from safetensors.torch import save_file

WORDS = {torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
         torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.complex64: "C64",
         torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}
STRICTER = ("twice", "the keys dtype, shape and data_offsets alone", "counted in 63 bits", "2^63", "64 dimensions", "128 nested")


def inspect(binary, path):
    run = subprocess.run([binary, "inspect", str(path), "--json"], capture_output=True, text=True)
    return run.returncode, json.loads(run.stdout) if run.returncode == 0 else run.stderr


def random_tensor(rng, dtype):
    shape = [rng.choice([0, 1, 2, 3, 7, 33]) for _ in range(rng.randint(0, 3))]
    count = torch.Size(shape).numel()
    if dtype == torch.bool:
        return torch.randint(0, 2, shape).to(torch.bool)
    raw = torch.randint(0, 256, (count * torch.empty(0, dtype=dtype).element_size(),), dtype=torch.uint8)
    return raw.view(dtype).reshape(shape)


def non_finite(tensor):
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return 0
    return int((~torch.isfinite(tensor.float() if tensor.element_size() == 1 else tensor)).sum())


def check_reading(binary, folder, rng):
    for round_ in range(5):
        tensors = {f"t{i}.é\"{rng.random()}": random_tensor(rng, dtype) for i, dtype in enumerate(WORDS)}
        path = folder / f"theirs{round_}.safetensors"
        save_file(tensors, path, metadata={"format": "pt"})
        code, seen = inspect(binary, path)
        assert code == 0, seen
        ours = {t["name"]: (t["dtype"], t["shape"], t["bytes"], t["non_finite"]) for t in seen["tensors"]}
        theirs = {n: (WORDS[t.dtype], list(t.shape), t.nbytes, non_finite(t)) for n, t in tensors.items()}
        assert ours == theirs, (ours, theirs)
    print("reads 5 files of", len(WORDS), "types as the library wrote them")


def library_reads(data):
    try:
        deserialize(data)
        return True
    except Exception:
        return False


def damaged(rng, good):
    length = struct.unpack("<Q", good[:8])[0]
    kind = rng.randrange(5)
    if kind == 0:
        return good[:rng.randrange(len(good))]
    if kind == 1:
        return good + b"\0" * rng.randint(1, 9)
    if kind == 2:
        at = rng.randrange(8 + length)
        return good[:at] + bytes([rng.randrange(256)]) + good[at + 1:]
    if kind == 3:   # another number inside the header
        digits = [i for i in range(8, 8 + length) if 48 <= good[i] <= 57]
        at = rng.choice(digits)
        return good[:at] + str(rng.randrange(10)).encode() + good[at + 1:]
    return struct.pack("<Q", rng.choice([0, 1, length - 1, length + 1, 2**32, 2**63, 2**64 - 1])) + good[8:]


def check_damage(binary, folder, rng, rounds):
    save_file({"a": torch.ones(2, 3), "b": torch.ones(5, dtype=torch.uint8), "c": torch.ones(0, 4)}, folder / "good.safetensors")
    good = (folder / "good.safetensors").read_bytes()
    refused = 0
    for _ in range(rounds):
        data = damaged(rng, good)
        path = folder / "damaged.safetensors"
        path.write_bytes(data)
        code, seen = inspect(binary, path)
        assert code in (0, 65), (code, seen, data)
        refused += code == 65
        if (code == 0) != library_reads(data):
            assert code == 65 and any(word in seen for word in STRICTER), (code, seen, data)
    print(rounds, "damaged files:", refused, "refused by both, the rest read by both")


def check_writing(files):
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():
                file.get_tensor(name)
            print(path, "read by the library:", len(file.keys()), "tensors,", file.metadata())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default="build/distill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        check_reading(options.binary, pathlib.Path(folder), rng)
        check_damage(options.binary, pathlib.Path(folder), rng, options.rounds)
    check_writing(options.files)


if __name__ == "__main__":
    sys.exit(main())
