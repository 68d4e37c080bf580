#!/usr/bin/env python3
"""Measures commands on many keys, server and commands each under a cap on their address space.

    cargo build --release && bench/bulk.py [--keys 1000000] [--cap 1500000] [--before OLDER-BINARY]

Imports that many hashes, lists, exports and revokes them with the real binary, starts it again, and tells for each step
how long it took, the most memory that the command held, and the most that the server held so far. The cap is `ulimit
-v`, in KiB. An older binary does the same first, for comparison. Only loopback is used, and everything that was started
is stopped by its own process id.
"""

import argparse
import hashlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def capped(kib):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (kib * 1024, kib * 1024))


def held(pid):
    """The most that a process has held, in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def start(binary, data, cap):
    listeners = [f"--{name}-listen=127.0.0.1:0" for name in ("issuer", "gateway", "mtls", "admin")]
    command = [binary, "up", "--json", "--data", data, *listeners]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=capped(cap))
    json.loads(server.stdout.readline())
    return server


def run(binary, data, cap, arguments):
    begun = time.monotonic()
    command = subprocess.Popen(
        [binary, *arguments, "--data", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=capped(cap)
    )
    _, status, usage = os.wait4(command.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(arguments)}: {status}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


COMMANDS = [
    "key import FILE --prefix acme_",
    "key list",
    "key list --json",
    "key export",
    "key revoke-many --prefix acme --dry-run",
    "key revoke-many --prefix acme",
    "key list --state revoked",
]


def stop(server):
    server.send_signal(signal.SIGTERM)
    server.wait(60)


def measure(binary, chosen):
    """Every step with its seconds, the command's MiB and the server's."""
    with tempfile.TemporaryDirectory() as scratch:
        data, hashes = f"{scratch}/data", f"{scratch}/hashes.txt"
        with open(hashes, "w") as file:
            for number in range(chosen.keys):
                file.write(hashlib.sha256(b"acme_%d" % number).hexdigest() + "\n")
        server = start(binary, data, chosen.cap)
        try:
            for words in COMMANDS:
                arguments = [hashes if word == "FILE" else word for word in words.split()]
                yield words, *run(binary, data, chosen.cap, arguments), held(server.pid)
        finally:
            stop(server)
        begun = time.monotonic()
        server = start(binary, data, chosen.cap)
        yield "up", time.monotonic() - begun, None, held(server.pid)
        stop(server)


def row(words, seconds, command, server):
    return f"| `{words}` | {seconds:.1f} | {'-' if command is None else f'{command:.0f}'} | {server:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--cap", type=int, default=1_500_000)
    parser.add_argument("--binary", default=ROOT / "target/release/countersign")
    parser.add_argument("--before", help="an older binary, measured first")
    chosen = parser.parse_args()
    for title, binary in [("Before", chosen.before), ("Now", chosen.binary)]:
        if binary is None:
            continue
        print(f"{title}:\n\n| command | seconds | command MiB | server MiB |\n|---|--:|--:|--:|", flush=True)
        for step in measure(binary, chosen):
            print(row(*step), flush=True)


if __name__ == "__main__":
    main()
