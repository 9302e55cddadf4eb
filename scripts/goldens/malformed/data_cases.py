"""Data files that nobody can learn from: JSON Lines that are none, rows of the wrong form, files that are not what their names say.

The vocabulary of the run has 48 ids; `recipe` is `tiny` (next token) or `classes` (three classes). The first rows of a file are sound,
so that the line in the message must be counted.
"""
import gzip
import json

from .corpus import Corpus

GOOD = b'{"input_ids": [3, 4, 5]}\n' * 2
CLASS = b'{"text": "abc", "label": 1}\n' * 2


def row(**members) -> bytes:
    return json.dumps(members).encode()


class Data:
    def __init__(self, corpus: Corpus, group: str, before: bytes, recipe: str):
        self.corpus, self.group, self.before, self.recipe = corpus, group, before, recipe

    def line(self, name: str, text: bytes, *says: str) -> None:
        """A sound beginning, then the line, then a sound row: the third line is to blame."""
        self.file(f"{name}.jsonl", self.before + text + b"\n" + self.before, f"{name}.jsonl:3", *says)

    def file(self, name: str, data: bytes, *says: str, valid: bool = False) -> None:
        self.corpus.file("valid" if valid else self.group, name, data, *says, verb="train", recipe=self.recipe, valid=valid)


def add_lines(corpus: Corpus) -> None:
    add = Data(corpus, "jsonl", GOOD, "tiny").line
    good = GOOD.splitlines()[0]
    for name, text in {
        "cut": good[:-1], "cut_in_a_list": good[:-3], "cut_in_a_key": good[:5], "two_objects": good + good, "comma_after": good + b",",
        "words": b"the abc", "binary": bytes(range(128, 256)), "nul_inside": good[:10] + b"\0" + good[10:], "nul_after": good + b"\0",
        "zeros": bytes(4096), "single_quotes": good.replace(b'"', b"'"), "nan": b'{"input_ids": [NaN]}', "minus": b'{"input_ids": [-]}',
        "hexadecimal": b'{"input_ids": [0x3]}', "leading_zero": b'{"input_ids": [03]}', "trailing_comma": b'{"input_ids": [3, 4,]}',
        "not_utf8": b'{"text": "\xff"}', "not_utf8_key": b'{"te\xc0\xafxt": "a"}', "cut_character": b'{"text": "\xe2\x96"}',
        "surrogate_utf8": b'{"text": "\xed\xa0\x80"}', "surrogate_alone": rb'{"text": "\ud800"}', "surrogate_low": rb'{"text": "\udc00"}',
        "escape_unknown": rb'{"text": "\q"}', "escape_cut": rb'{"text": "\u00"}', "number_beyond_doubles": b'{"input_ids": [1e999]}',
        "unclosed_string": b'{"text": "abc}', "tab_in_a_string": b'{"text": "a\tb"}', "comment": b"// " + good, "yaml": b"input_ids: [3]",
        "python": b"{'input_ids': [3], 'labels': None}", "separator_only": b"---",
        "unclosed_array": b'[{"input_ids": [3, 4]},',
    }.items():
        add("broken_" + name, text)
    add("twice_text", b'{"text": "a", "text": "b"}', "twice")
    add("twice_inside", b'{"input_ids": [3], "meta": {"a": 1, "a": 2}}', "twice")
    add("deep_lists", b'{"text": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "128")
    add("deep_objects", b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "128")
    for name, text in dict(array=b"[3, 4, 5]", array_of_rows=b"[" + good + b"]", number=b"7", string=b'"abc"', null=b"null", true=b"true",
                           blank=b"", spaces=b"  \t ").items():
        add(f"line_{name}", text, "one JSON object on every line")
    huge = 100_000_000
    add("100_megabytes_of_x", b"x" * huge)
    add("10_megabytes_of_brackets", b"[" * 10_000_000, "one JSON object")
    add("100_megabytes_unclosed", b'{"text": "' + b"a" * huge, "closing quote")
    add("10_megabytes_and_a_tab", b'{"text": "' + b"a" * 10_000_000 + b'\t"}', "control character")
    add("10_megabytes_not_utf8", b'{"text": "' + b"a" * 10_000_000 + b'\xff"}', "UTF-8")
    add("10_megabytes_of_digits", b'{"input_ids": [' + b"7" * 10_000_000 + b"]}", "a number of")
    add("10_megabytes_in_a_wrong_field", b'{"sentence": "' + b"a" * 10_000_000 + b'"}', "sentence")
    add("10_megabytes_of_zeros", bytes(10_000_000), "NUL")
    add("10_megabyte_key", b'{"' + b"k" * 10_000_000 + b'": 1}', "input_ids")
    add("100000_keys", b"{" + b",".join(b'"k%d":1' % i for i in range(100_000)) + b"}", "input_ids")


def add_rows(corpus: Corpus) -> None:
    add = Data(corpus, "rows", GOOD, "tiny").line
    for name, members in {
        "empty": {}, "unknown": dict(sentence="abc"), "misspelt": dict(input_id=[3, 4]), "null": dict(text=None), "label_alone": dict(label=1),
        "completion_alone": dict(completion="abc"), "prompt_alone": dict(prompt="abc"), "labels_alone": dict(labels=[3, 4]),
        "text_and_ids": dict(text="abc", input_ids=[3, 4]), "text_and_prompt": dict(text="abc", prompt="a", completion="b"),
        "ids_and_completion": dict(input_ids=[3, 4], completion="b"), "messages_and_text": dict(messages=[], text="abc"),
    }.items():
        add(f"fields_{name}", row(**members))
    for name, value in dict(a_number=7, a_list=["abc"], an_object={}, true=True, of_numbers=[3, 4]).items():
        add(f"text_{name}", row(text=value), "text")
        add(f"prompt_{name}", row(prompt=value, completion="abc"), "prompt")
        add(f"completion_{name}", row(prompt="abc", completion=value), "completion")
    for name, value in {"a_string": "3 4", "a_number": 3, "an_object": {"0": 3}, "nested": [[3, 4]], "of_strings": ["3"], "of_floats": [3.0],
                        "of_null": [3, None], "of_true": [True], "negative": [3, -1], "ignored": [3, -100], "beyond": [3, 48],
                        "2_to_31": [2**31], "2_to_63": [2**63], "2_to_64_minus_1": [2**64 - 1], "2_to_64": [2**64],
                        "minus_2_to_63": [-2**63], "1e3": [1e3]}.items():
        add(f"ids_{name}", row(input_ids=value), "input_ids")
        if name != "ignored":
            add(f"labels_{name}", row(input_ids=[3] * (len(value) if isinstance(value, list) else 2), labels=value), "labels")
    for name, labels in dict(short=[3], long=[3, 4, 5], none=[]).items():
        add(f"labels_{name}", row(input_ids=[3, 4], labels=labels), "as many labels")


def add_classes(corpus: Corpus) -> None:
    add = Data(corpus, "classes", CLASS, "classes").line
    for name, value in {"negative": -1, "beyond": 3, "a_string": "1", "a_float": 1.0, "true": True, "a_list": [1], "an_object": {},
                        "2_to_63": 2**63, "2_to_64_minus_1": 2**64 - 1, "a_name": "LABEL_1"}.items():
        add(f"label_{name}", row(text="abc", label=value), "label")
        add(f"labels_{name}", row(text="abc", labels=value), "labels")
    add("label_and_labels", row(text="abc", label=1, labels=1), "one label")
    add("prompt", row(prompt="abc", completion="a", label=1))
    add("without_text", row(label=1))


def add_files(corpus: Corpus) -> None:
    data = Data(corpus, "files", GOOD, "tiny")
    add = data.file
    for name, text in dict(empty=b"", blank=b"\n\n\n", byte_order_mark=b"\xef\xbb\xbf", nothing_kept=row(input_ids=[3]) + b"\n").items():
        add(name + ".jsonl", text, "data.train")
    for name, says in {"table.csv": ".jsonl", "noname": "ending", "model.pickle": ".jsonl", "rows.JSONLINES": ".jsonl", "rows.yaml": ".jsonl"}.items():
        add(name, GOOD, says)
    packed = gzip.compress(GOOD * 50, mtime=0)
    # Their first bytes give them away, whatever the name.
    data.file("gzip_named_jsonl.jsonl", packed, valid=True)
    for name, start in dict(zstd=b"\x28\xb5\x2f\xfd" + bytes(60), parquet=b"PAR1" + bytes(60) + b"PAR1", zip=b"PK\x03\x04" + bytes(60),
                            numpy=b"\x93NUMPY\x01\x00" + bytes(60), elf=b"\x7fELF" + bytes(60), png=b"\x89PNG\r\n\x1a\n" + bytes(60)).items():
        add(f"{name}_named_jsonl.jsonl", start)
    for name in ("rows.npy", "rows.bin", "rows.parquet", "rows.arrow", "rows.jsonl.gz", "rows.jsonl.zst", "rows.jsonl.xz"):
        add("text_named_" + name, b'{"text": "abc"}\n' * 3 + b"x")
    for part in (1, 2, 5, 9, 11, 18, 20, len(packed) - 9, len(packed) - 4, len(packed) - 1):
        add(f"cut_after_{part}.jsonl.gz", packed[:part])
    add("text_after.jsonl.gz", packed + GOOD)
    add("wrong_checksum.jsonl.gz", packed[:-8] + b"\1\2\3\4" + packed[-4:])
    add("parquet_of_nothing.parquet", b"PAR1" + bytes(4) + b"PAR1")
    add("parquet_cut.parquet", b"PAR1" + bytes(600))
    add("parquet_length_beyond.parquet", b"PAR1" + b"\xff" * 60 + b"\xff\xff\xff\x7fPAR1")
    add("numpy_cut.npy", b"\x93NUMPY\x01")
    add("jsonl_then_binary.jsonl", GOOD + bytes(range(128, 256)) * 40, "jsonl_then_binary.jsonl:3")
    add("jsonl_then_gzip.jsonl", GOOD + packed, "jsonl_then_gzip.jsonl:3")
    add("latin1.txt", b"the abc\nd\xe9j\xe0 vu\n", "latin1.txt:2")
    add("utf16.txt", "the abc\n".encode("utf-16"), "utf16.txt:1")


def add(corpus: Corpus) -> None:
    add_lines(corpus)
    add_rows(corpus)
    add_classes(corpus)
    add_files(corpus)
    Data(corpus, "valid", b"", "tiny").file("rows.jsonl", GOOD * 20, valid=True)
    Data(corpus, "valid", b"", "tiny").file("texts.jsonl", b'{"text": "the abc"}\n' * 20, valid=True)
    Data(corpus, "valid", b"", "classes").file("classes.jsonl", CLASS * 20, valid=True)
