//! The Lua module beside the same job in Rust.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ipvs_core::Client;

use crate::Result;
use crate::figures::{Times, judge, take_turns};
use crate::namespace::within;
use crate::table::Shape;

/// The interpreters, and the folders of their modules.
const LUAS: [(&str, &str); 5] =
    [("lua5.1", "5.1"), ("lua5.2", "5.2"), ("lua5.3", "5.3"), ("lua5.4", "5.4"), ("luajit", "jit")];
const EDITED: Shape = Shape { services: 1, destinations: 10 };
const ROUNDS: u32 = 7;
const TURNS: u32 = 5;
/// How many changes of a weight are one measurement.
const WEIGHTS: u32 = 500;

pub fn run() -> Result<()> {
    println!("the Lua module: {WEIGHTS} changes of a weight, in a service with {} destinations", EDITED.destinations);
    LUAS.iter().try_for_each(|(interpreter, version)| weights(interpreter, version))
}

/// A Lua that does jobs in the namespace of the thread that started it.
struct Lua {
    child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Lua {
    fn start(interpreter: &str, version: &str) -> Result<Self> {
        let target = std::env::current_exe()?;
        let target = target.ancestors().nth(3).ok_or("the benchmark is in no folder of cargo's")?;
        let mut child = Command::new(interpreter)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/jobs.lua"))
            .env("LUA_CPATH", target.join("lua-release").join(version).join("?.so"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (jobs, answers) = pipes.ok_or("Lua has no pipes")?;
        Ok(Self { child, jobs, answers: BufReader::new(answers) })
    }

    fn change_weights(&mut self) -> Result<()> {
        writeln!(self.jobs, "{WEIGHTS}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer == "done\n" { Ok(()) } else { Err("a job failed".into()) }
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // It ends by itself when there are no more jobs; it is not asked to go on.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn weights(interpreter: &'static str, version: &str) -> Result<()> {
    let (mut lua, mut rust) = (Times::new(interpreter), Times::new("in Rust"));
    for round in 0..ROUNDS {
        within(|| {
            let client = Client::connect()?;
            EDITED.fill(&client)?;
            let service = client.services()?.remove(0).service.id;
            let address = client.destinations(&service)?.remove(0).destination.address;
            let mut process = Lua::start(interpreter, version)?;
            // The first is slower: memory is new, and LuaJIT compiles.
            process.change_weights()?;
            for turn in 0..TURNS {
                take_turns(
                    round + turn,
                    || lua.measure(|| process.change_weights()),
                    || {
                        rust.measure(|| {
                            (0..WEIGHTS)
                                .try_for_each(|weight| Ok(client.set_weight(&service, &address, weight).map(drop)?))
                        })
                    },
                )?;
            }
            Ok(())
        })?;
    }
    lua.print(WEIGHTS, "change");
    rust.print(WEIGHTS, "change");
    judge(&format!("set_weight: {interpreter} / in Rust"), lua.over(&rust), 1.5, "times");
    Ok(())
}
