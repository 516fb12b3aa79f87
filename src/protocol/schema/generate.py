#!/usr/bin/env python3
"""Writes table.rs from the message definitions in the kafka-clients jars.

    mvn -q dependency:copy -Dartifact=org.apache.kafka:kafka-clients:4.4.0 -DoutputDirectory=jars     (and 3.9.1)
    python3 src/protocol/schema/generate.py jars/kafka-clients-4.4.0.jar jars/kafka-clients-3.9.1.jar > src/protocol/schema/table.rs

The first jar is the newest release; the second adds the versions and messages that Kafka 4.0 removed (KIP-896). Only the shape of the messages is taken:
names, types, versions, nullability and tags.
"""

import json
import re
import sys
import zipfile

FIXED = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16}
LENGTH_PREFIXED = {"string": "STRING", "bytes": "BYTES", "records": "BYTES"}
NEVER = (1, 0)


def messages(jar):
    """Requests and responses by (API key, kind)."""
    found = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if not re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
                continue
            text = re.sub(r"^\s*//.*$", "", archive.read(name).decode(), flags=re.M)
            message = json.loads(text)
            if message["validVersions"] != "none":
                found[message["apiKey"], message["type"]] = message
    return found


def versions(text, outer):
    """The versions that `text` ("3+", "0-2", "5", "none") names, clipped to `outer`."""
    if text in (None, "none"):
        return NEVER
    if text.endswith("+"):
        low, high = int(text[:-1]), 32767
    elif "-" in text:
        low, high = map(int, text.split("-"))
    else:
        low = high = int(text)
    return max(low, outer[0]), min(high, outer[1])


class Message:
    def __init__(self, message, valid):
        self.valid = valid
        self.structs = {s["name"]: s for s in message.get("commonStructs", [])}
        self.flexible = versions(message["flexibleVersions"], valid)
        self.collect(message["fields"])
        self.fields = message["fields"]

    def collect(self, fields):
        for field in fields:
            if "fields" in field:
                self.structs[field["type"].removeprefix("[]")] = field
                self.collect(field["fields"])

    def shape(self, kind, name, outer):
        if kind.startswith("[]"):
            return f"Array(&{self.shape(kind[2:], name, outer)})"
        if kind == "int16" and name.endswith("ErrorCode"):
            return "ErrorCode"
        if kind in FIXED:
            return f"Fixed({FIXED[kind]})"
        if kind in LENGTH_PREFIXED:
            return "String" if kind == "string" else "Bytes"
        return f"Struct(&[{self.emit(self.structs[kind]['fields'], outer)}])"

    def emit(self, fields, outer):
        out = []
        for field in fields:
            present = versions(field["versions"], outer)
            if present[0] > present[1]:
                continue
            name, kind = field["name"], field["type"]
            text = f'f("{name}", {self.shape(kind, name, present)}, {present[0]}, {present[1]})'
            null = versions(field.get("nullableVersions"), present)
            if null[0] <= null[1]:
                text += f".null({null[0]}, {null[1]})"
            if "tag" in field:
                tagged = versions(field["taggedVersions"], present)
                assert tagged == present, f"{name} is tagged in only some of its versions"
                assert null == NEVER or kind in LENGTH_PREFIXED or kind.startswith("[]") or kind in self.structs, name
                text += f'.tag({field["tag"]})'
            out.append(text)
        return ", ".join(out)


def rows(newest, older):
    for key, kind in sorted(newest.keys() | older.keys()):
        covered = None
        parts = []
        for source in (newest, older):
            message = source.get((key, kind))
            if message is None:
                continue
            valid = versions(message["validVersions"], (0, 32767))
            if covered is not None:
                valid = valid[0], min(valid[1], covered - 1)
            if valid[0] > valid[1]:
                continue
            covered = valid[0]
            parts.append(Message(message, valid))
        for part in reversed(parts):
            yield key, kind, part


def main():
    newest, older = map(messages, sys.argv[1:3])
    print("//! Every message by key, kind and versions. Written by generate.py from Kafka's message definitions: change that, not this.")
    print()
    print("use super::{Message, f};")
    print("use super::{Kind::{Request, Response}, Shape::{Array, Bytes, ErrorCode, Fixed, String, Struct}};")
    print()
    print("#[rustfmt::skip]")
    print("pub(super) static MESSAGES: &[Message] = &[")
    for key, kind, message in rows(newest, older):
        low, high = message.valid
        flexible = message.flexible[0] if message.flexible[0] <= message.flexible[1] else 32767
        fields = message.emit(message.fields, message.valid)
        print(f"    Message {{ api_key: {key}, kind: {kind.capitalize()}, first: {low}, last: {high}, flexible_since: {flexible}, fields: &[{fields}] }},")
    print("];")


main()
