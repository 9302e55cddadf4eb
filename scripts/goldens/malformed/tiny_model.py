"""A llama of 2 layers that fits into a few kilobytes: config, tensors, and the safetensors bytes of any tensors."""
import json
import random
import struct

CONFIG = dict(architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=16, hidden_size=8, intermediate_size=12,
              num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=2, max_position_embeddings=64,
              rms_norm_eps=1e-6, rope_theta=10000.0, hidden_act="silu", tie_word_embeddings=False, torch_dtype="float32")

Tensors = dict[str, tuple[list[int], bytes]]   # shape, float32 values


def shapes(layers: int = 2) -> dict[str, list[int]]:
    named = {"model.embed_tokens.weight": [16, 8]}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        named |= {at + "input_layernorm.weight": [8], at + "self_attn.q_proj.weight": [8, 8], at + "self_attn.k_proj.weight": [4, 8],
                  at + "self_attn.v_proj.weight": [4, 8], at + "self_attn.o_proj.weight": [8, 8],
                  at + "post_attention_layernorm.weight": [8], at + "mlp.gate_proj.weight": [12, 8], at + "mlp.up_proj.weight": [12, 8],
                  at + "mlp.down_proj.weight": [8, 12]}
    return named | {"model.norm.weight": [8], "lm_head.weight": [16, 8]}


def numel(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def values(shape: list[int], seed: int = 0) -> bytes:
    draw = random.Random(seed)
    return struct.pack(f"<{numel(shape)}f", *(draw.uniform(-0.5, 0.5) for _ in range(numel(shape))))


def tensors(layers: int = 2) -> Tensors:
    return {name: (shape, values(shape, seed)) for seed, (name, shape) in enumerate(shapes(layers).items())}


def header_and_data(header: bytes, data: bytes, length: int | None = None) -> bytes:
    """A safetensors file; `length` lies about the header's length."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(shape, begin: int, end: int, dtype="F32") -> dict:
    return dict(dtype=dtype, shape=shape, data_offsets=[begin, end])


def safetensors(named: Tensors) -> bytes:
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (shape, raw) in named.items():
        header[name] = entry(shape, len(data), len(data) + len(raw))
        data += raw
    text = json.dumps(header).encode()
    return header_and_data(text + b" " * (-len(text) % 8), data)


def config_text(**changes) -> bytes:
    """config.json with keys changed; a key that is Ellipsis is left out."""
    merged = CONFIG | changes
    return json.dumps({key: value for key, value in merged.items() if value is not ...}, indent=1).encode()


def folder(**changes) -> dict[str, bytes]:
    return {"config.json": config_text(**changes), "model.safetensors": safetensors(tensors())}
