"""Writes tests/data/checkpoint/torch/: small files of torch.save with what is in them, and files that are refused.

Usage: python scripts/goldens/make_torch_zip.py      (needs torch and safetensors; reads tests/data/model/llama_tied)
"""
import argparse
import collections
import json
import pathlib
import shutil
import zipfile

import torch
from safetensors.torch import load_file

DATA = pathlib.Path(__file__).parents[2] / "tests/data"
OUT = DATA / "checkpoint/torch"
DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64, torch.float16,
          torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
          torch.float8_e5m2fnuz, torch.float8_e8m0fnu]
expected = {}


def word(dtype):
    return str(dtype).removeprefix("torch.")


def raw(dtype, shape, seed):
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.uint8).to(torch.bool)
    size = torch.empty(0, dtype=dtype).element_size()
    return torch.randint(0, 256, (torch.Size(shape).numel() * size,), generator=generator, dtype=torch.uint8).view(dtype).reshape(shape)


def described(tensor):
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    return dict(dtype=word(tensor.dtype), shape=list(tensor.shape), bytes=flat.numpy().tobytes().hex())


def flattened(value, name=""):
    """The names that the reader gives: keys and indices joined with dots."""
    if isinstance(value, torch.Tensor):
        return {name or "tensor": described(value)}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    found = {}
    for key, item in items:
        found |= flattened(item, f"{name}.{key}" if name else str(key))
    return found


def save(name, value, left_out=(), location=None, **options):
    tag = torch.serialization.location_tag
    if location:
        torch.serialization.location_tag = lambda storage: location   # as on a machine with that device
    torch.save(value, OUT / name, **options)
    torch.serialization.location_tag = tag
    expected[name] = dict(tensors=flattened(value), left_out=list(left_out))


def every_dtype():
    tensors = {}
    for i, dtype in enumerate(DTYPES):
        tensors[f"{word(dtype)}.matrix"] = raw(dtype, (3, 5), 10 * i)
        tensors[f"{word(dtype)}.scalar"] = raw(dtype, (), 10 * i + 1)
        tensors[f"{word(dtype)}.empty"] = torch.empty((0, 4), dtype=dtype)
    save("every_dtype.pt", tensors)


def views():
    base = raw(torch.float32, (6, 8), 1)
    save("views.pt", {"base": base, "tied": base, "transposed": base.t(), "rows": base[2:4], "columns": base[:, 1:7:2], "column": base[:, 3],
                      "permuted": base.view(2, 3, 8).permute(2, 0, 1), "diagonal": base.diagonal(), "element": base[5, 7],
                      "expanded": base[:1, :1].expand(3, 4), "none": base[6:], "windows": base.view(-1).unfold(0, 4, 2),
                      "flags": (base > 0).t(), "half": base.half()[:, ::3]})


def trainer():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    save("state_dict.bin", model.state_dict())
    groups = [f"optimizer.param_groups.0.{key}" for key in optimizer.state_dict()["param_groups"][0]]
    save("trainer.pt",
         {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": None, "rate": 1e-4, "name": "run", "large": 2**70,
          "negative": -5, "seen": {1, 2}, "raw": b"abc", "size": torch.Size([1, 2]), "type": torch.float16, "where": torch.device("cuda:0"),
          "fixed": frozenset([1]), "done": False},
         left_out=groups + ["epoch", "best", "rate", "name", "large", "negative", "seen", "raw", "size", "type", "where", "fixed", "done"])


def parameters():
    with_state = torch.nn.Parameter(raw(torch.float32, (2, 2), 2))
    with_state.note = 3
    with_attribute = raw(torch.int16, (3,), 3)
    with_attribute.note = "x"
    nested = collections.OrderedDict(a=[torch.nn.Parameter(raw(torch.float64, (2,), 4)), (with_state, {7: with_attribute})], b=collections.OrderedDict())
    save("parameters.pth", {"outer": nested, "frozen": torch.nn.Parameter(raw(torch.bfloat16, (1, 3), 5), requires_grad=False)})
    save("protocol4.pt", {"outer": nested}, pickle_protocol=4)
    save("lone.pt", raw(torch.float16, (2, 3), 6))
    save("lone_parameter.pth", torch.nn.Parameter(raw(torch.float32, (), 7)))


def devices():
    # The layout of DeepSeek-R1-Distill-Llama-8B-SAE-l19 (4096 to 65536 there), which was pickled on a GPU.
    save("sae.pt", {"encoder.weight": raw(torch.float32, (32, 8), 8), "encoder.bias": raw(torch.float32, (32,), 9),
                    "decoder.weight": raw(torch.float32, (8, 32), 10), "decoder.bias": raw(torch.float32, (8,), 11)}, location="cuda:0")
    for location in ["cuda:1", "mps", "xla:0"]:
        save(f"on_{location.replace(':', '')}.pt", {"w": raw(torch.float16, (2, 2), 12)}, location=location)


def repacked(source, name, compression):
    with zipfile.ZipFile(OUT / source) as old, zipfile.ZipFile(OUT / name, "w", compression) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))


def containers():
    repacked("lone.pt", "repacked.pt", zipfile.ZIP_STORED)
    expected["repacked.pt"] = expected["lone.pt"]
    torch.serialization.set_crc32_options(False)
    save("no_checksums.pt", {"w": raw(torch.int32, (4,), 13)})
    torch.serialization.set_crc32_options(True)


def refused():
    linear = torch.nn.Linear(2, 2)
    torch.save(linear, OUT / "refused_module.pt")
    torch.save({"model": linear.state_dict(), "args": argparse.Namespace(lr=1)}, OUT / "refused_namespace.pt")
    torch.save({"a": {"w": torch.zeros(2, device="meta")}}, OUT / "refused_meta.pt")
    torch.save({"w": torch.zeros(2, dtype=torch.complex64).conj()}, OUT / "refused_conjugate.pt")
    torch.save({"w": torch.eye(2).to_sparse()}, OUT / "refused_sparse.pt")
    torch.save({"w": torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)}, OUT / "refused_quantised.pt")
    torch.save(linear.state_dict(), OUT / "refused_legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(linear), OUT / "refused_script.pt")
    repacked("lone.pt", "refused_compressed.pt", zipfile.ZIP_DEFLATED)


def sharded():
    folder = OUT / "sharded"
    folder.mkdir()
    tensors = {name: raw(torch.bfloat16, (4, 3), 20 + i) for i, name in enumerate(["embed.weight", "layers.0.weight", "layers.1.weight", "norm.weight"])}
    names, weight_map = list(tensors), {}
    for i in range(2):
        shard = f"pytorch_model-{i + 1:05}-of-00002.bin"
        torch.save({name: tensors[name] for name in names[2 * i:2 * i + 2]}, folder / shard)
        weight_map |= dict.fromkeys(names[2 * i:2 * i + 2], shard)
    index = dict(metadata=dict(total_size=sum(t.nbytes for t in tensors.values())), weight_map=weight_map)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")
    expected["sharded"] = dict(tensors=flattened(tensors), left_out=[])


def llama():
    """The model of another golden as transformers saved it before safetensors: one OrderedDict."""
    folder = OUT / "llama_bin"
    folder.mkdir()
    shutil.copy(DATA / "model/llama_tied/config.json", folder)
    weights = collections.OrderedDict(load_file(DATA / "model/llama_tied/model.safetensors"))
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]   # tied: one storage, two names
    torch.save(weights, folder / "pytorch_model.bin")


torch.manual_seed(0)
shutil.rmtree(OUT, ignore_errors=True)
OUT.mkdir(parents=True)
every_dtype()
views()
trainer()
parameters()
devices()
containers()
refused()
sharded()
llama()
(OUT / "expected.json").write_text(json.dumps(dict(torch=torch.__version__, files=expected), indent=0) + "\n")
print(OUT, sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file()), "bytes")
