//! How an operation reaches the kernel: opening a socket where and when it is needed, taking turns, healing.

use std::process::{Child, Command as Process, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, process, thread};

use netlink_packet_core::DecodeError;
use netlink_packet_generic::{GenlFamily, GenlMessage};
use once_cell::race::OnceBox;
use rustix::io::Errno;

use crate::transport::{Chunk, Failure, Mode, Namespace, Refusal, Transport};
use crate::wire::Request;

/// Loads a kernel module where the kernel does not do so itself. Always this path, whatever `PATH` says.
const MODPROBE: &str = "/sbin/modprobe";

/// A socket and the number that the kernel gave to the family.
#[derive(Debug)]
struct Connection {
    transport: Transport,
    family_id: u16,
}

/// Opens connections in one network namespace and lends them out, one operation at a time.
#[derive(Debug)]
pub(crate) struct Connector {
    pub timeout: Option<Duration>,
    pub load_module: bool,
    /// Where sockets are opened; unknown where `/proc` is out of reach, and then it is the calling thread's.
    pub namespace: Option<Namespace>,
    turns: Turns,
}

impl Connector {
    pub fn new(timeout: Option<Duration>, load_module: bool, namespace: Option<Namespace>) -> Self {
        Self { timeout: timeout.filter(|timeout| !timeout.is_zero()), load_module, namespace, turns: Turns::new() }
    }

    /// Opens a connection now, so that what is wrong shows early.
    pub fn connect(&self) -> Result<(), Failure> {
        self.with_connection(|_, _| Ok(()))
    }

    /// One request that reads. A number of the family that is out of date is found out anew.
    pub fn exchange(
        &self,
        request: &Request,
        mode: Mode,
        mut reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), Failure> {
        self.with_connection(|connection, deadline| {
            let result = connection.exchange(request.clone(), mode, deadline, &mut reply);
            match result {
                // The kernel has no other reason to say this to a request that reads.
                Err(Failure::Refused(refusal)) if is_stale(&refusal) => {
                    *connection = self.open(deadline)?;
                    connection.exchange(request.clone(), mode, deadline, &mut reply)
                }
                result => result,
            }
        })
    }

    /// As many requests as go in one piece; how many that were, which were refused, and whether the others are known to
    /// be done.
    pub fn chunk(&self, requests: &(impl Iterator<Item = Request> + Clone)) -> Chunk {
        let mut chunk = Chunk { sent: 0, refused: Vec::new(), end: Ok(()) };
        let result = self.with_connection(|connection, deadline| {
            chunk = connection.chunk(requests.clone(), deadline);
            // A barrier that is refused so says that nothing before it has reached IPVS either.
            if let Err(Failure::Refused(refusal)) = &chunk.end
                && is_stale(refusal)
            {
                chunk.sent = 0;
                chunk.refused.clear();
                *connection = self.open(deadline)?;
                chunk = connection.chunk(requests.clone(), deadline);
            }
            std::mem::replace(&mut chunk.end, Ok(()))
        });
        chunk.end = result;
        chunk
    }

    /// Does something in the namespace of the sockets.
    pub fn in_namespace<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> Result<T, Failure> {
        match &self.namespace {
            Some(namespace) => Ok(namespace.run(work).map_err(Failure::Namespace)??),
            None => Ok(work()?),
        }
    }

    /// The namespace for people.
    pub fn namespace_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => namespace.name().to_owned(),
            None => "that it runs in".to_owned(),
        }
    }

    /// Waits for its turn, opens a connection if there is none, and keeps it unless the work leaves it in doubt.
    fn with_connection<T>(
        &self,
        work: impl FnOnce(&mut Connection, Option<Instant>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut turn = self.turns.take(deadline).ok_or(Failure::TimedOut)?;
        let mut connection = match turn.connection.take() {
            Some(connection) => connection,
            None => self.open(deadline)?,
        };
        let result = work(&mut connection, deadline);
        if let Ok(_) | Err(Failure::Refused(_)) = result {
            turn.connection = Some(connection);
        }
        result
    }

    fn open(&self, deadline: Option<Instant>) -> Result<Connection, Failure> {
        let mut transport = self.in_namespace(Transport::open)?;
        let name = Request::family_name();
        let family_id = match transport.family_id(name, deadline) {
            Err(Failure::NoFamily) if self.load_module && load_module(deadline) => transport.family_id(name, deadline),
            result => result,
        }?;
        Ok(Connection { transport, family_id })
    }
}

/// The kernel does not know the family's number any more: the module was loaded again.
fn is_stale(refusal: &Refusal) -> bool {
    refusal.errno == Errno::NOENT.raw_os_error()
}

impl Connection {
    fn message(&self, request: Request) -> GenlMessage<Request> {
        let mut message = GenlMessage::from_payload(request);
        message.set_resolved_family_id(self.family_id);
        message
    }

    fn exchange(
        &mut self,
        request: Request,
        mode: Mode,
        deadline: Option<Instant>,
        reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), Failure> {
        let message = self.message(request);
        self.transport.exchange(message, mode, deadline, reply)
    }

    fn chunk(&mut self, requests: impl Iterator<Item = Request>, deadline: Option<Instant>) -> Chunk {
        let barrier = self.message(Request::get_info());
        let family_id = self.family_id;
        let messages = requests.map(|request| {
            let mut message = GenlMessage::from_payload(request);
            message.set_resolved_family_id(family_id);
            message
        });
        self.transport.chunk(messages, barrier, deadline)
    }
}

/// Runs `modprobe ip_vs`; says whether it may have helped.
fn load_module(deadline: Option<Instant>) -> bool {
    let child = Process::new(MODPROBE)
        .arg("ip_vs")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.is_ok_and(|mut child| wait(&mut child, deadline))
}

fn wait(child: &mut Child, deadline: Option<Instant>) -> bool {
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return status.success(),
            // The host has taken the exit status itself.
            Err(_) => return true,
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let _ = child.kill();
            let _ = child.wait();
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Lends one connection to one thread at a time, with a deadline on the waiting, and a new one to each process.
///
/// A forked child has a copy of everything here, also of a lock that another thread held at that moment. So it touches
/// nothing that its parent used and makes an entry of its own at the end of the chain. That end is set without a lock.
#[derive(Debug)]
struct Turns {
    process: u32,
    state: Mutex<TurnState>,
    free: Condvar,
    child: OnceBox<Turns>,
}

#[derive(Debug, Default)]
struct TurnState {
    taken: bool,
    connection: Option<Connection>,
}

impl Turns {
    fn new() -> Self {
        Self { process: process::id(), state: Mutex::default(), free: Condvar::new(), child: OnceBox::new() }
    }

    /// Nothing if the deadline passes first.
    fn take(&self, deadline: Option<Instant>) -> Option<Turn<'_>> {
        let mut turns = self;
        let process = process::id();
        while turns.process != process {
            turns = turns.child.get_or_init(|| Box::new(Self::new()));
        }
        let mut state = turns.lock();
        while state.taken {
            state = match deadline {
                None => turns.free.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
                    turns.free.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.taken = true;
        let connection = state.connection.take();
        drop(state);
        Some(Turn { turns, connection })
    }

    fn lock(&self) -> MutexGuard<'_, TurnState> {
        // It is held for a few assignments, which cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's turn. What is left in it when it ends is there for the next one.
struct Turn<'a> {
    turns: &'a Turns,
    connection: Option<Connection>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.taken = false;
        state.connection = self.connection.take();
        drop(state);
        self.turns.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn waiting_for_another_thread_s_turn_ends_at_the_deadline() {
        let timeout = Duration::from_millis(50);
        let connector = Connector::new(Some(timeout), false, None);
        let (turn_begins, turn_has_begun) = mpsc::channel();
        let (turn_ends, turn_may_end) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let connector = &connector;
            scope.spawn(move || {
                let turn = connector.turns.take(None);
                turn_begins.send(()).unwrap();
                let _ = turn_may_end.recv();
                drop(turn);
            });
            turn_has_begun.recv().unwrap();
            let begin = Instant::now();
            assert!(matches!(connector.connect(), Err(Failure::TimedOut)));
            assert!(begin.elapsed() >= timeout);
            drop(turn_ends);
            assert!(connector.turns.take(Some(Instant::now() + Duration::from_secs(60))).is_some());
        });
    }

    #[test]
    fn a_timeout_of_zero_is_none() {
        assert_eq!(Connector::new(Some(Duration::ZERO), false, None).timeout, None);
    }
}
