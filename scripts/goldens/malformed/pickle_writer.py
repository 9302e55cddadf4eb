"""Pickle, opcode by opcode: what torch.save writes, and what nobody should load."""
import struct

MARK, STOP, POP, POP_MARK, DUP = b"(", b".", b"0", b"1", b"2"
NONE, TRUE, FALSE, TUPLE, LIST, DICT = b"N", b"\x88", b"\x89", b"t", b"l", b"d"
EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, TUPLE1, TUPLE2, TUPLE3 = b")", b"]", b"}", b"\x85", b"\x86", b"\x87"
REDUCE, BUILD, INST, OBJ, NEWOBJ, NEWOBJ_EX, PERSID, BINPERSID = b"R", b"b", b"i", b"o", b"\x81", b"\x92", b"P", b"Q"
APPEND, APPENDS, SETITEM, SETITEMS, MEMOIZE, STACK_GLOBAL = b"a", b"e", b"s", b"u", b"\x94", b"\x93"
ORDERED_DICT = b"ccollections\nOrderedDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
FLOATS = b"ctorch\nFloatStorage\n"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -2**31 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values) -> bytes:
    return MARK + b"".join(number(v) for v in values) + TUPLE


def put(slot: int) -> bytes:
    return b"q" + bytes([slot])


def get(slot: int) -> bytes:
    return b"h" + bytes([slot])


def get_global(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def pickle(*parts: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + b"".join(parts) + STOP


def storage(key="0", numel=12, kind=FLOATS, location="cpu", word="storage") -> bytes:
    """The persistent id of a storage; `key`, `numel` may be opcodes instead."""
    key_code = text(key) if isinstance(key, str) else key
    numel_code = number(numel) if isinstance(numel, int) else numel
    return MARK + text(word) + kind + key_code + text(location) + numel_code + TUPLE + BINPERSID


def tensor(source: bytes | None = None, offset=0, shape=(3, 4), strides=(4, 1), rebuild=REBUILD) -> bytes:
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)"""
    shape_code = shape if isinstance(shape, bytes) else numbers(shape)
    stride_code = strides if isinstance(strides, bytes) else numbers(strides)
    offset_code = offset if isinstance(offset, bytes) else number(offset)
    return (rebuild + MARK + (source or storage()) + offset_code + shape_code + stride_code + FALSE + ORDERED_DICT + EMPTY_TUPLE + REDUCE +
            TUPLE + REDUCE)


def state_dict(**tensors: bytes) -> bytes:
    items = b"".join(text(name) + code for name, code in tensors.items())
    return ORDERED_DICT + EMPTY_TUPLE + REDUCE + MARK + items + SETITEMS
