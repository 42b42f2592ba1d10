-- Lists the IPVS table of this network namespace: each service and its destinations, with weights and counts.

local ipvs = require "ipvs"

local lb = assert(ipvs.connect())

for service in assert(lb:services()) do
    print(string.format("%s, scheduler %s: %d connections, %d bytes in, %d bytes out",
        service.id, service.scheduler,
        service.stats.connections, service.stats.bytes_in, service.stats.bytes_out))
    print(string.format("  %-21s  %-12s %6s %6s %8s %11s",
        "destination", "forwarding", "weight", "active", "inactive", "connections"))
    for destination in assert(lb:destinations(service)) do
        print(string.format("  %-21s  %-12s %6d %6d %8d %11d",
            destination.id, destination.forwarding, destination.weight,
            destination.active_connections, destination.inactive_connections, destination.stats.connections))
    end
end
