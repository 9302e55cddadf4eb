#!/usr/bin/env python3
"""Goldens of the text room: tiny tokenizers in the styles of well-known models, and what the `tokenizers` library makes of
hard strings with them. Writes tests/data/text/. Needs: pip install tokenizers==0.23.3 sentencepiece==0.2.3

    python3 scripts/goldens/make_text.py [NAME ...]     all, or the named ones

corpus.json   {"library", "strings": [...], "unstable": [[first, last], ...]}
<name>/tokenizer.json (and the files beside it)
<name>/golden.json    {"strings": [[ids, begins, ends] or hash, ...] with special tokens, "plain": hash without them,
                       "decoded": [...], "skipped": [...], "planes": [hash per 64 code points], ...}
Offsets are bytes. A hash is FNV-1a (64 bits) over little-endian 32-bit ids, begins and ends.
"""
import base64
import io
import json
import random
import struct
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parents[2] / "tests" / "data" / "text"

GPT2_WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

TRAINING = """
The student learns what the teacher knows, and the teacher's words aren't always the student's words.
We don't know whether it's the first or the second time that they've seen the river; I'd say it'll be the third.
She said: "You're late!" - and he'd answered: 'I'm not, we've got 12 minutes and 30 seconds.'
In 1999 there were 365 days, 8760 hours and 31536000 seconds; 3.14159 is nearly pi, 2.71828 nearly e.
def distance(left, right):\n    total = 0\n    for a, b in zip(left, right):\n        total += (a - b) ** 2\n    return total\n
for (int i = 0; i < n; ++i) {\n\tsum += values[i];\n\tif (sum > limit) { break; }\n}\n
<div class="note"><a href="https://example.org/index.html?q=1&r=2">a link</a></div>
Der Fluss fliesst durch die Stadt, und über die Brücke führt eine schöne Straße nach Süden.
Le garçon a mangé une crème brûlée à l'hôtel; ça coûte déjà trop cher, n'est-ce pas?
El niño pequeño comió una manzana; ¿dónde está la señora? ¡Mañana será otro día!
Быстрая коричневая лиса прыгает через ленивую собаку, а потом она идёт домой.
Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί και πηγαίνει στο σπίτι.
敏捷的棕色狐狸跳过了懒狗。学生向老师学习，老师教学生。今天的天气很好，我们去公园吧。
素早い茶色の狐がのろまな犬を飛び越えた。学生は先生から学びます。カタカナとひらがな。
빠른 갈색 여우가 게으른 개를 뛰어넘는다. 학생은 선생님에게서 배웁니다.
الثعلب البني السريع يقفز فوق الكلب الكسول. الطالب يتعلم من المعلم.
השועל החום המהיר קופץ מעל הכלב העצלן. התלמיד לומד מן המורה.
तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है। छात्र शिक्षक से सीखता है।
สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ นักเรียนเรียนรู้จากครู
Tiếng Việt có nhiều dấu: được, những, người, trường, thầy giáo dạy học sinh.
😀 😃 🎉 👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️ ✨ → ← ≤ ≥ ≠ ∑ ∫ √ ½ ² ³ € £ ¥ © ® ™
""".strip().replace("\\n", "\n").replace("\\t", "\t").split("\n")

CONTRACTIONS = "it's IT'S It'S don't DON'T we're WE'RE they've THEY'VE I'm I'M he'll HE'LL she'd SHE'D 'sup o'clock ''s '\u017fo 'S's"

HARD = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r\n\r\n", "\t", "\t\t", " \n", "\n ", " \n ", "a", " a", "a ", " a ", "\u00a0", "\u3000",
    "Hello world", " Hello  world ", "Hello\nworld\r\nagain\n\n\nend", "trailing spaces   ", "   leading spaces", "a  b   c    d     e",
    "tabs\tand\t\ttabs\t\t\t", "mixed \t \n \t x", "  \n  x\n   y\n", " \u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u1680\u0085\u00a0x",
    "x\u180ey \u180e z\u200b\u200c\u200d\ufeffw", "\u0130stanbul I\u0307 i\u0307 \u0131", CONTRACTIONS, CONTRACTIONS.upper(),
    "1 12 123 1234 12345 1234567890 3.14 1,000,000 1e-4 0x1F 10k \u0661\u0662\u0663 \u00b2\u00b3 \u2162 \u00bd \u3007 \u4e00\u4e8c \U0001d7d8\U0001d7d9",
    "def f(x):\n    if x > 0:\n\t\treturn x ** 2  # square\n    else:\n        raise ValueError(f\"bad {x!r}\")\n",
    "int main() { printf(\"%d\\n\", 42); return 0; } // done\r\n", "{\"key\": [1, 2.5, null, true], \"a\\\"b\": \"\\u00e9\"}", "$$ \\frac{1}{2} \\sum_{i=0}^n x_i $$",
    "https://example.org/path/to/file.html?q=a%20b&x=1#top user@example.com", "C:\\Users\\x\\file.txt ~/.bashrc ../a/b", "!!!??? ... --- ___ *** ((())) [[]] {{}} <<>>",
    "e\u0301 \u00e9 n\u0303 \u00f1 a\u0323\u0302 \u1ead a\u0302\u0323 o\u031b\u0301 \u1edb", "Zalgo: H\u0321\u0334\u0352\u035be\u0336\u0349l\u0335\u0301l\u0337o\u0338", "q\u0307\u0323 q\u0323\u0307 s\u0323\u0307 \u1e69 \u1e9b\u0323 d\u0307\u0323",
    "\u212b \u2126 \u212a \u00c5 A\u030a \ufb01 \u2460 \uff21 \u0958 \u0915\u093c \u09c7\u09be \u0b47\u0b56 \u1100\u1161\u11a8 \uac00\u11a8 \ud55c\uae00 \u1112\u1161\u11ab", "\u0344 a\u0344 \u0308\u0301 \u0f73 \u0f71\u0f72 \u0f75\u0f81 \u0301a \u0301", "\u05d0\u05b7\u05bc \ufb2e \ufb1d \u2adc \U0001d15e \U0001d157\U0001d165 \U0002f800 \uf900 \uf914",
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u4f60\u597dworld123\u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c\u3001\u30ab\u30bf\u30ab\u30ca \u304c \u304b\u3099 \u30d1 \u30cf\u309a", "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4", "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0663\u0664\u0665", "\u0627\u064e\u0644\u0652\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u064e\u0651\u0629\u064f", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01 \u0e19\u0e49\u0e33", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd \u0c28\u0c2e\u0c38\u0c4d\u0c24\u0c47 \u0d28\u0d2e\u0d38\u0d4d\u0d15\u0d3e\u0d30\u0d02", "Xin ch\u00e0o th\u1ebf gi\u1edbi",
    "\U0001f600", "\U0001f600\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea \u2764\ufe0f 1\ufe0f\u20e3 \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "a\U0001f600b \U0001f600c", "\U0001d4d7\U0001d4ee\U0001d4f5\U0001d4f5\U0001d4f8 \U00020000\U0002a6d6 \U0010ffff\ue000",
    "\x00", "a\x00b\x00\x00", "\x01\x02\x1b[0m\x7f\x80\x9f", "\ufffd \ufffe \uffff \ufdd0", "a\u0000\u0001b\u200e\u200f\u202a\u202e\u2066\u2069c", "\u00ad\u061c\u2060\ufff9",
    "supercalifragilisticexpialidocious" * 8, "a" * 300, "ab" * 200, "\u4f60" * 100, " " * 100 + "x", "\n" * 50, "=" * 120, "0123456789" * 20, "\U0001f600" * 40, "Aa" * 64 + " " + "bB" * 65, "-" * 63 + " " + "_" * 65, "lalala " * 30, "\u00e9" * 70,
    "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|><|endoftext|>", "x <|endoftext|>\n<|im_start|>user\nhi<|im_end|>", "<|endoftext", "<|endoftext|", "|endoftext|>", "<|end<|endoftext|>oftext|>", "<|ENDOFTEXT|>", "<s>", "</s>", "<s>a</s>", "<s> a </s> b", "a<s>b", "<s", "<<s>>", "<unk>", "a <unk> b", "<0x41>", "\u2581", "a\u2581b", "\u2581\u2581x", "_ \u2581 _",
    "<|begin_of_text|>hello<|eot_id|>", "<|begin_of_text|> <|eot_id|>", "  <mask>  ", "a <mask> b", "a<mask>b", "  <mask>  <mask>  ", "<mask><mask>", "word", "a word.", "aword word wordy word's word_ word\u0301 (word) word\u200dx \u00e9word word1 1word \u4e16word\u754c word\u203f", "RIGHT   x", "x RIGHT\n\n\ty", "RIGHTRIGHT RIGHT  RIGHT", "   LEFT", "x\n\n LEFT y", "LEFT  LEFT", "RIGHT   LEFT   RIGHT", "RIGHT  BOTH  LEFT", "BOTH BOTH", "\u3000BOTH\u2003\u0085BOTH\u00a0", "RIGHT\u180eLEFT", "longest long longer longes", "longlongest", "Caf\u00e9 Cafe\u0301 caf\u00e9", "New York NewYork New  York new york", "xNew Yorkx", " spaced token  spaced token", "a\u00a0\u00a0<mask>\u3000\u3000b", "\u00e9<mask>\u00e9", "\u00e9 <mask> \u00e9\u00e9 RIGHT \u00e9",
    "prompt: What is 2+2?\nanswer: 4", "user: \u4f60\u597d\nassistant: \U0001f600 ok", " x", "x\u0301\u0301\u0301", "I\u2019m we\u2019re \u2018quoted\u2019 \u201cdouble\u201d \u2014 \u2026", "\u0345\u0399\u03b9 \u03a3\u03c2 \u00df \u1e9e \u01c5 \u0149", "\u2167\u216f\u00aa\u00ba\u02b0\u0300\u0488\u20dd", "\ua66f\u0487\u1d43\u2c7c\ua69c", "a\u0378b", "K\u0131rm\u0131z\u0131 \u015fe\u011f", "\u01c4\u01c6\u01f1", "end",
]


def fnv(encoding, text):
    begins, ends = byte_offsets(encoding, text)
    data = struct.pack(f"<{3 * len(begins)}I", *encoding.ids, *begins, *ends)
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def byte_offsets(encoding, text):
    """The binding counts characters; an offset that it could not convert (past the end) is in bytes already."""
    starts = [0]
    for c in text:
        starts.append(starts[-1] + len(c.encode()))
    total = len(text)
    convert = lambda at: starts[at] if at <= total else at
    return [convert(a) for a, _ in encoding.offsets], [convert(b) for _, b in encoding.offsets]


def random_strings(count, seed=17):
    random.seed(seed)
    pools = ["abcdefghijklmnopqrstuvwxyz" * 3 + "'" * 10 + " " * 30, "ABCxyz0123456789 .,;:!?-_()[]{}<>|/\\@#$%^&*+=~`\"'", " \t\n\r\u00a0\u3000\u2003ab",
             [chr(c) for r in ((0xC0, 0x24F), (0x300, 0x36F), (0x41, 0x7A)) for c in range(*r)],
             [chr(c) for r in ((0x900, 0x97F), (0x980, 0x9FE), (0xE01, 0xE3A), (0x621, 0x65F), (0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2), (0xAC00, 0xAC40)) for c in range(*r)],
             [chr(c) for r in ((0x4E00, 0x4F00), (0x3041, 0x309A), (0x1F300, 0x1F340), (0x1F600, 0x1F640), (0xFE00, 0xFE0F)) for c in range(*r)],
             [chr(c) for r in ((0x20, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF)) for c in range(r[0], r[1], 7)]]
    unstable = {c for a, b in unstable_ranges() for c in range(a, b + 1)}
    stable = lambda c: ord(c) not in unstable
    out = []
    for i in range(count):
        pool = [c for c in pools[i % len(pools)] if stable(c)]
        out.append("".join(random.choice(pool) for _ in range(random.randint(1, 60))))
    return out


_unstable = []


def unstable_ranges():
    """Code points whose class depends on the version of the regex engine: not assigned in Unicode 13 (Ubuntu 22.04's)."""
    if _unstable:
        return _unstable
    added_in_14 = [(0x61D, 0x61D), (0x870, 0x89F), (0x8B5, 0x8B5), (0x8C8, 0x8D2), (0xC3C, 0xC3C), (0xC5D, 0xC5D), (0xCDD, 0xCDD), (0x170D, 0x170D), (0x1715, 0x1715), (0x171F, 0x171F), (0x180F, 0x180F), (0x1ABF, 0x1ACE),
                   (0x1B4C, 0x1B4C), (0x1B7D, 0x1B7E), (0x1DFA, 0x1DFA), (0x20C0, 0x20C0), (0x2C2F, 0x2C2F), (0x2C5F, 0x2C5F), (0x2E53, 0x2E5D), (0x9FFD, 0x9FFF), (0xA7C0, 0xA7C1), (0xA7D0, 0xA7D9), (0xA7F2, 0xA7F4), (0xFBC2, 0xFBC2),
                   (0xFD40, 0xFD4F), (0xFDCF, 0xFDCF), (0xFDFE, 0xFDFF), (0x10570, 0x105BC), (0x10780, 0x107BA), (0x10F70, 0x10F89), (0x11070, 0x11075), (0x110C2, 0x110C2), (0x116B9, 0x116B9),
                   (0x11740, 0x11746), (0x11AB0, 0x11ABF), (0x12F90, 0x12FF2), (0x16A70, 0x16AC9), (0x1AFF0, 0x1AFFE), (0x1B11F, 0x1B122), (0x1CF00, 0x1CFC3), (0x1D1E9, 0x1D1EA), (0x1DF00, 0x1DF1E), (0x1E290, 0x1E2AE),
                   (0x1E7E0, 0x1E7FE), (0x1F6DD, 0x1F6DF), (0x1F7F0, 0x1F7F0), (0x1F979, 0x1F979), (0x1F9CC, 0x1F9CC), (0x1FA7B, 0x1FAFF)]
    for c in range(0x20000):
        noncharacter = 0xFDD0 <= c <= 0xFDEF or c & 0xFFFE == 0xFFFE
        surrogate = 0xD800 <= c < 0xE000
        if (unicodedata.category(chr(c)) == "Cn" and not noncharacter) or surrogate or any(a <= c <= b for a, b in added_in_14):
            if _unstable and _unstable[-1][1] == c - 1:
                _unstable[-1][1] = c
            else:
                _unstable.append([c, c])
    return _unstable


def plane_strings():
    """The whole Basic Multilingual Plane, 64 code points a string, with a letter, a space or nothing between them."""
    unstable = {c for a, b in unstable_ranges() for c in range(a, b + 1)}
    for first in range(0, 0x10000, 64):
        text = ""
        for c in range(first, first + 64):
            if c not in unstable:
                text += chr(c) + ("a" if c % 3 == 0 else " " if c % 3 == 1 else "")
        yield text


def train(tokenizer, size, **options):
    tokenizer.train_from_iterator(TRAINING * 2, trainers.BpeTrainer(vocab_size=size, show_progress=False, min_frequency=2, **options))
    return tokenizer


def alphabet():
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    train(t, 800, initial_alphabet=alphabet())
    t.add_special_tokens(["<|endoftext|>"])
    return t, {"tokenizer_config.json": {"eos_token": "<|endoftext|>"}}


def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    train(t, 800, initial_alphabet=alphabet())
    # Words that are in the vocabulary without merges that reach them: `ignore_merges` must find them.
    data = json.loads(t.to_str())
    for word in ["\u0120supercali", "Hello", "\u0120world", "\u00e4\u00bd\u0142\u00e5\u00a5\u00bd", "aword"]:
        data["model"]["vocab"].setdefault(word, len(data["model"]["vocab"]))
    t = Tokenizer.from_str(json.dumps(data))
    t.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
    bos = t.token_to_id("<|begin_of_text|>")
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", special_tokens=[("<|begin_of_text|>", bos)])])
    return t, {"tokenizer_config.json": {"chat_template": ""}, "generation_config.json": {"eos_token_id": [t.token_to_id("<|end_of_text|>"), t.token_to_id("<|eot_id|>")]}}


def qwen2():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    train(t, 800, initial_alphabet=alphabet())
    t.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return t, {"tokenizer_config.json": {"eos_token": {"content": "<|im_end|>", "lstrip": False}}}


def llama2():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()  # for training only
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    train(t, 900, special_tokens=special, limit_alphabet=220)
    data = json.loads(t.to_str())
    data["pre_tokenizer"] = None
    data["added_tokens"] = data["added_tokens"][:3]
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    t = Tokenizer.from_str(json.dumps(data))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t, {"config.json": {"eos_token_id": 2}}, lambda d: d["model"].update(merges=[" ".join(p) for p in d["model"]["merges"]])


def added():
    """Every flag of added tokens, with a prefix space, trimmed offsets and an incomplete byte alphabet."""
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex("  +"), " ")])
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=True)
    train(t, 700, special_tokens=["<unk>"])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False), AddedToken("</s>", normalized=False)])
    t.add_tokens([AddedToken("word", single_word=True, normalized=False), AddedToken("RIGHT", rstrip=True, normalized=False), AddedToken("LEFT", lstrip=True, normalized=False), AddedToken("BOTH", lstrip=True, rstrip=True, normalized=False),
                  AddedToken("long", normalized=False), AddedToken("longest", normalized=False), AddedToken("Caf\u00e9", normalized=True), AddedToken("Cafe\u0301", normalized=False), AddedToken("New  York", normalized=True, single_word=True), AddedToken(" spaced token ", normalized=True, rstrip=True), AddedToken("the", normalized=True)])
    return t, {}


def pieces():
    """The other pre-tokenizers and behaviours, subword marks, fused unknown tokens, no decoder."""
    t = Tokenizer(models.BPE(unk_token="[UNK]", fuse_unk=True, continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(",", "removed"), pre_tokenizers.Split(Regex(r"[.;:]+"), "merged_with_previous"), pre_tokenizers.Split(Regex(r"\("), "merged_with_next"), pre_tokenizers.Split("-", "contiguous"),
                                               pre_tokenizers.Split(Regex(r"\w+"), "removed", invert=True), pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Split(Regex("x*"), "isolated")])
    train(t, 900, special_tokens=["[UNK]"], continuing_subword_prefix="##", end_of_word_suffix="</w>", limit_alphabet=150)
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP] [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)])
    return t, {}


def metaspace():
    """Metaspace as pre-tokenizer (only at the start) and decoder, digits in groups, mapped bytes in the middle of a sequence."""
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Digits(individual_digits=False)])
    t.decoder = decoders.Metaspace(prepend_scheme="first")
    train(t, 600, special_tokens=["<unk>", "<s>"], limit_alphabet=200)
    t.add_special_tokens([AddedToken("<mask>", normalized=True)])
    return t, {}


def mapped():
    """ByteLevel before another pre-tokenizer: the model sees the byte alphabet's own characters."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True), pre_tokenizers.Split("\u0120", "merged_with_next"), pre_tokenizers.Digits(individual_digits=True)])
    t.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 2, 0)])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True, add_prefix_space=False)])
    train(t, 500, initial_alphabet=alphabet())
    return t, {}


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train_wordpiece(tokenizer, size, prefix="##", **options):
    tokenizer.train_from_iterator(TRAINING * 2, trainers.WordPieceTrainer(vocab_size=size, show_progress=False, min_frequency=2, special_tokens=SPECIAL, continuing_subword_prefix=prefix, **options))
    return tokenizer


def bert():
    """As bert-base-uncased and all-MiniLM-L6-v2: the latter's truncation and padding are in the file, too."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    train_wordpiece(t, 900)
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_tokens(["New York", AddedToken("word", single_word=True)])
    t.enable_truncation(8)
    t.enable_padding(length=12, pad_id=0, pad_token="[PAD]")
    return t, {"tokenizer_config.json": {"do_lower_case": True, "model_max_length": 512}}


def bert_cased():
    """BertProcessing; accents stay, because strip_accents follows lowercase; no cleanup; a small limit on words."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=12))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=False)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    train_wordpiece(t, 1100)
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t, {"special_tokens_map.json": {"mask_token": {"content": "[MASK]"}, "pad_token": "[PAD]"}}, lambda d: d["model"].pop("type")


def wordpieces():
    """Another prefix, few letters and so many unknown words, Chinese and control characters as they are, accents off, RobertaProcessing."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30))
    t.normalizer = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")])
    t.decoder = decoders.WordPiece(prefix="@@", cleanup=True)
    train_wordpiece(t, 300, prefix="@@", limit_alphabet=45)
    t.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), trim_offsets=True, add_prefix_space=False)
    return t, {}, lambda d: d["model"].update(continuing_subword_prefix="@@")


def bytes_behind(normalizer, *steps):
    """Every character that a normalizer or a pre-tokenizer leaves shows in the ids: the model knows bytes."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    train(t, 300, initial_alphabet=alphabet())
    return t, {}


def bert_bytes():
    return bytes_behind(normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer())


def bert_bytes_spaces():
    """Without a pre-tokenizer that takes them away, the spaces round Chinese characters have offsets, too."""
    return bytes_behind(normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=True), pre_tokenizers.Punctuation())


def stripped_bytes():
    return bytes_behind(normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]), pre_tokenizers.Whitespace())


def nfd_bytes():
    return bytes_behind(normalizers.NFD(), pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_next"))


def nfkc_bytes():
    return bytes_behind(normalizers.NFKC(), pre_tokenizers.Whitespace())


_charsmaps = {}


def sentencepiece_model(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TRAINING), model_writer=model, vocab_size=600, character_coverage=1.0, hard_vocab_limit=False, num_threads=1, minloglevel=2, **options)
    return model.getvalue()


def charsmap(rule):
    """The precompiled character map that a model trained by sentencepiece carries, in base64."""
    if rule not in _charsmaps:
        _charsmaps[rule] = base64.b64encode(precompiled_bytes(sentencepiece_model(normalization_rule_name=rule))).decode()
    return _charsmaps[rule]


def small_charsmap():
    """The same from rules of our own: the real ones have 300 kB. Deletions, growth, marks that compose, a prefix that wins."""
    rules = {"\u00e9": "e", "e\u0301": "\u00e9", "\uff21": "A", "\ufb01": "fi", "\u2460": "(1)", "\u2026": "...", "\u00ad": "", "\u200b": "", "\r\n": "\n", "\n": " ", "\t": " ", "\u00a0": " ", "\u3000": " ", "\u304b\u3099": "\u304c",
             "x": "ks", "x\u0301": "\u1e8b", "n\u0303": "\u00f1", "\U0001f600": ":)", "\u4f60\u597d": "\u60a8", "\u0645": "\u0645\u0645", "\u212b": "\u00e5", "a\u0323\u0302": "\u1ead", "\ufdfa": "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647"}
    codes = lambda text: " ".join(f"{ord(c):X}" for c in text)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in rules.items()))
        file.flush()
        return normalizers.Precompiled(precompiled_bytes(sentencepiece_model(normalization_rule_tsv=file.name)))


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """(number, content) of the length-delimited fields of a protocol buffer."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 2:
            size, at = varint(data, at)
            yield tag >> 3, data[at:at + size]
            at += size
        elif tag & 7 == 0:
            _, at = varint(data, at)
        else:
            at += 4 if tag & 7 == 5 else 8


def precompiled_bytes(model):
    normalizer = next(content for number, content in fields(model) if number == 3)
    return next(content for number, content in fields(normalizer) if number == 2)


def train_unigram(tokenizer, size, special):
    tokenizer.train_from_iterator(TRAINING * 2, trainers.UnigramTrainer(vocab_size=size, show_progress=False, special_tokens=special, unk_token="<unk>"))
    return tokenizer


def t5():
    t = Tokenizer(models.Unigram())
    t.normalizer = small_charsmap()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    train_unigram(t, 700, ["<pad>", "</s>", "<unk>"])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return t, {"tokenizer_config.json": {"eos_token": "</s>"}}


def xlmr():
    """The pieces, scores and character map of a model of sentencepiece, in the order that XLM-R's converter gives them."""
    model = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model(normalization_rule_name="nmt_nfkc"))
    pieces = [(model.id_to_piece(i), model.get_score(i)) for i in range(3, model.get_piece_size())]
    t = Tokenizer(models.Unigram([("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces, ("<mask>", 0.0)], 3, False))
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(base64.b64decode(charsmap("nmt_nfkc"))), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, normalized=True)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t, {}


def albert():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), small_charsmap(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    train_unigram(t, 500, ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return t, {}


def unigram_bytes():
    """Unknown characters as bytes, a whole text in one piece, offsets without white space."""
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    train_unigram(t, 700, ["<unk>"] + [f"<0x{b:02X}>" for b in range(256)])
    data = json.loads(t.to_str())
    data["model"]["byte_fallback"] = True
    data["pre_tokenizer"]["split"] = False
    data["added_tokens"] = data["added_tokens"][:1]
    t = Tokenizer.from_str(json.dumps(data))
    t.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=True)
    return t, {}


def unigram_ties():
    """Every way to cut a word sums up to the same but for rounding: scores have to be read and added as the library does."""
    random.seed(11)
    letters = {c: struct.unpack("f", struct.pack("f", -random.uniform(2, 14)))[0] for c in "abcdehilnorstu 0123456789"}
    pieces = dict(letters)
    for text in TRAINING[:8] + ["abababaab", "aaaa", "lalala", "0123456789"]:
        for size in (2, 3, 4, 5):
            for part in (text[i:i + size] for i in range(len(text) - size + 1)):
                if all(c in letters for c in part):
                    pieces[part] = sum(letters[c] for c in part)
    t = Tokenizer(models.Unigram([("<unk>", 0.0), *sorted(pieces.items())], 0, False))
    t.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=False)
    return t, {}


def words():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.Strip(True, False), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator(TRAINING, trainers.WordLevelTrainer(vocab_size=300, show_progress=False, special_tokens=["<unk>", "<s>"]))
    t.add_tokens([AddedToken("New York", normalized=True)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t, {}, lambda d: d["model"].pop("type")


def characters():
    """One character a token, in the style of CTC models: | between words."""
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.Strip(False, True), normalizers.Replace(" ", "|")])
    t.pre_tokenizer = pre_tokenizers.FixedLength(length=1)
    t.decoder = decoders.CTC(pad_token="<pad>", word_delimiter_token="|", cleanup=True)
    t.train_from_iterator(TRAINING, trainers.WordLevelTrainer(vocab_size=200, show_progress=False, special_tokens=["<pad>", "<unk>"]))
    return t, {}


def suffixed():
    """The byte alphabet from a normalizer, pieces between a delimiter, suffixes of words for the decoder."""
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.ByteLevel()])
    t.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\u0120")
    t.decoder = decoders.BPEDecoder(suffix="</w>")
    train(t, 600, special_tokens=["<unk>"], end_of_word_suffix="</w>", initial_alphabet=alphabet())
    return t, {}


def script_bytes():
    return bytes_behind(normalizers.Nmt(), pre_tokenizers.UnicodeScripts(), pre_tokenizers.FixedLength(length=7))


def write_one(name, made, corpus):
    tokenizer, beside, edit = (*made, None) if len(made) == 2 else made
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    data = json.loads(tokenizer.to_str())
    if edit:
        edit(data)
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()  # settings of whoever saved the file: transformers turns them off on every call
    tokenizer.no_padding()
    for file, content in beside.items():
        (folder / file).write_text(json.dumps(content))
    golden = {"strings": [], "plain": [], "decoded": [], "skipped": []}
    for text in corpus:
        encoding = tokenizer.encode(text)
        if len(encoding.ids) <= 24 and text in HARD:
            golden["strings"].append([encoding.ids, *byte_offsets(encoding, text)])
        else:
            golden["strings"].append(fnv(encoding, text))
        golden["plain"].append(fnv(tokenizer.encode(text, add_special_tokens=False), text))
        decoded = tokenizer.decode(encoding.ids, skip_special_tokens=False)
        skipped = tokenizer.decode(encoding.ids)
        golden["decoded"].append(None if decoded == text else decoded)
        golden["skipped"].append(None if skipped == text else 0 if skipped == decoded else skipped)
    golden["planes"] = [fnv(tokenizer.encode(text), text) for text in plane_strings()]
    random.seed(5)
    golden["random_ids"] = [[random.randrange(tokenizer.get_vocab_size()) for _ in range(20)] for _ in range(20)]
    golden["random_decoded"] = [tokenizer.decode(ids, skip_special_tokens=False) for ids in golden["random_ids"]]
    golden["vocab_size"] = tokenizer.get_vocab_size()
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    corpus = HARD + random_strings(140)
    (HERE / "corpus.json").write_text(json.dumps({"library": "tokenizers " + tokenizers.__version__, "strings": corpus, "unstable": [r for r in unstable_ranges() if r[0] < 0x10000]}, separators=(",", ":")))
    for make in (gpt2, llama3, qwen2, llama2, added, pieces, metaspace, mapped, bert, bert_cased, wordpieces, bert_bytes, bert_bytes_spaces, stripped_bytes, nfd_bytes, nfkc_bytes, t5, xlmr, albert, unigram_bytes, unigram_ties, words, characters, suffixed, script_bytes):
        if sys.argv[1:] and make.__name__ not in sys.argv[1:]:
            continue
        print(make.__name__, file=sys.stderr)
        write_one(make.__name__, make(), corpus)


if __name__ == "__main__":
    main()
