"""Goldens of the model room: tiny random checkpoints and what transformers (eager attention, float32) computes with them.

    python scripts/goldens/make_models.py tests/data/model

Each case is a Hugging Face folder with golden.safetensors beside it: ids.{i}, logits.{i} [T, V], hidden.{i}.{l} [T, D] (l = 0 is
the embeddings, the last one after the final norm), attention.{i}.{l} [H, T, T] (l = 0 is the first block), and for one case per
family grad.{parameter} of the mean cross-entropy over all next tokens of sequence 0.
"""
import json
import shutil
import sys
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

SMALL = dict(vocab_size=43, hidden_size=24, intermediate_size=29, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.15)


def llama(**changes):
    return LlamaForCausalLM, LlamaConfig(**{**SMALL, "rms_norm_eps": 1e-5, **changes})


def qwen2(**changes):
    return Qwen2ForCausalLM, Qwen2Config(**{**SMALL, **changes})


def scaled(kind, theta=10000.0, **values):
    return {"rope_type": kind, "rope_theta": theta, **values}


# name: (model, lengths of its sequences, gradients wanted)
CASES = {
    "llama_plain": (llama(num_key_value_heads=4), [13, 1], True),
    "llama_grouped": (llama(num_hidden_layers=3, num_key_value_heads=1, rms_norm_eps=1e-3), [11], False),
    "llama_wide_heads": (llama(head_dim=10, num_attention_heads=3, num_key_value_heads=3), [9], False),
    "llama_biased": (llama(attention_bias=True, mlp_bias=True), [9], True),
    "llama_tied": (llama(tie_word_embeddings=True), [12], True),
    "llama_gelu": (llama(num_hidden_layers=1, hidden_act="gelu_pytorch_tanh"), [7], False),
    "llama_linear": (llama(num_hidden_layers=1, rope_parameters=scaled("linear", factor=2.5)), [12], False),
    "llama_dynamic": (llama(max_position_embeddings=16, rope_parameters=scaled("dynamic", factor=2.0)), [9, 16, 17, 29], False),
    "llama_yarn": (llama(num_hidden_layers=1, head_dim=16, max_position_embeddings=128, rope_parameters=scaled(
        "yarn", factor=4.0, original_max_position_embeddings=32)), [24], False),
    "llama_yarn_mscale": (llama(num_hidden_layers=1, head_dim=16, max_position_embeddings=128, rope_parameters=scaled(
        "yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=16.0, beta_slow=2.0, mscale=0.8,
        mscale_all_dim=0.5, truncate=False)), [24], False),
    "llama_yarn_factor": (llama(num_hidden_layers=1, head_dim=16, max_position_embeddings=128, rope_parameters=scaled(
        "yarn", factor=4.0, original_max_position_embeddings=32, attention_factor=0.7)), [24], False),
    "llama_llama3": (llama(num_hidden_layers=1, head_dim=16, max_position_embeddings=256, rope_parameters=scaled(
        "llama3", 5000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)), [40], False),
    "qwen2_plain": (qwen2(), [13], True),
    "qwen2_tied": (qwen2(tie_word_embeddings=True, rope_parameters=scaled("default", 1e6)), [10], False),
    "qwen2_window": (qwen2(num_hidden_layers=3, use_sliding_window=True, sliding_window=5, max_window_layers=1), [17, 4], True),
}


def randomise(model, generator):
    """Norms and biases too: what starts as one or zero would hide mistakes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_(1 + 0.3 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            else:
                parameter.copy_(0.15 * noise)


def golden(model, lengths, with_gradients, generator):
    tensors = {}
    for index, length in enumerate(lengths):
        ids = torch.randint(0, model.config.vocab_size, (length,), generator=generator)
        # Dynamic rope remembers longer sequences that it met: start every sequence afresh.
        fresh = type(model)(model.config).eval()
        fresh.load_state_dict(model.state_dict())
        with torch.no_grad():
            out = fresh(ids[None], output_hidden_states=True, output_attentions=True, use_cache=False)
        tensors[f"ids.{index}"] = ids
        tensors[f"logits.{index}"] = out.logits[0]
        for layer, hidden in enumerate(out.hidden_states):
            tensors[f"hidden.{index}.{layer}"] = hidden[0]
        for layer, attention in enumerate(out.attentions):
            tensors[f"attention.{index}.{layer}"] = attention[0]
    if with_gradients:
        ids = tensors["ids.0"]
        logits = model(ids[None], use_cache=False).logits[0]
        torch.nn.functional.cross_entropy(logits[:-1], ids[1:]).backward()
        for name, parameter in model.named_parameters():
            tensors[f"grad.{name}"] = parameter.grad
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}


def make(folder, name, number):
    (kind, config), lengths, with_gradients = CASES[name]
    generator = torch.Generator().manual_seed(1000 + number)
    config._attn_implementation = "eager"
    model = kind(config).eval()
    randomise(model, generator)
    case = folder / name
    shutil.rmtree(case, ignore_errors=True)
    model.save_pretrained(case)
    (case / "generation_config.json").unlink(missing_ok=True)
    safetensors.torch.save_file(golden(model, lengths, with_gradients, generator), case / "golden.safetensors")
    return sum(file.stat().st_size for file in case.iterdir())


def main():
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    sizes = {name: make(folder, name, number) for number, name in enumerate(CASES)}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "safetensors": safetensors.__version__}
    (folder / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
    for name, size in sizes.items():
        print(f"{name:20} {size / 1024:7.1f} KiB")


if __name__ == "__main__":
    main()
