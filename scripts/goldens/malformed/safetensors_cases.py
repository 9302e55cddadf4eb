"""Every rule of the safetensors format, broken by one; and prefixes of a good file."""
import json

from .corpus import Corpus
from .tiny_model import entry, header_and_data, safetensors, tensors

LIMIT = 100_000_000   # bytes of a header, in every reader of the format


def one(dtype="F32", shape=(2,), offsets=(0, 8)) -> bytes:
    return json.dumps({"a": dict(dtype=dtype, shape=list(shape), data_offsets=list(offsets))}).encode()


def two(begin: int, end: int, shape=(2,)) -> bytes:
    return json.dumps({"a": entry([2], 0, 8), "b": entry(list(shape), begin, end)}).encode()


def add_lengths(corpus: Corpus) -> None:
    good, data = one(), bytes(8)

    def add(name, raw, *says, **more):
        corpus.file("safetensors", name + ".safetensors", raw, *says, **more)

    add("empty_file", b"", "at least 8 bytes")
    add("seven_bytes", bytes(7), "at least 8 bytes")
    add("length_only", header_and_data(b"", b""), "begins with {")
    add("length_one_over", header_and_data(good, b"", len(good) + 1), "ends within the file")
    add("length_one_under", header_and_data(good, data, len(good) - 1), "valid JSON")
    add("length_one_into_the_data", header_and_data(good, data, len(good) + 1), "NUL")
    add("length_beyond_the_file", header_and_data(good, data, len(good) + 9), "ends within the file")
    add("length_zero", header_and_data(good, data, 0), "begins with {")
    add("length_limit_without_file", header_and_data(good, data, LIMIT), "ends within the file")
    add("length_limit_plus_1", header_and_data(good, data, LIMIT + 1), "at most 100000000")
    add("length_limit_plus_1_in_a_long_file", header_and_data(good, data, LIMIT + 1), "at most 100000000", size=LIMIT + 100)
    add("length_limit_of_zeros", header_and_data(b"", b"", LIMIT), "begins with {", size=LIMIT + 8)
    add("length_limit_of_json_and_zeros", header_and_data(good, b"", LIMIT), "NUL", size=LIMIT + 8)
    add("length_2_to_63", header_and_data(good, data, 2**63), "at most 100000000")
    add("length_all_ones", header_and_data(good, data, 2**64 - 1), "at most 100000000")
    add("length_that_overflows_with_8", header_and_data(good, data, 2**64 - 8), "at most 100000000")
    add("length_big_endian", len(good).to_bytes(8, "big") + good + data, "at most 100000000")


def add_texts(corpus: Corpus) -> None:
    good, data = one(), bytes(8)
    for name, header, says in [
        ("not_utf8_name", b'{"\xff\xfe":' + good[6:-1] + b"}", "UTF-8"),
        ("utf8_overlong", b'{"\xc0\xaf":' + good[6:-1] + b"}", "UTF-8"),
        ("utf8_surrogate", b'{"\xed\xa0\x80":' + good[6:-1] + b"}", "UTF-8"),
        ("not_json", b"{tensors: none}", "valid JSON"),
        ("single_quotes", good.replace(b'"', b"'"), "valid JSON"),
        ("trailing_comma", good[:-1] + b",}", "valid JSON"),
        ("comment", b"{/* a */" + good[1:], "valid JSON"),
        ("byte_order_mark", b"\xef\xbb\xbf" + good, "begins with {"),
        ("utf16", good.decode().encode("utf-16"), "begins with {"),
        ("nul_inside", good[:-1] + b"\0}", "NUL"),
        ("nul_padding", good + b"\0\0\0\0", "NUL"),
        ("text_behind", good + b"x", "valid JSON"),
        ("two_documents", good + good, "valid JSON"),
        ("list", b"[" + good + b"]", "begins with {"),
        ("null", b"null", "begins with {"),
        ("string", b'"a"', "begins with {"),
        ("duplicate_tensor", good[:-1] + b"," + good[1:], "twice"),
        ("duplicate_metadata", b'{"__metadata__":{"a":"b"},"__metadata__":{"a":"b"},' + good[1:], "twice"),
        ("duplicate_dtype", good.replace(b'"dtype"', b'"dtype":"F32","dtype"'), "twice"),
        ("duplicate_escaped_name", good[:-1] + b"," + good[1:].replace(b'"a"', b'"\\u0061"'), "twice"),
        ("nest_of_lists", b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "128"),
        ("nest_129", b'{"a":' + b"[" * 128 + b"]" * 128 + b"}", "128"),
        ("nest_of_100000_objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "128"),
        ("nest_unclosed", b'{"a":' + b"[" * 100_000, "128"),
        ("nan_literal", good.replace(b"8]", b"NaN]"), "valid JSON"),
        ("lone_surrogate_escape", good.replace(b'"a"', b'"\\ud800"'), "valid JSON"),
    ]:
        corpus.file("safetensors", f"text_{name}.safetensors", header_and_data(header, data), says)


def add_entries(corpus: Corpus) -> None:
    data = bytes(8)
    for name, header, says in [
        ("null", b'{"a":null}', "an object"),
        ("list", b'{"a":["F32",[2],[0,8]]}', "an object"),
        ("no_dtype", b'{"a":{"shape":[2],"data_offsets":[0,8]}}', "dtype"),
        ("no_shape", b'{"a":{"dtype":"F32","data_offsets":[0,8]}}', "shape"),
        ("no_offsets", b'{"a":{"dtype":"F32","shape":[2]}}', "data_offsets"),
        ("key_too_many", one()[:-2] + b',"scale":2}}', "scale"),
        ("dtype_unknown", one("F31"), "F31"),
        ("dtype_lower_case", one("f32"), "f32"),
        ("dtype_of_torch", one("torch.float32"), "torch.float32"),
        ("dtype_empty", one(""), "dtype"),
        ("dtype_number", one(32), "dtype"),
        ("dtype_null", one(None), "dtype"),
        ("dtype_4_bits", one("F4", (16,)), "not available yet"),
        ("dtype_a_megabyte_long", one("F" * 1_000_000), "dtype"),
        ("shape_number", b'{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}', "shape"),
        ("shape_null", b'{"a":{"dtype":"F32","shape":null,"data_offsets":[0,8]}}', "shape"),
        ("shape_negative", one(shape=(-2,)), "shape"),
        ("shape_two_negatives", one(shape=(-1, -2)), "shape"),
        ("shape_float", one(shape=(2.0,)), "shape"),
        ("shape_exponent", b'{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}', "shape"),
        ("shape_text", one(shape=("2",)), "shape"),
        ("shape_bool", one("U8", (True,), (0, 1)), "shape"),
        ("shape_2_to_63", one(shape=(2**63,)), "2^63"),
        ("shape_2_to_64", one(shape=(2**64,)), "shape"),
        ("shape_2_to_64_plus_2", one(shape=(2**64 + 2,)), "shape"),
        ("shape_product_overflows_to_2", one("U8", (2**32, 2**32, 2), (0, 2)), "counted"),
        ("shape_bytes_overflow_to_0", one(shape=(2**62,), offsets=(0, 0)), "counted"),
        ("shape_bytes_overflow_to_8", one(shape=(2**62 + 2,), offsets=(0, 8)), "counted"),
        ("shape_empty_with_overflowing_strides", one(shape=(0, 2**32, 2**32), offsets=(0, 0)), "counted"),
        ("rank_65", one(shape=(1,) * 65, offsets=(0, 4)), "64 dimensions"),
        ("rank_100000", one(shape=(1,) * 100_000, offsets=(0, 4)), "64 dimensions"),
        ("one_element_too_many", one(shape=(3,)), "12 bytes"),
        ("one_element_too_few", one(shape=(1,)), "4 bytes"),
        ("offsets_one", one(offsets=(8,)), "data_offsets"),
        ("offsets_three", one(offsets=(0, 8, 8)), "data_offsets"),
        ("offsets_negative", one(offsets=(-8, 0)), "data_offsets"),
        ("offsets_float", one(offsets=(0.0, 8.0)), "data_offsets"),
        ("offsets_swapped", one(offsets=(8, 0)), "at or after"),
        ("offsets_object", b'{"a":{"dtype":"F32","shape":[2],"data_offsets":{"begin":0,"end":8}}}', "data_offsets"),
        ("offsets_2_to_63", one(offsets=(2**63, 2**63 + 8)), "2^63"),
        ("offsets_at_the_end_of_63_bits", one(offsets=(2**63 - 9, 2**63 - 1)), "past it"),
        ("end_one_short", one(offsets=(0, 7)), "8 bytes"),
        ("end_one_over", one(offsets=(0, 9)), "8 bytes"),
        ("begin_1", one(offsets=(1, 9)), "past it"),
        ("metadata_list", b'{"__metadata__":["pt"]}', "__metadata__"),
        ("metadata_number", b'{"__metadata__":{"step":1}}', "__metadata__"),
        ("metadata_nested", b'{"__metadata__":{"a":{"b":"c"}}}', "__metadata__"),
        ("metadata_null_value", b'{"__metadata__":{"a":null}}', "__metadata__"),
    ]:
        corpus.file("safetensors", f"entry_{name}.safetensors", header_and_data(header, data), says)


def add_layouts(corpus: Corpus) -> None:
    good = one()
    for name, header, size, says in [
        ("no_data", good, 0, "past it"),
        ("data_one_short", good, 7, "past it"),
        ("trailing_byte", good, 9, "1 bytes after it"),
        ("data_without_tensors", b"{}", 4, "4 bytes after it"),
        ("begin_not_zero", one(offsets=(4, 12)), 12, "hole"),
        ("begin_one", one("U8", (8,), (1, 9)), 9, "hole"),
        ("overlap_whole", two(0, 8), 8, "overlap"),
        ("overlap_by_1", two(7, 15), 15, "overlap"),
        ("hole_of_1", two(9, 17), 17, "hole"),
        ("second_past_the_end", two(8, 16), 15, "past it"),
        ("empty_tensor_inside_another", two(4, 4, (0,)), 8, "overlap"),
        ("empty_tensor_behind_a_hole", two(9, 9, (0,)), 9, "hole"),
    ]:
        corpus.file("safetensors", f"layout_{name}.safetensors", header_and_data(header, bytes(size)), says)


def add_prefixes(corpus: Corpus) -> None:
    good = safetensors(tensors())
    header_end = 8 + int.from_bytes(good[:8], "little")
    cuts = {1, 7, 8, 9, 10, 64, 500, 1000, header_end // 2, header_end - 1, header_end, header_end + 1, header_end + 4, header_end + 512,
            (header_end + len(good)) // 2, len(good) - 512, len(good) - 4, len(good) - 1}
    for cut in sorted(cuts):
        corpus.file("prefix", f"safetensors_cut_at_{cut:05}.safetensors", good[:cut])
    corpus.file("prefix", "safetensors_without_first_byte.safetensors", good[1:])
    corpus.file("prefix", "safetensors_behind_a_newline.safetensors", b"\n" + good)


def add(corpus: Corpus) -> None:
    add_lengths(corpus)
    add_texts(corpus)
    add_entries(corpus)
    add_layouts(corpus)
    add_prefixes(corpus)
    corpus.file("valid", "model.safetensors", safetensors(tensors()), valid=True)
    corpus.file("valid", "scalar_and_empty.safetensors",
                header_and_data(json.dumps({"s": entry([], 0, 4), "e": entry([0, 3], 4, 4)}).encode(), bytes(4)), valid=True)
