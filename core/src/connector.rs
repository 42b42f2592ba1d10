//! How an operation reaches the kernel: opening a socket where and when it is needed, taking turns, healing.

use std::process::{Child, Command as Process, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use netlink_packet_core::DecodeError;
use once_cell::race::OnceBox;
use rustix::io::Errno;

use crate::process::process_number;
use crate::transport::{Chunk, Deadline, Failure, Mode, Namespace, Refusal, Transport};
use crate::wire::{IPVS_GENL_NAME, Request};

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

    /// The same for a thread that is known to be in the namespace.
    pub fn connect_here(&self) -> Result<(), Failure> {
        let mut deadline = Deadline::new(self.timeout);
        let mut turn = self.turns.take(&mut deadline)?;
        turn.connection = Some(self.over(Transport::open()?, &mut deadline)?);
        Ok(())
    }

    /// One request that reads; says whether others may have changed what is listed within the listing. A number of the family
    /// that is out of date is found out anew.
    pub fn exchange(
        &self,
        request: Request<'_>,
        mode: Mode,
        mut reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<bool, Failure> {
        self.with_connection(|connection, deadline| {
            let result = connection.exchange(request, mode, deadline, &mut reply);
            match result {
                // The kernel has no other reason to say this to a request that reads.
                Err(Failure::Refused(refusal)) if is_stale(&refusal) => {
                    *connection = self.open(deadline)?;
                    connection.exchange(request, mode, deadline, &mut reply)
                }
                result => result,
            }
        })
    }

    /// As many requests as go in one piece; how many that were, which were refused, and whether the others are known to
    /// be done.
    pub fn chunk<'a>(&self, requests: &(impl Iterator<Item = Request<'a>> + Clone)) -> Chunk {
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
        let name = self.namespace.as_ref().and_then(Namespace::name);
        name.unwrap_or("that it runs in").to_owned()
    }

    /// Waits for its turn, opens a connection if there is none, and keeps it unless the work leaves it in doubt.
    fn with_connection<T>(
        &self,
        work: impl FnOnce(&mut Connection, &mut Deadline) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut deadline = Deadline::new(self.timeout);
        let mut turn = self.turns.take(&mut deadline)?;
        let mut connection = match turn.connection.take() {
            Some(connection) => connection,
            None => self.open(&mut deadline)?,
        };
        let result = work(&mut connection, &mut deadline);
        if let Ok(_) | Err(Failure::Refused(_)) = result {
            turn.connection = Some(connection);
        }
        result
    }

    fn open(&self, deadline: &mut Deadline) -> Result<Connection, Failure> {
        self.over(self.in_namespace(Transport::open)?, deadline)
    }

    /// A connection over a new socket.
    fn over(&self, mut transport: Transport, deadline: &mut Deadline) -> Result<Connection, Failure> {
        let family_id = match transport.family_id(IPVS_GENL_NAME, deadline) {
            Err(Failure::NoFamily) if self.load_module && load_module(deadline)? => {
                transport.family_id(IPVS_GENL_NAME, deadline)
            }
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
    fn exchange(
        &mut self,
        request: Request<'_>,
        mode: Mode,
        deadline: &mut Deadline,
        reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<bool, Failure> {
        self.transport.exchange(self.family_id, |out| request.append(out), mode, deadline, reply)
    }

    fn chunk<'a>(&mut self, requests: impl Iterator<Item = Request<'a>>, deadline: &mut Deadline) -> Chunk {
        let requests = requests.map(|request| move |out: &mut Vec<u8>| request.append(out));
        self.transport.chunk(self.family_id, requests, |out| Request::GetInfo.append(out), deadline)
    }
}

/// Runs `modprobe ip_vs`; says whether it may have helped.
fn load_module(deadline: &mut Deadline) -> Result<bool, Failure> {
    let child = Process::new(MODPROBE)
        .arg("ip_vs")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => wait(&mut child, deadline),
        Err(_) => Ok(false),
    }
}

fn wait(child: &mut Child, deadline: &mut Deadline) -> Result<bool, Failure> {
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Ok(status.success()),
            // The host has taken the exit status itself.
            Err(_) => return Ok(true),
        }
        if let Err(failure) = deadline.left() {
            let _ = child.kill();
            // It may not die at once, where it waits inside the kernel, and so it is not waited for any longer.
            for _ in 0..20 {
                if !matches!(child.try_wait(), Ok(None)) {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
            return Err(failure);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Lends one connection to one thread at a time, with a deadline on the waiting, and a new one to each process.
///
/// A turn that ends goes to a thread that waits, if there is one: who comes again at once has to stand behind.
///
/// A forked child has a copy of everything here, also of a lock that another thread held at that moment. So it touches
/// nothing that its parent used and makes an entry of its own at the end of the chain. That end is set without a lock.
#[derive(Debug)]
struct Turns {
    process: u32,
    state: Mutex<TurnState>,
    passed_on: Condvar,
    child: OnceBox<Turns>,
}

#[derive(Debug, Default)]
struct TurnState {
    turn: WhoseTurn,
    /// How many threads wait.
    waiting: usize,
    connection: Option<Connection>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum WhoseTurn {
    #[default]
    Nobodys,
    Taken,
    /// That of one of the threads that wait.
    PassedOn,
}

impl Turns {
    fn new() -> Self {
        Self { process: process_number(), state: Mutex::default(), passed_on: Condvar::new(), child: OnceBox::new() }
    }

    /// Waits for the turn.
    fn take(&self, deadline: &mut Deadline) -> Result<Turn<'_>, Failure> {
        let mut turns = self;
        let process = process_number();
        while turns.process != process {
            turns = turns.child.get_or_init(|| Box::new(Self::new()));
        }
        let mut state = turns.lock();
        if state.turn != WhoseTurn::Nobodys {
            state.waiting += 1;
            state = turns.wait(state, deadline)?;
        }
        state.turn = WhoseTurn::Taken;
        let connection = state.connection.take();
        drop(state);
        Ok(Turn { turns, connection })
    }

    /// Waits until the turn is passed on, which is not to be seen at once: then it is that of a thread that waits already.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, TurnState>,
        deadline: &mut Deadline,
    ) -> Result<MutexGuard<'a, TurnState>, Failure> {
        loop {
            state = match deadline.left() {
                Ok(None) => self.passed_on.wait(state).unwrap_or_else(PoisonError::into_inner),
                Ok(Some(left)) => self.passed_on.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                Err(_) => {
                    state.waiting -= 1;
                    return Err(Failure::NoTurn);
                }
            };
            if state.turn == WhoseTurn::PassedOn {
                state.waiting -= 1;
                return Ok(state);
            }
        }
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
        state.connection = self.connection.take();
        if state.waiting == 0 {
            state.turn = WhoseTurn::Nobodys;
        } else {
            state.turn = WhoseTurn::PassedOn;
            drop(state);
            self.turns.passed_on.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Instant;

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
                let turn = connector.turns.take(&mut Deadline::new(None)).unwrap();
                turn_begins.send(()).unwrap();
                let _ = turn_may_end.recv();
                drop(turn);
            });
            turn_has_begun.recv().unwrap();
            let begin = Instant::now();
            assert!(matches!(connector.connect(), Err(Failure::NoTurn)));
            assert!(begin.elapsed() >= timeout);
            drop(turn_ends);
            assert!(connector.turns.take(&mut Deadline::new(Some(Duration::from_secs(60)))).is_ok());
        });
    }

    #[test]
    fn who_waits_is_before_who_comes_again() {
        let turns = Turns::new();
        let was_second = AtomicBool::new(false);
        let first = turns.take(&mut Deadline::new(None)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _second = turns.take(&mut Deadline::new(None)).unwrap();
                was_second.store(true, Ordering::Relaxed);
            });
            while turns.lock().waiting == 0 {
                thread::yield_now();
            }
            drop(first);
            let _third = turns.take(&mut Deadline::new(None)).unwrap();
            assert!(was_second.load(Ordering::Relaxed));
        });
        let state = turns.lock();
        assert_eq!((state.waiting, state.turn), (0, WhoseTurn::Nobodys));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_at_the_deadline() {
        let mut child = Process::new("sleep").arg("60").spawn().unwrap();
        let begin = Instant::now();
        let waited = wait(&mut child, &mut Deadline::new(Some(Duration::from_millis(20))));
        assert!(matches!(waited, Err(Failure::TimedOut)));
        assert_eq!(child.wait().unwrap().code(), None);
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_timeout_of_zero_is_none() {
        assert_eq!(Connector::new(Some(Duration::ZERO), false, None).timeout, None);
    }
}
