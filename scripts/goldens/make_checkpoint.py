"""Writes tests/data/checkpoint/: small files made by the Python safetensors library, with the raw bytes of every tensor.

Usage: python scripts/goldens/make_checkpoint.py      (needs torch, safetensors and huggingface_hub)
"""
import json
import pathlib

import safetensors
import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parents[2] / "tests/data/checkpoint"
DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64, torch.float16,
          torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
          torch.float8_e5m2fnuz, torch.float8_e8m0fnu]


def tensor_of(dtype, shape, seed):
    generator = torch.Generator().manual_seed(seed)
    count = torch.Size(shape).numel()
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.uint8).to(torch.bool)
    size = torch.empty(0, dtype=dtype).element_size()
    raw = torch.randint(0, 256, (count * size,), generator=generator, dtype=torch.uint8)   # every pattern of bits, NaN included
    return raw.view(dtype).reshape(shape)


def raw_hex(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes().hex()


def every_dtype():
    tensors = {}
    for i, dtype in enumerate(DTYPES):
        word = str(dtype).removeprefix("torch.")
        tensors[f"{word}.matrix"] = tensor_of(dtype, (3, 5), 10 * i)
        tensors[f"{word}.scalar"] = tensor_of(dtype, (), 10 * i + 1)
        tensors[f"{word}.empty"] = torch.empty((0, 4), dtype=dtype)
    save_file(tensors, OUT / "every_dtype.safetensors", metadata={"format": "pt"})
    values = {name: dict(dtype=str(t.dtype).removeprefix("torch."), shape=list(t.shape), bytes=raw_hex(t)) for name, t in tensors.items()}
    (OUT / "every_dtype.json").write_text(json.dumps(dict(safetensors=safetensors.__version__, tensors=values), indent=0) + "\n")


def sharded():
    folder = OUT / "sharded"
    folder.mkdir(exist_ok=True)
    names = ["embed.weight", "layers.0.weight", "layers.1.weight", "norm.weight"]
    tensors = {name: tensor_of(torch.bfloat16, (4, 3), i) for i, name in enumerate(names)}
    weight_map = {}
    for i in range(2):
        shard = f"model-{i + 1:05}-of-00002.safetensors"
        part = {name: tensors[name] for name in names[2 * i:2 * i + 2]}
        save_file(part, folder / shard, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, shard)
    index = dict(metadata=dict(total_size=sum(t.nbytes for t in tensors.values())), weight_map=weight_map)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    (folder / "bytes.json").write_text(json.dumps({name: raw_hex(t) for name, t in tensors.items()}, indent=0) + "\n")


OUT.mkdir(parents=True, exist_ok=True)
every_dtype()
sharded()
print(OUT, sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file()), "bytes")
