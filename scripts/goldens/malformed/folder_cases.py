"""Tokenizers without a tokenizer.json: SentencePiece models as protobuf, vocab.txt, vocab.json and merges.txt."""
import json
import struct

from .corpus import Corpus

LINE = b'{"text": "the abc"}\n'
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def tag(field: int, wire_type: int) -> bytes:
    return varint(field << 3 | wire_type)


def chunk(field: int, data: bytes, length: int | None = None) -> bytes:
    return tag(field, 2) + varint(len(data) if length is None else length) + data


def piece(text: str | bytes, score: float = 0.0, kind: int = 1) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return chunk(1, chunk(1, raw) + tag(2, 5) + struct.pack("<f", score) + tag(3, 0) + varint(kind))


def model(*more: bytes, algorithm: int = 2, kept: slice = slice(None)) -> bytes:
    """A BPE model of letters; `more` is appended to its pieces."""
    special = [piece("<unk>", kind=2), piece("<s>", kind=3), piece("</s>", kind=3)]
    bytes_ = [piece(f"<0x{byte:02X}>", kind=6) for byte in range(256)]
    words = [piece(word, -float(i)) for i, word in enumerate(["th", "the", "ab", "abc"])]
    letters = [piece(letter, -100.0 - i) for i, letter in enumerate("\u2581" + LETTERS)]
    return b"".join((special + bytes_ + words + letters)[kept]) + b"".join(more) + chunk(2, tag(3, 0) + varint(algorithm))


CONFIG = b'{"tokenizer_class": "LlamaTokenizer"}'


def add_sentencepiece(corpus: Corpus) -> None:
    def add(name: str, data: bytes, *says: str, config: bytes = CONFIG, valid: bool = False, **more) -> None:
        corpus.folder("valid" if valid else "sentencepiece", name,
                      {"tokenizer.model": data, "tokenizer_config.json": config, "lines.jsonl": LINE}, *says, verb="tokenize",
                      valid=valid, **more)

    good = model()
    add("sentencepiece", good, valid=True)
    add("unknown_fields", good + chunk(99, b"abc") + tag(100, 0) + varint(7), valid=True)
    for part in range(12):
        add(f"cut_after_{part}_of_12", good[:len(good) * part // 12])
    add("cut_by_one", good[:-1])
    for name, data in {
        "pieces_a_number": tag(1, 0) + varint(7), "pieces_fixed": tag(1, 5) + bytes(4), "trainer_a_number": tag(2, 0) + varint(7),
        "normalizer_a_number": tag(3, 0) + varint(7), "text_a_number": chunk(1, tag(1, 0) + varint(7)),
        "score_a_number": chunk(1, chunk(1, b"x") + tag(2, 0) + varint(7)), "score_of_64_bits": chunk(1, chunk(1, b"x") + tag(2, 1) + bytes(8)),
        "type_a_text": chunk(1, chunk(1, b"x") + chunk(3, b"x")), "algorithm_a_text": chunk(2, chunk(3, b"x")),
        "charsmap_a_number": chunk(3, tag(2, 0) + varint(7)), "group_start": tag(1, 3), "group_end": tag(1, 4), "type_6": tag(1, 6), "type_7": tag(1, 7),
    }.items():
        add(f"wire_{name}", good + data, "byte")
    for name, length in {"one_over": 6, "2_to_31": 2**31, "2_to_32": 2**32, "2_to_63": 2**63, "2_to_64_minus_1": 2**64 - 1}.items():
        add(f"length_{name}", good + chunk(1, b"abcde", length), "to the end of the message")
        add(f"inner_length_{name}", good + chunk(1, chunk(1, b"abcde", length)), "to the end of the message")
    for name, data in {
        "field_0": tag(0, 0) + b"\1", "field_2_to_29": tag(2**29, 0) + b"\1", "varint_of_11_bytes": tag(9, 0) + b"\x80" * 10 + b"\1",
        "varint_unended": tag(9, 0) + b"\x80", "fixed64_cut": tag(9, 1) + bytes(7), "fixed32_cut": tag(9, 5) + bytes(3),
    }.items():
        add(name, good + data, "byte")
    for name, data in {
        "empty": piece(""), "of_513_bytes": piece("x" * 513), "of_10_megabytes": piece("x" * 10_000_000), "not_utf8": piece(b"\xff"),
        "cut_character": piece(b"\xe2\x96"), "surrogate": piece(b"\xed\xa0\x80"), "nan": piece("x1", float("nan")),
        "infinity": piece("x1", float("inf")), "twice": piece("abc"), "type_0": piece("x1", kind=0), "type_7": piece("x1", kind=7),
        "type_2_to_64_minus_1": piece("x1", kind=2**64 - 1), "without_text": chunk(1, tag(2, 5) + bytes(4)), "of_nothing": chunk(1, b""),
    }.items():
        add(f"piece_{name}", good + data, "byte")
    add("no_pieces", model(kept=slice(0)), "pieces")
    for name, number in {"unigram": 1, "word": 3, "character": 4}.items():
        add(f"algorithm_{name}", model(algorithm=number), "BPE")
    for name, number in {"0": 0, "5": 5, "2_to_40": 2**40}.items():
        add(f"algorithm_{name}", model(algorithm=number), "1 to 4")
    add("zeros", bytes(100_000))
    add("ones", b"\xff" * 100_000)
    add("text", b"the abc\n" * 100)
    add("json", b'{"model": {}}')
    add("pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    add("70_megabytes", b"", "at most", sizes={"tokenizer.model": 70_000_000})
    text = "".join(chr(97 + i * i * 7 % 26) + chr(97 + i * 11 % 26) + LETTERS[i % 26] for i in range(120))
    parts = dict.fromkeys(text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1))   # every cut of each is a merge
    add("pieces_of_one_text", model(*map(piece, parts), kept=slice(259)), "ways to put its pieces together")
    long = [f"{i:07}" + "x" * 500 for i in range(55_000)]
    add("28_megabytes_of_long_pieces", model(*map(piece, ["x" * i for i in range(2, 507)] + long)), valid=True)
    add("class_unknown", good, "tokenizer_class", config=b'{"tokenizer_class": "SorceryTokenizer"}')
    add("class_absent", good, "tokenizer_class", config=b"{}")
    add("config_cut", good, "tokenizer_config.json", config=CONFIG[:-3])
    add("class_of_unigrams", good, "Unigram", config=b'{"tokenizer_class": "T5Tokenizer"}')


def add_vocab_txt(corpus: Corpus) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, "the", "##bc"]
    good = "\n".join(words).encode() + b"\n"

    def add(name: str, data: bytes, *says: str, config: bytes = b'{"tokenizer_class": "BertTokenizer"}', model_type: str = "bert",
            valid: bool = False, **more) -> None:
        corpus.folder("valid" if valid else "vocab_txt", name, {
            "vocab.txt": data, "tokenizer_config.json": config, "config.json": json.dumps(dict(model_type=model_type)).encode(),
            "lines.jsonl": LINE}, *says, verb="tokenize", valid=valid, **more)

    add("bert", good, valid=True)
    add("not_utf8", good + b"\xff\n", f"vocab.txt:{len(words) + 1}")
    add("latin1", good + b"d\xe9j\xe0\n", f"vocab.txt:{len(words) + 1}")
    add("utf16", good.decode().encode("utf-16"), "vocab.txt:1")
    add("twice", good + b"the\n", f"vocab.txt:{len(words) + 1}", "every token once")
    add("carriage_returns", good.replace(b"\n", b"\r\n"), "vocab.txt:1")
    add("blank_lines", good + b"\n\n", "every token once")
    add("binary", bytes(range(256)) * 16, "vocab.txt")
    add("10_megabytes_twice", good + (b"x" * 10_000_000 + b"\n") * 2, "every token once")
    add("70_megabytes", good, "at most", sizes={"vocab.txt": 70_000_000})
    add("class_unknown", good, "tokenizer_class", config=b'{"tokenizer_class": "SorceryTokenizer"}')
    add("type_unknown", good, "model_type", model_type="sorcery")
    add("config_a_list", good, "tokenizer_config.json", config=b"[]")
    add("lower_case_a_string", good, "do_lower_case", config=b'{"tokenizer_class": "BertTokenizer", "do_lower_case": "yes"}')


def add_vocab_json(corpus: Corpus) -> None:
    letters = [*LETTERS, "\u0120", *"0123456789.,"]
    tokens = {token: i for i, token in enumerate([*letters, "th", "the", "ab", "abc", "<|endoftext|>"])}
    merges = b"#version: 0.2\nt h\nth e\na b\nab c\n"

    def add(name: str, *says: str, vocab=None, merges: bytes = merges, config: bytes = b'{"tokenizer_class": "GPT2Tokenizer"}',
            valid: bool = False, **more) -> None:
        data = vocab if isinstance(vocab, bytes) else json.dumps(tokens if vocab is None else vocab).encode()
        corpus.folder("valid" if valid else "vocab_json", name, {
            "vocab.json": data, "merges.txt": merges, "tokenizer_config.json": config, "config.json": b'{"model_type": "gpt2"}',
            "lines.jsonl": LINE}, *says, verb="tokenize", valid=valid, **more)

    good = json.dumps(tokens).encode()
    add("gpt2", valid=True)
    for part in range(6):
        add(f"vocab_cut_after_{part}_of_6", "vocab.json", vocab=good[:len(good) * part // 6])
    for name, vocab in dict(a_list=list(tokens), a_string="abc", a_number=7).items():
        add(f"vocab_{name}", "vocab.json", vocab=vocab)
    for name, number in {"a_string": "3", "a_float": 3.5, "null": None, "negative": -1, "2_to_31": 2**31, "2_to_63": 2**63,
                         "2_to_64": 2**64, "beyond": 2**24, "of_another": 0, "a_list": [3]}.items():
        add(f"id_{name}", "vocab.json", vocab=tokens | {"z": number})
    add("token_twice", "twice", vocab=good[:-1] + b', "the": 7}')
    add("vocab_not_utf8", "vocab.json", vocab=good.replace(b'"z"', b'"z\xff"'))
    add("vocab_nul", "vocab.json", vocab=good + b"\0")
    for name, line in {"of_one": b"the", "of_three": b"t h e", "of_nothing": b"", "unknown_left": b"zebra a", "unknown_right": b"a zebra",
                       "into_an_unknown": b"b a", "not_utf8": b"\xff a", "spaces": b" ", "of_10_megabytes": b"a " + b"x" * 10_000_000}.items():
        add(f"merge_{name}", "merges.txt:6", merges=merges + line + b"\nt h\n")
    add("merges_binary", "merges.txt", merges=bytes(range(256)) * 16)
    add("merges_utf16", "merges.txt", merges=merges.decode().encode("utf-16"))
    add("merges_70_megabytes", "at most", sizes={"merges.txt": 70_000_000})
    add("class_unknown", "tokenizer_class", config=b'{"tokenizer_class": "SorceryTokenizer"}')
    add("eos_a_number", "eos_token", config=b'{"tokenizer_class": "GPT2Tokenizer", "eos_token": 7}')


def add(corpus: Corpus) -> None:
    add_sentencepiece(corpus)
    add_vocab_txt(corpus)
    add_vocab_json(corpus)
