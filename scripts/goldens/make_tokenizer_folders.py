#!/usr/bin/env python3
"""Goldens of folders with a SentencePiece model or vocabulary files and no tokenizer.json: tiny models, and what transformers makes of them.
Writes tests/data/text/tokenizer_folders/. Needs: pip install transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf

    python3 scripts/goldens/make_tokenizer_folders.py

<model>.model (bert's is a vocab.txt, bytes' a vocab.json)  bytes_merges.model (merges.txt)
golden.json {"folders": {NAME: {"model", "as": file name in the folder, "files": {file: JSON}, "merges": model, where there is one,
    "strings": [hash per string of corpus.json], "decoded": hash of all decoded texts, "plain": of all ids without special tokens,
    "vocab_size", "eos"}}}
Hashes as in make_text.py: FNV-1a over ids, begins and ends; of texts over their bytes, a NUL behind each.
"""
import contextlib
import io
import json
import struct
import tempfile
from pathlib import Path

import sentencepiece
from transformers import AutoTokenizer

from make_text import HERE, TRAINING, byte_offsets, fnv

OUT = HERE / "tokenizer_folders"
RULES = {"\u00e9": "e", "e\u0301": "\u00e9", "\uff21": "A", "\ufb01": "fi", "\u2460": "(1)", "\u2026": "...", "\u00ad": "", "\u200b": "", "\n": " ", "\t": " ", "\u00a0": " ", "\u3000": " ", "n\u0303": "\u00f1", "\U0001f600": ":)"}


def train(kind, size, **options):
    model = io.BytesIO()
    codes = lambda text: " ".join(f"{ord(c):X}" for c in text)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # the model keeps the name of the rules' file
        Path("rules.tsv").write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in RULES.items()))
        if kind == "unigram":
            options["normalization_rule_tsv"] = "rules.tsv"
        else:
            options.update(normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True, split_digits=True)
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TRAINING), model_writer=model, model_type=kind, vocab_size=size, hard_vocab_limit=False, num_threads=1, minloglevel=2, **options)
    return model.getvalue()


def bytes_model():
    return json.loads((HERE / "gpt2" / "tokenizer.json").read_text())["model"]


def models():
    return {
        "llama": train("bpe", 900, user_defined_symbols=["[TOOL]"]),
        "gemma": train("bpe", 900, add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>", user_defined_symbols=["<start_of_turn>", "\t", "\u2581\u2581"]),
        "t5": train("unigram", 600, pad_id=0, eos_id=1, unk_id=2, bos_id=-1),
        "xlmr": train("unigram", 600),
        "bert": "".join(f"{token}\n" for token in json.loads((HERE / "bert" / "tokenizer.json").read_text())["model"]["vocab"]).encode(),
        "bytes": json.dumps(bytes_model()["vocab"], ensure_ascii=False, separators=(",", ":")).encode(),
        "bytes_merges": ("#version: 0.2\n" + "".join(" ".join(merge) + "\n" for merge in bytes_model()["merges"])).encode(),
    }


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, **flags}


def added(content, **flags):
    return {"__type": "AddedToken", **token(content, **flags)}


def folders():
    llama = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    is_llama, is_gemma, is_t5 = {"model_type": "llama"}, {"model_type": "gemma2"}, {"model_type": "t5"}
    listed = {"0": token("<unk>", special=True), "1": token("<s>", special=True, lstrip=True), "2": token("</s>", special=True), "900": token("word", lstrip=True, normalized=True, single_word=True, special=False), "901": token("<pad>", special=True)}
    return {
        "llama": ("llama", "tokenizer.model", {"tokenizer_config.json": llama, "config.json": is_llama}),
        "llama_legacy": ("llama", "tokenizer.model", {"tokenizer_config.json": {**llama, "tokenizer_class": "LlamaTokenizerFast", "legacy": True, "add_eos_token": True, "pad_token": None}}),
        "llama_no_prefix": ("llama", "tokenizer.model", {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False, "legacy": True, "add_eos_token": True}, "config.json": is_llama}),
        "llama_listed": ("llama", "tokenizer.model", {"tokenizer_config.json": {**llama, "legacy": False, "pad_token": "<pad>", "mask_token": "<mask>", "added_tokens_decoder": listed}, "special_tokens_map.json": {"cls_token": "<|endoftext|>"}, "config.json": is_llama}),
        "llama_mapped": ("llama", "tokenizer.model", {"tokenizer_config.json": {**llama, "bos_token": added("<s>", normalized=True), "sep_token": added("New York", rstrip=True, normalized=True)}, "special_tokens_map.json": {"pad_token": token("<|im_end|>", rstrip=True), "cls_token": "<|endoftext|>", "eos_token": token("</s>", normalized=True)}, "config.json": is_llama}),
        "gemma": ("gemma", "tokenizer.model", {"tokenizer_config.json": {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "bos_token": "<bos>"}, "config.json": is_gemma}),
        "gemma_unnamed": ("gemma", "tokenizer.model", {"tokenizer_config.json": {"add_eos_token": True}, "config.json": is_gemma}),
        "t5": ("t5", "spiece.model", {"tokenizer_config.json": {"tokenizer_class": "T5Tokenizer", "add_eos_token": False, "extra_ids": 100, "additional_special_tokens": [f"<extra_id_{i}>" for i in range(100)]}, "config.json": is_t5}),
        "t5_unnamed": ("t5", "tokenizer.model", {"config.json": is_t5}),
        "xlmr": ("xlmr", "sentencepiece.bpe.model", {"tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizer", "mask_token": added("<mask>", lstrip=True)}, "config.json": {"model_type": "xlm-roberta"}}),
        "bert": ("bert", "vocab.txt", {"config.json": {"model_type": "bert"}}),
        "bert_cased": ("bert", "vocab.txt", {"config.json": {"model_type": "distilbert"}, "tokenizer_config.json": {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False}}),
        "bert_mapped": ("bert", "vocab.txt", {"config.json": {"model_type": "bert"}, "tokenizer_config.json": {"strip_accents": False, "tokenize_chinese_chars": False, "model_max_length": 512}, "special_tokens_map.json": {"mask_token": token("<mask>", lstrip=True), "cls_token": "[CLS]", "unk_token": "[UNK]"}}),
        "bert_listed": ("bert", "vocab.txt", {"config.json": {"model_type": "bert"}, "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "bos_token": "<s>", "added_tokens_decoder": {"4": token("[MASK]", special=True, lstrip=True), "900": token("word", normalized=True, special=False)}}}),
        "gpt2": ("bytes", "vocab.json", {"config.json": {"model_type": "gpt2"}}),
        "gpt2_set": ("bytes", "vocab.json", {"config.json": {"model_type": "gptj"}, "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "add_bos_token": True, "add_eos_token": True, "bos_token": added("<s>", lstrip=True), "eos_token": "</s>", "unk_token": added("word", single_word=True, normalized=True), "mask_token": added("word", rstrip=True), "pad_token": None, "additional_special_tokens": ["[TOOL]", "</s>"]}}),
        "gpt2_mapped": ("bytes", "vocab.json", {"config.json": {"model_type": "gpt2"}, "special_tokens_map.json": {"bos_token": token("<s>", rstrip=True), "eos_token": "</s>", "additional_special_tokens": ["the", "[TOOL]"]}}),
        "qwen2": ("bytes", "vocab.json", {"config.json": {"model_type": "qwen2"}, "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "added_tokens_decoder": {"800": token("<|endoftext|>", special=True), "801": token("<|im_start|>", special=True, lstrip=True), "802": token("<|im_end|>", special=True), "803": token("<tool_call>", special=False)}, "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}}),
        "qwen2_unnamed": ("bytes", "vocab.json", {"config.json": {"model_type": "qwen3"}, "tokenizer_config.json": {"add_bos_token": True, "add_eos_token": True}}),
        "roberta": ("bytes", "vocab.json", {"config.json": {"model_type": "roberta"}}),
        "roberta_set": ("bytes", "vocab.json", {"config.json": {"model_type": "roberta"}, "tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "trim_offsets": False, "add_bos_token": False, "mask_token": added("<mask>", lstrip=True, special=True)}}),
        "xlmr_unnamed": ("xlmr", "tokenizer.model", {"config.json": {"model_type": "xlm-roberta"}}),
    }


def hash_bytes(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def golden(name, model, file, files, data, strings):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / file).write_bytes(data[model])
        if file == "vocab.json":
            (Path(folder) / "merges.txt").write_bytes(data[f"{model}_merges"])
        for other, content in files.items():
            (Path(folder) / other).write_text(json.dumps(content))
        loaded = AutoTokenizer.from_pretrained(folder)
    backend = loaded.backend_tokenizer
    print(name, type(loaded).__name__, [(t["id"], t["content"]) for t in json.loads(backend.to_str())["added_tokens"]][:12])
    encodings = [backend.encode(text) for text in strings]
    for text, encoding in zip(strings, encodings):
        assert loaded(text).input_ids == encoding.ids, text
    plain = [i for text in strings for i in backend.encode(text, add_special_tokens=False).ids]
    decoded = "".join(backend.decode(e.ids, skip_special_tokens=False) + "\0" for e in encodings)
    return {"model": model, "as": file, "files": files, **({"merges": f"{model}_merges"} if file == "vocab.json" else {}), "strings": [fnv(e, t) for e, t in zip(encodings, strings)], "plain": hash_bytes(struct.pack(f"<{len(plain)}I", *plain)), "decoded": hash_bytes(decoded.encode()),
            "vocab_size": len(loaded), "eos": loaded.eos_token_id}


def main():
    OUT.mkdir(exist_ok=True)
    strings = json.loads((HERE / "corpus.json").read_text())["strings"]
    data = models()
    for name, model in data.items():
        (OUT / f"{name}.model").write_bytes(model)
    made = {name: golden(name, *parts, data, strings) for name, parts in folders().items()}
    (OUT / "golden.json").write_text(json.dumps({"folders": made}, indent=0) + "\n")


if __name__ == "__main__":
    main()
