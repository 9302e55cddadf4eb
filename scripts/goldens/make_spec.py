"""Writes tests/data/spec/families.json: configs as transformers saves them and as they stand on the hub, with the weights that
transformers builds from each (names, shapes, count), its layer windows and its rotary parameters.

Usage: python scripts/goldens/make_spec.py      (needs torch and transformers)
"""
import json
import pathlib

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

OUT = pathlib.Path(__file__).parents[2] / "tests/data/spec/families.json"

# Typical config.json files of the hub, with fewer and smaller layers but every key that they carry.
LLAMA_2 = dict(
    _name_or_path="meta-llama/Llama-2-7b-hf", architectures=["LlamaForCausalLM"], bos_token_id=1, eos_token_id=2, hidden_act="silu",
    hidden_size=64, initializer_range=0.02, intermediate_size=172, max_position_embeddings=4096, model_type="llama",
    num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=4, pretraining_tp=1, rms_norm_eps=1e-05, rope_scaling=None,
    tie_word_embeddings=False, torch_dtype="float16", transformers_version="4.31.0.dev0", use_cache=True, vocab_size=320)
LLAMA_3_2 = dict(
    architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=500, eos_token_id=[501, 508, 509],
    head_dim=16, hidden_act="silu", hidden_size=64, initializer_range=0.02, intermediate_size=256, max_position_embeddings=131072,
    mlp_bias=False, model_type="llama", num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=2, pretraining_tp=1,
    rms_norm_eps=1e-05, rope_scaling=dict(factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192,
                                          rope_type="llama3"),
    rope_theta=500000.0, tie_word_embeddings=True, torch_dtype="bfloat16", transformers_version="4.45.0.dev0", use_cache=True, vocab_size=512)
TINY_LLAMA = dict(
    architectures=["LlamaForCausalLM"], attention_bias=False, bos_token_id=1, eos_token_id=2, hidden_act="silu", hidden_size=64,
    initializer_range=0.02, intermediate_size=176, max_position_embeddings=2048, model_type="llama", num_attention_heads=8,
    num_hidden_layers=3, num_key_value_heads=1, pretraining_tp=1, rms_norm_eps=1e-05, rope_scaling=None, rope_theta=10000.0,
    tie_word_embeddings=False, torch_dtype="bfloat16", transformers_version="4.35.0", use_cache=True, vocab_size=320)
QWEN_2_5 = dict(
    architectures=["Qwen2ForCausalLM"], attention_dropout=0.0, bos_token_id=300, eos_token_id=300, hidden_act="silu", hidden_size=56,
    initializer_range=0.02, intermediate_size=152, max_position_embeddings=32768, max_window_layers=24, model_type="qwen2",
    num_attention_heads=14, num_hidden_layers=2, num_key_value_heads=2, rms_norm_eps=1e-06, rope_theta=1000000.0, sliding_window=32768,
    tie_word_embeddings=True, torch_dtype="bfloat16", transformers_version="4.43.1", use_cache=True, use_mrope=False,
    use_sliding_window=False, vocab_size=320)
YARN = dict(QWEN_2_5, rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=32768), max_position_embeddings=131072,
            tie_word_embeddings=False)
WINDOWS = dict(QWEN_2_5, use_sliding_window=True, sliding_window=9, max_window_layers=1, num_hidden_layers=4)
BIASES = dict(TINY_LLAMA, attention_bias=True, mlp_bias=True, head_dim=10, rope_scaling=dict(type="linear", factor=2.0))
DYNAMIC = dict(TINY_LLAMA, rope_scaling=dict(rope_type="dynamic", factor=3.0))
OLDEST = {k: v for k, v in LLAMA_2.items() if k not in ("num_key_value_heads", "pretraining_tp", "rope_scaling", "rms_norm_eps")}

CASES = dict(llama_2=LLAMA_2, llama_3_2=LLAMA_3_2, tiny_llama=TINY_LLAMA, qwen_2_5=QWEN_2_5, yarn=YARN, windows=WINDOWS, biases=BIASES,
             dynamic=DYNAMIC, oldest=OLDEST)


def facts(config):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    weights = {name: list(p.shape) for name, p in model.state_dict().items()}
    if config.tie_word_embeddings:
        weights.pop("lm_head.weight")
    windows = [config.sliding_window if kind == "sliding_attention" else 0
               for kind in getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers]
    return dict(weights=weights, parameters=sum(p.numel() for p in model.parameters()), windows=windows,
                rope={k: v for k, v in config.rope_parameters.items() if k != "type"}, head_dim=model.model.layers[0].self_attn.head_dim,
                norm_eps=config.rms_norm_eps)


def main():
    out = dict(made_with=dict(torch=torch.__version__, transformers=transformers.__version__), cases={})
    for name, config in CASES.items():
        loaded = AutoConfig.for_model(**json.loads(json.dumps(config)))
        out["cases"][name] = dict(config=config, **facts(loaded))
        saved = json.loads(loaded.to_json_string(use_diff=True))   # what save_pretrained writes today
        out["cases"][name + "_saved"] = dict(config=saved, **facts(loaded))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(OUT, OUT.stat().st_size, "bytes")


main()
