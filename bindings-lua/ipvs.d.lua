---@meta ipvs

-- What the Lua language server (LuaCATS) has to know of the module: put this file's folder into `workspace.library`.

---Steers IPVS, the load balancer in the Linux kernel.
---@class ipvs
---@field _VERSION string
---@field SCHEDULERS table<string, string> The known schedulers, and what each does.
---@field SETTINGS table<string, string> The known settings (/proc/sys/net/ipv4/vs), and what each does.
local ipvs = {}

---An id, or a table that has one, such as a listing's: `"tcp://10.0.0.1:80"`, `"udp://[2001:db8::1]:53"`, `"fwmark:7"`,
---`"fwmark:7/ipv6"`.
---@alias ipvs.ServiceName string|ipvs.ServiceSettings

---An address and a port, or a table that has them, such as a listing's: `"192.168.1.10:8080"`, `"[2001:db8::a]:8080"`.
---@alias ipvs.DestinationName string|ipvs.DestinationSettings

---@alias ipvs.Protocol "tcp"|"udp"|"sctp"
---@alias ipvs.Family "ipv4"|"ipv6"
---@alias ipvs.Forwarding "masquerade"|"tunnel"|"direct-route"|"local-node"
---@alias ipvs.Role "master"|"backup"
---@alias ipvs.SchedulerFlag "sh-fallback"|"sh-port"|"mh-fallback"|"mh-port"|"flag-1"|"flag-2"|"flag-3"
---@alias ipvs.SettingValue boolean|integer|integer[]|string

---A command as data: the name of one of the client's methods, and its arguments.
---@alias ipvs.Command table

---A service with its settings: `id`, or `protocol`, `address` and `port`, or `fwmark` and `family`.
---@class ipvs.ServiceSettings
---@field id? string
---@field protocol? ipvs.Protocol
---@field address? string
---@field port? integer 0 is every port, which only a persistent service can have.
---@field fwmark? integer 1 to 4294967295.
---@field family? ipvs.Family
---@field scheduler? string How a destination is chosen: a kernel module without its `ip_vs_`. `"wlc"` unless given.
---@field scheduler_flags? ipvs.SchedulerFlag[]
---@field persistence_timeout? integer For how many seconds a client comes back to its destination, 1 to 4294967.
---@field netmask? string|integer Which clients are one: `"255.255.255.0"`, or a prefix length.
---@field persistence_engine? string What names a client instead of its address: `"sip"`.
---@field one_packet? boolean Each datagram is scheduled by itself.

---What a listing says of a service.
---@class ipvs.Service: ipvs.ServiceSettings
---@field id string
---@field family ipvs.Family
---@field scheduler string
---@field scheduler_flags ipvs.SchedulerFlag[]
---@field netmask string
---@field one_packet boolean
---@field stats ipvs.Stats

---A service with its destinations.
---@class ipvs.ServiceTable: ipvs.Service
---@field destinations ipvs.Destination[]

---A destination with its settings: `id`, or `address` and `port`.
---@class ipvs.DestinationSettings
---@field id? string
---@field address? string
---@field port? integer
---@field forwarding? ipvs.Forwarding How packets reach it. `"direct-route"` unless given.
---@field tunnel? string|ipvs.Tunnel How packets are wrapped: `"ipip"`, `"gue"`, `"gre"`, or a table.
---@field weight? integer Its share of new connections, 0 to 2147483647; with 0 it gets none. 1 unless given.
---@field upper_threshold? integer From so many connections on it gets no new ones; 0 is no limit.
---@field lower_threshold? integer Below so many it gets new ones again; 0 is three quarters of the upper one.

---What a listing says of a destination.
---@class ipvs.Destination: ipvs.DestinationSettings
---@field id string
---@field address string
---@field port integer
---@field forwarding ipvs.Forwarding
---@field tunnel? ipvs.Tunnel
---@field weight integer
---@field upper_threshold integer
---@field lower_threshold integer
---@field active_connections integer Established ones, for TCP; UDP has none.
---@field inactive_connections integer All other connections.
---@field persistent_connections integer Persistence templates.
---@field stats ipvs.Stats

---@class ipvs.Tunnel
---@field type "ipip"|"gue"|"gre"
---@field port? integer The UDP port of a GUE tunnel.
---@field checksum? "off"|"on"|"remote" Of a GUE or GRE tunnel.

---Totals, and rates that the kernel estimates every 2 seconds.
---@class ipvs.Stats
---@field connections integer
---@field packets_in integer
---@field packets_out integer
---@field bytes_in integer
---@field bytes_out integer
---@field connections_per_second integer
---@field packets_in_per_second integer
---@field packets_out_per_second integer
---@field bytes_in_per_second integer
---@field bytes_out_per_second integer

---@class ipvs.Endpoint
---@field address string
---@field port integer

---A connection, or a persistence template: one with client port 0.
---@class ipvs.Connection
---@field protocol string A protocol, or `"ip"` for the template of a firewall mark.
---@field client ipvs.Endpoint
---@field virtual ipvs.Endpoint
---@field destination ipvs.Endpoint
---@field state string Its name in the kernel, such as `"ESTABLISHED"`.
---@field expires integer In how many seconds it is forgotten if nothing comes.
---@field persistence? ipvs.PersistenceData

---@class ipvs.PersistenceData
---@field engine string
---@field data string

---A synchronisation daemon; what is 0 or absent the kernel chooses.
---@class ipvs.SyncDaemon
---@field role ipvs.Role
---@field interface string
---@field sync_id? integer 0 to 255; a backup with 0 takes all.
---@field max_length? integer Longest payload of a message in bytes, 1 to 65507.
---@field group? string Multicast address.
---@field port? integer
---@field ttl? integer

---How long idle connections are remembered, in seconds.
---@class ipvs.Timeouts
---@field tcp? integer
---@field tcp_fin? integer
---@field udp? integer

---@class ipvs.Info
---@field version string
---@field connection_table_size integer

---What everybody may see of a service.
---@class ipvs.OverviewService
---@field id string
---@field scheduler string
---@field persistent boolean
---@field one_packet boolean
---@field destinations ipvs.OverviewDestination[]

---@class ipvs.OverviewDestination
---@field id string
---@field forwarding ipvs.Forwarding
---@field weight integer
---@field active_connections integer
---@field inactive_connections integer

---Why something was not done. It prints as its message.
---@class ipvs.Error
---@field kind string A short name of the cause that never changes, such as `"service_exists"`.
---@field message string
---@field errno? integer The kernel's error number.
---@field operation string The method that failed.
---@field object? string The service, destination or daemon that it was about.
---@field line? integer Of a text that is no rules.
---@field column? integer
---@field report? ipvs.Report Of a batch.
---@field applied? ipvs.Applied Of a table that was applied.

---What became of a batch.
---@class ipvs.Report
---@field outcomes ("done"|"failed"|"unknown"|"not-sent")[] Of each command.
---@field done integer How many were done.
---@field failed ipvs.ReportFailure[]
---@field interrupted? ipvs.Error What ended it before its end.

---@class ipvs.ReportFailure
---@field position integer Of the command, from 1.
---@field line? integer That it comes from.
---@field error ipvs.Error

---@class ipvs.Options
---@field timeout? number How many seconds an exchange with the kernel may wait, 1 unless given; 0 is for ever.
---@field netns? string A network namespace, by its name in /run/netns or by its path.
---@field load_module? boolean Whether /sbin/modprobe may be run before Linux 5.16. `true` unless given.

---@class ipvs.ApplyOptions
---@field scope? string|string[] What is ours: ids, networks (`"10.0.0.0/24"`), marks (`"fwmark:1-99"`).
---@field rollback? boolean Whether the settings from before are restored when something is refused.

---What turns one table into another.
---@class ipvs.Plan
---@field additions ipvs.Command[] What is added, changed or raised, and comes first.
---@field removals ipvs.Command[] Weights that become 0, and what is deleted.

---What became of a table that was applied.
---@class ipvs.Applied
---@field is_changed boolean Whether anything was changed, or may have been.
---@field is_done boolean Whether the table is what it should be.
---@field done ipvs.Command[]
---@field failed ipvs.AppliedFailure[]
---@field unknown ipvs.Command[] What was sent, and whether it was done is not known.
---@field not_sent ipvs.Command[] What takes away, where something was refused and nobody would be left to answer.
---@field interrupted? ipvs.Error What ended it before its end.
---@field other_writers ipvs.OtherWriter[] Who else may have changed the table.
---@field rollback? ipvs.Applied What became of restoring the settings from before, if that was asked for and needed.

---@class ipvs.AppliedFailure
---@field command ipvs.Command
---@field error ipvs.Error

---What a pool is made of, and its policy.
---@class ipvs.PoolConfig
---@field services ipvs.ServiceName[] The services that share the servers.
---@field servers? ipvs.DestinationName[] With the weights that they have while they are well.
---@field sorry_server? ipvs.DestinationName Who answers while there is no quorum.
---@field quorum? integer So much weight has to be well. 1 unless given.
---@field hysteresis? integer The quorum is gained with so much more, and lost with so much less.
---@field rise? integer So many good results in a row make a failed server well. 1 unless given.
---@field fall? integer So many bad results in a row make a server failed. 1 unless given.
---@field inhibit_on_failure? boolean A server that failed is kept with weight 0 instead of being deleted.
---@field sorry_server_inhibit? boolean The sorry server is kept with weight 0 while there is a quorum.
---@field alpha? boolean Servers begin as failed.

---What follows from a fact.
---@class ipvs.PoolChanges: ipvs.Plan
---@field events ipvs.PoolEvent[]

---@class ipvs.PoolEvent
---@field event "server_up"|"server_down"|"quorum_gained"|"quorum_lost"
---@field server? string
---@field message string

---@class ipvs.PoolServer
---@field id string
---@field is_up boolean
---@field weight integer That it has while it is well.

---@class ipvs.DrainOptions
---@field deadline? number After so many seconds it is deleted with the connections that it has. Never unless given.
---@field inactive? boolean Whether inactive connections are waited for too, as they always are with `udp://`.
---@field persistent? boolean Whether clients that are bound by persistence are waited for.

---@class ipvs.DrainProgress
---@field state "waiting"|"drained"|"deadline-passed"|"gone"|"overruled"|"cancelled"
---@field active_connections integer
---@field inactive_connections integer
---@field persistent_connections integer

---@alias ipvs.ChangeName
---| "service_added"
---| "service_removed"
---| "service_changed"
---| "destination_added"
---| "destination_removed"
---| "destination_changed"
---| "traffic_began"
---| "traffic_ended"
---| "counters_zeroed"

---One change of the table.
---@class ipvs.Change
---@field change ipvs.ChangeName What kind.
---@field service string
---@field destination? string
---@field settings? ipvs.ServiceSettings|ipvs.DestinationSettings Of what was added.
---@field fields? ipvs.FieldChange[] Of what was changed.
---@field message string

---@class ipvs.FieldChange
---@field field string
---@field before string
---@field after string

---@class ipvs.OtherWriter
---@field name string
---@field process integer

---Connects. The socket is opened by the first operation.
---@param options? ipvs.Options
---@return ipvs.Client? client
---@return ipvs.Error? err
function ipvs.connect(options) end

---What everybody may see of the table, without any privilege.
---@return ipvs.OverviewService[]? services
---@return ipvs.Error? err
function ipvs.overview() end

---The commands of rules, as `ipvsadm -S -n` writes them.
---@param text string
---@return ipvs.Command[]? commands
---@return ipvs.Error? err
function ipvs.parse_rules(text) end

---The rule of ipvsadm for a command.
---@param command ipvs.Command
---@return string rule
function ipvs.format_rule(command) end

---The ids of a range, such as `tcp://10.0.0.1-10:80` or `fwmark:1-9`, for services that share a pool.
---@param text string
---@return string[] ids
function ipvs.service_ids(text) end

---A pool of which nothing is known yet.
---@param config ipvs.PoolConfig
---@return ipvs.Pool pool
function ipvs.pool(config) end

---`assert` for Lua 5.1 and 5.2, whose own takes no `err`: raises the message.
---@generic T
---@param result? T
---@param err? any
---@return T
function ipvs.assert(result, err) end

---A connection to the kernel's IPVS in one network namespace.
---@class ipvs.Client
local client = {}

---Version and size of the kernel's IPVS.
---@return ipvs.Info? info
---@return ipvs.Error? err
function client:info() end

---All services, for a loop.
---@return (fun(): ipvs.Service?)? next
---@return ipvs.Error? err
function client:services() end

---One service.
---@param service ipvs.ServiceName
---@return ipvs.Service? service
---@return ipvs.Error? err
function client:service(service) end

---The destinations of a service, for a loop.
---@param service ipvs.ServiceName
---@return (fun(): ipvs.Destination?)? next
---@return ipvs.Error? err
function client:destinations(service) end

---All connections, for a loop, which reads them as it goes and raises what goes wrong meanwhile.
---@return (fun(): ipvs.Connection?)? next
---@return ipvs.Error? err
function client:connections() end

---The whole table.
---@return ipvs.ServiceTable[]? services
---@return ipvs.Error? err
function client:snapshot() end

---@return ipvs.Timeouts? timeouts
---@return ipvs.Error? err
function client:timeouts() end

---The synchronisation daemons that run: none, one or both.
---@return ipvs.SyncDaemon[]? daemons
---@return ipvs.Error? err
function client:daemons() end

---The counters of all services together, those deleted included.
---@return ipvs.Stats? stats
---@return ipvs.Error? err
function client:total_stats() end

---The settings that this kernel has.
---@return table<string, ipvs.SettingValue>? settings
---@return ipvs.Error? err
function client:settings() end

---@param name string
---@return ipvs.SettingValue? value
---@return ipvs.Error? err
function client:setting(name) end

---Writes a setting, of the whole namespace.
---@param name string
---@param value ipvs.SettingValue
---@return true? done
---@return ipvs.Error? err
function client:set_setting(name, value) end

---@param service ipvs.ServiceName
---@return true? done
---@return ipvs.Error? err
function client:add_service(service) end

---Gives a service other settings, all of them: what is not given goes to its default.
---@param service ipvs.ServiceName
---@return true? done
---@return ipvs.Error? err
function client:edit_service(service) end

---Adds a service, or edits the one that is there.
---@param service ipvs.ServiceName
---@return ("created"|"updated")? which
---@return ipvs.Error? err
function client:ensure_service(service) end

---Deletes a service and its destinations.
---@param service ipvs.ServiceName
---@return true? done
---@return ipvs.Error? err
function client:delete_service(service) end

---Deletes a service if it is there, and says whether it was.
---@param service ipvs.ServiceName
---@return boolean? was_there
---@return ipvs.Error? err
function client:remove_service(service) end

---@param service ipvs.ServiceName
---@param destination ipvs.DestinationName
---@return true? done
---@return ipvs.Error? err
function client:add_destination(service, destination) end

---Gives a destination other settings, all of them: what is not given goes to its default.
---@param service ipvs.ServiceName
---@param destination ipvs.DestinationName
---@return true? done
---@return ipvs.Error? err
function client:edit_destination(service, destination) end

---Adds a destination, or edits the one that is there.
---@param service ipvs.ServiceName
---@param destination ipvs.DestinationName
---@return ("created"|"updated")? which
---@return ipvs.Error? err
function client:ensure_destination(service, destination) end

---@param service ipvs.ServiceName
---@param destination ipvs.DestinationName
---@return true? done
---@return ipvs.Error? err
function client:delete_destination(service, destination) end

---Deletes a destination if it is there, and says whether it was.
---@param service ipvs.ServiceName
---@param destination ipvs.DestinationName
---@return boolean? was_there
---@return ipvs.Error? err
function client:remove_destination(service, destination) end

---Changes a weight and nothing else, and returns the one before.
---@param service ipvs.ServiceName
---@param destination ipvs.DestinationName
---@param weight integer 0 to 2147483647.
---@return integer? before
---@return ipvs.Error? err
function client:set_weight(service, destination, weight) end

---Zeroes the counters of a service and its destinations, or of all.
---@param service? ipvs.ServiceName
---@return true? done
---@return ipvs.Error? err
function client:zero(service) end

---Deletes all services.
---@return true? done
---@return ipvs.Error? err
function client:flush() end

---What is not given stays as it is.
---@param timeouts ipvs.Timeouts
---@return true? done
---@return ipvs.Error? err
function client:set_timeouts(timeouts) end

---@param daemon ipvs.SyncDaemon
---@return true? done
---@return ipvs.Error? err
function client:start_daemon(daemon) end

---@param role ipvs.Role
---@return true? done
---@return ipvs.Error? err
function client:stop_daemon(role) end

---Runs many commands, in order; one that fails does not stop the rest. `err.report` says what became of each.
---@param commands ipvs.Command[]
---@return ipvs.Report? report
---@return ipvs.Error? err
function client:batch(commands) end

---The table as rules, a line each: what `ipvsadm -S -n` writes, and thresholds.
---@return string? rules
---@return ipvs.Error? err
function client:save() end

---Runs rules as a batch. All lines are read and checked before the first is sent. With `clear` all services are deleted
---first.
---@param text string
---@param options? { clear?: boolean }
---@return ipvs.Report? report
---@return ipvs.Error? err
function client:restore(text, options) end

---The settings of the services that a scope names, of all without one.
---@param scope? string|string[] Ids, networks (`"10.0.0.0/24"`), marks (`"fwmark:1-99"`).
---@return ipvs.ServiceTable[]? table Without counters.
---@return ipvs.Error? err
function client:current_table(scope) end

---What `apply` would do now.
---@param table string|ipvs.ServiceTable[] Rules, or services with `destinations`.
---@param options? ipvs.ApplyOptions
---@return ipvs.Plan? plan
---@return ipvs.Error? err
function client:plan(table, options) end

---Makes the table what it should be with the fewest commands; what is right is not touched.
---@param table string|ipvs.ServiceTable[] Rules, or services with `destinations`.
---@param options? ipvs.ApplyOptions
---@return ipvs.Applied? applied
---@return ipvs.Error? err
function client:apply(table, options) end

---Lets a pool take over what the kernel holds, and makes the table what it wants.
---@param pool ipvs.Pool
---@return ipvs.Applied? applied
---@return ipvs.Error? err
function client:adopt(pool) end

---Does what follows from a fact.
---@param pool ipvs.Pool
---@param changes ipvs.PoolChanges
---@return ipvs.Applied? applied
---@return ipvs.Error? err
function client:follow(pool, changes) end

---Makes the services of a pool what it wants, whoever changed them.
---@param pool ipvs.Pool
---@return ipvs.Applied? applied
---@return ipvs.Error? err
function client:reconcile(pool) end

---Sets the weight 0 of a destination that is to be deleted when its connections are gone.
---@param service ipvs.ServiceName
---@param destination ipvs.DestinationName
---@param options? ipvs.DrainOptions
---@return ipvs.Drain? drain
---@return ipvs.Error? err
function client:drain(service, destination, options) end

---Looks at the table; each call of the result gives the changes since the last one.
---@return (fun(): ipvs.Change[]?, ipvs.Error?)? look
---@return ipvs.Error? err
function client:watch() end

---Makes this director master or backup, or neither, and says whether anything was changed.
---@param daemon? ipvs.SyncDaemon
---@return boolean? changed
---@return ipvs.Error? err
function client:set_sync_role(daemon) end

---Takes the lock of the network namespace, by which checkers keep out of each other's way.
---@return ipvs.Lock? lock
---@return ipvs.Error? err
function client:lock() end

---Programs known to change IPVS tables, such as keepalived, that run in the network namespace.
---@return ipvs.OtherWriter[]? writers
---@return ipvs.Error? err
function client:other_writers() end

---Closes the socket. To close twice does nothing.
---@return true done
function client:close() end

---Services that share real servers, and what is known of each. It does nothing by itself.
---@class ipvs.Pool
local pool = {}

---Takes in the result of a check.
---@param server ipvs.DestinationName
---@param is_well boolean
---@return ipvs.PoolChanges changes
function pool:checked(server, is_well) end

---Sets the weight that a server has while it is well, over failure and recovery; nil is the configured one.
---@param server ipvs.DestinationName
---@param weight? integer
---@return ipvs.PoolChanges changes
function pool:set_weight(server, weight) end

---Takes another configuration.
---@param config ipvs.PoolConfig
---@return ipvs.PoolChanges changes
function pool:set_config(config) end

---The table that it wants.
---@return ipvs.ServiceTable[] table
function pool:table() end

---@return ipvs.PoolServer[] servers
function pool:servers() end

---@return boolean has_quorum
function pool:has_quorum() end

---What is known, as text for a file.
---@return string state
function pool:state() end

---Takes over what `state` gave.
---@param state string
---@return true done
function pool:adopt_state(state) end

---@class ipvs.Drain
local drain = {}

---Looks how many connections are left, and deletes the destination if it is time.
---@return ipvs.DrainProgress? progress
---@return ipvs.Error? err
function drain:step() end

---Restores the weight if it still waits, and says whether it did. A weight that somebody else gave it stays.
---@return boolean? restored
---@return ipvs.Error? err
function drain:cancel() end

---@class ipvs.Lock
local lock = {}

---Gives it up.
---@return true done
function lock:close() end

return ipvs
