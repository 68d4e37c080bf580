#!/usr/bin/env python3
"""Measures tokens beside their peers, in one run: issued and introspected, then verified at the gateway.

    apt-get install nginx-light wrk haproxy && npm install --no-package-lock --prefix target/bench oidc-provider
    cargo build --release && bench/tokens.py [--seconds 5] [--rounds 3] [--tokens 20000] [--write]

Pinned and repeated as in `gateway.py`. The token endpoint is measured beside `oidc-provider` (in memory), the gateway
beside HAProxy's `jwt_verify` and nginx without authentication. "Seen" cycles 1,000 tokens; "new" sends other tokens in
each round, each of them once, and ends with the last. A peer that is not installed is skipped.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import gateway
from gateway import CONNECTIONS, ROOT, countersign, free_port, load, manage, measure, nginx, pinned, proxy_block, script
from gateway import stop, upstream_block

PEERS = ROOT / "target/bench"
ALGORITHMS = {"es256": "ES256", "eddsa": "EdDSA", "rs256": "RS256"}
RESOURCES = {name: f"https://{name}.example" for name in [*ALGORITHMS, "opaque"]}
CONFIG = gateway.CONFIG + "".join(
    f'[[route]]\npath = "/{name}/{{{{**}}}}"\nupstream = "hello"\n'
    f'require = {{{{ access_token = {{{{ scope = "orders:read", audience = "{RESOURCES[name]}" }}}} }}}}\n\n'
    for name in ("es256", "rs256")
)

STOP = """
local ffi = require("ffi")
ffi.cdef("int kill(int, int); int getpid(void);")
local function stop() ffi.C.kill(ffi.C.getpid(), 2); wrk.thread:stop() end
"""
SEND = """
local values, n = {{}}, 0
for value in io.lines("{values}") do values[#values + 1] = value end
request = function()
  n = n % #values + 1
  if n == #values and {once} then stop() end
  return wrk.format({call})
end
"""
KEEP = """
local left, file = {count}, io.open("{tokens}", "w")
response = function(_, _, body)
  if left == 0 then return end
  file:write(body:match('"access_token":"([^"]+)"'), "\\n")
  left = left - 1
  if left == 0 then file:close(); stop() end
end
"""
BEARER = '"GET", nil, { ["Authorization"] = "Bearer " .. values[n] }'
UNREAD = BEARER.replace("Authorization", "X-Unread-Token")
FORM = '"POST", nil, { ["Content-Type"] = "application/x-www-form-urlencoded" }, values[n]'


def sender(path, call, values, once=False):
    """A wrk script that sends one of the values with each request; `once` ends with the last of them."""
    listed = path.with_suffix(".txt")
    listed.write_text("\n".join(values) + "\n")
    path.write_text(STOP + SEND.format(values=listed, call=call, once=str(once).lower()))
    return path


class Issuer:
    """A server that issues tokens, and its client there."""

    def __init__(self, title, process, url, paths, client, scratch):
        self.title, self.process, self.url, self.paths, self.scratch = title, process, url, paths, scratch
        self.client = f"client_id={client['client_id']}&client_secret={client['client_secret']}"

    def post(self, path, form):
        with urllib.request.urlopen(self.url + self.paths[path], form.encode()) as answer:
            return json.load(answer)

    def asking(self, name):
        """The script that asks for tokens for a resource; the first one is asked here, since its key may have to be made."""
        form = f"grant_type=client_credentials&scope=orders:read&resource={RESOURCES[name]}&{self.client}"
        self.post("token", form)
        return sender(self.scratch / f"ask-{name}.lua", FORM, [form])

    def obtain(self, name, count):
        keeping, tokens = self.scratch / f"keep-{name}.lua", self.scratch / f"tokens-{name}.txt"
        keeping.write_text(self.asking(name).read_text() + KEEP.format(count=count, tokens=tokens))
        load(self.url + self.paths["token"], 600, keeping, self.process.pid)
        print(f"  {self.title}: {count} tokens for {name}", file=sys.stderr)
        return tokens.read_text().split()

    def issuing(self, name):
        title = f"{self.title}: token, client_credentials, {ALGORITHMS[name]}"
        return title, self.url + self.paths["token"], self.asking(name), self.process.pid

    def introspecting(self, name, kind):
        forms = [f"token={token}&{self.client}" for token in self.obtain(name, 500)]
        if not self.post("introspection", forms[0])["active"]:
            raise SystemExit(f"{self.title}: a token of {name} is not active")
        lua = sender(self.scratch / f"introspect-{name}.lua", FORM, forms)
        return f"{self.title}: introspection, {kind}", self.url + self.paths["introspection"], lua, self.process.pid


def ours(process, card, scratch):
    for name, resource in RESOURCES.items():
        form = {"signing_alg": ALGORITHMS[name]} if name in ALGORITHMS else {"kind": "opaque"}
        manage(card, "/v1/resources", {"id": resource, "access_token": {"lifetime": "1h", **form}})
    terms = {"name": "bench", "grant_types": ["client_credentials"], "scopes": ["orders:read"], "audiences": [*RESOURCES.values()]}
    paths = {"token": "/oauth/token", "introspection": "/oauth/introspect"}
    return Issuer("Countersign", process, card["issuer"], paths, manage(card, "/v1/clients", terms), scratch)


def oidc_provider(scratch, started):
    if not (PEERS / "node_modules/oidc-provider").exists():
        return None
    scratch.mkdir()
    process = pinned(0, ["node", ROOT / "bench/oidc_provider.mjs", PEERS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    started.append(process)
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    client = {"client_id": "bench", "client_secret": "bench-bench-bench-bench-bench-bench-bench-x"}
    return Issuer("oidc-provider", process, url, {"token": "/token", "introspection": "/token/introspection"}, client, scratch)


TO_PEM = "process.stdout.write(crypto.createPublicKey({ key: JSON.parse(process.argv[1]), format: 'jwk' }).export({ type: 'spki', format: 'pem' }))"
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
backend upstream
  server hello 127.0.0.1:{upstream}
"""
JWT_VERIFY = """
frontend {algorithm}
  bind 127.0.0.1:{port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny unless {{ var(txn.alg) -m str {algorithm} }}
  http-request deny unless {{ var(txn.bearer),jwt_verify(txn.alg,"{pem}") -m int 1 }}
  default_backend upstream
"""


def haproxy(scratch, issuer, upstream, started):
    """Starts HAProxy with the issuer's keys; answers with its port for each algorithm."""
    if not (shutil.which("haproxy") and shutil.which("node")):
        return {}
    scratch.mkdir()
    text, ports = HAPROXY.format(upstream=upstream), {}
    for key in json.load(urllib.request.urlopen(issuer + "/.well-known/jwks.json"))["keys"]:
        if key["alg"] in ("ES256", "RS256"):
            pem, ports[key["alg"]] = scratch / f"{key['kid']}.pem", free_port()
            pem.write_text(subprocess.run(["node", "-e", TO_PEM, json.dumps(key)], capture_output=True, text=True, check=True).stdout)
            text += JWT_VERIFY.format(algorithm=key["alg"], port=ports[key["alg"]], pem=pem)
    (scratch / "haproxy.cfg").write_text(text)
    started.append(pinned(0, ["haproxy", "-db", "-q", "-f", scratch / "haproxy.cfg"]))
    return ports


def verifying(name, us, card, chosen, scratch):
    """Our rows of one algorithm at the gateway, and the script of the tokens seen before."""
    tokens = us.obtain(name, 1000 + chosen.rounds * chosen.tokens)
    seen = sender(scratch / f"seen-{name}.lua", BEARER, tokens[:1000])
    parts = [tokens[start : start + chosen.tokens] for start in range(1000, len(tokens), chosen.tokens)]
    new = [sender(scratch / f"new-{name}-{part}.lua", BEARER, values, True) for part, values in enumerate(parts)]
    url, pid = card["gateway"] + f"/{name}/1", us.process.pid
    title = f"Countersign: {ALGORITHMS[name]}"
    return [(f"{title}, seen before", url, seen, pid), (f"{title}, every token new", url, [seen, *new], pid)], seen


def issuer_groups(us, peer):
    """Rows of the issuer, each list beginning with the peer's if there is one."""
    issuers = [issuer for issuer in (peer, us) if issuer]
    groups = [[issuer.issuing(name) for issuer in issuers] for name in ("es256", "eddsa")]
    introspection = [issuer.introspecting("opaque", "opaque") for issuer in issuers]
    return [*groups, [*introspection, us.introspecting("es256", "JWT")]]


def gateway_groups(us, card, scratch, upstream, started, chosen):
    pid, groups, scripts = us.process.pid, [], {}
    for name in ("es256", "rs256"):
        rows, scripts[name] = verifying(name, us, card, chosen, scratch)
        groups.append(rows)
    ports = haproxy(scratch / "haproxy", card["issuer"], upstream, started)
    for name, rows in zip(scripts, groups):
        if port := ports.get(ALGORITHMS[name]):
            title = f"HAProxy: `jwt_verify` {ALGORITHMS[name]}, every request"
            rows.insert(0, (title, f"http://127.0.0.1:{port}/{name}/1", scripts[name], started[-1].pid))
    unread = sender(scratch / "unread.lua", UNREAD, scripts["es256"].with_suffix(".txt").read_text().split())
    proxy, keys = free_port(), script(scratch / "keys.lua", gateway.mint(card, 1000))
    started.append(nginx(scratch / "proxy", 0, proxy_block(proxy, upstream)))
    bare = [
        ("nginx: `proxy_pass`, no authentication, the ES256 tokens sent", f"http://127.0.0.1:{proxy}/1", scripts["es256"], started[-1].pid),
        ("Countersign: `anonymous` route, the same sent in another field", card["gateway"] + "/open/1", unread, pid),
        ("Countersign: `api_key` route, 1,000 stored", card["gateway"] + "/keyed/1", keys, pid),
    ]
    return [*groups, bare]


def table(groups, result):
    lines = ["| server and work | requests/s | p99 ms | CPU µs/request | rate / peer | CPU / peer |", "|---|--:|--:|--:|--:|--:|"]
    for group in groups:
        base = None if group[0][0].startswith("Countersign") else result[group[0][0]]
        for name, *_ in group:
            row = result[name]
            ratios = f"{row['rate'] / base['rate']:.2f} | {row['cpu'] / base['cpu']:.2f}" if base else "- | -"
            lines.append(f"| {name} | {row['rate']:,.0f} | {row['p99']:.1f} | {row['cpu']:.1f} | {ratios} |")
    return "\n".join(lines)


def signatures():
    """What a signature costs by itself, in microseconds: for each algorithm, to sign and to verify."""
    command = ["cargo", "bench", "--quiet", "--package", "countersign-jose", "--bench", "signatures"]
    subprocess.run([*command, "--no-run"], cwd=ROOT, check=True)
    lines = subprocess.check_output(["taskset", "-c", "0", *command], cwd=ROOT, text=True).splitlines()
    return {words[0]: (float(words[2]), float(words[4])) for words in map(str.split, lines) if len(words) == 5}


def bare_table(bare, result):
    """Every token new, beside a bare check of its signature and our own hop without authentication."""
    lines = ["| algorithm | sign µs | verify µs | verify and one hop µs | every token new µs | ratio |", "|---|--:|--:|--:|--:|--:|"]
    hop = next(row["cpu"] for name, row in result.items() if "`anonymous`" in name)
    for name, (sign, verify) in bare.items():
        new = result.get(f"Countersign: {name}, every token new")
        told = f"{new['cpu']:.1f} | {new['cpu'] / (verify + hop):.2f}" if new else "- | -"
        lines.append(f"| {name} | {sign:.1f} | {verify:.1f} | {verify + hop:.1f} | {told} |")
    return "\n".join(lines)


def run(chosen, scratch, started):
    bare = signatures()
    upstream = free_port()
    started.append(nginx(scratch / "upstream", 1, upstream_block(upstream)))
    process, card = countersign(scratch / "countersign", 0, chosen.binary, upstream, CONFIG)
    started.append(process)
    us, peer = ours(process, card, scratch), oidc_provider(scratch / "peer", started)
    groups = issuer_groups(us, peer) + gateway_groups(us, card, scratch, upstream, started, chosen)
    time.sleep(0.5)
    result = measure([row for group in groups for row in group], chosen.seconds, chosen.rounds)
    return table(groups, result) + "\n\nSignatures by themselves, on the same core in the same run:\n\n" + bare_table(bare, result)


def versions():
    """The peers, with the version of each; those that are missing are told of."""
    package = PEERS / "node_modules/oidc-provider/package.json"
    found = ["oidc-provider " + json.loads(package.read_text())["version"]] if package.exists() else []
    found += ["HAProxy " + subprocess.check_output(["haproxy", "-v"], text=True).split()[2]] if shutil.which("haproxy") else []
    for peer in ("oidc-provider", "HAProxy"):
        if not any(one.startswith(peer) for one in found):
            print(f"{peer} is not installed: its rows are skipped", file=sys.stderr)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=20_000, help="new tokens for each round and algorithm")
    parser.add_argument("--binary", default=ROOT / "target/release/countersign")
    parser.add_argument("--write", action="store_true", help="writes docs/benchmarks/tokens.md")
    chosen, started, peers = parser.parse_args(), [], versions()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            text = run(chosen, pathlib.Path(scratch), started)
        finally:
            stop(started)
    print(text)
    if chosen.write:
        command = f"bench/tokens.py --seconds {chosen.seconds} --rounds {chosen.rounds} --tokens {chosen.tokens} --write"
        (ROOT / "docs/benchmarks/tokens.md").write_text(
            "# Tokens beside their peers\n\nOne run; the ratios are what counts, absolute figures drift with the machine. Repeat it with:\n\n"
            "```sh\napt-get install nginx-light wrk haproxy\nnpm install --no-package-lock --prefix target/bench oidc-provider\n"
            f"cargo build --release\n{command}\n```\n\n"
            f"Servers on one core, load and upstream on the other, {CONNECTIONS} kept connections, {chosen.seconds} s, {chosen.rounds} "
            f"alternating rounds, medians. {', '.join(peers)}. Countersign keeps its audit durably in SQLite, oidc-provider everything "
            f'in memory. "Seen before" cycles 1,000 tokens; "every token new" sends {chosen.tokens:,} others in each round, each once. '
            "Each row is compared with the first of its group.\n\n" + text + "\n"
        )


if __name__ == "__main__":
    main()
