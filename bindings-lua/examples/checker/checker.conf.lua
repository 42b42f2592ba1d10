-- Pools of real servers, and how they are checked. The names of the policy are keepalived's.
return {
    interval = 1,   -- seconds from one round of checks to the next
    drain = 30,     -- seconds that connections have to end on SIGTERM
    pools = {
        {
            services = { "tcp://10.0.0.1:80", "tcp://10.0.0.1:8080" },
            servers = {
                { id = "192.168.1.11:8080", forwarding = "masquerade", weight = 5 },
                { id = "192.168.1.12:8080", forwarding = "masquerade", weight = 3 },
            },
            sorry_server = { id = "192.168.1.99:8080", forwarding = "masquerade" },
            quorum = 3,
            rise = 2,
            fall = 3,
            inhibit_on_failure = true,
            check = { kind = "http", path = "/", status = 200, timeout = 0.5 },
        },
    },
}
