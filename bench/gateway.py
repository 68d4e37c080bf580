#!/usr/bin/env python3
"""Measures the gateway beside nginx's bare proxy_pass, in one run.

    cargo build --profile dist && bench/gateway.py [--seconds 10] [--rounds 3] [--keys 1000] [--write]

Both servers run pinned to core 0, the load generator and the upstream to core 1; kept connections, 32 of them;
rounds alternate; medians are shown. CPU per request is read from /proc/PID/stat of every process of the server, and
is the steadiest figure here. Needs nginx and wrk (Debian packages nginx-light and wrk). Only loopback is used, and
everything that was started is stopped by its own process id.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 32


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core, command, **options):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], **options)


def family(pid):
    """The process and all of its descendants: nginx works in children."""
    found = [pid]
    for parent in found:
        for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid):
    ticks = 0
    for member in family(pid):
        fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def memory_mib(pid):
    pages = sum(int(pathlib.Path(f"/proc/{member}/statm").read_text().split()[1]) for member in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def nginx(directory, core, body):
    directory.mkdir()
    config = directory / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {directory}/b;"
        f" proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u;"
        f" scgi_temp_path {directory}/s;\n{body}\n}}\n"
    )
    return pinned(core, ["nginx", "-p", directory, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def upstream_block(port):
    return f'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello from the upstream\\n"; }} }}'


def proxy_block(port, upstream):
    return (
        f"upstream u {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}\n"
        f'server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u; proxy_http_version 1.1;'
        ' proxy_set_header Connection ""; } }'
    )


CONFIG = """
[[upstream]]
name = "hello"
url = "http://127.0.0.1:{upstream}"

[[route]]
path = "/open/{{**}}"
upstream = "hello"
require = {{ anonymous = {{}} }}

[[route]]
path = "/keyed/{{**}}"
upstream = "hello"
require = {{ api_key = {{ scope = "orders:read" }} }}
"""


def countersign(directory, core, binary, upstream, settings=CONFIG):
    directory.mkdir()
    config = directory / "countersign.toml"
    config.write_text(settings.format(upstream=upstream))
    listeners = [f"--{name}-listen=127.0.0.1:0" for name in ("issuer", "gateway", "mtls", "admin")]
    command = [binary, "up", "--json", "--data", directory / "data", "--config", config, *listeners]
    process = pinned(core, command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return process, json.loads(process.stdout.readline())


def manage(card, path, body):
    fields = {"Authorization": "Bearer " + card["management_key"], "Content-Type": "application/json"}
    request = urllib.request.Request(card["admin"] + path, json.dumps(body).encode(), fields)
    return json.load(urllib.request.urlopen(request))


def mint(card, count):
    keys = []
    for number in range(count):
        keys.append(manage(card, "/v1/keys", {"name": f"key {number}", "scopes": ["orders:read"]})["key"])
        if number % 500 == 499:
            print(f"  minted {number + 1} keys", file=sys.stderr)
    return keys


def script(path, keys):
    """A wrk script that draws one of the keys for each request."""
    listed = ",".join(f'"{key}"' for key in keys)
    path.write_text(
        f"local keys = {{{listed}}}\nlocal n = 0\n"
        'request = function() n = n % #keys + 1; return wrk.format("GET", nil, {["Authorization"]="Bearer " .. keys[n]}) end\n'
    )
    return path


def load(url, seconds, lua, pid):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"] + (["-s", lua] if lua else []) + [url]
    before = cpu_seconds(pid)
    out = subprocess.run(["taskset", "-c", "1", *map(str, command)], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    done = int(re.search(r"(\d+) requests in", out)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: (.*)", out)
    if bad or errors:
        raise SystemExit(f"{url}: {bad and bad[0]} {errors and errors[0]}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "p99": p99, "cpu": used / done * 1e6}


def measure(contenders, seconds, rounds):
    """Scripts in a list are one for the warming up and one for each round."""
    found = {name: [] for name, *_ in contenders}
    for number in range(rounds):
        for name, url, lua, pid in contenders:
            scripts = lua if isinstance(lua, list) else [lua] * (rounds + 1)
            if number == 0:
                load(url, 1, scripts[0], pid)
            found[name].append(load(url, seconds, scripts[number + 1], pid))
            print(f"  round {number + 1}: {name}: {found[name][-1]['rate']:.0f}/s", file=sys.stderr)
    middle = lambda rows, member: statistics.median(row[member] for row in rows)
    return {name: {member: middle(rows, member) for member in ("rate", "p99", "cpu")} for name, rows in found.items()}


def stop(started):
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        process.wait(30)


def table(result, memory):
    base = result["nginx proxy_pass, no authentication"]
    lines = ["| server and work | requests/s | p99 ms | CPU µs/request | rate / nginx | CPU / nginx | memory MiB |", "|---|--:|--:|--:|--:|--:|--:|"]
    for name, row in result.items():
        lines.append(
            f"| {name} | {row['rate']:,.0f} | {row['p99']:.1f} | {row['cpu']:.1f} | {row['rate'] / base['rate']:.2f} "
            f"| {row['cpu'] / base['cpu']:.2f} | {memory[name]:.0f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--binary", default=ROOT / "target/dist/countersign")
    parser.add_argument("--before", help="an older binary, measured in the same rounds")
    parser.add_argument("--write", action="store_true", help="writes docs/benchmarks/gateway.md")
    chosen = parser.parse_args()
    started = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        try:
            upstream, proxy = free_port(), free_port()
            started.append(nginx(scratch / "upstream", 1, upstream_block(upstream)))
            started.append(nginx(scratch / "proxy", 0, proxy_block(proxy, upstream)))
            ours, card = countersign(scratch / "countersign", 0, chosen.binary, upstream)
            started.append(ours)
            time.sleep(0.5)
            keys = mint(card, chosen.keys)
            lua = script(scratch / "keys.lua", keys[:1000])
            contenders = [
                ("nginx proxy_pass, no authentication", f"http://127.0.0.1:{proxy}/keyed/1", None, started[1].pid),
                ("Countersign, `anonymous` route", card["gateway"] + "/open/1", None, ours.pid),
                (f"Countersign, `api_key` route, {chosen.keys:,} stored", card["gateway"] + "/keyed/1", lua, ours.pid),
                ("nginx proxy_pass, the same headers sent", f"http://127.0.0.1:{proxy}/keyed/1", lua, started[1].pid),
            ]
            if chosen.before:
                older, card = countersign(scratch / "before", 0, chosen.before, upstream)
                started.append(older)
                time.sleep(0.5)
                lua = script(scratch / "before.lua", mint(card, chosen.keys)[:1000])
                contenders += [
                    ("before, `anonymous` route", card["gateway"] + "/open/1", None, older.pid),
                    ("before, `api_key` route", card["gateway"] + "/keyed/1", lua, older.pid),
                ]
            result = measure(contenders, chosen.seconds, chosen.rounds)
            text = table(result, {name: memory_mib(pid) for name, _, _, pid in contenders})
        finally:
            stop(started)
    print(text)
    if chosen.write:
        versions = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().split("/")[-1]
        path = ROOT / "docs/benchmarks/gateway.md"
        path.write_text(
            "# The gateway beside nginx\n\nOne run; the ratios are what counts, absolute figures drift with the machine. "
            f"Repeat it with:\n\n```sh\ncargo build --profile dist\nbench/gateway.py --seconds {chosen.seconds} --rounds {chosen.rounds} --keys {chosen.keys} --write\n```\n\n"
            f"Servers on one core, load and upstream on the other, {CONNECTIONS} kept connections, {chosen.seconds} s, "
            f"{chosen.rounds} alternating rounds, medians. nginx {versions}. Load draws 1,000 of the stored keys; each is hashed "
            "and checked for revocation on every request.\n\n" + text + "\n"
        )


if __name__ == "__main__":
    main()
