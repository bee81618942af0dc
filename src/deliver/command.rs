//! A program that takes events: one at a time, each started anew. No shell reads its words; it has no environment but
//! PATH, a process group of its own, and 10 s.
#![expect(clippy::disallowed_methods, reason = "a program is waited for off the runtime")]

use crate::deliver::parcel::Parcel;
use crate::deliver::sink::{Sink, SinkAnswer, cut};
use crate::reply::Soon;
use postrider_core::deliver::{DeliveryOutcome, NotTaken};
use postrider_core::plain::PlainText;
use postrider_core::time::Micros;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Longest time that it may take.
const PROGRAM: Duration = Duration::from_secs(10);
/// How often it is looked at.
const CHILD_LOOK_EVERY: Duration = Duration::from_millis(10);
/// Octets of what it says that are kept.
const SAID: usize = 2000;

/// A program, and what it is started with.
#[derive(Clone, Debug)]
pub(super) struct Program {
    words: Vec<String>,
    home: Handle,
}

impl Program {
    /// One of these words, as quick as those that are started there, whoever waits for it.
    pub(super) fn of(words: &[String], home: &Handle) -> Self {
        Self { words: words.to_vec(), home: home.clone() }
    }
}

/// A program that runs. Whatever it has started ends with it.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    /// Whether it has ended. It is still there until it is dropped: nobody else has its number.
    fn has_ended(&self) -> bool {
        let Some(pid) = self.group else { return false };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(pid), look), Ok(Some(_)))
    }

    /// Ends all of it; says how it ended itself.
    fn ends(&mut self) -> std::io::Result<ExitStatus> {
        if let Some(group) = self.group.take() {
            // Nobody of it may be left.
            let _is_gone = kill_process_group(group, Signal::KILL);
        }
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.ends());
    }
}

/// The ends of its pipes, neither of which is waited for: who holds the other end may be somebody else.
struct Pipes {
    stdin: Option<ChildStdin>,
    unwritten: Vec<u8>,
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
}

fn unblock(pipe: impl AsFd) -> std::io::Result<()> {
    let flags = fcntl_getfl(&pipe)?;
    Ok(fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?)
}

impl Pipes {
    fn of(child: &mut Child, body: &str) -> std::io::Result<Self> {
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        stdin.as_ref().map(unblock).transpose()?;
        stderr.as_ref().map(unblock).transpose()?;
        Ok(Self { stdin, unwritten: body.as_bytes().to_vec(), stderr, said: Vec::new() })
    }

    /// Writes and reads what can be now.
    fn go_on(&mut self) {
        while let Some(stdin) = &mut self.stdin {
            match stdin.write(&self.unwritten) {
                Ok(n) if n > 0 => drop(self.unwritten.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                // All of it is written; or whoever does not read it may take it all the same.
                _ => self.stdin = None,
            }
            if self.unwritten.is_empty() {
                self.stdin = None;
            }
        }
        let mut buffer = [0; 4096];
        while let Some(stderr) = &mut self.stderr {
            match stderr.read(&mut buffer) {
                Ok(n) if n > 0 => {
                    let room = SAID.saturating_sub(self.said.len());
                    self.said.extend(buffer.iter().take(n.min(room)));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                _ => self.stderr = None,
            }
        }
    }
}

/// Runs it until it has ended, or nobody waits any more; no status where it took too long.
fn run(
    words: &[String],
    body: &str,
    is_wanted: &AtomicBool,
) -> std::io::Result<(Option<ExitStatus>, String)> {
    let (program, arguments) = words.split_first().ok_or(ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().process_group(0);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn()?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut running = Running { child, group };
    let mut pipes = Pipes::of(&mut running.child, body)?;
    let until = Instant::now() + PROGRAM;
    let mut has_ended = false;
    while !has_ended && Instant::now() < until && is_wanted.load(Ordering::Relaxed) {
        // Before it is read: what it has said last is there.
        has_ended = running.has_ended();
        pipes.go_on();
        if !has_ended {
            std::thread::sleep(CHILD_LOOK_EVERY);
        }
    }
    let status = running.ends()?;
    let said = String::from_utf8_lossy(&pipes.said).into_owned();
    Ok((has_ended.then_some(status), said))
}

/// Tells who runs a program that nobody waits for it any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

async fn given(Program { words, home }: Program, parcel: Arc<Parcel>) -> SinkAnswer {
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let is_wanted = Arc::clone(&wanted.0);
    let run = move || run(&words, &parcel.body, &is_wanted);
    // A thread is as nice as who has it started.
    let ran = home.spawn(async { tokio::task::spawn_blocking(run).await }).await.flatten();
    let (status, said) = match ran {
        Ok(Ok(ran)) => ran,
        Ok(Err(e)) => {
            return SinkAnswer::without(
                DeliveryOutcome::Unreached,
                format!("it cannot be run: {e}"),
            );
        }
        Err(_) => return SinkAnswer::without(DeliveryOutcome::Broken, "it was lost"),
    };
    let Some(status) = status else {
        return SinkAnswer::without(
            DeliveryOutcome::Late,
            "it took longer than 10 s, and was ended",
        );
    };
    let Some(code) = status.code() else {
        return SinkAnswer::without(DeliveryOutcome::Broken, format!("it ended with {status}"));
    };
    let is_taken = status.success();
    SinkAnswer {
        outcome: if is_taken { DeliveryOutcome::Taken } else { DeliveryOutcome::Refused },
        not_taken: (!is_taken).then_some(NotTaken::Later(None)),
        status: Some(code.into()),
        text: cut(PlainText::from(said.trim()).as_str()),
    }
}

impl Sink for Program {
    fn send(&self, parcel: Arc<Parcel>, _: Micros) -> Soon<SinkAnswer> {
        Box::pin(given(self.clone(), parcel))
    }

    fn is_there(&self) -> Soon<bool> {
        Box::pin(async { false })
    }
}
