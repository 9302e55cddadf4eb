"""tokenizer.json that lies: components, tables, merges, patterns, and JSON that is none. Each is loaded and given one line of text."""
import json

from .corpus import Corpus
from .tiny_tokenizer import (IDS, METASPACE, SPLIT, TEMPLATE, TEXT, TREE, UNIGRAM, WORDLEVEL, WORDPIECE, added, described, piece,
                             tokenizer_text)

LINE = b'{"text": "the abc"}\n'


def split_at(pattern: str) -> dict:
    return SPLIT | dict(pattern={"Regex": pattern})


def replace(pattern: dict, content: str) -> dict:
    return dict(type="Replace", pattern=pattern, content=content)


class Tokenizers:
    """Adds folders of a changed tokenizer.json and the lines that are given to it."""

    def __init__(self, corpus: Corpus, group: str):
        self.corpus, self.group = corpus, group

    def text(self, name: str, text: bytes, *says: str, lines: bytes = LINE, files: dict[str, bytes] | None = None,
             valid: bool = False, **more) -> None:
        self.corpus.folder(self.group, name, {"tokenizer.json": text, "lines.jsonl": lines} | (files or {}), *says, verb="tokenize",
                           valid=valid, **more)

    def change(self, name: str, says: str, lines: bytes = LINE, valid: bool = False, unnamed: bool = False, **changes) -> None:
        """`unnamed`: found out only when the text comes, whose place the message has."""
        self.text(name, tokenizer_text(**changes), says, lines=lines, valid=valid, **(dict(unnamed=True) if unnamed else {}))


def add_tables(corpus: Corpus) -> None:
    add = Tokenizers(corpus, "tokenizer").change
    for name, value in dict(null=None, a_number=7, a_string="BPE", a_list=[]).items():
        add(f"model_{name}", "model", model=value)
        add(f"vocab_{name}", "model.vocab", model__vocab=value)
    for name, value in dict(null=None, an_object={}, a_number=7, a_string="a b").items():
        add(f"merges_{name}", "model.merges", model__merges=value)
    add("model_absent", "model", model=...)
    add("vocab_absent", "model.vocab", model__vocab=...)
    add("merges_absent", "model.merges", model__merges=...)
    add("vocab_empty_with_merges", "model.merges[0]", model__vocab={})
    for name, number in {"a_string": "4", "a_float": 4.0, "a_half": 4.5, "null": None, "true": True, "a_list": [4], "an_object": {},
                         "negative": -1, "2_to_31": 2**31, "2_to_63": 2**63, "2_to_64_minus_1": 2**64 - 1, "2_to_64": 2**64,
                         "1e300": 1e300, "minus_2_to_63": -2**63}.items():
        add(f"id_{name}", "model.vocab", model__vocab=IDS | {"a": number})
    add("id_2_to_24", "ids from 0", model__vocab=IDS | {"a": 2**24})
    add("id_of_two_tokens", "an id of its own", model__vocab=IDS | {"b": IDS["a"]})
    add("merge_of_an_unknown_left", "model.merges[4]", model__merges__4=["zebra", "a"])
    add("merge_of_an_unknown_right", "model.merges[4]", model__merges__4=["a", "zebra"])
    add("merge_into_an_unknown_token", "model.merges[4]", model__merges__4=["b", "a"])
    add("merge_of_one", "model.merges[4]", model__merges__4=["a"])
    add("merge_of_three", "model.merges[4]", model__merges__4=["a", "b", "c"])
    add("merge_of_numbers", "model.merges[4]", model__merges__4=[4, 5])
    add("merge_of_lists", "model.merges[4]", model__merges__4=[["a"], ["b"]])
    add("merge_of_objects", "model.merges[4]", model__merges__4={"a": "b"})
    add("merge_without_a_space", "model.merges[4]", model__merges__4="ab")
    add("merge_with_two_spaces", "model.merges[4]", model__merges__4="a b c")
    add("merge_null", "model.merges[4]", model__merges__4=None)
    add("merge_of_a_string_of_10_megabytes", "model.merges[4]", model__merges__4=["a", "x" * 10_000_000])
    add("merge_right_shorter_than_the_prefix", "model.merges[0]", model__continuing_subword_prefix="####")
    add("dropout", "dropout", model__dropout=0.1)
    add("dropout_a_string", "dropout", model__dropout="0")
    add("dropout_negative", "dropout", model__dropout=-1)
    add("unk_token_a_number", "unk_token", model__unk_token=0)
    add("unk_token_unknown", "unk_token", lines=b'{"text": "the 9"}\n', model__unk_token="<none>")
    for key in ("fuse_unk", "byte_fallback", "ignore_merges"):
        add(f"{key}_a_string", key, **{f"model__{key}": "false"})
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        add(f"{key}_a_list", key, **{f"model__{key}": []})
    add("version_2", "version", version="2.0")
    add("version_a_number", "version", version=1.0)
    # Merges cannot run in circles: each makes one token of two, whatever it is.
    empty = {"": 40} | IDS
    for name, merges in {"of_nothing": [["", ""]], "into_itself": [["", "a"], ["a", ""]], "twice": [["a", "b"], ["a", "b"]]}.items():
        add(f"merges_{name}", "", valid=True, model__vocab=empty, model__merges=merges)
    corners = IDS | {"##a": 40, "aa": 41, "##": 42}
    add("merges_in_a_circle", "", lines=b'{"text": "' + b"a" * 5000 + b'"}\n', valid=True, model__vocab=corners,
        model__continuing_subword_prefix="##", model__merges=[["a", "##"], ["##a", "##"], ["##", "##"], ["a", "##a"]])


def add_other_models(corpus: Corpus) -> None:
    add = Tokenizers(corpus, "tokenizer").change
    for kind in ("Sorcery", "bpe", "", "BPE\0"):
        add(f"type_{kind.strip(chr(0)) or 'empty'}{len(kind)}", "model", model__type=kind)
    add("type_a_number", "type", model__type=1)
    add("type_of_10_megabytes", "model", model__type="B" * 10_000_000)
    for key in ("unk_token", "continuing_subword_prefix", "max_input_chars_per_word"):
        add(f"wordpiece_without_{key}", key, model={k: v for k, v in WORDPIECE.items() if k != key})
    add("wordpiece_limit_negative", "max_input_chars_per_word", model=WORDPIECE | dict(max_input_chars_per_word=-1))
    add("wordpiece_limit_2_to_64_minus_1", "max_input_chars_per_word", model=WORDPIECE | dict(max_input_chars_per_word=2**64 - 1))
    add("wordpiece_vocab_a_list", "model.vocab", model=WORDPIECE | dict(vocab=[["a", 0]]))
    add("wordpiece_unk_unknown", "unk_token", model=WORDPIECE | dict(unk_token="<none>"), lines=b'{"text": "9"}\n')
    add("wordlevel_vocab_a_list", "model", model=WORDLEVEL | dict(vocab=[["a", 0]]))
    add("wordlevel_without_unk_token", "model", model={k: v for k, v in WORDLEVEL.items() if k != "unk_token"})
    words = UNIGRAM["vocab"]
    for name, vocab in {"empty": [], "an_object": IDS, "of_strings": list(IDS), "of_triples": [word + [0] for word in words],
                        "of_singles": [["a"]], "score_a_string": [["<unk>", "0"]], "score_null": [["<unk>", None]],
                        "token_a_number": [[0, 0.0]], "null": None}.items():
        add(f"unigram_{name}", "model", model=UNIGRAM | dict(vocab=vocab), lines=b'{"text": "abc"}\n')
    for name, unk in {"beyond": len(words), "negative": -1, "a_string": "0", "huge": 2**63, "2_to_64_minus_1": 2**64 - 1}.items():
        add(f"unigram_unk_{name}", "model", model=UNIGRAM | dict(unk_id=unk), lines=b'{"text": "9"}\n')
    add("unigram_without_unk", "model", model=UNIGRAM | dict(unk_id=None), lines=b'{"text": "9"}\n')
    raw = Tokenizers(corpus, "tokenizer").text
    good = tokenizer_text(model=UNIGRAM)
    for name, number in {"nan": b"NaN", "infinity": b"-Infinity", "1e999": b"1e999"}.items():
        raw(f"unigram_score_{name}", good.replace(b"-7.0", number, 1), "tokenizer.json")


def add_added_tokens(corpus: Corpus) -> None:
    add = Tokenizers(corpus, "tokenizer").change
    for name, value in dict(an_object={}, a_string="<s>", a_number=1).items():
        add(f"added_tokens_{name}", "added_tokens", added_tokens=value)
    for name, value in dict(null=None, a_string="<s>", a_list=["<s>", 1], empty={}).items():
        add(f"added_token_{name}", "added_tokens[1]", added_tokens__1=value)
    for name, number in {"negative": -1, "a_string": "1", "null": None, "a_float": 1.5, "2_to_31": 2**31, "2_to_63": 2**63,
                         "2_to_64_minus_1": 2**64 - 1, "of_another": 0}.items():
        add(f"added_id_{name}", "added_tokens[1]", added_tokens__1=added(number, "<s>"))
    add("added_id_absent", "added_tokens[1]", added_tokens__1__id=...)
    add("added_content_absent", "added_tokens[1]", added_tokens__1__content=...)
    add("added_content_a_number", "added_tokens[1]", added_tokens__1__content=1)
    add("added_content_twice", "added_tokens[4]", added_tokens__4=added(40, "<s>"))
    add("added_content_of_10_megabytes", "added_tokens[4]", added_tokens__4=added(40, "<" * 10_000_000))
    for key in ("special", "single_word", "lstrip", "rstrip", "normalized"):
        add(f"added_{key}_a_number", key, **{f"added_tokens__1__{key}": 1})
    add("added_id_taken_by_the_vocabulary", "added_tokens[4]", model__vocab=IDS | {"hole": len(IDS) + 1},
        added_tokens__4=added(len(IDS) + 1, "<new>"))


def add_components(corpus: Corpus) -> None:
    add = Tokenizers(corpus, "component").change
    lists = dict(normalizer="normalizers", pre_tokenizer="pretokenizers", post_processor="processors", decoder="decoders")
    sound = dict(normalizer=dict(type="NFC"), pre_tokenizer=SPLIT, post_processor=TEMPLATE, decoder=dict(type="Fuse"))
    for member, members in lists.items():
        for name, value in dict(a_string="NFC", a_list=[], a_number=1, empty={}).items():
            add(f"{member}_{name}", member, **{member: value})
        add(f"{member}_unknown", "Sorcery", **{member: dict(type="Sorcery")})
        add(f"{member}_type_null", "type", **{member: dict(type=None)})
        add(f"{member}_type_a_list", "type", **{member: dict(type=["NFC"])})
        add(f"{member}_type_of_10_megabytes", member, **{member: dict(type="S" * 10_000_000)})
        add(f"{member}_sequence_without_members", members, **{member: dict(type="Sequence")})
        add(f"{member}_sequence_of_an_object", members, **{member: {"type": "Sequence", members: {}}})
        add(f"{member}_sequence_of_null", members + "[0]", **{member: {"type": "Sequence", members: [None]}})
        add(f"{member}_sequence_with_an_unknown", members + "[1]",
            **{member: {"type": "Sequence", members: [sound[member], dict(type="Sorcery")]}})
        nested = dict(type="ByteLevel")
        for _ in range(200):
            nested = {"type": "Sequence", members: [nested]}
        add(f"{member}_nested_200_times", "128", **{member: nested})
    for member in ("truncation", "padding"):   # of training; they are not read
        add(f"{member}_a_string", "", valid=True, **{member: "none"})
    for name, pattern in dict(absent=..., null=None, a_string="a", empty={}, of_nothing={"String": ""}, of_a_number={"Regex": 1},
                              of_another={"Glob": "*"}).items():
        step = {k: v for k, v in (SPLIT | dict(pattern=pattern)).items() if v is not ...}
        add(f"split_pattern_{name}", "pattern", pre_tokenizer=step)
    add("split_behavior_unknown", "behavior", pre_tokenizer=SPLIT | dict(behavior="Sideways"))
    add("split_behavior_null", "behavior", pre_tokenizer=SPLIT | dict(behavior=None))
    add("split_invert_a_string", "invert", pre_tokenizer=SPLIT | dict(invert="no"))
    add("metaspace_replacement_long", "replacement", pre_tokenizer=METASPACE | dict(replacement="ab"))
    add("metaspace_replacement_empty", "replacement", pre_tokenizer=METASPACE | dict(replacement=""))
    add("metaspace_scheme_unknown", "prepend_scheme", pre_tokenizer=METASPACE | dict(prepend_scheme="often"))
    add("metaspace_split_a_number", "split", pre_tokenizer=METASPACE | dict(split=1))
    add("replace_without_content", "content", normalizer=dict(type="Replace", pattern={"String": "a"}))
    add("prepend_a_number", "prepend", normalizer=dict(type="Prepend", prepend=1))
    add("bert_normalizer_without_members", "BertNormalizer", normalizer=dict(type="BertNormalizer"))
    add("strip_start_negative", "start", decoder=dict(type="Strip", content=" ", start=-1, stop=0))
    add("strip_start_2_to_64_minus_1", "start", decoder=dict(type="Strip", content=" ", start=2**64 - 1, stop=0))
    add("precompiled_without_map", "normalizer", normalizer=dict(type="Precompiled"))
    for name, text in dict(a_number=1, not_base64="!!!!", cut="AAA", empty="", too_long_trie="////fw==",
                           of_zeros="A" * 4000).items():
        add(f"precompiled_{name}", "normalizer", normalizer=dict(type="Precompiled", precompiled_charsmap=text))
    add("fixed_length_0", "pre_tokenizer", pre_tokenizer=dict(type="FixedLength", length=0))
    add("fixed_length_negative", "pre_tokenizer", pre_tokenizer=dict(type="FixedLength", length=-1))
    add("delimiter_long", "pre_tokenizer", pre_tokenizer=dict(type="CharDelimiterSplit", delimiter="ab"))


def add_post_processors(corpus: Corpus) -> None:
    add = Tokenizers(corpus, "component").change
    for name, value in dict(absent=..., null=None, an_object={}, a_number=1, of_numbers=[1], of_empty=[{}]).items():
        add(f"template_single_{name}", "single", post_processor__single=value)
    add("template_of_sequence_b", "sequence A", post_processor__single=[{"Sequence": {"id": "B", "type_id": 0}}])
    add("template_token_undescribed", "special_tokens", post_processor__single=[piece("</s>"), TEXT])
    for name, value in dict(absent=..., null=None, a_list=[]).items():
        add(f"template_special_tokens_{name}", "special_tokens", post_processor__special_tokens=value)
    for name, ids in {"beyond": [len(IDS)], "negative": [-1], "2_to_64_minus_1": [2**64 - 1], "a_float": [1.5], "a_string": ["1"],
                      "a_number": 1, "2_to_40": [2**40]}.items():
        add(f"template_ids_{name}", "special_tokens.<s>.ids", post_processor__special_tokens={"<s>": described("<s>", 1) | dict(ids=ids)})
    for name, pair in dict(absent=..., null=None, a_string="<s>", of_one=["<s>"], swapped=[1, "<s>"], beyond=["<s>", 99],
                           negative=["<s>", -1]).items():
        steps = dict(type="BertProcessing", sep=["</s>", 2], cls=pair)
        add(f"cls_{name}", "cls", post_processor={k: v for k, v in steps.items() if v is not ...})
    add("two_templates", "processors[1]", post_processor=dict(type="Sequence", processors=[TEMPLATE, TEMPLATE]))
    # Grow with every step: what one line would become does not fit into any memory.
    add("template_of_100000_texts", "at most 64 pieces", lines=b'{"text": "' + b"the abc " * 5000 + b'"}\n', post_processor__single=[TEXT] * 100_000)
    add("replace_tenfold_20_times", "normalizer", unnamed=True, normalizer=dict(type="Sequence", normalizers=[replace({"String": "a"}, "a" * 10)] * 20))
    add("replace_with_10_megabytes", "content", lines=b'{"text": "' + b"a" * 5000 + b'"}\n',
        normalizer=replace({"String": "a"}, "b" * 10_000_000))
    add("replace_nothing_with_much", "content", lines=b'{"text": "' + b"a" * 5000 + b'"}\n',
        normalizer=replace({"Regex": "(?=a)"}, "b" * 10_000_000))
    add("prepend_10_megabytes", "prepend", normalizer=dict(type="Prepend", prepend="b" * 10_000_000))
    add("decoder_tenfold_20_times", "decoder", unnamed=True, decoder=dict(type="Sequence", decoders=[replace({"String": "a"}, "a" * 10)] * 20))


def add_patterns(corpus: Corpus) -> None:
    add = Tokenizers(corpus, "pattern").change
    for name, pattern in {
        "unclosed_group": "(a", "unopened_group": "a)", "unclosed_class": "[a", "class_backwards": "[z-a]", "repeat_of_nothing": "*a",
        "repeat_too_often": "a{100001}", "unknown_property": r"\p{Sorcery}", "unknown_group": r"\k<no>",
        "backslash_at_the_end": "a\\", "unknown_option": "(?Q)a", "group_recursion": r"\g<1>",
        "group_in_itself": r"(?<x>\g<x>)", "nested_100000_times": "(" * 100_000 + "a" + ")" * 100_000,
        "of_10_megabytes_unclosed": "a" * 10_000_000 + "(",
    }.items():
        add(f"invalid_{name}", "pre_tokenizer (Split).pattern", pre_tokenizer=split_at(pattern))
    long_word = b'{"text": "' + b"a" * 60 + b'9"}\n'
    for name, pattern in {
        "nested_plus": "(a+)+$", "overlapping": "(?:a|aa)+$", "counted": "(?:a{1,30}){1,30}$",
    }.items():
        add(f"endless_{name}", "backtracking", lines=long_word, pre_tokenizer=split_at(pattern))
    add("endless_in_the_normalizer", "backtracking", lines=long_word, normalizer=replace({"Regex": "(a+)+$"}, "b"))
    add("repeats_in_repeats", "", pre_tokenizer=split_at("(?:(?:(?:(?:a{1000}b){1000}c){1000}d){1000}e){1000}"), valid=True)


def add_texts(corpus: Corpus) -> None:
    add = Tokenizers(corpus, "json").text
    good = tokenizer_text()
    parts = 12
    for part in range(parts):
        add(f"cut_after_{part}_of_{parts}", good[:len(good) * part // parts], "valid JSON")
    for name, text, says in [
        ("cut_by_one", good[:-1], "valid JSON"), ("a_list", b"[" + good + b"]", "a JSON object"), ("null", b"null", "a JSON object"),
        ("a_string", b'"tokenizer"', "a JSON object"), ("two_objects", good + good, "valid JSON"), ("binary", bytes(range(256)) * 16, ""),
        ("zeros", bytes(1 << 20), ""), ("nul_inside", good.replace(b'"<pad>"', b'"<p\0ad>"', 1), ""),
        ("nul_at_the_end", good + b"\0" + b"more", ""), ("nan", good.replace(b": 7,", b": NaN,", 1), "valid JSON"),
        ("infinity", good.replace(b": 7,", b": -Infinity,", 1), "valid JSON"), ("hexadecimal", good.replace(b": 7,", b": 0x7,", 1), "valid JSON"),
        ("comment", b"// made by hand\n" + good, "valid JSON"), ("single_quotes", good.replace(b'"', b"'"), "valid JSON"),
        ("trailing_comma", good.replace(b": 7,", b": 7,,", 1), "valid JSON"), ("not_utf8", good.replace(b'"q"', b'"q\xff"', 1), "UTF-8"),
        ("not_utf8_key", good.replace(b'"decoder"', b'"dec\xc0\xafoder"', 1), "UTF-8"),
        ("utf16", good.decode().encode("utf-16"), ""), ("latin1_cut", good.replace(b"\xe2\x96\x81", b"\xe2\x96", 1), "UTF-8"),
        ("surrogate_alone", good.replace(b'"q"', rb'"\ud800"', 1), "valid JSON"),
        ("surrogate_low_alone", good.replace(b'"q"', rb'"\udc00"', 1), "valid JSON"),
        ("surrogates_swapped", good.replace(b'"q"', rb'"\udc00\ud800"', 1), "valid JSON"),
        ("surrogate_utf8", good.replace(b'"q"', b'"\xed\xa0\x80"', 1), "UTF-8"),
        ("escape_unknown", good.replace(b'"q"', rb'"\q"', 1), "valid JSON"),
        ("key_twice", good.replace(b'"decoder"', b'"padding": null, "decoder"', 1), "once"),
        ("model_twice", good.replace(b'"decoder"', b'"model": {}, "decoder"', 1), "once"),
        ("token_twice", good.replace(b'"q": ', b'"q": 40, "q": ', 1), "once"),
        ("vocab_twice", good.replace(b'"vocab"', b'"vocab": {}, "vocab"', 1), "vocab"),
        ("merges_twice", good.replace(b'"merges"', b'"merges": [], "merges"', 1), "merges"),
        ("nested_deeply", good[:-2] + b',"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "128"),
        ("nested_objects", good[:-2] + b',"deep":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", "128"),
        ("vocab_nested", good.replace(b'"vocab": {', b'"vocab": ' + b"[" * 100_000, 1), "model.vocab"),
        ("keys_10000", good[:-2] + b"," + b",".join(b'"k%d":1' % i for i in range(10_000)) + b"}", "4096"),
        ("string_of_10_megabytes_unclosed", good[:-2] + b',"x": "' + b"x" * 10_000_000, "valid JSON"),
        ("key_of_10_megabytes_twice", good[:-2] + (b',"' + b"k" * 10_000_000 + b'": 1') * 2 + b"}", "once"),
        ("number_of_a_megabyte", good.replace(b": 7,", b": " + b"7" * 1_000_000 + b",", 1), "tokenizer.json"),
        ("lfs_pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "valid JSON"),
        ("html", b"<!DOCTYPE html><html><body>Sign in</body></html>", "valid JSON"),
    ]:
        add(name, text, says)
    corpus.folder("json", "absent", {"lines.jsonl": LINE}, "tokenizer.json", verb="tokenize")
    corpus.folder("json", "a_folder", {"tokenizer.json/x": b"", "lines.jsonl": LINE}, "tokenizer.json", verb="tokenize")


def add_beside(corpus: Corpus) -> None:
    """The small files beside tokenizer.json that say which token ends a text."""
    def add(name: str, file: str, text, *says: str, valid: bool = False) -> None:
        data = text if isinstance(text, bytes) else json.dumps(text).encode()
        Tokenizers(corpus, "beside").text(name, tokenizer_text(), file, *says, files={file: data}, valid=valid)

    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        short = file.split("_")[0]
        for name, value in dict(a_number=7, a_list=["</s>"], true=True, empty={}, of_a_number={"content": 1}).items():
            add(f"{short}_eos_{name}", file, dict(eos_token=value), "eos_token")
        add(f"{short}_eos_unknown", file, dict(eos_token="</none>"), "eos_token")
        add(f"{short}_pad_a_list", file, dict(pad_token=["<pad>"]), "pad_token")
        add(f"{short}_mask_a_number", file, dict(mask_token=1), "mask_token")
        for name, text in dict(empty=b"", cut=b'{"eos_token": "</s', a_list=b"[]", null=b"null", not_utf8=b'{"eos_token": "\xff"}',
                               twice=b'{"eos_token": "</s>", "eos_token": "<s>"}', nul=b'{"eos_token": "</s>"}\0',
                               deep=b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}").items():
            add(f"{short}_{name}", file, text)
    for file in ("generation_config.json", "config.json"):
        short = file.split(".")[0]
        for name, value in {"a_string": "2", "negative": -2, "a_float": 2.5, "2_to_63": 2**63, "2_to_31": 2**31, "nested": [[2]]}.items():
            add(f"{short}_eos_{name}", file, dict(eos_token_id=value), "eos_token_id")
        add(f"{short}_cut", file, b'{"eos_token_id": ')


def add(corpus: Corpus) -> None:
    add_tables(corpus)
    add_other_models(corpus)
    add_added_tokens(corpus)
    add_components(corpus)
    add_post_processors(corpus)
    add_patterns(corpus)
    add_texts(corpus)
    add_beside(corpus)
    assert json.loads(tokenizer_text()) == TREE
    for name, changes in dict(bpe={}, wordpiece=dict(model=WORDPIECE), split=dict(pre_tokenizer=SPLIT)).items():
        Tokenizers(corpus, "valid").change(name, "", valid=True, **changes)
