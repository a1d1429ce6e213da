"""The protocol between Drover's processes, spoken from Python: for looking into daemons without a subcommand, and for
attacking them. Written from common/rpc/frame.h and proto/, apart from the C code."""
import hashlib
import hmac
import os
import socket
import struct

TYPES = dict(HELLO=1, GOODBYE=2, REGISTER_EXECUTOR=10, REGISTERED=11, HEARTBEAT=12, STAGE_PLAN=13, STAGE_INPUTS=14, LAUNCH=15,
             COMPLETIONS=16, ATTEMPT_FAILED=17, KILL_ATTEMPTS=18, RELEASE=19, RESULT_ROWS=20, RESULT_CREDIT=21, REGISTER_DATA=22, FETCH=30, FETCHED=31,
             FETCH_CREDIT=32, OPEN_SESSION=40, SESSION_OPENED=41, EXECUTE=42, ATTACH=43, RESULT_SCHEMA=44, RESULT_BATCH=45,
             RESULT_END=46, ACK=47, CANCEL_OPERATION=48, PROGRESS=49, STATUS_REQUEST=50, STATUS_REPLY=51, KILL_JOB=52, KILL_REPLY=53)
CLIENT, EXECUTOR, EXECUTOR_DATA, PEER, DRIVER = 1, 2, 3, 4, 5
HEADER = 48

_crc_table = []
for _n in range(256):
    _c = _n
    for _ in range(8):
        _c = _c >> 1 ^ (0x82F63B78 if _c & 1 else 0)
    _crc_table.append(_c)


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = c >> 8 ^ _crc_table[(c ^ b) & 0xFF]
    return c ^ 0xFFFFFFFF


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, value):
    """One protobuf field: integers as varints, text and bytes length-delimited, lists repeated."""
    if isinstance(value, list):
        return b"".join(field(number, v) for v in value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(**fields):
    """message(f1=3, f2="x"): the number of a field is its name's digits."""
    return b"".join(field(int(k[1:]), v) for k, v in fields.items())


def number_at(data, at):
    """(the varint at a place, the place behind it)."""
    v = shift = 0
    while True:
        b = data[at]
        at += 1
        v |= (b & 0x7F) << shift
        shift += 7
        if not b & 0x80:
            return v, at


def packed(number, values):
    """A packed list as a field."""
    return field(number, b"".join(varint(v) for v in values))


def unpacked(data):
    """The numbers of a packed list."""
    out, at = [], 0
    while at < len(data):
        v, at = number_at(data, at)
        out.append(v)
    return out


def parse(data):
    """{number: [values]} of protobuf bytes."""
    out, at = {}, 0
    while at < len(data):
        key, at = number_at(data, at)
        if key & 7 == 0:
            v, at = number_at(data, at)
        elif key & 7 == 2:
            n, at = number_at(data, at)
            v = data[at:at + n]
            at += n
        else:
            n = 8 if key & 7 == 1 else 4
            v = data[at:at + n]
            at += n
        out.setdefault(key >> 3, []).append(v)
    return out


def frame(kind, body=b"", bulk=b"", epoch=0, incarnation=0, id=0, lengths=None, magic=b"DRV1", crc=None):
    n, m = lengths or (len(body), len(bulk))
    kind = TYPES.get(kind, kind)
    head = magic + struct.pack("<HHIIIIQQQ", kind, 0, n, m, 0, 0, epoch, incarnation, id)
    if crc is None:
        crc = crc32c(head + body)
    return head[:16] + struct.pack("<I", crc) + head[20:] + body + bulk


def address_of(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Closed(Exception):
    pass


class Peer:
    """A connection; does the handshake unless told otherwise."""

    def __init__(self, address, role=CLIENT, secret=None, handshake=True, timeout=20):
        self.sock = socket.create_connection(address_of(address), timeout=timeout)
        self.role, self.secret, self.nonce, self.sent = role, secret, os.urandom(32), b""
        if handshake:
            self.hello()

    def send_bytes(self, data):
        self.sent += data if len(self.sent) < 1 << 16 else b""
        self.sock.sendall(data)

    def send(self, kind, body=b"", bulk=b"", **header):
        self.send_bytes(frame(kind, body, bulk, **header))

    def hello(self):
        self.send("HELLO", message(f1=1, f2=self.role, f3=self.nonce, f5="test"))
        kind, body, _, _ = self.recv()
        assert kind == TYPES["HELLO"], kind
        theirs = parse(body)
        if self.secret:
            proof = hmac.new(self.secret, b"i" + theirs[3][0] + self.nonce, hashlib.sha256).digest()
            self.send("HELLO", message(f1=1, f2=self.role, f3=self.nonce, f4=proof))
        return theirs

    def read(self, n):
        out = b""
        while len(out) < n:
            try:
                piece = self.sock.recv(n - len(out))
            except ConnectionError:
                piece = b""
            if not piece:
                raise Closed(out)
            out += piece
        return out

    def recv(self):
        """(type, body, bulk, id)"""
        head = self.read(HEADER)
        kind, _, n, m, _, _, _, _, id = struct.unpack("<HHIIIIQQQ", head[4:])
        return kind, self.read(n), self.read(m), id

    def wait(self, kind):
        while True:
            k, body, bulk, _ = self.recv()
            if k == TYPES[kind]:
                return parse(body), bulk

    def closed_within(self, seconds):
        """Whether the other side closes it; what comes before is thrown away."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(1 << 16):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
