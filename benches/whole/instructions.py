"""Instructions that Leeward runs in user mode for each request, under callgrind: a figure that a busy machine does not move.

    cargo bench --bench whole --no-run
    python3 benches/whole/instructions.py LEEWARD WHOLE                  nobody listens
    python3 benches/whole/instructions.py LEEWARD WHOLE sample=550       a listener of leeward tap that asks for this

LEEWARD is a release build, WHOLE the executable of this bench, whose null broker answers. Needs valgrind. It prints a figure for each of five rounds of 8,000
Produce requests of 1 KiB, 8 connections with 5 in flight. What the clock drives (the stream's line each second) weighs more than in life, since the program
runs many times slower.
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

CONNECTIONS, IN_FLIGHT, REQUESTS, ROUNDS = 8, 5, 8000, 5
LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 60


def free_port():
    with socket.socket() as held:
        held.bind((LOOPBACK, 0))
        return held.getsockname()[1]


def until(attempt, *failures):
    """What `attempt` gives once it does not fail any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return attempt()
        except failures:
            if time.monotonic() > deadline:
                raise
            # A port that is not bound yet tells nobody when it is.
            time.sleep(0.1)


def connect(port):
    stream = socket.create_connection((LOOPBACK, port))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def read(stream, size):
    parts = bytearray()
    while len(parts) < size:
        part = stream.recv(size - len(parts))
        if not part:
            raise SystemExit("a connection was closed")
        parts += part
    return bytes(parts)


def answer(stream):
    return read(stream, struct.unpack(">i", read(stream, 4))[0])


def framed(body):
    return struct.pack(">i", len(body)) + body


def api_versions():
    return framed(struct.pack(">hhih", 18, 2, 1, 1) + b"c")


def produce(correlation_id):
    """Produce v7 with acks=1 for one partition; its records look like a batch of format v2."""
    records = bytes(8) + struct.pack(">i", 1012) + bytes(4) + b"\2" + bytes(1007)
    head = struct.pack(">hhih", 0, 7, correlation_id, 1) + b"c" + b"\xff\xff" + struct.pack(">hi", 1, 30000)
    return framed(head + struct.pack(">ih", 1, 6) + b"orders" + struct.pack(">iii", 1, 0, len(records)) + records)


def turn(streams, correlation_id):
    for stream in streams:
        stream.sendall(b"".join(produce(correlation_id + number) for number in range(IN_FLIGHT)))
    for stream in streams:
        for _ in range(IN_FLIGHT):
            answer(stream)


def listen(admin, query):
    stream = socket.create_connection((LOOPBACK, admin))
    stream.sendall(f"GET /v1/tap?{query} HTTP/1.1\r\nhost: {LOOPBACK}:{admin}\r\n\r\n".encode())
    if b" 200 " not in read(stream, 13):
        raise SystemExit(f"/v1/tap?{query} was refused")

    def drain():
        while stream.recv(65536):
            pass

    threading.Thread(target=drain, daemon=True).start()


def control(option, pid):
    subprocess.run(["callgrind_control", option, str(pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def counted(folder):
    """The instructions of the last dump."""
    dumps = [name for name in os.listdir(folder) if name.startswith("counts.")]
    last = max(dumps, key=lambda name: int(name.rsplit(".", 1)[1]))
    with open(os.path.join(folder, last), errors="replace") as lines:
        return [int(line.split()[1]) for line in lines if line.startswith(("summary:", "totals:"))][-1]


def measure(leeward, admin, broker, folder, query):
    until(lambda: urllib.request.urlopen(f"http://{LOOPBACK}:{admin}/readyz").read(), urllib.error.URLError, ConnectionError)
    streams = [until(lambda: connect(broker), OSError) for _ in range(CONNECTIONS)]
    for stream in streams:
        stream.sendall(api_versions())
        answer(stream)
    if query:
        listen(admin, query)
    for _ in range(20):
        turn(streams, 1)
    turns = REQUESTS // (CONNECTIONS * IN_FLIGHT)
    for _ in range(ROUNDS):
        control("-z", leeward.pid)
        for _ in range(turns):
            turn(streams, 1)
        control("-d", leeward.pid)
        print(counted(folder) // REQUESTS, flush=True)


def main(program, whole, query=None):
    broker = subprocess.Popen([whole, "--role", "broker", "--batch", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    leeward = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            upstream, bootstrap, admin, virtual_broker = int(broker.stdout.readline()), free_port(), free_port(), free_port()
            config = os.path.join(folder, "leeward.toml")
            with open(config, "w") as out:
                out.write(f'upstream.bootstrap = ["{LOOPBACK}:{upstream}"]\nlisten.bootstrap = "{LOOPBACK}:{bootstrap}"\n')
                # Just enough of a range for node id 1, which has the second port of it.
                out.write(f'listen.virtual_brokers.base_port = {virtual_broker - 1}\nlisten.virtual_brokers.range = 2\n')
                out.write(f'admin.listen = "{LOOPBACK}:{admin}"\nstate.directory = "{folder}"\nruntime.workers = 1\n')
            counts = f"--callgrind-out-file={folder}/counts"
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            leeward = subprocess.Popen(["valgrind", "--tool=callgrind", counts, program, "run", "--config", config], **quiet)
            measure(leeward, admin, virtual_broker, folder, query)
        finally:
            for child in filter(None, (leeward, broker)):
                child.kill()
                child.wait()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
