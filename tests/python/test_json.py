"""`ipvsadm --json`: its schema holds for everything it prints, and its values are those of the text listings."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "ipvsadm.schema.json").read_text())
DEBIAN = "/usr/sbin/ipvsadm"
RULES = """
-A -t 10.0.0.1:80 -s wrr -p 60 -M 255.255.255.0
-a -t 10.0.0.1:80 -r 127.0.0.1:8080 -m -w 5 -x 100 -y 50
-a -t 10.0.0.1:80 -r 192.168.1.11 -g -w 0
-a -t 10.0.0.1:80 -r 192.168.1.12 -i
-a -t 10.0.0.1:80 -r 192.168.1.13 -i --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 10.0.0.1:80 -r 192.168.1.14 -i --tun-type gre --tun-csum
-A -u 10.0.0.1:5060 -s sh -b sh-port,sh-fallback --pe sip -p 30 -o
-A -t [2001:db8::1]:443
-a -t [2001:db8::1]:443 -r [2001:db8::a]:8443 -m
-A -f 4000000000 -6 -s mh
-A --sctp-service 10.0.0.1:36412
"""


def closed(schema: Any) -> Any:  # noqa: ANN401
    """Give the same schema, but one that takes no key it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if schema.get("type") == "object" else {}
    return {key: closed(part) for key, part in schema.items()} | more


VALIDATOR = Draft202012Validator(closed(SCHEMA))


def run(*command: str, rules: str = "") -> str:
    """Give the output of a command that has to succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True, input=rules).stdout


def listed(*arguments: str) -> Any:  # noqa: ANN401
    """Give what ours lists as JSON, one object."""
    text = run("ipvsadm", "-L", *arguments, "--json")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    value = json.loads(text)
    VALIDATOR.validate(value)
    return value


def test_the_schema_is_one() -> None:
    """It is valid itself, every key is required, and what is no listing does not hold."""
    Draft202012Validator.check_schema(SCHEMA)
    for definition in SCHEMA["$defs"].values():
        assert definition["required"] == list(definition["properties"])
    all_wrong: list[Any] = [{}, {"timeouts": {"tcp": 1, "tcp_fin": 1}}, {"sync_daemons": [{}]}, {"services": []}]
    for wrong in all_wrong:
        assert not VALIDATOR.is_valid(wrong)


def test_the_table_is_what_debian_lists() -> None:
    """Services and destinations with their settings, in the same order."""
    run(DEBIAN, "-R", rules=RULES)
    table = listed()
    title = run(DEBIAN, "-Ln").splitlines()[0]
    assert title == f"IP Virtual Server version {table['version']} (size={table['connection_table_size']})"
    services = {service["id"]: service for service in table["services"]}
    ids = ["tcp://10.0.0.1:80", "udp://10.0.0.1:5060", "sctp://10.0.0.1:36412", "tcp://[2001:db8::1]:443"]
    assert list(services) == ["fwmark:4000000000/ipv6", *ids]
    web = services["tcp://10.0.0.1:80"]
    assert (web["family"], web["protocol"], web["address"], web["port"], web["fwmark"]) == (
        "ipv4",
        "tcp",
        "10.0.0.1",
        80,
        None,
    )
    assert (web["scheduler"], web["persistence_timeout"], web["netmask"]) == ("wrr", 60, "255.255.255.0")
    sip = services["udp://10.0.0.1:5060"]
    assert sip["scheduler_flags"] == ["sh-fallback", "sh-port"]
    assert (sip["persistence_engine"], sip["one_packet"]) == ("sip", True)
    mark = services["fwmark:4000000000/ipv6"]
    assert (mark["fwmark"], mark["family"], mark["protocol"], mark["address"]) == (4_000_000_000, "ipv6", None, None)
    masquerade, route, ipip, gue, gre = web["destinations"]
    assert (masquerade["id"], masquerade["forwarding"], masquerade["tunnel"]) == ("127.0.0.1:8080", "masquerade", None)
    assert (masquerade["weight"], masquerade["upper_threshold"], masquerade["lower_threshold"]) == (5, 100, 50)
    assert (route["forwarding"], route["weight"]) == ("direct-route", 0)
    assert ipip["tunnel"] == {"type": "ipip", "port": None, "checksum": None}
    assert gue["tunnel"] == {"type": "gue", "port": 6080, "checksum": "remote"}
    assert gre["tunnel"] == {"type": "gre", "port": None, "checksum": "on"}
    assert services["tcp://[2001:db8::1]:443"]["destinations"][0]["id"] == "[2001:db8::a]:8443"
    # Whatever is asked for besides, all is there.
    for more in (["-n"], ["--stats", "--exact"], ["--rate"], ["--thresholds"], ["--persistent-conn"], ["--tun-info"]):
        assert listed(*more) == table
    assert listed("-t", "10.0.0.1:80")["services"] == [web]
    assert {service["id"] for service in listed("--nosort")["services"]} == set(services)
    assert subprocess.run(["ipvsadm", "-L", "-t", "10.0.0.9:80", "--json"], check=False).returncode == 1


def test_connections_and_counters_are_those_of_traffic() -> None:
    """One connection, held open, and the template that its persistence makes."""
    run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
    run(DEBIAN, "-R", rules="".join(RULES.splitlines(keepends=True)[:3]))
    assert run("ipvsadm", "-L", "-c", "--json") == ""
    with socket.create_server(("127.0.0.1", 8080)), socket.create_connection(("10.0.0.1", 80)) as client:
        lines = run("ipvsadm", "-L", "-c", "--json").splitlines()
        connections = [json.loads(line) for line in lines]
        for connection in connections:
            VALIDATOR.validate(connection)
        address, port = client.getsockname()
        (own,) = [connection for connection in connections if connection["client"]["port"]]
        assert own["client"] == {"address": address, "port": port}
        assert own["virtual"] == {"address": "10.0.0.1", "port": 80}
        assert own["destination"] == {"address": "127.0.0.1", "port": 8080}
        assert (own["protocol"], own["state"], own["persistence"]) == ("tcp", "ESTABLISHED", None)
        assert len(connections) == len(run(DEBIAN, "-Lnc").splitlines()) - 2 == 2
        (web,) = listed("-t", "10.0.0.1:80")["services"]
        assert web["destinations"][0]["active_connections"] == 1
        assert web["destinations"][0]["persistent_connections"] == 1


def test_timeouts_and_daemons_are_what_debian_lists() -> None:
    """With no daemon, one and both."""
    run(DEBIAN, "--set", "901", "121", "301")
    assert listed("--timeout") == {"timeouts": {"tcp": 901, "tcp_fin": 121, "udp": 301}}
    assert listed("--daemon") == {"sync_daemons": []}
    run("ip", "link", "add", "sync0", "type", "dummy")
    run("ip", "link", "set", "sync0", "up")
    run("ip", "address", "add", "10.9.9.9/24", "dev", "sync0")
    run(DEBIAN, "--start-daemon", "master", "--mcast-interface", "sync0", "--syncid", "7", "--mcast-ttl", "3")
    (master,) = listed("--daemon")["sync_daemons"]
    assert (master["role"], master["interface"], master["sync_id"], master["ttl"]) == ("master", "sync0", 7, 3)
    assert (master["group"], master["port"]) == ("224.0.0.81", 8848)
    run(DEBIAN, "--start-daemon", "backup", "--mcast-interface", "sync0")
    assert [daemon["role"] for daemon in listed("--daemon")["sync_daemons"]] == ["master", "backup"]


def test_a_watch_tells_each_change() -> None:
    """With the settings of what is added, and the fields of what is changed."""
    command = ["ipvsadm", "--watch", "--json", "--interval", "0.05"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        time.sleep(0.5)
        run(DEBIAN, "-R", rules="".join(RULES.splitlines(keepends=True)[:3]))
        changes = [json.loads(watch.stdout.readline()) for _ in range(2)]
        run(DEBIAN, "-e", "-t", "10.0.0.1:80", "-r", "127.0.0.1:8080", "-m", "-w", "0", "-x", "100", "-y", "50")
        changes.append(json.loads(watch.stdout.readline()))
        watch.terminate()
    for change in changes:
        VALIDATOR.validate(change)
    service, destination, changed = changes
    assert (service["change"], service["service"], service["destination"]) == (
        "service_added",
        "tcp://10.0.0.1:80",
        None,
    )
    assert (service["settings"]["scheduler"], service["fields"]) == ("wrr", None)
    assert (destination["change"], destination["settings"]["weight"]) == ("destination_added", 5)
    assert (changed["change"], changed["destination"]) == ("destination_changed", "127.0.0.1:8080")
    assert changed["settings"] is None
    assert changed["fields"] == [{"field": "weight", "before": "5", "after": "0"}]
