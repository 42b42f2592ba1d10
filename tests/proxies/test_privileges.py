"""What docs/lua-privileges.md says: which proxy drops what, what comes of it, and how it keeps CAP_NET_ADMIN."""

from __future__ import annotations

import shlex
import shutil
import signal
import socket
import string
import subprocess
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import ipvs
import pytest
from proxies import (
    PROJECT,
    SERVERS,
    SERVICE,
    TIMEOUT,
    Proxy,
    accepts,
    apache,
    haproxy,
    nginx,
    ordinary,
    running,
    wait_for,
    witness,
)

GREEN = SERVERS["green"]
PAGE = " ".join((PROJECT / "docs" / "lua-privileges.md").read_text().split())
ROOT: list[str] = []
SOCKET = Path("/run/haproxy/admin.sock")
# What the example has and Debian's haproxy.cfg has not.
HOOK = """
global
    lua-prepend-path /etc/haproxy/lua/?.lua
    lua-load-per-thread /etc/haproxy/lua/lvs.lua
frontend lvs
    bind 127.0.0.1:8404
    http-request use-service lua.lvs if { path /lvs }
"""
# What can be done where /proc and /run/netns are out of reach: a line for each, with the error if there is one.
PROBE = """
local ipvs = require "ipvs"
local early = ipvs.assert(ipvs.connect { netns = "blue" })
core.register_service("probe", "http", function(applet)
    local lines = {}
    local function try(name, result, err)
        lines[#lines + 1] = name .. " " .. (result and "works" or err.kind .. ": " .. err.message) .. "\\n"
    end
    local own = ipvs.assert(ipvs.connect())
    try("own", own:info())
    try("early", early:info())
    try("late", ipvs.connect { netns = "blue" })
    try("connections", own:connections())
    try("settings", own:settings())
    try("overview", ipvs.overview())
    applet:set_status(200)
    applet:start_response()
    applet:send(table.concat(lines))
end)
"""


def changed(source: str, place: str, *changes: tuple[str, str]) -> str:
    """Write a configuration with changes, each of a text that is there, and return its path."""
    text = Path(source).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path(place).write_text(text)
    return place


def expect_works(proxy: Proxy) -> None:
    """Read the table and change it."""
    assert proxy.ask().status == 200
    done = proxy.put(SERVICE, GREEN, 6)
    assert (done.status, done.json["before"]) == (200, 3)
    assert witness()[GREEN] == 6


def expect_denied(proxy: Proxy) -> None:
    """Expect neither to be possible, and an error that says what is missing, as the page shows it."""
    for answer in (proxy.put(SERVICE, GREEN, 6), proxy.ask()):
        assert answer.status == 403
        assert answer.json["error"]["kind"] == "permission_denied"
    assert answer.json["error"]["message"] in PAGE
    assert witness()[GREEN] == 3


def capabilities(proxy: Proxy) -> set[str]:
    """Return the effective capabilities of the workers, as the kernel shows them."""
    lines = [
        line
        for pid in proxy.workers()
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("CapEff:")
    ]
    return {line.split()[1].lstrip("0") for line in lines}


@pytest.fixture(autouse=True)
def table(lb: ipvs.Client) -> None:
    """Begin with the demo's table, and without what a proxy left that root started."""
    assert len(lb.services()) == 1
    for left in [SOCKET, Path("/run/apache2/error.log")]:
        left.unlink(missing_ok=True)


def test_haproxy_as_debian_has_it(tmp_path: Path) -> None:
    """`user` and `chroot` take the capability, and /proc and /run/netns; the hook says so and lives on."""
    # Debian's line sends it into the background.
    place = changed("/etc/haproxy/haproxy.cfg", "/etc/haproxy/debian.cfg", ("\tdaemon\n", ""))
    text = Path(place).read_text()
    assert {"\tchroot /var/lib/haproxy", "\tuser haproxy"} <= set(text.splitlines())
    Path(place).write_text(text + HOOK)
    with haproxy(tmp_path / "log", place, ROOT) as proxy:
        expect_denied(proxy)
        assert capabilities(proxy) == {""}
        assert proxy.said().count("lvs: no check: cannot list the services: permission denied") == 1


def probing(place: str, *lines: str) -> str:
    """Write the example's configuration with these lines and the probe, and return its path."""
    Path("/etc/haproxy/lua/probe.lua").write_text(PROBE)
    added = "".join(f"    {line}\n" for line in lines)
    return changed(
        "/etc/haproxy/lvs.cfg",
        place,
        ("global\n", f"global\n{added}    lua-load /etc/haproxy/lua/probe.lua\n"),
        ("frontend lvs\n", "frontend lvs\n    http-request use-service lua.probe if { path /probe }\n"),
    )


def probed(proxy: Proxy) -> dict[str, str]:
    """Return what the probe says of each thing it tries."""
    return dict(line.split(" ", 1) for line in proxy.ask(path="/probe").body.decode().splitlines())


def test_haproxy_as_root_in_a_chroot(tmp_path: Path) -> None:
    """Without `user` it keeps all; what needs /proc or /run/netns says so, but for what was opened before."""
    with haproxy(tmp_path / "log", probing("/etc/haproxy/chroot.cfg", "chroot /var/lib/haproxy"), ROOT) as proxy:
        expect_works(proxy)
        said = probed(proxy)
        assert (said.pop("own"), said.pop("early")) == ("works", "works")
        assert said.pop("late").startswith("namespace: ")
        assert set(said) == {"connections", "settings", "overview"}
        for outcome in said.values():
            assert outcome.startswith("io: ")
            assert outcome.endswith("/proc is not there, as after a chroot")


def test_another_namespace_takes_more(tmp_path: Path) -> None:
    """To enter it, CAP_SYS_ADMIN; all else works."""
    with haproxy(tmp_path / "log", probing("/etc/haproxy/probe.cfg")) as proxy:
        said = probed(proxy)
        assert said.pop("early").startswith("namespace: ")
        assert said.pop("late") == "works", "it is not entered yet"
        assert set(said.values()) == {"works"}


@pytest.mark.parametrize("start", [ROOT, ordinary("haproxy", "net_admin")], ids=["root", "ordinary"])
def test_haproxy_keeps_it(start: list[str], tmp_path: Path) -> None:
    """As root without `user`, or as an ordinary user with the capability, who may then be named."""
    line = ("global\n", "global\n    user haproxy\n    group haproxy\n")
    place = changed("/etc/haproxy/lvs.cfg", "/etc/haproxy/user.cfg", *([line] if start else []))
    with haproxy(tmp_path / "log", place, start) as proxy:
        expect_works(proxy)
        if start:
            assert capabilities(proxy) == {"1000"}


def test_haproxy_with_low_ports(tmp_path: Path) -> None:
    """The second capability that is needed when it was root who opened port 80."""
    place = changed("/etc/haproxy/lvs.cfg", "/etc/haproxy/low.cfg", ("127.0.0.1:8404", "127.0.0.1:80"))
    check = subprocess.run(
        [*ordinary("haproxy", "net_admin"), "haproxy", "-f", place], check=False, capture_output=True, text=True
    )
    assert check.returncode != 0
    assert "cannot bind socket (Permission denied) for [127.0.0.1:80]" in check.stderr
    start = [*ordinary("haproxy", "net_admin", "net_bind_service"), "haproxy", "-f", place]
    with running(start, 80, tmp_path / "log") as proxy:
        expect_works(proxy)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chroot /var/lib/haproxy", "Cannot chroot(/var/lib/haproxy)"),
        ("setcap cap_net_admin", "unknown keyword 'setcap'"),
        ("# root was here", "error when trying to preserve previous UNIX socket"),
    ],
    ids=["chroot", "setcap", "socket"],
)
def test_haproxy_does_not_start(line: str, said: str) -> None:
    """An ordinary user may not change the root or take root's socket; Debian's version is too old for `setcap`."""
    if "root was here" in line:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(SOCKET))
    place = changed("/etc/haproxy/lvs.cfg", "/etc/haproxy/not.cfg", ("global\n", f"global\n    {line}\n"))
    started = subprocess.run(
        [*ordinary("haproxy", "net_admin"), "haproxy", "-f", place],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert started.returncode != 0
    assert said in started.stderr


def test_nginx_keeps_it(tmp_path: Path) -> None:
    """As root with `user root`; as an ordinary user with the capability, where `user` means nothing."""
    line = "worker_processes"
    place = changed("/etc/nginx/lvs.conf", "/etc/nginx/root.conf", (line, f"user root;\n{line}"))
    with nginx(tmp_path / "root", place, ROOT) as proxy:
        expect_works(proxy)
    ipvs.Client().set_weight(SERVICE, GREEN, 3)
    place = changed("/etc/nginx/lvs.conf", "/etc/nginx/user.conf", (line, f"user nobody;\n{line}"))
    with nginx(tmp_path / "ordinary", place) as proxy:
        expect_works(proxy)
        assert capabilities(proxy) == {"1000"}
        assert 'the "user" directive makes sense only if the master process runs with super-user' in proxy.said()


def test_apache_keeps_it(tmp_path: Path) -> None:
    """As an ordinary user with the capability, where `User` means nothing; it refuses to work as root."""
    with apache(tmp_path / "log") as proxy:
        expect_works(proxy)
        assert capabilities(proxy) == {"1000"}
    place = changed("/etc/apache2/lvs.conf", "/etc/apache2/root.conf", ("User www-data", "User root"))
    check = subprocess.run(["apache2", "-f", place, "-t"], check=False, capture_output=True, text=True)
    assert check.returncode != 0
    assert "Apache has not been designed to serve pages while" in check.stderr


Start = Callable[..., AbstractContextManager[Proxy]]


@pytest.mark.parametrize(
    ("proxy", "start"),
    [
        (haproxy, ordinary("haproxy")),
        (nginx, ROOT),
        (nginx, ordinary("www-data")),
        (apache, ROOT),
        (apache, ordinary("www-data")),
    ],
    ids=["haproxy-ordinary", "nginx-root", "nginx-ordinary", "apache-root", "apache-ordinary"],
)
def test_without_it(proxy: Start, start: list[str], tmp_path: Path) -> None:
    """The workers of a proxy that root starts are ordinary users, and have no more than one who was not given it."""
    with proxy(tmp_path / "log", start=start) as running:
        expect_denied(running)
        assert capabilities(running) == {""}


def test_a_user_namespace_of_its_own(tmp_path: Path) -> None:
    """There, root is nobody to the kernel."""
    # The other folder is that of a user who is not in there.
    place = changed("/etc/haproxy/lvs.cfg", "/etc/haproxy/rootless.cfg", ("/run/haproxy/admin.sock", "/run/admin.sock"))
    with haproxy(tmp_path / "log", place, ["unshare", "--user", "--map-root-user"]) as proxy:
        expect_denied(proxy)


def unit(name: str) -> dict[str, list[str]]:
    """Return the commands of Debian's unit with the changes that the page makes to it, by their names in systemd."""
    page = (PROJECT / "docs" / "lua-privileges.md").read_text()
    changes = page.split(f"`systemctl edit {name}`")[1].split("```ini\n")[1].split("```")[0]
    settings: dict[str, list[str]] = {}
    for line in [*Path(f"/lib/systemd/system/{name}.service").read_text().splitlines(), *changes.splitlines()]:
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            # An empty value takes back those before it.
            settings[key] = [*settings.get(key, []), value] if value else []
    variables = dict(word.split("=", 1) for line in settings.get("Environment", []) for word in shlex.split(line))
    variables |= {"CONFIG": "/etc/haproxy/lvs.cfg"}
    return {
        key: [string.Template(value).safe_substitute(variables).removeprefix("-") for value in values]
        for key, values in settings.items()
    }


def test_haproxy_as_systemd_starts_it(tmp_path: Path) -> None:
    """Debian's command with what the page changes; it tells systemd that it is ready, and is reloaded."""
    commands = unit("haproxy")
    start = [*ordinary("haproxy", "net_admin", "net_bind_service"), *shlex.split(commands["ExecStart"][0])]
    check = [*ordinary("haproxy", "net_admin", "net_bind_service"), *shlex.split(commands["ExecReload"][0])]
    assert {"-Ws", "/run/haproxy/haproxy.pid", "/run/haproxy/master.sock"} < set(start)
    Path("/run/haproxy/master.sock").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(TIMEOUT)
        systemd.bind("/run/haproxy/notify")
        Path("/run/haproxy/notify").chmod(0o777)
        environment = ["env", "NOTIFY_SOCKET=/run/haproxy/notify"]
        with running([*environment, *start], 8404, tmp_path / "log", signal.SIGUSR2) as proxy:
            wait_for(lambda: b"READY=1" in systemd.recv(1000), expected=True)
            expect_works(proxy)
            assert subprocess.run(check, check=False).returncode == 0
            proxy.reload()
            assert proxy.ask().status == 200
    Path("/run/haproxy/notify").unlink()


def test_nginx_as_systemd_starts_it() -> None:
    """Debian's commands with what the page changes: in the background, with the process number where systemd looks."""
    shutil.copy("/etc/nginx/lvs.conf", "/etc/nginx/nginx.conf")
    commands = unit("nginx")
    user = ordinary("www-data", "net_admin", "net_bind_service")

    def run(name: str) -> None:
        # Its last setting is the one that counts.
        subprocess.run([*user, *shlex.split(commands[name][-1])], check=True, timeout=20, stderr=subprocess.DEVNULL)

    run("ExecStartPre")
    run("ExecStart")
    number = Path(commands["PIDFile"][-1])
    try:
        wait_for(lambda: accepts("127.0.0.1", 8405), expected=True)
        assert Path(f"/proc/{number.read_text().strip()}/comm").read_text() == "nginx\n"
        run("ExecReload")
        with urllib.request.urlopen("http://127.0.0.1:8405/lvs", timeout=TIMEOUT) as answer:
            assert GREEN in answer.read().decode()
    finally:
        assert len(commands["ExecStop"]) == 1
        run("ExecStop")
    assert not number.exists()
    assert not accepts("127.0.0.1", 8405)


def test_the_page_s_commands_are_those_of_the_tests() -> None:
    """What starts the proxies here is what the page shows."""
    for command in (
        [*ordinary("haproxy", "net_admin", "net_bind_service"), "haproxy", "-W", "-f", "/etc/haproxy/lvs.cfg"],
        [
            *ordinary("www-data", "net_admin"),
            "nginx",
            "-c",
            "/etc/nginx/lvs.conf",
            "-e",
            "stderr",
            "-g",
            "'daemon off;'",
        ],
        [*ordinary("www-data", "net_admin"), "apache2", "-f", "/etc/apache2/lvs.conf", "-D", "FOREGROUND"],
    ):
        assert " ".join(command) in PAGE.replace("\\ ", "")
