#!/usr/bin/env python3
"""Measures commands on many keys, server and commands each under a cap on their address space.

    cargo build --release && bench/bulk.py [--keys 1000000] [--cap 1500000] [--write]

Imports that many hashes, lists, exports and revokes them with the real binary, and tells for each command how long it
took, the most memory that it held, and the most that the server held so far. The cap is `ulimit -v`, in KiB. Only
loopback is used, and everything that was started is stopped by its own process id.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--cap", type=int, default=1_500_000)
    parser.add_argument("--binary", default=ROOT / "target/release/countersign")
    parser.add_argument("--write", action="store_true", help="writes docs/benchmarks/bulk.md")
    chosen = parser.parse_args()
    lines = ["| command | seconds | command MiB | server MiB |", "|---|--:|--:|--:|"]
    with tempfile.TemporaryDirectory() as scratch:
        data, hashes = f"{scratch}/data", f"{scratch}/hashes.txt"
        with open(hashes, "w") as file:
            for number in range(chosen.keys):
                file.write(hashlib.sha256(b"acme_%d" % number).hexdigest() + "\n")
        server = start(chosen.binary, data, chosen.cap)
        try:
            for words in [
                "key import FILE --prefix acme_",
                "key list",
                "key list --json",
                "key export",
                "key revoke-many --prefix acme --dry-run",
                "key revoke-many --prefix acme",
                "key list --state revoked",
            ]:
                arguments = [hashes if word == "FILE" else word for word in words.split()]
                seconds, memory = run(chosen.binary, data, chosen.cap, arguments)
                lines.append(f"| `{words}` | {seconds:.1f} | {memory:.0f} | {held(server.pid):.0f} |")
                print(lines[-1], flush=True)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
        seconds, memory = run(chosen.binary, data, chosen.cap, ["key", "list"])
        lines.append(f"| `key list`, while no server runs | {seconds:.1f} | {memory:.0f} | - |")
        print(lines[-1], flush=True)
    if chosen.write:
        text = (
            "# Commands on many keys\n\nOne run on SQLite; what counts is that a command holds no more for many rows than for "
            "few. Repeat it with:\n\n```sh\ncargo build --release\n"
            f"bench/bulk.py --keys {chosen.keys} --cap {chosen.cap} --write\n```\n\n"
            f"{chosen.keys:,} keys; the server and each command under `ulimit -v {chosen.cap}`. The server's figure is the most "
            "that it has held so far: what verifiers know of every key is in its memory. A command that finds no server "
            "holds that itself.\n\n" + "\n".join(lines) + "\n"
        )
        (ROOT / "docs/benchmarks/bulk.md").write_text(text)


if __name__ == "__main__":
    main()
