"""A zip writer that can lie about everything."""
import dataclasses
import struct
import zlib


@dataclasses.dataclass
class Member:
    """One file of the archive. What is None is written truly; what is given is written as it is."""
    name: str
    data: bytes
    method: int = 0
    flags: int = 0
    crc: int | None = None
    stored: bytes | None = None        # the bytes in the file (default: data, deflated when the method is 8)
    size: int | None = None            # claims of the central directory
    packed_size: int | None = None
    offset: int | None = None
    local_name: str | None = None      # claims of the local header
    local_size: int | None = None
    local_method: int | None = None
    local_signature: bytes = b"PK\3\4"
    extra: bytes = b""                 # of the central directory
    local_extra: bytes = b""
    after: bytes = b""                 # follows the data
    shares_data: bool = False          # no local part: the entry before it is named again

    def packed(self) -> bytes:
        if self.stored is not None:
            return self.stored
        if self.method != 8:
            return self.data
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        return squeeze.compress(self.data) + squeeze.flush()


def _local(member: Member, packed: bytes) -> bytes:
    name = (member.name if member.local_name is None else member.local_name).encode("utf-8", "surrogateescape")
    size = len(member.data) if member.local_size is None else member.local_size
    packed_size = len(packed) if member.local_size is None else member.local_size
    crc = zlib.crc32(member.data) if member.crc is None else member.crc
    method = member.method if member.local_method is None else member.local_method
    return (member.local_signature + struct.pack("<5H3I2H", 20, member.flags, method, 0, 33, crc, packed_size & 0xffffffff,
                                                 size & 0xffffffff, len(name), len(member.local_extra)) + name + member.local_extra + packed)


def _central(member: Member, packed: bytes, offset: int) -> bytes:
    name = member.name.encode("utf-8", "surrogateescape")
    crc = zlib.crc32(member.data) if member.crc is None else member.crc
    size = len(member.data) if member.size is None else member.size
    packed_size = len(packed) if member.packed_size is None else member.packed_size
    place = offset if member.offset is None else member.offset
    return (b"PK\1\2" + struct.pack("<6H3I5H2I", 20, 20, member.flags, member.method, 0, 33, crc, packed_size, size, len(name),
                                    len(member.extra), 0, 0, 0, 0, place) + name + member.extra)


def zip64_end(truth: dict, lies: dict) -> bytes:
    """The zip64 end record and its locator."""
    claim = dict(signature=b"PK\6\6", record_size=44, disks=1) | truth | lies
    record = claim["signature"] + struct.pack("<Q2H2I4Q", claim["record_size"], 45, 45, 0, 0, claim["count"], claim["count"],
                                              claim["size"], claim["offset"])
    return record + b"PK\6\7" + struct.pack("<IQI", 0, claim["locator"], claim["disks"])


def archive(members: list[Member], *, count=None, size=None, offset=None, comment=b"", comment_length=None, disk=0, zip64=None,
            prefix=b"", directory=None) -> bytes:
    """The whole file. `zip64`: None, or a dict of lies for the zip64 end record (empty: a true one)."""
    body, central, place = prefix, b"", 0
    for member in members:
        packed = member.packed()
        if not member.shares_data:
            place = len(body)
            body += _local(member, packed) + member.after
        central += _central(member, packed, place)
    central = central if directory is None else directory
    start, number = len(body), len(members)
    body += central
    if zip64 is not None:
        body += zip64_end(dict(count=number, size=len(central), offset=start, locator=len(body)), zip64)
        count, size, offset = 0xffff, 0xffffffff, 0xffffffff
    number = number if count is None else count
    return body + b"PK\5\6" + struct.pack("<4H2IH", disk, disk, number & 0xffff, number & 0xffff,
                                          len(central) if size is None else size, start if offset is None else offset,
                                          len(comment) if comment_length is None else comment_length) + comment
