#!/usr/bin/env python3
"""Checks an export of a Daybook log without Daybook: Python 3.9 or later, standard library only.

usage: verify_export.py DIR

Reads DIR/log.frames, checks every checksum, recomputes the hash tree from the entries' bytes (RFC 6962), and compares it
with each batch's roots, with what DIR/head.json says of the log's end, and with the count and root that DIR/checkpoint names,
where there is one. Who signed the checkpoint is NOT checked: that needs Ed25519, which Python's standard library lacks.
`daybook verify --export DIR --verifier FILE` checks it, FILE being the central node's key that you have from elsewhere.
Prints one JSON object, remarks to standard error; exit 0 good, 1 damaged, 2 could not check.
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys

MAGIC = b"DBKBATC\x01"
HEADER = struct.Struct(">8sI16sIQI32s32s32s16s")


def sha256(data):
    return hashlib.sha256(data).digest()


class Tree:
    """The right edge of an RFC 6962 tree: roots of perfect subtrees, largest first."""

    def __init__(self):
        self.count, self.edge = 0, []

    def push(self, entry):
        node, rest = sha256(b"\x00" + entry), self.count
        while rest & 1:
            node, rest = sha256(b"\x01" + self.edge.pop() + node), rest >> 1
        self.edge.append(node)
        self.count += 1

    def root(self):
        if not self.edge:
            return sha256(b"")
        root = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            root = sha256(b"\x01" + left + root)
        return root


class Damaged(Exception):
    pass


def read_exactly(file, length):
    data = file.read(length)
    if data and len(data) < length:
        raise Damaged("the file ends within a batch")
    return data


def check_frame(file, tree, log):
    """Reads one frame, moves the tree past it, and yields the log id; None at the end of the file."""
    raw = read_exactly(file, HEADER.size)
    if not raw:
        return None
    magic, length, frame_log, _epoch, first, count, before, after, body_hash, checksum = HEADER.unpack(raw)
    where = f"batch at entry {tree.count}"
    if magic != MAGIC or sha256(raw[:-16])[:16] != checksum:
        raise Damaged(f"{where}: header does not match its checksum")
    body = read_exactly(file, length - HEADER.size)
    if sha256(body) != body_hash:
        raise Damaged(f"{where}: body does not match its hash")
    if log is not None and frame_log != log:
        raise Damaged(f"{where}: belongs to another log")
    if first != tree.count or before != tree.root():
        raise Damaged(f"{where}: does not continue the log")
    place = 0
    for _ in range(count):
        (size,) = struct.unpack_from(">I", body, place)
        place += 4
        tree.push(body[place:place + size])
        place += size
    if place != len(body) or tree.root() != after:
        raise Damaged(f"{where}: its entries do not give its root")
    return frame_log


def signed_count(text):
    """The count that a checkpoint names."""
    line = (text.split("\n") + [""])[1]
    if not (line.isascii() and line.isdigit()):
        raise Damaged("the checkpoint names no count")
    return int(line)


def check_checkpoint(text, count, roots, log):
    """Compares what the central node is said to have signed for with the log."""
    root = base64.b64encode(roots[count]).decode() if count in roots else ""
    if not root or not text.startswith(f"daybook/{log.hex()}\n{count}\n{root}\n\n\u2014 "):
        raise Damaged(f"the checkpoint of {count} entries is not of this log")


def check_head(path, tree, log):
    """Batches that hold by themselves may be too few: head.json says where the log ended when it was exported."""
    if not path.exists():
        raise Damaged("head.json is missing, which every export has")
    found = f'{{"entries":{tree.count},"log":"{log.hex()}","root":"{tree.root().hex()}"}}\n'
    if path.read_bytes() != found.encode():
        raise Damaged(f"head.json does not say what the batches give, which is {found.strip()}")


def main(directory):
    tree, log, checkpoint = Tree(), None, directory / "checkpoint"
    signed = checkpoint.read_bytes().decode("utf-8", "replace") if checkpoint.exists() else None
    count = signed_count(signed) if signed is not None else None
    roots = {0: tree.root()}
    with (directory / "log.frames").open("rb") as file:
        while (found := check_frame(file, tree, log)) is not None:
            log = found
            if tree.count == count:
                roots[count] = tree.root()
    if log is None:
        raise Damaged("there is no batch in log.frames")
    check_head(directory / "head.json", tree, log)
    if signed is not None:
        check_checkpoint(signed, count, roots, log)
        print("not checked: who signed the checkpoint (daybook verify --export DIR --verifier FILE does)", file=sys.stderr)
    return {"entries": tree.count, "root": tree.root().hex(), "anchored_through": count, "signature_checked": False, "ok": True}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        print(json.dumps(main(pathlib.Path(sys.argv[1]))))
    except Damaged as damage:
        print(json.dumps({"ok": False, "fault": str(damage)}))
        sys.exit(1)
    except (OSError, ValueError, IndexError, struct.error) as error:
        print(json.dumps({"ok": False, "fault": f"could not check: {error}"}))
        sys.exit(2)
