"""Goldens of the model room: tiny random checkpoints and what transformers (eager attention, float32) computes with them.

    python scripts/goldens/make_models.py tests/data/model

Each case is a Hugging Face folder with golden.safetensors beside it: ids.{i}, logits.{i} [T, V], hidden.{i}.{l} [T, D] (l = 0 is
the embeddings, the last one after the final norm), attention.{i}.{l} [H, T, T] (l = 0 is the first block), and for some cases of
every family grad.{parameter} of a loss over sequence 0: the mean cross-entropy of all next tokens (causal models), of targets.0 at
every position (masked LM), of the class targets.0 (classifiers; logits.{i} is [C]), or the sum of embedding * targets.0 (mean of
the last hidden states: embedding.{i} [D]).
"""
import json
import shutil
import sys
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import transformers
from transformers import (
    BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel, DistilBertConfig, DistilBertForMaskedLM,
    DistilBertForSequenceClassification, DistilBertModel, Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig,
    GemmaConfig, GemmaForCausalLM, GPT2Config, GPT2LMHeadModel, GPTJConfig, GPTJForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM,
    LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM,
    Qwen3Config, Qwen3ForCausalLM)

SMALL = dict(vocab_size=43, hidden_size=24, intermediate_size=29, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.15)


def llama(**changes):
    return LlamaForCausalLM, LlamaConfig(**{**SMALL, "rms_norm_eps": 1e-5, **changes})


def qwen2(**changes):
    return Qwen2ForCausalLM, Qwen2Config(**{**SMALL, **changes})


def decoder(model, config, defaults):
    return lambda **changes: (model, config(**{**SMALL, **defaults, **changes}))


mistral = decoder(MistralForCausalLM, MistralConfig, {})
qwen3 = decoder(Qwen3ForCausalLM, Qwen3Config, dict(head_dim=10))
gemma = decoder(GemmaForCausalLM, GemmaConfig, dict(head_dim=10, num_attention_heads=3, num_key_value_heads=1, pad_token_id=0))
gemma2 = decoder(Gemma2ForCausalLM, Gemma2Config, dict(head_dim=10, query_pre_attn_scalar=7, attn_logit_softcapping=2.0,
                                                       final_logit_softcapping=1.5, sliding_window=5, pad_token_id=0))
gemma3 = decoder(Gemma3ForCausalLM, Gemma3TextConfig, dict(head_dim=10, query_pre_attn_scalar=7, sliding_window=5, pad_token_id=0))
phi3 = decoder(Phi3ForCausalLM, Phi3Config, dict(pad_token_id=0))


def gpt2(model=GPT2LMHeadModel, **changes):
    return model, GPT2Config(**{**dict(vocab_size=43, n_positions=40, n_embd=24, n_layer=2, n_head=4), **changes})


def gptj(**changes):
    return GPTJForCausalLM, GPTJConfig(**{**dict(vocab_size=43, n_positions=40, n_embd=24, n_layer=2, n_head=3, rotary_dim=4), **changes})


UNGROUPED = {name: value for name, value in SMALL.items() if name != "num_key_value_heads"}


def gpt_neox(**changes):
    return GPTNeoXForCausalLM, GPTNeoXConfig(**{**UNGROUPED, **changes})


def bert(model, **changes):
    return model, BertConfig(**{**UNGROUPED, "max_position_embeddings": 30, **changes})


def distilbert(model, **changes):
    return model, DistilBertConfig(**{**dict(vocab_size=43, max_position_embeddings=30, dim=24, hidden_dim=29, n_layers=2, n_heads=4),
                                      **changes})


def factors(first, last, count=5):
    return [first + (last - first) * i / (count - 1) for i in range(count)]


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
    "mistral_window": (mistral(sliding_window=5), [17, 4], True),
    "mistral_plain": (mistral(sliding_window=None, head_dim=10), [9], False),
    "qwen3_plain": (qwen3(), [13], True),
    "qwen3_window": (qwen3(num_hidden_layers=3, attention_bias=True, tie_word_embeddings=True, use_sliding_window=True,
                           sliding_window=5, max_window_layers=2), [14], True),
    "gemma_plain": (gemma(), [11], True),
    "gemma_biased": (gemma(attention_bias=True, tie_word_embeddings=False), [11], True),
    "gemma2_plain": (gemma2(num_hidden_layers=3), [17], True),
    "gemma2_uncapped": (gemma2(attn_logit_softcapping=None, final_logit_softcapping=None, attention_bias=True), [9], False),
    "gemma3_plain": (gemma3(num_hidden_layers=3, layer_types=["sliding_attention", "full_attention", "sliding_attention"]), [17], True),
    "gemma3_scaled": (gemma3(num_hidden_layers=6, num_key_value_heads=1, rope_parameters={
        "full_attention": scaled("linear", 1e6, factor=8.0), "sliding_attention": scaled("default", 1e4)}), [12], False),
    "phi3_plain": (phi3(sliding_window=6), [13], True),
    "phi3_partial": (phi3(rope_parameters=scaled("default", partial_rotary_factor=0.7), tie_word_embeddings=True), [13], False),
    "phi3_longrope": (phi3(max_position_embeddings=64, original_max_position_embeddings=16, rope_parameters=scaled(
        "longrope", short_factor=factors(1.0, 1.3, 3), long_factor=factors(1.5, 4.0, 3), original_max_position_embeddings=16)),
        [9, 16, 17, 30], False),
    "gpt2_plain": (gpt2(), [13, 40], True),
    "gpt2_scaled": (gpt2(n_inner=29, tie_word_embeddings=False, scale_attn_by_inverse_layer_idx=True, activation_function="relu"),
                    [11], True),
    "gpt2_unscaled": (gpt2(n_layer=1, scale_attn_weights=False), [11], False),
    "gptj_plain": (gptj(), [13], True),
    "gptj_inner": (gptj(n_inner=29, rotary_dim=8, n_layer=1), [9], False),
    "gpt_neox_parallel": (gpt_neox(rope_parameters=scaled("default", partial_rotary_factor=0.7)), [13], True),
    "gpt_neox_serial": (gpt_neox(use_parallel_residual=False, attention_bias=False, tie_word_embeddings=True,
                                 rope_parameters=scaled("linear", 5000.0, factor=2.0, partial_rotary_factor=1.0)), [13], True),
    "bert_masked": (bert(BertForMaskedLM), [13, 1], True),
    "bert_untied": (bert(BertForMaskedLM, tie_word_embeddings=False, hidden_act="gelu_new", num_hidden_layers=1), [9], False),
    "bert_classes": (bert(BertForSequenceClassification, num_labels=5), [13, 3], True),
    "bert_embedding": (bert(BertModel, type_vocab_size=1), [13, 3], True),
    "distilbert_masked": (distilbert(DistilBertForMaskedLM), [13], True),
    "distilbert_classes": (distilbert(DistilBertForSequenceClassification, num_labels=3, activation="relu"), [13], True),
    "distilbert_embedding": (distilbert(DistilBertModel), [9], True),
}


def randomise(model, generator):
    """Norms and biases too: what starts as one or zero would hide mistakes."""
    plus_one = model.config.model_type.startswith("gemma")   # their norms multiply by 1 + weight
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            elif "norm" in name.lower() or ".ln_" in name:
                parameter.copy_((0 if plus_one else 1) + 0.3 * noise)
            else:
                parameter.copy_(0.15 * noise)


def run(model, ids, **options):
    if model.config.model_type in ("bert", "distilbert"):
        return model(ids[None], **options)
    return model(ids[None], use_cache=False, **options)


def targets_for(out, ids, generator):
    """What the loss of sequence 0 compares with; causal models bring their own."""
    if "last_hidden_state" in out:
        return torch.randn(out.last_hidden_state.shape[-1], generator=generator)
    if out.logits.dim() == 2:
        return torch.tensor(out.logits.shape[1] - 2)
    return torch.randint(0, out.logits.shape[-1], ids.shape, generator=generator)


def loss_of(out, ids, targets, causal):
    if "last_hidden_state" in out:
        return (out.last_hidden_state[0].mean(0) * targets).sum()
    logits = out.logits[0]
    if causal:
        return torch.nn.functional.cross_entropy(logits[:-1], ids[1:])
    return torch.nn.functional.cross_entropy(logits, targets)


def golden(model, lengths, with_gradients, generator):
    tensors = {}
    for index, length in enumerate(lengths):
        # An embedding gives the row of its padding id no gradient: texts do not hold it.
        ids = torch.randint(0 if model.config.pad_token_id is None else 1, model.config.vocab_size, (length,), generator=generator)
        # Dynamic rope remembers longer sequences that it met: start every sequence afresh.
        fresh = type(model)(model.config).eval()
        fresh.load_state_dict(model.state_dict())
        with torch.no_grad():
            out = run(fresh, ids, output_hidden_states=True, output_attentions=True)
        tensors[f"ids.{index}"] = ids
        if "last_hidden_state" in out:
            tensors[f"embedding.{index}"] = out.last_hidden_state[0].mean(0)
        else:
            tensors[f"logits.{index}"] = out.logits[0]
        for layer, hidden in enumerate(out.hidden_states):
            tensors[f"hidden.{index}.{layer}"] = hidden[0]
        for layer, attention in enumerate(out.attentions):
            tensors[f"attention.{index}.{layer}"] = attention[0]
    if with_gradients:
        ids = tensors["ids.0"]
        out = run(model, ids)
        causal = model.config.model_type not in ("bert", "distilbert")
        targets = targets_for(out, ids, generator)
        if not causal:
            tensors["targets.0"] = targets
        loss_of(out, ids, targets, causal).backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:   # a pooler that the loss does not read has none
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
