"""Writes tests/data/spec/families.json: configs as transformers saves them and as they stand on the hub, with the weights that
transformers builds from each (names, shapes, count), its layer windows and its rotary parameters.

Usage: python scripts/goldens/make_spec.py      (needs torch and transformers)
"""
import json
import pathlib

import torch
import transformers
from transformers import AutoConfig

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

MISTRAL = dict(
    architectures=["MistralForCausalLM"], bos_token_id=1, eos_token_id=2, hidden_act="silu", hidden_size=64, initializer_range=0.02,
    intermediate_size=224, max_position_embeddings=32768, model_type="mistral", num_attention_heads=8, num_hidden_layers=2,
    num_key_value_heads=2, rms_norm_eps=1e-05, rope_theta=10000.0, sliding_window=4096, tie_word_embeddings=False,
    torch_dtype="bfloat16", transformers_version="4.34.0.dev0", use_cache=True, vocab_size=320)
MISTRAL_3 = dict(MISTRAL, sliding_window=None, rope_theta=1000000.0, attention_dropout=0.0, head_dim=16)
QWEN_3 = dict(
    architectures=["Qwen3ForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=300, eos_token_id=301, head_dim=128,
    hidden_act="silu", hidden_size=64, initializer_range=0.02, intermediate_size=192, max_position_embeddings=40960,
    max_window_layers=28, model_type="qwen3", num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=2, rms_norm_eps=1e-06,
    rope_scaling=None, rope_theta=1000000, sliding_window=None, tie_word_embeddings=True, torch_dtype="bfloat16",
    transformers_version="4.51.0", use_cache=True, use_sliding_window=False, vocab_size=320)
GEMMA = dict(
    architectures=["GemmaForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=2, eos_token_id=1, head_dim=32,
    hidden_act="gelu", hidden_activation="gelu_pytorch_tanh", hidden_size=64, initializer_range=0.02, intermediate_size=256,
    max_position_embeddings=8192, model_type="gemma", num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=1,
    pad_token_id=0, rms_norm_eps=1e-06, rope_scaling=None, rope_theta=10000.0, torch_dtype="bfloat16",
    transformers_version="4.38.0.dev0", use_cache=True, vocab_size=320)
GEMMA_2 = dict(
    architectures=["Gemma2ForCausalLM"], attention_bias=False, attention_dropout=0.0, attn_logit_softcapping=50.0, bos_token_id=2,
    cache_implementation="hybrid", eos_token_id=1, final_logit_softcapping=30.0, head_dim=32, hidden_act="gelu_pytorch_tanh",
    hidden_activation="gelu_pytorch_tanh", hidden_size=64, initializer_range=0.02, intermediate_size=256, max_position_embeddings=8192,
    model_type="gemma2", num_attention_heads=4, num_hidden_layers=4, num_key_value_heads=2, pad_token_id=0, query_pre_attn_scalar=256,
    rms_norm_eps=1e-06, rope_theta=10000.0, sliding_window=4096, torch_dtype="float32", transformers_version="4.42.4", use_cache=True,
    vocab_size=320)
GEMMA_3 = dict(
    architectures=["Gemma3ForCausalLM"], attention_bias=False, attention_dropout=0.0, attn_logit_softcapping=None, bos_token_id=2,
    cache_implementation="hybrid", eos_token_id=[1, 106], final_logit_softcapping=None, head_dim=32,
    hidden_activation="gelu_pytorch_tanh", hidden_size=64, initializer_range=0.02, intermediate_size=256, max_position_embeddings=32768,
    model_type="gemma3_text", num_attention_heads=4, num_hidden_layers=7, num_key_value_heads=1, pad_token_id=0,
    query_pre_attn_scalar=256, rms_norm_eps=1e-06, rope_local_base_freq=10000, rope_scaling=None, rope_theta=1000000,
    sliding_window=512, sliding_window_pattern=6, torch_dtype="bfloat16", transformers_version="4.50.0.dev0", use_cache=True,
    vocab_size=320)
GEMMA_3_SCALED = dict(GEMMA_3, rope_scaling=dict(factor=8.0, rope_type="linear"))
PHI_3 = dict(
    _name_or_path="Phi-3-mini-4k-instruct", architectures=["Phi3ForCausalLM"], attention_bias=False, attention_dropout=0.0,
    auto_map=dict(AutoConfig="configuration_phi3.Phi3Config", AutoModelForCausalLM="modeling_phi3.Phi3ForCausalLM"), bos_token_id=1,
    embd_pdrop=0.0, eos_token_id=300, hidden_act="silu", hidden_size=64, initializer_range=0.02, intermediate_size=160,
    max_position_embeddings=4096, model_type="phi3", num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=4,
    original_max_position_embeddings=4096, pad_token_id=300, resid_pdrop=0.0, rms_norm_eps=1e-05, rope_scaling=None,
    rope_theta=10000.0, sliding_window=2047, tie_word_embeddings=False, torch_dtype="bfloat16", transformers_version="4.40.2",
    use_cache=True, vocab_size=320)
PHI_4 = dict(
    PHI_3, full_attn_mod=1, interpolate_factor=1, lm_head_bias=False, mlp_bias=False, num_key_value_heads=2,
    max_position_embeddings=131072, partial_rotary_factor=0.75, tie_word_embeddings=True, sliding_window=262144,
    rope_scaling=dict(type="longrope", short_factor=[1.0 + i / 8 for i in range(6)], long_factor=[1.0 + i for i in range(6)]))
SUMMARY = dict(summary_activation=None, summary_first_dropout=0.1, summary_proj_to_labels=True, summary_type="cls_index",
               summary_use_proj=True, task_specific_params={"text-generation": {"do_sample": True, "max_length": 50}})
GPT2 = dict(
    activation_function="gelu_new", architectures=["GPT2LMHeadModel"], attn_pdrop=0.1, bos_token_id=300, embd_pdrop=0.1,
    eos_token_id=300, initializer_range=0.02, layer_norm_epsilon=1e-05, model_type="gpt2", n_ctx=128, n_embd=64, n_head=4, n_layer=2,
    n_positions=128, resid_pdrop=0.1, vocab_size=320, **SUMMARY)
GPTJ = dict(
    activation_function="gelu_new", architectures=["GPTJForCausalLM"], attn_pdrop=0.0, bos_token_id=300, embd_pdrop=0.0,
    eos_token_id=300, gradient_checkpointing=False, initializer_range=0.02, layer_norm_epsilon=1e-05, model_type="gptj", n_embd=64,
    n_head=2, n_inner=None, n_layer=2, n_positions=128, resid_pdrop=0.0, rotary=True, rotary_dim=16, scale_attn_weights=True,
    tie_word_embeddings=False, tokenizer_class="GPT2Tokenizer", transformers_version="4.18.0.dev0", use_cache=True, vocab_size=320,
    **SUMMARY)
PYTHIA = dict(
    architectures=["GPTNeoXForCausalLM"], bos_token_id=0, eos_token_id=0, hidden_act="gelu", hidden_size=64, initializer_range=0.02,
    intermediate_size=256, layer_norm_eps=1e-05, max_position_embeddings=2048, model_type="gpt_neox", num_attention_heads=4,
    num_hidden_layers=2, rotary_emb_base=10000, rotary_pct=0.25, tie_word_embeddings=False, torch_dtype="float16",
    transformers_version="4.24.0", use_cache=True, use_parallel_residual=True, vocab_size=320)
BERT = dict(
    architectures=["BertForMaskedLM"], attention_probs_dropout_prob=0.1, gradient_checkpointing=False, hidden_act="gelu",
    hidden_dropout_prob=0.1, hidden_size=64, initializer_range=0.02, intermediate_size=256, layer_norm_eps=1e-12,
    max_position_embeddings=128, model_type="bert", num_attention_heads=4, num_hidden_layers=2, pad_token_id=0,
    position_embedding_type="absolute", transformers_version="4.6.0.dev0", type_vocab_size=2, use_cache=True, vocab_size=320)
BERT_CLASSES = dict(BERT, architectures=["BertForSequenceClassification"], id2label={"0": "no", "1": "yes", "2": "maybe"},
                    label2id=dict(no=0, yes=1, maybe=2), problem_type="single_label_classification", classifier_dropout=None)
MINILM = dict(BERT, architectures=["BertModel"], _name_or_path="nreimers/MiniLM-L6-H384-uncased")
DISTILBERT = dict(
    activation="gelu", architectures=["DistilBertForMaskedLM"], attention_dropout=0.1, dim=64, dropout=0.1, hidden_dim=256,
    initializer_range=0.02, max_position_embeddings=128, model_type="distilbert", n_heads=4, n_layers=2, pad_token_id=0, qa_dropout=0.1,
    seq_classif_dropout=0.2, sinusoidal_pos_embds=False, tie_weights_=True, transformers_version="4.10.0.dev0", vocab_size=320)
DISTILBERT_CLASSES = dict(DISTILBERT, architectures=["DistilBertForSequenceClassification"], finetuning_task="sst-2",
                          id2label={"0": "NEGATIVE", "1": "POSITIVE"}, label2id=dict(NEGATIVE=0, POSITIVE=1), output_past=True)

CASES = dict(llama_2=LLAMA_2, llama_3_2=LLAMA_3_2, tiny_llama=TINY_LLAMA, qwen_2_5=QWEN_2_5, yarn=YARN, windows=WINDOWS, biases=BIASES,
             dynamic=DYNAMIC, oldest=OLDEST, mistral=MISTRAL, mistral_3=MISTRAL_3, qwen_3=QWEN_3, gemma=GEMMA, gemma_2=GEMMA_2,
             gemma_3=GEMMA_3, gemma_3_scaled=GEMMA_3_SCALED, phi_3=PHI_3, phi_4=PHI_4, gpt2=GPT2, gptj=GPTJ, pythia=PYTHIA, bert=BERT,
             bert_classes=BERT_CLASSES, minilm=MINILM, distilbert=DISTILBERT, distilbert_classes=DISTILBERT_CLASSES)


def windows(config):
    kinds = getattr(config, "layer_types", None)
    if kinds is None:   # one window for all layers, or none
        return [getattr(config, "sliding_window", None) or 0] * config.num_hidden_layers
    return [config.sliding_window if kind == "sliding_attention" else 0 for kind in kinds]


def rope(config):
    """The parameters of layers that see everything, and those of layers with a window when they have their own."""
    parameters = getattr(config, "rope_parameters", None)
    if parameters is None:
        return None, None
    full, local = parameters.get("full_attention", parameters), parameters.get("sliding_attention")
    without_old_key = lambda values: values and {k: v for k, v in values.items() if k != "type"}
    return without_old_key(full), without_old_key(local)


def facts(config):
    kind = getattr(transformers, config.architectures[0])
    with torch.device("meta"):
        model = kind(config)
    weights = {name: list(p.shape) for name, p in model.state_dict().items()}
    if config.tie_word_embeddings:
        for tied in kind._tied_weights_keys or {}:
            weights.pop(tied, None)
    if config.model_type == "gpt_neox" and "lm_head.weight" in weights:
        weights["embed_out.weight"] = weights.pop("lm_head.weight")   # its name in files
    full, local = rope(config)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    eps = next((getattr(config, key) for key in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon") if hasattr(config, key)), 1e-12)
    return dict(weights=weights, parameters=sum(p.numel() for p in model.parameters()), windows=windows(config), rope=full,
                local_rope=local, head_dim=head_dim, norm_eps=eps)


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
