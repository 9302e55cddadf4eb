"""config.json with absurd and contradictory numbers, and weights that do not fit a sound config."""
import json
import struct

from .corpus import Corpus
from .tiny_model import CONFIG, Tensors, config_text, folder, numel, safetensors, shapes, tensors, values

SIZES = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
         "max_position_embeddings"]
ROPE = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)


def add_sizes(corpus: Corpus) -> None:
    for key in SIZES:
        corpus.folder("config", f"{key}_0", folder(**{key: 0}), key)
        corpus.folder("config", f"{key}_negative", folder(**{key: -1}), key)
        corpus.folder("config", f"{key}_2_to_63", folder(**{key: 2**63}), key)
    for key in SIZES[:-1]:   # any length that is no less than a row is a possible one
        corpus.folder("config", f"{key}_2_to_31", folder(**{key: 2**31}), "config.json")
    for name, key, value in [
        ("vocab_size_a_string", "vocab_size", "16"), ("vocab_size_a_float", "vocab_size", 16.0), ("vocab_size_1e308", "vocab_size", 1e308),
        ("hidden_size_a_list", "hidden_size", [8]), ("hidden_size_null", "hidden_size", None), ("hidden_size_true", "hidden_size", True),
        ("layers_1e9", "num_hidden_layers", 10**9), ("layers_4097", "num_hidden_layers", 4097),
        ("vocab_size_minus_2_to_63", "vocab_size", -2**63), ("vocab_size_2_to_64", "vocab_size", 2**64),
        ("hidden_size_2_to_63_minus_1", "hidden_size", 2**63 - 1), ("head_dim_2_to_31_minus_1", "head_dim", 2**31 - 1),
    ]:
        corpus.folder("config", name, folder(**{key: value}), key)
    corpus.folder("config", "layers_4096", folder(num_hidden_layers=4096), "missing")
    corpus.folder("config", "all_sizes_2_to_31_minus_1", folder(**dict.fromkeys(SIZES, 2**31 - 1)), "config.json")
    for key in SIZES[:5]:
        corpus.folder("config", f"{key}_absent", folder(**{key: ...}), key)


def add_contradictions(corpus: Corpus) -> None:
    for name, says, changes in [
        ("heads_do_not_divide", "num_attention_heads", dict(num_attention_heads=3, num_key_value_heads=3, head_dim=...)),
        ("heads_above_hidden", "num_attention_heads", dict(num_attention_heads=16, num_key_value_heads=16, head_dim=...)),
        ("kv_heads_do_not_divide", "num_key_value_heads", dict(num_key_value_heads=3)),
        ("kv_heads_above_heads", "num_key_value_heads", dict(num_key_value_heads=8)),
        ("head_dim_odd", "head_dim", dict(head_dim=3)),
        ("eps_0", "rms_norm_eps", dict(rms_norm_eps=0)),
        ("eps_negative", "rms_norm_eps", dict(rms_norm_eps=-1e-6)),
        ("eps_1e308", "rms_norm_eps", dict(rms_norm_eps=1e308)),
        ("eps_a_string", "rms_norm_eps", dict(rms_norm_eps="1e-6")),
        ("theta_0", "rope_theta", dict(rope_theta=0)),
        ("theta_negative", "rope_theta", dict(rope_theta=-10000.0)),
        ("theta_null_string", "rope_theta", dict(rope_theta="null")),
        ("dropout_1", "attention_dropout", dict(attention_dropout=1.0)),
        ("dropout_negative", "attention_dropout", dict(attention_dropout=-0.1)),
        ("initializer_range_negative", "initializer_range", dict(initializer_range=-0.02)),
        ("initializer_range_1e308", "initializer_range", dict(initializer_range=1e308)),
        ("activation_unknown", "hidden_act", dict(hidden_act="softsign")),
        ("activation_a_number", "hidden_act", dict(hidden_act=1)),
        ("dtype_int8", "dtype", dict(torch_dtype="int8")),
        ("dtype_a_number", "dtype", dict(torch_dtype=32)),
        ("bias_a_string", "attention_bias", dict(attention_bias="false")),
        ("tied_a_number", "tie_word_embeddings", dict(tie_word_embeddings=1)),
        ("eos_a_string", "eos_token_id", dict(eos_token_id="2")),
        ("eos_nested", "eos_token_id", dict(eos_token_id=[[2]])),
        ("bos_a_float", "bos_token_id", dict(bos_token_id=1.5)),
        ("tensor_parallel_slices", "pretraining_tp", dict(pretraining_tp=2)),
        ("quantised", "quantization_config", dict(quantization_config=dict(bits=4))),
        ("encoder_decoder", "is_encoder_decoder", dict(is_encoder_decoder=True)),
        ("unknown_key", "attention_sink_gate", dict(attention_sink_gate=0.5)),
        ("misspelt_key", "num_attention_heads", dict(num_attention_head=4)),
        ("rope_unknown", "spiral", dict(rope_scaling=dict(rope_type="spiral", factor=2.0))),
        ("rope_a_list", "rope_scaling", dict(rope_scaling=[2.0])),
        ("rope_a_string", "rope_scaling", dict(rope_scaling="linear")),
        ("rope_without_factor", "factor", dict(rope_scaling=dict(rope_type="linear"))),
        ("rope_factor_0", "factor", dict(rope_scaling=dict(rope_type="linear", factor=0))),
        ("rope_factor_negative", "factor", dict(rope_scaling=dict(rope_type="dynamic", factor=-2.0))),
        ("rope_factor_a_list", "factor", dict(rope_scaling=dict(rope_type="linear", factor=[2.0]))),
        ("rope_longrope_short_lists", "longrope", dict(rope_scaling=dict(rope_type="longrope", short_factor=[1.0], long_factor=[1.0, 2.0]))),
        ("rope_frequencies_swapped", "high_freq_factor", dict(rope_scaling=ROPE | dict(low_freq_factor=4.0, high_freq_factor=1.0))),
        ("rope_frequencies_equal", "high_freq_factor", dict(rope_scaling=ROPE | dict(low_freq_factor=4.0))),
        ("rope_original_0", "original_max_position_embeddings", dict(rope_scaling=ROPE | dict(original_max_position_embeddings=0))),
        ("rope_unknown_key", "spin", dict(rope_scaling=ROPE | dict(spin=1))),
        ("rope_twice", "rope_parameters", dict(rope_scaling=ROPE, rope_parameters=dict(rope_type="default", rope_theta=10000.0))),
        ("partial_rotary", "partial_rotary_factor", dict(partial_rotary_factor=0.5)),
        ("architecture_unknown", "LlamaForTelepathy", dict(architectures=["LlamaForTelepathy"])),
        ("architectures_two", "architectures", dict(architectures=["LlamaForCausalLM", "GPT2LMHeadModel"])),
        ("architectures_a_string", "architectures", dict(architectures="LlamaForCausalLM")),
        ("architectures_of_numbers", "architectures", dict(architectures=[1])),
        ("architectures_and_type_absent", "architectures", dict(architectures=..., model_type=...)),
        ("type_of_another_family", "model_type", dict(model_type="qwen2")),
        ("type_a_number", "model_type", dict(model_type=7)),
        ("layer_types_too_short", "layer_types",
         dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", layer_types=["full_attention"])),
        ("layer_types_too_long", "layer_types",
         dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", layer_types=["full_attention"] * 3)),
        ("layer_types_unknown", "layer_types",
         dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", layer_types=["full_attention", "half_attention"])),
        ("layer_types_of_numbers", "layer_types", dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", layer_types=[0, 1])),
    ]:
        corpus.folder("config", name, folder(**changes), says)


def add_texts(corpus: Corpus) -> None:
    good, weights = config_text(), safetensors(tensors())
    long_list = b"[" + b"1," * 1_000_000 + b"1]"
    for name, text, says in [
        ("empty", b"", "valid JSON"),
        ("cut", good[:-20], "valid JSON"),
        ("a_list", b"[" + good + b"]", "object"),
        ("null", b"null", "object"),
        ("binary", bytes(range(256)) * 16, "config.json"),
        ("nan", good.replace(b"10000.0", b"NaN"), "valid JSON"),
        ("infinity", good.replace(b"10000.0", b"Infinity"), "valid JSON"),
        ("number_beyond_doubles", good.replace(b"10000.0", b"1e999"), "config.json"),
        ("not_utf8", good.replace(b"silu", b"si\xfflu"), "UTF-8"),
        ("duplicate_key", good.replace(b"{", b'{"vocab_size": 16,', 1), "twice"),
        ("nested_deeply", good[:-1] + b',"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "128"),
        ("20_megabytes", good + b" " * 20_000_000, "at most"),
        ("20_megabytes_in_one_string", good[:-1] + b',"_name_or_path":"' + b"x" * 20_000_000 + b'"}', "at most"),
        ("2_megabytes_of_numbers", good[:-1] + b',"unheard":' + long_list + b"}", "unheard"),
        ("2_megabytes_of_lists", good[:-1] + b',"unheard":[' + b"[]," * 700_000 + b"[]]}", "unheard"),
        ("100000_unknown_keys", good[:-1] + b"," + ",".join(f'"k{i}":1' for i in range(100_000)).encode() + b"}", "known"),
        ("an_architecture_of_a_megabyte", config_text(architectures=["L" * 1_000_000]), "config.json"),
    ]:
        corpus.folder("config", "text_" + name, {"config.json": text, "model.safetensors": weights}, says)
    corpus.folder("config", "absent", {"model.safetensors": weights}, "no config.json")
    corpus.folder("config", "a_folder", {"config.json/x": b"", "model.safetensors": weights}, "a folder")


def add_weights(corpus: Corpus) -> None:
    good = tensors()
    name = "model.layers.1.mlp.up_proj.weight"

    def add_case(case: str, named: Tensors, *says: str, **changes) -> None:
        corpus.folder("weights", case, {"config.json": config_text(**changes), "model.safetensors": safetensors(named)}, *says)

    def with_value(value: float, place: int) -> Tensors:
        shape, raw = good[name]
        return good | {name: (shape, raw[:4 * place] + struct.pack("<f", value) + raw[4 * place + 4:])}

    def reshaped(*shape: int, of: str = name) -> Tensors:
        return good | {of: (list(shape), values(list(shape)))}

    last = numel(shapes()[name]) - 1
    add_case("none", {}, "missing")
    add_case("one_missing", {n: t for n, t in good.items() if n != name}, "missing", name)
    add_case("one_extra", good | {"model.layers.1.mlp.ghost.weight": ([2], values([2]))}, "extra", "ghost")
    add_case("bias_without_flag", good | {"model.layers.0.self_attn.q_proj.bias": ([8], values([8]))}, "extra", "q_proj.bias")
    add_case("flag_without_bias", good, "missing", "q_proj.bias", attention_bias=True)
    add_case("untied_head_missing", {n: t for n, t in good.items() if n != "lm_head.weight"}, "lm_head.weight")
    add_case("prefix_missing", {n.removeprefix("model."): t for n, t in good.items()}, "missing")
    add_case("prefix_of_a_wrapper", {"module." + n: t for n, t in good.items()}, "missing")
    add_case("transposed", reshaped(8, 12), "misshapen", name)
    add_case("one_row_short", reshaped(11, 8), "misshapen", name)
    add_case("one_row_over", reshaped(13, 8), "misshapen", name)
    add_case("one_column_over", reshaped(12, 9), "misshapen", name)
    add_case("flat", reshaped(96), "misshapen", name)
    add_case("one_dimension_more", reshaped(1, 12, 8), "misshapen", name)
    add_case("empty", reshaped(0, 8), "misshapen", name)
    add_case("scalar_norm", reshaped(of="model.norm.weight"), "misshapen", "model.norm.weight")
    add_case("embedding_one_token_short", reshaped(15, 8, of="model.embed_tokens.weight"), "misshapen", "embed_tokens")
    add_case("layer_too_few", tensors(1), "model.layers.1")
    add_case("layer_too_many", tensors(3), "model.layers.2")
    add_case("config_says_1_layer", good, "extra", num_hidden_layers=1)
    add_case("config_says_3_layers", good, "missing", num_hidden_layers=3)
    add_case("config_says_another_width", good, "misshapen", hidden_size=16)
    add_case("config_says_other_kv_heads", good, "misshapen", num_key_value_heads=4)
    add_case("nan_first", with_value(float("nan"), 0), "NaN", name)
    add_case("nan_last", with_value(float("nan"), last), "NaN", name)
    add_case("infinity", with_value(float("inf"), 3), "infinity", name)
    add_case("minus_infinity", with_value(float("-inf"), 3), "infinity", name)
    add_case("nan_everywhere", {n: (s, b"\xff" * len(raw)) for n, (s, raw) in good.items()}, "NaN", "embed_tokens")
    corpus.folder("weights", "absent", {"config.json": config_text()}, "no weights")
    corpus.folder("weights", "of_another_format_only", {"config.json": config_text(), "tf_model.h5": b"\x89HDF\r\n\x1a\n"}, "tf_model.h5")
    corpus.folder("weights", "under_another_name", {"config.json": config_text(), "weights.safetensors": safetensors(good)},
                  "weights.safetensors")
    corpus.folder("weights", "a_folder", {"config.json": config_text(), "model.safetensors/x": b""}, "model.safetensors")


def add(corpus: Corpus) -> None:
    add_sizes(corpus)
    add_contradictions(corpus)
    add_texts(corpus)
    add_weights(corpus)
    assert json.loads(config_text()) == CONFIG
    corpus.folder("valid", "model", folder(), valid=True)
