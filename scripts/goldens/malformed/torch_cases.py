"""Files of torch.save that must not be believed: pickles that attack or are broken, storages that lie, zips that lie."""
import pickle as python_pickle
import struct

from . import pickle_writer as p
from .corpus import Corpus
from .tiny_model import Tensors, config_text, numel, tensors
from .zip_writer import Member, archive

SENTINEL = "executed.sentinel"   # what an attack would create in the current directory
SHELL = f"touch {SENTINEL}"
PYTHON = f"open('{SENTINEL}', 'w').close()"
DATA = struct.pack("<12f", *range(12))   # the storage of one 3x4 tensor
GOOD = p.pickle(p.state_dict(weight=p.tensor()))


def members(pickle: bytes, storages: dict[str, bytes] | None = None, root: str = "archive") -> list[Member]:
    storages = {"0": DATA} if storages is None else storages
    return [Member(f"{root}/data.pkl", pickle), Member(f"{root}/byteorder", b"little")] + \
        [Member(f"{root}/data/{key}", raw) for key, raw in storages.items()] + [Member(f"{root}/version", b"3\n")]


def torch_file(pickle: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    return archive(members(pickle, storages))


def model_file(named: Tensors, rename=lambda name: name) -> bytes:
    """A whole state dict, one storage per tensor."""
    codes, storages = {}, {}
    for i, (name, (shape, raw)) in enumerate(named.items()):
        strides = [numel(shape[axis + 1:]) for axis in range(len(shape))]
        codes[rename(name)] = p.tensor(p.storage(str(i), numel(shape)), 0, shape, strides)
        storages[str(i)] = raw
    return torch_file(p.pickle(p.state_dict(**codes)), storages)


def attacks() -> dict[str, bytes]:
    """Pickles that run something when an ordinary unpickler reads them."""
    call = lambda module, name, *arguments: p.get_global(module, name) + p.MARK + b"".join(arguments) + p.TUPLE + p.REDUCE
    builtin = lambda name, *arguments: call("builtins", name, *arguments)
    chain = builtin("getattr", builtin("__import__", p.text("os")), p.text("system")) + p.text(SHELL) + p.TUPLE1 + p.REDUCE
    return {
        "os_system": p.pickle(call("os", "system", p.text(SHELL))),
        "posix_system": p.pickle(call("posix", "system", p.text(SHELL))),
        "subprocess_call": p.pickle(call("subprocess", "call", p.EMPTY_LIST + p.text("touch") + p.APPEND + p.text(SENTINEL) + p.APPEND)),
        "eval": p.pickle(builtin("eval", p.text(PYTHON))),
        "exec": p.pickle(builtin("exec", p.text(PYTHON))),
        "exec_of_python_2": p.pickle(call("__builtin__", "eval", p.text(PYTHON)), protocol=2),
        "getattr_chain": p.pickle(chain),
        "open_for_writing": p.pickle(builtin("open", p.text(SENTINEL), p.text("w"))),
        "inst": p.pickle(p.MARK + p.text(SHELL) + p.INST + b"os\nsystem\n"),
        "obj": p.pickle(p.MARK + p.get_global("os", "system") + p.text(SHELL) + p.OBJ),
        "newobj": p.pickle(p.get_global("subprocess", "Popen"), p.MARK, p.EMPTY_LIST + p.text("touch") + p.APPEND + p.text(SENTINEL) +
                           p.APPEND, p.TUPLE, p.REDUCE, p.POP, p.get_global("builtins", "list"), p.EMPTY_TUPLE, p.NEWOBJ),
        "stack_global": p.pickle(p.text("os") + p.text("system") + p.STACK_GLOBAL + p.text(SHELL) + p.TUPLE1 + p.REDUCE, protocol=4),
        "protocol_0": b"cos\nsystem\n(S'" + SHELL.encode() + b"'\ntR.",
        "runpy": p.pickle(call("os", "system", p.text(SHELL)), p.POP, p.get_global("runpy", "run_path"), p.POP, p.NONE),
        "before_a_good_dict": p.pickle(call("os", "system", p.text(SHELL)), p.POP, p.state_dict(weight=p.tensor())),
        "as_a_value": p.pickle(p.state_dict(weight=p.tensor(), extra=call("os", "system", p.text(SHELL)))),
        "as_a_storage_key": p.pickle(p.state_dict(weight=p.tensor(p.storage(key=call("os", "system", p.text(SHELL)))))),
        "as_a_shape": p.pickle(p.state_dict(weight=p.tensor(shape=p.MARK + call("os", "system", p.text(SHELL)) + p.TUPLE))),
        "as_build_state": p.pickle(p.state_dict(weight=p.tensor()), call("os", "system", p.text(SHELL)), p.BUILD),
        "in_the_memo": p.pickle(p.get_global("os", "system"), p.put(0), p.POP, p.get(0), p.text(SHELL), p.TUPLE1, p.REDUCE),
        "through_torch": p.pickle(call("torch.serialization", "os.system", p.text(SHELL)), protocol=4),
        "dotted_name": p.pickle(p.text("os") + p.text("path.os.system") + p.STACK_GLOBAL + p.text(SHELL) + p.TUPLE1 + p.REDUCE, protocol=4),
    }


def globals_that_are_not_allowed() -> dict[str, tuple[bytes, str]]:
    """Harmless by themselves, but no tensors: refused by the global's name."""
    return {
        "namespace": (p.pickle(p.get_global("argparse", "Namespace"), p.EMPTY_TUPLE, p.NEWOBJ), "argparse"),
        "whole_module": (p.pickle(p.get_global("torch.nn.modules.linear", "Linear"), p.EMPTY_TUPLE, p.NEWOBJ, p.EMPTY_DICT, p.BUILD),
                         "Linear"),
        "ordered_dict_of_another_module": (p.pickle(p.get_global("collectionz", "OrderedDict"), p.EMPTY_TUPLE, p.REDUCE), "collectionz"),
        "ordered_dict_with_a_space": (p.pickle(p.get_global("collections", "OrderedDict "), p.EMPTY_TUPLE, p.REDUCE), "OrderedDict"),
        "default_dict": (p.pickle(p.get_global("collections", "defaultdict"), p.get_global("builtins", "list"), p.TUPLE1, p.REDUCE),
                         "defaultdict"),
        "codecs_encode": (p.pickle(p.get_global("_codecs", "encode"), p.text("x"), p.text("latin1"), p.TUPLE2, p.REDUCE), "_codecs"),
        "torch_load": (p.pickle(p.get_global("torch", "load"), p.text("x"), p.TUPLE1, p.REDUCE), "load"),
        "storage_of_unknown_type": (p.pickle(p.state_dict(weight=p.tensor(p.storage(kind=p.get_global("torch", "SecretStorage"))))),
                                    "SecretStorage"),
        "rebuild_of_another_kind": (p.pickle(p.state_dict(weight=p.tensor(rebuild=p.get_global("torch._utils", "_rebuild_sparse_tensor")))),
                                    "_rebuild_sparse_tensor"),
        "extension_registry": (p.pickle(b"\x82\x01"), ""),
    }


def broken_pickles() -> dict[str, bytes]:
    memo_of_itself = p.EMPTY_LIST + p.put(0) + p.get(0) + p.APPEND
    doubling = p.EMPTY_TUPLE + b"".join(p.put(0) + p.get(0) + p.TUPLE2 for _ in range(200))   # 2^200 leaves when walked
    return {
        "empty": b"",
        "stop_only": b".",
        "protocol_only": b"\x80\x02",
        "protocol_6": p.pickle(p.state_dict(weight=p.tensor()), protocol=6),
        "protocol_255": p.pickle(p.state_dict(weight=p.tensor()), protocol=255),
        "without_stop": GOOD[:-1],
        "bytes_behind_stop": GOOD + b"cos\nsystem\n.",
        "unknown_opcode": p.pickle(b"\xff"),
        "unknown_opcode_0": p.pickle(b"\0"),
        "underflow_pop": p.pickle(p.POP),
        "underflow_reduce": p.pickle(p.REDUCE),
        "underflow_tuple3": p.pickle(p.NONE, p.TUPLE3),
        "underflow_setitem": p.pickle(p.EMPTY_DICT, p.SETITEM),
        "underflow_append": p.pickle(p.NONE, p.APPEND),
        "underflow_build": p.pickle(p.NONE, p.BUILD),
        "underflow_dup": p.pickle(p.DUP),
        "underflow_through_a_mark": p.pickle(p.NONE, p.MARK, p.TUPLE2),
        "mark_missing": p.pickle(p.EMPTY_DICT, p.SETITEMS),
        "mark_left_open": p.pickle(p.MARK, p.MARK, p.EMPTY_DICT),
        "setitems_odd": p.pickle(p.EMPTY_DICT, p.MARK, p.text("a"), p.SETITEMS),
        "setitems_on_a_tuple": p.pickle(p.EMPTY_TUPLE, p.MARK, p.text("a"), p.NONE, p.SETITEMS),
        "append_to_a_dict": p.pickle(p.EMPTY_DICT, p.NONE, p.APPEND),
        "reduce_of_a_number": p.pickle(p.number(1), p.EMPTY_TUPLE, p.REDUCE),
        "reduce_without_tuple": p.pickle(p.ORDERED_DICT, p.number(1), p.REDUCE),
        "memo_hole": p.pickle(p.get(7)),
        "memo_hole_long": p.pickle(b"j" + struct.pack("<I", 2**32 - 1)),
        "memo_put_far_away": p.pickle(p.EMPTY_DICT, b"r" + struct.pack("<I", 2**32 - 1), b"j" + struct.pack("<I", 5)),
        "memo_get_text": p.pickle(b"g99999999999999999999\n"),
        "text_longer_than_the_file": p.pickle(b"X" + struct.pack("<I", 2**32 - 1) + b"abc"),
        "text_one_over": p.pickle(b"X" + struct.pack("<I", 4) + b"abc")[:-1],
        "text_of_2_to_63": p.pickle(b"\x8d" + struct.pack("<Q", 2**63) + b"abc", protocol=4),
        "bytes_of_all_ones": p.pickle(b"\x8e" + struct.pack("<Q", 2**64 - 1) + b"abc", protocol=4),
        "text_not_utf8": p.pickle(p.state_dict(), b"X" + struct.pack("<I", 2) + b"\xff\xfe", p.NONE, p.SETITEM),
        "string_negative_length": p.pickle(b"T" + struct.pack("<i", -1) + b"abc"),
        "long_of_a_gigabyte": p.pickle(b"\x8b" + struct.pack("<i", 2**30) + b"abc"),
        "long_negative_length": p.pickle(b"\x8b" + struct.pack("<i", -2) + b"abc"),
        "frame_beyond_the_end": p.pickle(b"\x95" + struct.pack("<Q", 2**40) + p.EMPTY_DICT, protocol=4),
        "global_without_newline": p.pickle(b"ccollections"),
        "global_of_a_megabyte": p.pickle(b"c" + b"x" * 1_000_000 + b"\ny\n"),
        "nest_of_tuples": p.pickle(p.EMPTY_TUPLE + p.TUPLE1 * 200_000),
        "nest_of_lists": p.pickle(p.EMPTY_LIST * 100_000 + p.APPEND * 99_999),
        "nest_of_dicts": p.pickle((p.EMPTY_DICT + p.text("a")) * 50_000 + p.NONE + p.SETITEM * 50_000),
        "nest_of_marks": p.pickle(p.MARK * 500_000),
        "list_of_itself": p.pickle(memo_of_itself),
        "dict_of_itself": p.pickle(p.EMPTY_DICT + p.put(0) + p.text("a") + p.get(0) + p.SETITEM),
        "doubling": p.pickle(doubling),
        "doubling_as_a_value": p.pickle(p.EMPTY_DICT + p.text("a") + doubling + p.SETITEM),
        "a_million_dups": p.pickle(p.EMPTY_TUPLE + p.DUP * 1_000_000),
        "is_a_number": p.pickle(p.number(5)),
        "is_a_string": p.pickle(p.text("weights")),
        "is_none": p.pickle(p.NONE),
        "holds_no_tensor": p.pickle(p.EMPTY_DICT),
        "holds_numbers_only": p.pickle(p.EMPTY_DICT, p.text("lr"), p.number(1), p.SETITEM),
        "is_text": b"this is not a pickle\n",
    }


def lying_tensors() -> dict[str, tuple[bytes, dict[str, bytes]]]:
    """Storages and views that say more than there is."""
    def one(code: bytes, **storages: bytes) -> tuple[bytes, dict[str, bytes]]:
        return p.pickle(p.state_dict(weight=code)), storages or {"0": DATA}

    return {
        "storage_one_over": one(p.tensor(p.storage(numel=13))),
        "storage_one_under": one(p.tensor(p.storage(numel=11))),
        "storage_numel_negative": one(p.tensor(p.storage(numel=-1))),
        "storage_numel_0": one(p.tensor(p.storage(numel=0))),
        "storage_numel_2_to_62": one(p.tensor(p.storage(numel=2**62))),
        "storage_numel_2_to_63": one(p.tensor(p.storage(numel=2**63))),
        "storage_numel_2_to_64_plus_12": one(p.tensor(p.storage(numel=2**64 + 12))),
        "storage_numel_a_string": one(p.tensor(p.storage(numel=p.text("12")))),
        "storage_wider_than_its_bytes": one(p.tensor(p.storage(kind=p.get_global("torch", "DoubleStorage")))),
        "storage_missing": one(p.tensor(p.storage(key="7"))),
        "storage_empty_file": one(p.tensor(), **{"0": b""}),
        "storage_one_byte_short": one(p.tensor(), **{"0": DATA[:-1]}),
        "storage_key_a_number": one(p.tensor(p.storage(key=p.number(0)))),
        "storage_key_with_parents": one(p.tensor(p.storage(key="../data.pkl"))),
        "storage_key_empty": one(p.tensor(p.storage(key=""))),
        "storage_of_another_word": one(p.tensor(p.storage(word="module"))),
        "storage_tuple_too_short": one(p.tensor(p.MARK + p.text("storage") + p.FLOATS + p.TUPLE + p.BINPERSID)),
        "storage_id_as_text": (p.pickle(p.state_dict(weight=p.tensor(p.PERSID + b"0\n"))), {"0": DATA}),
        "storage_is_a_tuple_only": one(p.tensor(p.numbers([0, 12]))),
        "storages_of_one_key_differ": (p.pickle(p.state_dict(a=p.tensor(), b=p.tensor(p.storage(numel=24)))), {"0": DATA}),
        "view_one_row_over": one(p.tensor(shape=(4, 4))),
        "view_one_column_over": one(p.tensor(shape=(3, 5))),
        "view_offset_one_over": one(p.tensor(offset=1)),
        "view_offset_negative": one(p.tensor(offset=-1)),
        "view_offset_2_to_62": one(p.tensor(offset=2**62)),
        "view_offset_2_to_63_minus_1": one(p.tensor(offset=2**63 - 1)),
        "view_offset_a_string": one(p.tensor(offset=p.text("0"))),
        "view_stride_negative": one(p.tensor(offset=11, strides=(-4, -1))),
        "view_stride_one_over": one(p.tensor(strides=(5, 1))),
        "view_stride_2_to_62": one(p.tensor(strides=(2**62, 1))),
        "view_strides_overflow_to_0": one(p.tensor(shape=(5, 4), strides=(2**62, 1))),
        "view_strides_too_few": one(p.tensor(strides=(1,))),
        "view_strides_too_many": one(p.tensor(strides=(4, 1, 1))),
        "view_strides_a_number": one(p.tensor(strides=p.number(1))),
        "view_size_negative": one(p.tensor(shape=(-3, 4))),
        "view_sizes_negative": one(p.tensor(shape=(-3, -4))),
        "view_size_2_to_63": one(p.tensor(shape=(2**63, 4))),
        "view_sizes_overflow_to_12": one(p.tensor(shape=(2**62 + 3, 4))),
        "view_size_a_float": one(p.tensor(shape=p.MARK + b"G" + struct.pack(">d", 3.0) + p.number(4) + p.TUPLE)),
        "view_expanded_to_a_terabyte": one(p.tensor(shape=(2**38,), strides=(0,))),
        "view_rank_65": one(p.tensor(shape=(1,) * 65, strides=(1,) * 65)),
        "view_rank_10000": one(p.tensor(shape=(1,) * 10_000, strides=(1,) * 10_000)),
        "rebuild_with_one_argument": one(p.REBUILD + p.storage() + p.TUPLE1 + p.REDUCE),
        "rebuild_without_arguments": one(p.REBUILD + p.EMPTY_TUPLE + p.REDUCE),
        "rebuild_parameter_of_a_number": one(p.get_global("torch._utils", "_rebuild_parameter") + p.number(1) + p.FALSE + p.ORDERED_DICT +
                                             p.EMPTY_TUPLE + p.REDUCE + p.TUPLE3 + p.REDUCE),
        "tensor_named_by_a_number": (p.pickle(p.EMPTY_DICT, p.number(1), p.tensor(), p.SETITEM), {"0": DATA}),
        "name_twice": (p.pickle(p.EMPTY_DICT, p.text("a"), p.tensor(), p.SETITEM, p.text("a"), p.tensor(), p.SETITEM), {"0": DATA}),
    }


def lying_zips() -> dict[str, bytes]:
    good = archive(members(GOOD))
    end, directory = len(good) - 22, good.index(b"PK\1\2")

    def with_data(**lies) -> bytes:
        """The member of the storage, with lies; its place in the list is 2."""
        changed = members(GOOD)
        changed[2] = Member("archive/data/0", DATA, **lies)
        return archive(changed)

    def with_pickle(pickle: bytes, **lies) -> bytes:
        return archive([Member("archive/data.pkl", pickle, **lies)] + members(GOOD)[1:])

    bomb = bytes(200_000_000)
    zeros64 = struct.pack("<HHQQQ", 1, 24, 2**63, 2**63, 0)
    return {
        "deflated_storage": with_data(method=8),
        "deflated_pickle": with_pickle(GOOD, method=8),
        "bomb_in_the_pickle": with_pickle(GOOD + bomb, method=8),
        "bomb_in_a_storage": archive(members(p.pickle(p.state_dict(weight=p.tensor(p.storage(numel=50_000_000), 0, [50_000_000], [1]))))[:2]
                                     + [Member("archive/data/0", bomb, method=8)]),
        "stored_that_is_deflated_in_the_local_header": with_data(local_method=8),
        "method_bzip2": with_data(method=12),
        "method_unknown": with_data(method=99),
        "encrypted": with_data(flags=1),
        "encrypted_pickle": with_pickle(GOOD, flags=1),
        "overlapping_entries": archive(members(GOOD)[:2] + [Member("archive/data/0", DATA, offset=0)]),
        "entry_inside_another": archive(members(GOOD)[:2] + [Member("archive/data/0", DATA, offset=40)]),
        "a_thousand_names_for_one_entry": archive(members(GOOD) + [Member(f"archive/data/{i}", DATA, shares_data=True)
                                                                   for i in range(1, 1000)], offset=7),
        "offset_one_over": with_data(offset=good.index(b"PK\3\4", good.index(b"little")) + 1),
        "offset_beyond_the_file": with_data(offset=2**31),
        "offset_all_ones": with_data(offset=2**32 - 1),
        "size_one_over": with_data(size=len(DATA) + 1, packed_size=len(DATA) + 1),
        "size_one_under": with_data(size=len(DATA) - 1, packed_size=len(DATA) - 1),
        "size_beyond_the_file": with_data(size=2**31, packed_size=2**31),
        "size_all_ones": with_data(size=2**32 - 1, packed_size=2**32 - 1),
        "sizes_differ": with_data(packed_size=len(DATA) - 4),
        "zip64_size_2_to_63": with_data(size=2**32 - 1, packed_size=2**32 - 1, offset=2**32 - 1, extra=zeros64),
        "zip64_extra_cut": with_data(size=2**32 - 1, packed_size=2**32 - 1, extra=struct.pack("<HHQ", 1, 16, 48)),
        "zip64_extra_absent": with_data(size=2**32 - 1, packed_size=2**32 - 1, extra=b""),
        "extra_longer_than_itself": with_data(size=2**32 - 1, packed_size=2**32 - 1, extra=struct.pack("<HH", 1, 60_000)),
        "local_signature_broken": with_data(local_signature=b"PK\3\5"),
        "local_name_differs": with_data(local_name="archive/data/1"),
        "directory_count_one_over": archive(members(GOOD), count=5),
        "directory_count_one_under": archive(members(GOOD), count=3),
        "directory_count_0": archive(members(GOOD), count=0),
        "directory_count_65534": archive(members(GOOD), count=65534),
        "directory_size_one_over": archive(members(GOOD), size=end - directory + 1),
        "directory_size_0": archive(members(GOOD), size=0),
        "directory_size_all_ones": archive(members(GOOD), size=2**32 - 1),
        "directory_offset_0": archive(members(GOOD), offset=0),
        "directory_offset_one_over": archive(members(GOOD), offset=directory + 1),
        "directory_offset_beyond_the_file": archive(members(GOOD), offset=2**31),
        "directory_offset_all_ones": archive(members(GOOD), offset=2**32 - 1),
        "directory_broken": good[:directory] + b"XX" + good[directory + 2:],
        "second_disk": archive(members(GOOD), disk=1),
        "end_cut_by_1": good[:-1],
        "end_cut_by_21": good[:-21],
        "end_absent": good[:end],
        "comment_longer_than_the_file": archive(members(GOOD), comment_length=100),
        "bytes_behind_the_end": good + b"x" * 70_000,
        "bytes_before_the_start": b"MZ" + good,
        "local_header_only": good[:30],
        "four_bytes": b"PK\3\4",
        "empty_archive": archive([]),
        "zip64_count_lies": archive(members(GOOD), zip64=dict(count=2**62)),
        "zip64_count_one_over": archive(members(GOOD), zip64=dict(count=5)),
        "zip64_size_lies": archive(members(GOOD), zip64=dict(size=2**63)),
        "zip64_offset_lies": archive(members(GOOD), zip64=dict(offset=2**64 - 1)),
        "zip64_locator_beyond_the_file": archive(members(GOOD), zip64=dict(locator=2**63)),
        "zip64_locator_one_over": archive(members(GOOD), zip64=dict(locator=good.index(b"PK\5\6") + 1)),
        "zip64_signature_broken": archive(members(GOOD), zip64=dict(signature=b"PK\6\5")),
        "zip64_many_disks": archive(members(GOOD), zip64=dict(disks=9)),
        "pickle_absent": archive(members(GOOD)[1:]),
        "pickle_twice": archive(members(GOOD) + [Member("archive/data.pkl", p.pickle(p.EMPTY_DICT))]),
        "pickle_under_another_name": archive([Member("archive/weights.pkl", GOOD)] + members(GOOD)[1:]),
        "two_roots": archive(members(GOOD) + members(GOOD, root="other")),
        "storage_twice": archive(members(GOOD) + [Member("archive/data/0", bytes(48))]),
        "storage_in_another_root": archive([Member("archive/data.pkl", GOOD), Member("other/data/0", DATA)]),
        "name_with_parents": archive(members(GOOD) + [Member("archive/../../" + SENTINEL, b"x")]),
        "name_absolute": archive(members(GOOD) + [Member("/etc/" + SENTINEL, b"x")]),
        "name_with_backslashes": archive(members(GOOD) + [Member("archive\\..\\" + SENTINEL, b"x")]),
        "name_with_a_nul": archive(members(GOOD) + [Member("archive/data.pkl\0.txt", b"x")]),
        "name_empty": archive(members(GOOD) + [Member("", b"x")]),
        "big_endian": archive([Member("archive/byteorder", b"big") if m.name.endswith("byteorder") else m for m in members(GOOD)]),
        "byte_order_of_a_pdp": archive([Member("archive/byteorder", b"middle") if m.name.endswith("byteorder") else m
                                        for m in members(GOOD)]),
        "checksum_of_the_pickle_wrong": with_pickle(GOOD, crc=1),
        "a_word_document": archive([Member("[Content_Types].xml", b"<Types/>"), Member("word/document.xml", b"<w/>")]),
        "torchscript": archive(members(GOOD) + [Member("archive/constants.pkl", p.pickle(p.EMPTY_TUPLE)),
                                                Member("archive/code/__torch__.py", b"class M(Module):\n  pass\n")]),
    }


def other_formats() -> dict[str, bytes]:
    legacy = python_pickle.dumps(0x1950a86a20f9469cfc6c, 2) + python_pickle.dumps(1001, 2) + python_pickle.dumps({"little_endian": True}, 2)
    tar = b"weights.pkl".ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2 + b"        " + b"0"
    return {
        "legacy_pickle.bin": legacy + GOOD + p.pickle(p.EMPTY_LIST),
        "legacy_attack.bin": legacy + attacks()["os_system"],
        "plain_pickle.pt": attacks()["os_system"],
        "plain_pickle.pth": python_pickle.dumps({"a": [1.0]}, 4),
        "tar.bin": tar.ljust(257, b"\0") + b"ustar\0" + b"00" + bytes(247),
        "gguf.bin": b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60),
        "model.gguf": b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + bytes(100),
        "hdf5.bin": b"\x89HDF\r\n\x1a\n" + bytes(512),
        "model.h5": b"\x89HDF\r\n\x1a\n" + bytes(512),
        "numpy.bin": b"\x93NUMPY\x01\x00" + bytes(100),
        "gzip.bin": b"\x1f\x8b\x08\x00" + bytes(100),
        "git_lfs_pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 100\n",
        "git_lfs_pointer.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 100\n",
        "web_page.safetensors": b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n",
        "web_page.bin": b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n",
        "empty.bin": b"",
        "random.pt": bytes((i * 167 + 13) % 256 for i in range(4096)),
        "zip_called.safetensors": archive(members(attacks()["os_system"])),
    }


def add_prefixes(corpus: Corpus) -> None:
    good = model_file(tensors())
    directory = good.index(b"PK\1\2")
    for cut in sorted({3, 4, 29, 30, 60, 200, directory // 2, directory, directory + 1, directory + 100, len(good) - 40, len(good) - 22,
                       len(good) - 2}):
        corpus.file("prefix", f"torch_cut_at_{cut:05}.bin", good[:cut])
    whole = torch_file(GOOD)
    for cut in sorted({0, 1, 2, 3, 10, 30, len(GOOD) // 2, len(GOOD) - 30, len(GOOD) - 2}):
        corpus.file("prefix", f"pickle_cut_at_{cut:03}.pt", torch_file(GOOD[:cut]))
    assert len(whole) > len(GOOD)


def add_folders(corpus: Corpus) -> None:
    """pytorch_model.bin in a model folder, with weights that do not fit."""
    named = tensors()
    name = "model.layers.1.mlp.up_proj.weight"

    def add(case: str, raw: bytes) -> None:
        corpus.folder("torch_folder", case, {"config.json": config_text(), "pytorch_model.bin": raw})

    add("attack", archive(members(attacks()["os_system"])))
    add("empty", b"")
    add("cut", model_file(named)[:-100])
    add("one_missing", model_file({n: t for n, t in named.items() if n != name}))
    add("one_misshapen", model_file(named | {name: ([8, 12], named[name][1])}))
    add("one_extra", model_file(named | {"ghost": ([2], bytes(8))}))
    add("nan", model_file(named | {name: ([12, 8], b"\xff" * 384)}))
    add("wrapped", model_file(named, lambda n: "wrapper." + n))
    index = lambda shard: b'{"weight_map": {"' + name.encode() + b'": "' + shard + b'"}}'
    for case, shard in [("index_parent", b"../pytorch_model-00001-of-00002.bin"), ("index_absolute", b"/etc/pytorch_model.bin"),
                        ("index_missing", b"pytorch_model-00001-of-00002.bin")]:
        corpus.folder("torch_folder", case, {"config.json": config_text(), "pytorch_model.bin.index.json": index(shard)})


def add(corpus: Corpus) -> None:
    for name, code in attacks().items():
        corpus.file("attack", name + ".pt", torch_file(code))
    for name, (code, says) in globals_that_are_not_allowed().items():
        corpus.file("pickle", f"global_{name}.pt", torch_file(code), *([says] if says else []))
    for name, code in broken_pickles().items():
        corpus.file("pickle", name + ".pt", torch_file(code))
    for name, (code, storages) in lying_tensors().items():
        corpus.file("tensor", name + ".pt", torch_file(code, storages))
    for name, raw in lying_zips().items():
        corpus.file("zip", name + ".pt", raw)
    for name, raw in other_formats().items():
        corpus.file("format", name, raw)
    add_prefixes(corpus)
    add_folders(corpus)
    seeds = attacks() | broken_pickles() | {name: code for name, (code, _) in (globals_that_are_not_allowed() | lying_tensors()).items()}
    for name, code in (seeds | dict(good=GOOD)).items():
        corpus.seed("pickles", name, code)
    corpus.file("valid", "one_tensor.pt", torch_file(GOOD), valid=True)
    corpus.file("valid", "model.bin", model_file(tensors()), valid=True)
    corpus.file("valid", "zip64.pt", archive(members(GOOD), zip64={}), valid=True)
    corpus.folder("valid", "torch_model", {"config.json": config_text(), "pytorch_model.bin": model_file(tensors())}, valid=True)
