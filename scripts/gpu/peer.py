"""Whole updates of a peer of `distill`, on plain PyTorch modules; prints one line of JSON. Started by bench.py.

The models are Llama and Qwen2 as anybody writes them in PyTorch, with scaled_dot_product_attention. The sides are the losses of
../bench/loss_peers.py with kl: they differ in what they make of the last hidden states and the two heads.
"""
import argparse
import ctypes
import json
import pathlib
import random
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
import loss_peers  # noqa: E402

GIB = 1 << 30


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6)).to(x.dtype) * self.weight.to(x.dtype)


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.groups = config["num_attention_heads"], config["num_key_value_heads"]
        hidden, bias = config["hidden_size"], config["model_type"] == "qwen2"
        self.size = hidden // self.heads
        self.q_proj = nn.Linear(hidden, hidden, bias=bias)
        self.k_proj = nn.Linear(hidden, self.groups * self.size, bias=bias)
        self.v_proj = nn.Linear(hidden, self.groups * self.size, bias=bias)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x, cos, sin):
        split = lambda y, heads: y.unflatten(-1, (heads, self.size)).transpose(1, 2)
        q = rotate(split(self.q_proj(x), self.heads), cos, sin)
        k = rotate(split(self.k_proj(x), self.groups), cos, sin)
        v, times = split(self.v_proj(x), self.groups), self.heads // self.groups
        mixed = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype).repeat_interleave(times, 1), v.repeat_interleave(times, 1),
                                               is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, wide = config["hidden_size"], config["intermediate_size"]
        self.gate_proj, self.up_proj = nn.Linear(hidden, wide, bias=False), nn.Linear(hidden, wide, bias=False)
        self.down_proj = nn.Linear(wide, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn, self.mlp = Attention(config), Mlp(config)
        self.input_layernorm, self.post_attention_layernorm = Norm(config["hidden_size"]), Norm(config["hidden_size"])

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = Norm(config["hidden_size"])


class Model(nn.Module):
    """Named as Hugging Face names its tensors; the head is the embedding."""

    def __init__(self, config):
        super().__init__()
        self.model, self.recompute = Trunk(config), False
        self.size = config["hidden_size"] // config["num_attention_heads"]

    @property
    def head(self):
        return self.model.embed_tokens.weight

    def hidden(self, ids):
        x = self.model.embed_tokens(ids)
        angles = torch.arange(ids.shape[1], device=ids.device)[:, None] * 1e4 ** -(torch.arange(0, self.size, 2, device=ids.device) / self.size)
        cos, sin = (torch.cat([f, f], -1).to(x.dtype) for f in (angles.cos(), angles.sin()))
        for layer in self.model.layers:
            x = checkpoint(layer, x, cos, sin, use_reentrant=False) if self.recompute else layer(x, cos, sin)
        return self.model.norm(x)


def write_safetensors(file, tensors):
    header, offset = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            host = tensor.contiguous().cpu()
            out.write((ctypes.c_char * (host.numel() * host.element_size())).from_address(host.data_ptr()))


def make_model(folder, config, device):
    """Random weights, drawn on the device, written once."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config["hidden_size"])
    with torch.device("meta"):
        model = Model(config)
    tensors = {}
    for name, parameter in model.named_parameters():
        noise = torch.empty(parameter.shape, dtype=torch.float16, device=device)
        tensors[name] = noise.fill_(1) if name.endswith("norm.weight") else noise.normal_(0, 0.02)
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps({
        **config, "architectures": [{"qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM"}[config["model_type"]]],
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 8192, "torch_dtype": "float16"}))


def make(options):
    for name, config in json.loads(options.make).items():
        make_model(options.folder / name, config, options.device)
    vocabulary, draw = json.loads(options.make)["student"]["vocab_size"], random.Random(1)
    with open(options.folder / "tokens.jsonl", "w") as out:
        for _ in range(96):
            out.write(json.dumps({"input_ids": [draw.randrange(vocabulary) for _ in range(options.length)]}) + "\n")


def load(folder, device, dtype):
    config = json.loads((folder / "config.json").read_text())
    with torch.device("meta"):
        model = Model(config)
    model = model.to_empty(device=device)
    with open(folder / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        begin = file.tell()
        for name, parameter in model.named_parameters():
            file.seek(begin + header[name]["data_offsets"][0])
            raw = bytearray(file.read(header[name]["data_offsets"][1] - header[name]["data_offsets"][0]))
            parameter.data = torch.frombuffer(raw, dtype=torch.float16).view(header[name]["shape"]).to(device, dtype)
    return model


def loss_of(options, student, teacher, ids):
    with torch.autocast(options.device, dtype=torch.float16, enabled=options.device == "cuda"):
        with torch.no_grad():
            wanted = teacher.hidden(ids)[:, :-1].flatten(0, 1)
        given = student.hidden(ids)[:, :-1].flatten(0, 1).to(wanted.dtype)
        return loss_peers.loss_of(options.side, given, student.head, wanted, teacher.head, ids[:, 1:].flatten(), "kl", 0.0, 1.0)


def wait(options):
    if options.device == "cuda":
        torch.cuda.synchronize()


def set_cap(options):
    if options.device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, options.cap_gib * GIB / total))


def peak_bytes(options):
    return torch.cuda.max_memory_reserved() if options.device == "cuda" else 0


def train(options):
    wide = torch.float16 if options.device == "cuda" else torch.float32
    student, teacher = load(options.folder / "student", options.device, torch.float32), load(options.folder / "teacher", options.device, wide)
    teacher.requires_grad_(False)
    student.recompute = options.checkpointing == "full"
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
    scaler = torch.amp.GradScaler(options.device, enabled=options.device == "cuda")
    with open(options.folder / "tokens.jsonl") as lines:
        rows = [json.loads(line)["input_ids"][: options.length] for line in lines]
    seconds, losses = [], []
    for update in range(options.updates):
        wait(options)
        start = time.perf_counter()
        picked = [rows[(update * options.batch + k) % len(rows)] for k in range(options.batch)]
        loss = loss_of(options, student, teacher, torch.tensor(picked, device=options.device))
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=False)
        wait(options)
        seconds.append(time.perf_counter() - start)
        losses.append(float(loss))
    return {"seconds": statistics.median(seconds[1:]), "bytes": peak_bytes(options), "losses": losses}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", help="configurations by name, as JSON: write the models and the tokens")
    parser.add_argument("--side", choices=loss_peers.SIDES)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--checkpointing", choices=["none", "full"], default="none")
    parser.add_argument("--cap-gib", type=float, default=14.0)
    for name in ("length", "batch", "updates"):
        parser.add_argument("--" + name, type=int)
    options = parser.parse_args()
    if options.make:
        return make(options)
    set_cap(options)
    print(json.dumps(train(options)))


if __name__ == "__main__":
    main()
