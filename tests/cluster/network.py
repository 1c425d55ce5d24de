"""The cluster's own bridge, routes, firewall rules and kernel settings, and their removal.

Called by `local_cluster.py` when the cluster goes up and down. Everything it adds is kept off
the machine's other networks: no packet of a pod or for a service leaves the machine, and the
API server and kubelet answer only on loopback and the bridge. Must leave alone what it did not
make; kernel settings are written down first and restored.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from pathlib import Path

from places import API_PORT, BRIDGE, BRIDGE_ADDRESS, POD_RANGE, SERVICE_RANGE, STATE

_SYSCTLS = Path("/proc/sys")
_SAVED = STATE / "sysctls.json"
_WANTED = {
    "net/ipv4/ip_forward": "1",
    # Answers between two pods of one bridge must pass the service's address translation too.
    "net/bridge/bridge-nf-call-iptables": "1",
}
# Set by kubelet, kube-proxy and the bridge plugin at their start: restored with ours.
_SET_BY_OTHERS = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/conf/all/route_localnet",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
_GUARD = "VIDEOJOB-GUARD"
_OUR_CHAINS = (_GUARD, "KUBE-", "CNI-")


class NetworkError(Exception):
    """The machine's network has no room for the cluster's; the message says what is in the way."""


def check_ranges() -> None:
    """Refuse when another interface already has a part of the ranges."""
    ranges = [ipaddress.ip_network(each) for each in (POD_RANGE, SERVICE_RANGE)]
    for route in json.loads(_run("ip", "-4", "-j", "route") or "[]"):
        if route.get("dev") == BRIDGE or route["dst"] == "default":
            continue
        taken = ipaddress.ip_network(route["dst"], strict=False)
        for wanted in ranges:
            if taken.overlaps(wanted):
                raise NetworkError(
                    f"The local cluster needs {wanted}, but a route to {taken} by way of "
                    f"{route.get('dev', 'another')} is there. Remove it, or run the cluster elsewhere."
                )


def up() -> None:
    """Make, or make whole again, the bridge with its routes, rules and settings."""
    _load_modules()
    _save_sysctls()
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run(
        "ip", "address", "replace", f"{BRIDGE_ADDRESS}/{POD_RANGE.partition('/')[2]}", "dev", BRIDGE
    )
    _run("ip", "link", "set", BRIDGE, "up")
    # Through the bridge, so that the host itself reaches service addresses as well; a blackhole
    # route would keep packets in as surely, and the host out.
    _run("ip", "route", "replace", SERVICE_RANGE, "dev", BRIDGE)
    for name, value in _WANTED.items():
        _write_sysctl(name, value)
    _guard()


def down() -> None:
    """Remove all of it, and what kube-proxy, kubelet and the CNI plugins left."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        _run("ip", "link", "delete", BRIDGE)
    for command in ("iptables", "ip6tables"):
        if shutil.which(f"{command}-save") is not None:
            _remove_chains(command)
    _restore_sysctls()


def _load_modules() -> None:
    """Ask for what containers and services need; a kernel may have it built in instead."""
    if shutil.which("modprobe") is not None:
        for module in ("overlay", "br_netfilter"):
            _run("modprobe", "-q", module, check=False)


def _guard() -> None:
    """Keep pods' packets in, and others away from the API server's port."""
    chain = _run("iptables", "-w", "-n", "-L", _GUARD, check=False)
    if not chain:
        _run("iptables", "-w", "-N", _GUARD)
    _run("iptables", "-w", "-F", _GUARD)
    # Entered from INPUT and FORWARD alike; what comes by loopback or stays on the bridge is ours.
    for rule in (
        ("-i", "lo", "-j", "RETURN"),
        ("-i", BRIDGE, "-o", BRIDGE, "-j", "RETURN"),
        ("-i", BRIDGE, "-m", "addrtype", "--dst-type", "LOCAL", "-j", "RETURN"),
        ("-i", BRIDGE, "-j", "DROP"),
        ("-p", "tcp", "--dport", str(API_PORT), "-j", "DROP"),
    ):
        _run("iptables", "-w", "-A", _GUARD, *rule)
    for hook in ("INPUT", "FORWARD"):
        if not _run("iptables", "-w", "-C", hook, "-j", _GUARD, check=False, says=True):
            _run("iptables", "-w", "-I", hook, "-j", _GUARD)


def _remove_chains(command: str) -> None:
    """Delete chains by the prefixes the cluster's parts use, and the rules that lead to them."""
    saved = _run(f"{command}-save", check=False)
    table, chains, jumps = "", [], []
    for line in saved.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":") and words[0][1:].startswith(_OUR_CHAINS):
            chains.append((table, words[0][1:]))
        elif line.startswith("-A") and "-j" in words:
            target = words[words.index("-j") + 1]
            if target.startswith(_OUR_CHAINS) and not words[1].startswith(_OUR_CHAINS):
                jumps.append((table, line))
    script: dict[str, list[str]] = {}
    for table, line in jumps:
        script.setdefault(table, []).append("-D" + line[2:])
    for table, chain in chains:
        script.setdefault(table, []).append(f"-F {chain}")
    for table, chain in chains:
        script.setdefault(table, []).append(f"-X {chain}")
    if script:
        text = "".join(
            f"*{table}\n" + "\n".join(rules) + "\nCOMMIT\n" for table, rules in script.items()
        )
        subprocess.run([f"{command}-restore", "-w", "--noflush"], input=text, text=True, check=True)


def _save_sysctls() -> None:
    if not _SAVED.exists():
        STATE.mkdir(parents=True, exist_ok=True)
        names = [*_WANTED, *_SET_BY_OTHERS]
        _SAVED.write_text(
            json.dumps({name: value for name in names if (value := _read_sysctl(name))})
        )


def _restore_sysctls() -> None:
    if _SAVED.exists():
        for name, value in json.loads(_SAVED.read_text()).items():
            if _read_sysctl(name) != value:
                _write_sysctl(name, value)
        _SAVED.unlink()


def _read_sysctl(name: str) -> str:
    try:
        return (_SYSCTLS / name).read_text().strip()
    except OSError:
        return ""


def _write_sysctl(name: str, value: str) -> None:
    try:
        (_SYSCTLS / name).write_text(value)
    except OSError:
        # Absent (no bridge filter in this kernel) or not ours to set in this container.
        if _read_sysctl(name) not in ("", value):
            raise


def _run(*command: str, check: bool = True, says: bool = False) -> str:
    """The output; with `says`, "yes" or nothing by the exit status."""
    result = subprocess.run(command, capture_output=True, text=True)
    if check and result.returncode != 0:
        raise NetworkError(f"{' '.join(command)}: {result.stderr.strip()}")
    if says:
        return "yes" if result.returncode == 0 else ""
    return result.stdout if result.returncode == 0 else ""
