#!/usr/bin/env python3
"""Cross-check of `distill tokenize` with the `tokenizers` library: random combinations of components, each trained on a few lines,
and random strings. Says the first difference of every combination, and keeps its folder. Optional: the test command does not run it.
Needs: pip install tokenizers==0.23.3 sentencepiece

    python3 scripts/goldens/check_text.py [--distill build/distill] [--count 300] [--seed 1] [--keep FOLDER]
"""
import argparse
import base64
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

sys.path.insert(0, str(Path(__file__).parent))
from make_text import HARD, LLAMA3_WORDS, TRAINING, charsmap, random_strings

BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]


def flip():
    return random.random() < 0.5


def normalizer_parts():
    return [normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase(), normalizers.Strip(flip(), flip()), normalizers.StripAccents(), normalizers.Nmt(),
            normalizers.ByteLevel(), normalizers.Prepend(random.choice(["\u2581", "x ", "\u00e9"])), normalizers.Replace(" ", "\u2581"), normalizers.Replace(Regex(random.choice([" {2,}", "[aeiou]", r"\s+", "x*"])), random.choice(["", " ", "_"])),
            normalizers.BertNormalizer(flip(), flip(), random.choice([None, True, False]), flip()), normalizers.Precompiled(base64.b64decode(charsmap(random.choice(["nmt_nfkc", "nmt_nfkc_cf", "nfkc"]))))]


def pre_tokenizer_parts():
    scheme = random.choice(["always", "never", "first"])
    pattern = random.choice([Regex(LLAMA3_WORDS), Regex(r"\w+"), Regex("[.,;:]"), " ", "e", "th"])
    return [pre_tokenizers.ByteLevel(flip(), use_regex=flip()), pre_tokenizers.Split(pattern, random.choice(BEHAVIORS), flip()), pre_tokenizers.Digits(flip()), pre_tokenizers.Punctuation(random.choice(BEHAVIORS)),
            pre_tokenizers.Whitespace(), pre_tokenizers.WhitespaceSplit(), pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Metaspace(random.choice(["\u2581", "_"]), scheme, flip()),
            pre_tokenizers.CharDelimiterSplit(random.choice(" e\u3002")), pre_tokenizers.UnicodeScripts(), pre_tokenizers.FixedLength(random.randint(1, 9))]


def decoder_parts():
    scheme = random.choice(["always", "never", "first"])
    return [decoders.ByteLevel(), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(random.choice(" ae"), random.randint(0, 2), random.randint(0, 2)), decoders.Replace(random.choice(["\u2581", Regex("[ae]+"), "th"]), random.choice([" ", ""])),
            decoders.Metaspace("\u2581", scheme), decoders.WordPiece(random.choice(["##", "t"]), flip()), decoders.BPEDecoder(random.choice(["</w>", "e"])), decoders.CTC(random.choice(["<pad>", "e"]), random.choice(["|", " ", "t"]), flip())]


def some(parts, sequence, most=3):
    chosen = random.sample(parts, random.choice([0, 1, 1, 2, most]))
    return None if not chosen else chosen[0] if len(chosen) == 1 else sequence(chosen)


def model_and_trainer():
    """The trainer, an untrained model, and what is changed in the file afterwards."""
    kind = random.choice(["bpe", "unigram", "unigram", "wordlevel", "wordpiece"])
    size = random.choice([280, 400, 700])
    common = dict(special_tokens=SPECIAL + ([f"<0x{b:02X}>" for b in range(256)] if kind in ("bpe", "unigram") and flip() else []), show_progress=False)
    fallback = len(common["special_tokens"]) > 4
    if fallback:
        size += 256
    if kind == "bpe":
        marks = dict(continuing_subword_prefix="##") if random.random() < 0.2 else dict(end_of_word_suffix="</w>") if random.random() < 0.2 else {}
        model = models.BPE(unk_token=random.choice([None, "<unk>"]), fuse_unk=flip(), byte_fallback=fallback, ignore_merges=random.random() < 0.2 and not marks, **marks)
        return model, trainers.BpeTrainer(vocab_size=size, limit_alphabet=random.choice([40, 1000]), initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if flip() else [], **common, **marks), {}
    if kind == "unigram":
        return models.Unigram(), trainers.UnigramTrainer(vocab_size=size, unk_token="<unk>", **common), {"byte_fallback": fallback}
    if kind == "wordlevel":
        return models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=size, **common), {}
    prefix = random.choice(["##", "@"])
    return models.WordPiece(unk_token="<unk>", max_input_chars_per_word=random.choice([5, 100]), continuing_subword_prefix=prefix), trainers.WordPieceTrainer(vocab_size=size, limit_alphabet=random.choice([40, 1000]), continuing_subword_prefix=prefix, **common), {}


def post_processor():
    first, last = ("<s>", 1), ("</s>", 2)
    template = processors.TemplateProcessing(single=random.choice(["<s> $A", "$A </s>", "<s> $A </s> </s>", "$A"]), special_tokens=[first, last])
    wrap = random.choice([template, processors.BertProcessing(last, first), processors.RobertaProcessing(last, first, flip(), flip())])
    trim = processors.ByteLevel(trim_offsets=flip(), add_prefix_space=flip())
    return random.choice([None, trim, wrap, processors.Sequence([trim, wrap])])


def added_tokens():
    contents = ["the", "th", "Caf\u00e9", "cafe\u0301", "word", " x ", "New York", "\u4f60\u597d", "<mask>", "a", "1", "\u2581x", "[X]", "\U0001f600", "e"]
    return [AddedToken(c, special=flip(), single_word=flip(), lstrip=flip(), rstrip=flip(), normalized=flip()) for c in random.sample(contents, random.choice([0, 0, 1, 3]))]


def make_one():
    model, trainer, edit = model_and_trainer()
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = some(normalizer_parts(), normalizers.Sequence)
    tokenizer.pre_tokenizer = some(pre_tokenizer_parts(), pre_tokenizers.Sequence)
    tokenizer.train_from_iterator(TRAINING, trainer)
    data = json.loads(tokenizer.to_str())
    data["model"].update(edit)
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_tokens(added_tokens())
    tokenizer.decoder = some(decoder_parts(), decoders.Sequence)
    tokenizer.post_processor = post_processor()
    return Tokenizer.from_str(tokenizer.to_str())


def parts_of(tokenizer):
    data = json.loads(tokenizer.to_str())
    data["model"] = {k: v for k, v in data["model"].items() if k not in ("vocab", "merges")}
    data["added_tokens"] = data["added_tokens"][-3:]
    return json.dumps({k: v for k, v in data.items() if k not in ("version", "truncation", "padding")}, ensure_ascii=False)[:1500]


def expected_row(tokenizer, text):
    """None where the library itself fails (an unknown token that is missing)."""
    try:
        ids = tokenizer.encode(text).ids
        return ids, tokenizer.decode(ids, skip_special_tokens=False)
    except BaseException as error:  # a panic of the library is not an Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def first_difference(tokenizer, texts, program, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    expected = [(text, expected_row(tokenizer, text)) for text in texts]
    expected = [(text, row) for text, row in expected if row]
    lines = "".join(json.dumps({"text": text}) + "\n" for text, _ in expected)
    done = subprocess.run([program, "tokenize", "--model", str(folder)], input=lines, capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.split("\n") if line]
    for (text, (ids, decoded)), row in zip(expected, rows):
        if row["input_ids"] != ids:
            return f"ids of {text!r}:\n  library {ids}\n  distill {row['input_ids']}"
        if row["decoded"] != decoded:
            return f"decoding of {text!r}:\n  library {decoded!r}\n  distill {row['decoded']!r}"
    return None if len(rows) == len(expected) else f"exit code {done.returncode} after {len(rows)} of {len(expected)} rows: {done.stderr.strip()}"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--distill", default="build/distill")
    options.add_argument("--count", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep", type=Path)
    options = options.parse_args()
    scratch = tempfile.TemporaryDirectory()
    different = 0
    for seed in range(options.seed, options.seed + options.count):
        texts = random.sample(HARD, 40) + random_strings(40, seed)
        random.seed(seed)
        try:
            tokenizer = make_one()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"seed {seed}: the library cannot train it: {error}")
            continue
        difference = first_difference(tokenizer, texts, options.distill, (options.keep or Path(scratch.name)) / str(seed))
        if difference:
            different += 1
            print(f"seed {seed}: {parts_of(tokenizer)}\n{difference}\n", flush=True)
    print(f"{options.count} combinations, {different} with a difference")
    return different > 0


if __name__ == "__main__":
    sys.exit(main())
