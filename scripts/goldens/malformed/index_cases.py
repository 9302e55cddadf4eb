"""model.safetensors.index.json that lies: about places, about files, about its own form."""
import json

from .corpus import Corpus
from .tiny_model import config_text, safetensors, tensors

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def shards() -> tuple[dict[str, str], dict[str, bytes]]:
    named = tensors()
    names = list(named)
    half = len(names) // 2
    places = {name: FIRST if i < half else SECOND for i, name in enumerate(names)}
    return places, {FIRST: safetensors({n: named[n] for n in names[:half]}), SECOND: safetensors({n: named[n] for n in names[half:]})}


def index(places) -> bytes:
    return json.dumps({"metadata": {"total_size": 1}, "weight_map": places}, indent=1).encode()


def add(corpus: Corpus) -> None:
    places, files = shards()
    first_name, last_name = list(places)[0], list(places)[-1]

    def add_index(name: str, text: bytes, *says: str, files: dict[str, bytes] = files, valid: bool = False) -> None:
        corpus.folder("valid" if valid else "index", name, {"config.json": config_text(), "model.safetensors.index.json": text} | files,
                      *says, valid=valid)

    add_index("sharded", index(places), valid=True)
    for name, shard in [
        ("parent", "../secret.safetensors"), ("parent_twice", "../../secret.safetensors"), ("absolute", "/etc/secret.safetensors"),
        ("backslash", "..\\secret.safetensors"), ("drive", "C:\\secret.safetensors"), ("sub_folder", "deep/" + FIRST),
        ("dot", "."), ("dots", ".."), ("empty_name", ""), ("nul_in_the_name", FIRST[:-12] + "\0.safetensors"),
        ("dots_inside", "model..safetensors"), ("itself", "./" + FIRST),
    ]:
        add_index("shard_" + name, index(places | {first_name: shard}), "plain file names")
    add_index("shard_of_another_format", index(places | {first_name: "pytorch_model.exe"}), "pytorch_model.exe")
    add_index("shard_missing", index(places), SECOND, files={FIRST: files[FIRST]})
    add_index("shards_all_missing", index(places), FIRST, files={})
    add_index("shard_that_nobody_has", index(places | {last_name: "model-00003-of-00002.safetensors"}), "model-00003")
    add_index("shard_is_empty", index(places), "at least 8 bytes", files=files | {SECOND: b""})
    add_index("shard_is_cut", index(places), "past it", files=files | {SECOND: files[SECOND][:-1]})
    add_index("shard_is_a_lfs_pointer", index(places), SECOND,
              files=files | {SECOND: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"})
    corpus.folder("index", "shard_is_a_folder", {"config.json": config_text(), "model.safetensors.index.json": index(places),
                                                 FIRST: files[FIRST], SECOND + "/x": b""}, "a folder")
    add_index("tensor_in_another_shard", index(places | {first_name: SECOND}), first_name)
    add_index("tensor_that_no_shard_has", index(places | {"model.ghost.weight": FIRST}), "model.ghost.weight")
    add_index("tensor_in_two_shards", index(places), "also in", files={FIRST: files[FIRST], SECOND: safetensors(tensors())})
    add_index("places_swapped", index({name: FIRST if shard == SECOND else SECOND for name, shard in places.items()}))
    add_index("number_for_a_shard", index(places | {first_name: 1}), "file name")
    add_index("null_for_a_shard", index(places | {first_name: None}), "file name")
    add_index("list_for_a_shard", index(places | {first_name: [FIRST]}), "file name")
    add_index("map_is_empty", index({}), "weight_map")
    add_index("map_is_a_list", index([[first_name, FIRST]]), "weight_map")
    add_index("map_is_a_string", index(FIRST), "weight_map")
    add_index("map_is_null", index(None), "weight_map")
    add_index("map_is_absent", b"{}", "weight_map")
    add_index("is_a_list", b"[]", "weight_map")
    add_index("is_empty", b"", "valid JSON")
    add_index("is_cut", index(places)[:-30], "valid JSON")
    add_index("is_binary", bytes(range(256)), "model.safetensors.index.json")
    add_index("has_a_duplicate_key", index(places).replace(b'"weight_map": {', b'"weight_map": {"' + first_name.encode() + b'": "' +
                                                           FIRST.encode() + b'",'), "twice")
    add_index("is_nested_deeply", b'{"weight_map":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "128")
    add_index("names_100000_files", index({f"t{i}": f"s{i}.safetensors" for i in range(100_000)}), "s0.safetensors")
    add_index("names_a_file_of_100000_characters", index(places | {first_name: "s" * 100_000 + ".safetensors"}))
    add_index("misses_a_layer", index({n: s for n, s in places.items() if ".1." not in n}), "model.layers.1",
              files={FIRST: safetensors({n: t for n, t in tensors().items() if ".1." not in n and places[n] == FIRST}),
                     SECOND: safetensors({n: t for n, t in tensors().items() if ".1." not in n and places[n] == SECOND})})
