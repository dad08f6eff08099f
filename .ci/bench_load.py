#!/usr/bin/env python3
"""The load tester beside wrk and hey, in alternation against one nginx on 127.0.0.1: python3 .ci/bench_load.py [--rounds 3] [--seconds 2]

Prints, per case, the medians over rounds of the ratios of requests per second, and of client CPU per request, to `wrk -t1` and to hey.
Trust ratios, not absolute figures: clients and server share this machine's processors (busy neighbours are kept out, as root, by
`chrt -f 10 make bench-load`). wrk, hey, nginx and openssl are
installed with apt-get when we are root on Debian. Exit code 4 when something is missing or gives no figures.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TESTER = pathlib.Path(__file__).resolve().parents[1] / "scripts" / "api_load_tester.py"
CASES = [("plain", 50), ("plain", 500), ("TLS", 50), ("TLS", 500)]
CONFIGURATION = """
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi; ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
  server {{ listen 127.0.0.1:{plain} backlog=1024; listen 127.0.0.1:{tls} ssl backlog=1024; location / {{ default_type application/json; return 200 '{{"ok":true}}'; }} }}
}}
"""


class Missing(Exception):
    """Something that a measurement needs is not there; the text says what."""


def program(name):
    if not shutil.which(name) and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", name], stdin=subprocess.DEVNULL, capture_output=True)
    return shutil.which(name) or throw(f"{name} is missing: apt-get install {name}")


def throw(text):
    raise Missing(text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def nginx():
    """{"plain": URL, "TLS": URL} of a running nginx with one worker and a certificate of its own."""
    with tempfile.TemporaryDirectory() as folder:
        ports = {"plain": free_port(), "tls": free_port()}
        names = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem", "-subj", "/CN=localhost"]
        subprocess.run([program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names], check=True, capture_output=True)
        pathlib.Path(folder, "nginx.conf").write_text(CONFIGURATION.format(folder=folder, **ports))
        server = subprocess.Popen([program("nginx"), "-p", folder, "-c", f"{folder}/nginx.conf"])
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports["tls"]), 1):
                    break
                time.sleep(0.05)
            else:
                throw(f"nginx does not listen (exit code {server.poll()})")
            yield {"plain": f"http://127.0.0.1:{ports['plain']}/", "TLS": f"https://127.0.0.1:{ports['tls']}/"}
        finally:
            server.terminate()
            server.wait(10)


def ran(command, pattern):
    """(what the pattern finds in the output, CPU seconds of the process and its children)"""
    begin = os.times()
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    end = os.times()
    found = re.search(pattern, done.stdout, re.DOTALL) or throw(f"{command[0]} gave no figures: {(done.stderr or done.stdout)[-300:]}")
    return found, end.children_user + end.children_system - begin.children_user - begin.children_system


def measured(tool, url, connections, seconds):
    """(requests per second, CPU seconds per request)"""
    answered, cpu_s = tool(url, connections, seconds)
    if not answered:
        throw(f"{tool.__name__} got no answer in {seconds} s: this machine is too busy")
    return answered / seconds, cpu_s / answered


def ours(url, connections, seconds):
    found, cpu_s = ran([sys.executable, TESTER, url, "-c", connections, "-d", seconds, "--no-verify-ssl", "--json"], r"\{.*\}")
    result = json.loads(found[0])["results"][0]
    return result["requests_per_second"] * seconds, cpu_s


def wrk(url, connections, seconds):
    return peer([program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}", url], seconds)


def hey(url, connections, seconds):
    return peer([program("hey"), "-z", f"{seconds}s", "-c", connections, url], seconds)


def peer(command, seconds):
    found, cpu_s = ran(command, r"Requests/sec:\s+([\d.]+)")
    return float(found[1]) * seconds, cpu_s


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="length of one run (default 2)")
    given = parser.parse_args()
    tools = [ours, wrk, hey]
    print(f"{'':12}  requests/s        x wrk  x hey   CPU per request  x wrk  x hey")
    with nginx() as urls:
        for kind, connections in CASES:
            rounds = []
            for number in range(given.rounds):
                turn = tools[number % 3 :] + tools[: number % 3]
                rounds.append({tool: measured(tool, urls[kind], connections, given.seconds) for tool in turn})
            rate, cpu_s = (statistics.median(one[ours][place] for one in rounds) for place in (0, 1))
            ratios = [[statistics.median(one[ours][place] / one[peer][place] for one in rounds) for peer in (wrk, hey)] for place in (0, 1)]
            shown = [f"{first:6.2f} {second:6.2f}" for first, second in ratios]
            print(f"{f'{kind} c={connections}':12} {rate:11,.0f}       {shown[0]}   {cpu_s * 1e6:12.1f} us  {shown[1]}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (Missing, KeyError, ValueError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"error: {error if isinstance(error, Missing) else f'not measured: {error!r}'}\n")
        sys.exit(4)
