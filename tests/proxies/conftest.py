"""The demo's four namespaces in the guest, the proxies where Debian has them and the examples where they belong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import ipvs
import pytest
from proxies import PROJECT, SERVERS, SERVICE, Servers
from story import make_network

# The modules for these proxies, by the folder in which the proxy's Lua looks for them.
MODULES = {"5.3": "5.3", "5.1": "jit"}
# What has the user put the examples in place. Debian's own configurations stay.
PAGE = (PROJECT / "docs" / "lua-privileges.md").read_text()


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Make of the guest a user's machine, with Debian's packages, their users and folders, the module, the examples."""
    # The Makefile's are for Lua 5.4.
    for name in [name for name in os.environ if name.startswith("LUA_")]:
        del os.environ[name]
    proxies = PROJECT / "target" / "proxies"
    packed = subprocess.Popen(["tar", "-C", proxies, "-c", "etc", "lib", "usr", "var"], stdout=subprocess.PIPE)
    # Their folders may be links here.
    subprocess.run(["tar", "-C", "/", "-x", "--keep-directory-symlink"], stdin=packed.stdout, check=True)
    assert packed.wait() == 0
    if subprocess.run(["id", "haproxy"], check=False, capture_output=True).returncode != 0:
        subprocess.run(["useradd", "--system", "--user-group", "haproxy"], check=True)
    # As on every machine but a fresh tmpfs.
    Path("/run").chmod(0o755)
    Path("/var/log/nginx").mkdir(parents=True, exist_ok=True)
    for version, built in MODULES.items():
        module = Path("/usr/local/lib/lua") / version / "ipvs.so"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.unlink(missing_ok=True)
        module.symlink_to(PROJECT / "target" / "lua-dev" / built / "ipvs.so")
    subprocess.run(["sh", "-e", "-c", PAGE.split("```sh\n")[1].split("```")[0]], cwd=PROJECT, check=True)
    make_network()


@pytest.fixture(scope="session")
def all_servers() -> Iterator[Servers]:
    """Give the servers, which live as long as the tests."""
    servers = Servers()
    yield servers
    for name in list(servers.running):
        servers.kill(name)


@pytest.fixture
def servers(all_servers: Servers) -> Servers:
    """Give the servers, of which all run."""
    all_servers.start(*SERVERS)
    return all_servers


@pytest.fixture
def lb() -> ipvs.Client:
    """Give a client, and a table with the demo's service and its two servers of weight 5 and 3."""
    client = ipvs.Client()
    client.flush()
    client.add_service(ipvs.Service(SERVICE, scheduler="wrr"))
    for address, weight in zip(SERVERS.values(), (5, 3), strict=True):
        client.add_destination(SERVICE, address, forwarding="masquerade", weight=weight)
    return client
