//! Tells the system's log what was changed, by whom and why. Where there is no log, nobody is told.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::parent_id;
use std::process;
use std::time::Duration;

use ipvs_core::rules::RuleDisplay;
use ipvs_core::{Command, Options};

/// Where the log listens.
const SOCKET: &str = "/dev/log";

/// Facility `daemon`, 3, with the severity `notice`, 5.
const PRIORITY: u8 = 3 << 3 | 5;

/// How long a log that does not read is waited for. After that it is told nothing more.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Log {
    socket: Option<UnixDatagram>,
    /// Who changes what: the user, the program that started this one, and the network namespace if it is another.
    who: String,
}

impl Log {
    pub fn open(options: &Options) -> Self {
        let parent = parent_id();
        let name = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
        let netns = options.netns.as_ref().map(|name| format!(", network namespace {name}")).unwrap_or_default();
        let user = rustix::process::getuid().as_raw();
        // Whoever started this program chose that name, and what it ends a line with would begin another.
        let who = format!("uid {user}, by {}[{parent}]{netns}", name.trim_end()).replace(char::is_control, "?");
        let socket = UnixDatagram::unbound().and_then(|socket| {
            socket.connect(SOCKET)?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        Self { socket: socket.ok(), who }
    }

    /// A command that was run, and what for.
    pub fn ran(&mut self, command: &Command, why: &str) {
        self.tell(&format!("{}: {why}", RuleDisplay(command)));
    }

    /// Something else about a change.
    pub fn tell(&mut self, what: &str) {
        let Some(socket) = &self.socket else { return };
        // Without a time: whoever takes it knows it.
        let message = format!("<{PRIORITY}>ipvsadm[{}]: {what}; {}", process::id(), self.who);
        if socket.send(message.as_bytes()).is_err() {
            self.socket = None;
        }
    }
}
