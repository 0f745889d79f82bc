//! A program without any sandbox: in the project's own folder, as the user, with nothing but time, output and
//! resource limits around it.
//!
//! Reached only where the user's configuration allows it and somebody asked for it; every record of such a run says
//! so. It offers nothing a sandbox would have to keep apart: what needs a workspace of its own is refused.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use engine::run::{Completion, Failure, Usage};
use engine::workflow::Changes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use sandbox::{Captured, End, Limits, Spec};
use serde_json::{Value, json};

use super::local::{stream, with_outputs, written};
use super::log::{Ending, Log, Stream};
use super::{Job, Program, Real, Report, Stopper, report};
use crate::clock;
use crate::gate::Permitted;
use crate::secrecy::Cover;

/// Sets what bounds a program that nothing else bounds, then becomes it.
const SCRIPT: &str = "ulimit -c 0 && ulimit -n \"$1\" && ulimit -d \"$2\" && ulimit -f \"$3\" && shift 3 && exec \"$@\"";
/// Variables of this process that a program without a sandbox gets, where its step does not set them.
const INHERITED: [&str; 6] = ["HOME", "LANG", "PATH", "TMPDIR", "USER", "TERM"];
/// How long output of processes that left the group may still come once the program has ended.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Pieces that may wait to be recorded; a program that prints faster has to wait.
const WAITING: usize = 16;

/// What happens while a program runs.
enum Happened {
    Printed(Stream, Vec<u8>),
    Closed,
    Exited,
    /// Somebody asked for the end; the flag says so as well.
    Cancelled,
}

/// Ends a program that runs bare.
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    word: SyncSender<Happened>,
}

impl Stop {
    /// Asks for its end. Never waits: where the queue is full, whoever empties it looks at the flag.
    pub(super) fn stop(&self) {
        self.asked.store(true, Ordering::Release);
        drop(self.word.try_send(Happened::Cancelled));
    }
}

/// Runs a permitted program bare.
pub(super) fn run(real: &Real, permitted: Permitted<'_, Program>, cover: &Cover) -> Report {
    let (job, program) = (permitted.job(), permitted.what());
    let frame = Report { receipt: Some(receipt(&program.spec)), ..report::lost(job) };
    if let Some(needs) = needs_a_workspace(program) {
        let why = format!(
            "without the sandbox a step has no workspace of its own, and this one has {needs}"
        );
        let result =
            Completion { retryable: false, ..Completion::failed(Failure::InvalidInput, why) };
        return Report { result, receipt: None, ..frame };
    }
    let began = Instant::now();
    let (word, happened) = sync_channel(WAITING);
    let asked = Arc::new(AtomicBool::new(false));
    let mut child = match start(real, permitted, &word) {
        Ok(child) => child,
        Err(error) => {
            let result =
                Completion::failed(Failure::Sandbox, format!("it cannot be started: {error}"));
            return Report { result, receipt: None, ..frame };
        }
    };
    real.began(job.fence, Stopper::Bare(Stop { asked: Arc::clone(&asked), word }));
    let mut output = Output::new(real, job, &program.spec.limits, cover);
    let stop = watch(&happened, &asked, &mut output, began + program.spec.limits.wall);
    kill(&child);
    let status = child.wait();
    let gone = drain(&happened, &mut output);
    let end = match (stop, status) {
        (Some(end), _) => end,
        (None, Ok(status)) => end_of(status),
        (None, Err(error)) => End::SandboxFailed(error.to_string()),
    };
    let ending = match gone {
        true => Ending::of(&end, [&output.stdout, &output.stderr]),
        false => Ending::Cut,
    };
    output.log.finish(ending, clock::now());
    let mut result = report::ended(&end, None);
    if !gone && result.message.is_none() {
        result.message = Some("processes it started left its group and live on".into());
    }
    result.usage = Usage { wall_us: micros(began.elapsed()), ..Usage::default() };
    result.stdout = stream(&output.stdout, ending, cover);
    result.stderr = stream(&output.stderr, ending, cover);
    let result = with_outputs(result, program, [written(&output.stdout), written(&output.stderr)]);
    Report { result, ..frame }
}

/// What of a step cannot be had without a workspace.
fn needs_a_workspace(program: &Program) -> Option<&'static str> {
    let spec = &program.spec;
    [
        (!spec.workspace.files.is_empty(), "`files`"),
        (!spec.mounts.is_empty(), "`mounts`"),
        (!program.secrets.is_empty(), "`secrets`"),
        (!spec.artifacts.is_empty(), "`artifacts`"),
        (program.changes != Changes::None, "`changes`"),
    ]
    .into_iter()
    .find_map(|(has, name)| has.then_some(name))
}

fn start(
    real: &Real,
    permitted: Permitted<'_, Program>,
    word: &SyncSender<Happened>,
) -> std::io::Result<Child> {
    let spec = &permitted.what().spec;
    const KIB: u64 = 1024;
    const BLOCK: u64 = 512;
    let limits = &spec.limits;
    let memory =
        limits.memory_bytes.map_or("unlimited".to_owned(), |bytes| (bytes / KIB).to_string());
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", SCRIPT, "palisade", &limits.open_files.to_string(), &memory])
        .arg((limits.largest_file() / BLOCK).to_string())
        .args(&spec.argv)
        .current_dir(&real.project)
        .env_clear();
    for name in INHERITED {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    let open = |pid| pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from);
    spawned(&mut command, &spec.stdin, word, open)
}

/// Starts `command` in a process group of its own and everything that listens to it. Where one of those is missing,
/// the program is killed: nothing would notice its end.
fn spawned(
    command: &mut Command,
    input: &[u8],
    word: &SyncSender<Happened>,
    open: impl FnOnce(Pid) -> std::io::Result<OwnedFd>,
) -> std::io::Result<Child> {
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    match attend(&mut child, input.to_vec(), word, open) {
        Ok(()) => Ok(child),
        Err(error) => {
            kill(&child);
            // It was killed; what its end was like says nothing.
            drop(child.wait());
            Err(error)
        }
    }
}

/// Feeds a program and listens to its outputs and its end.
fn attend(
    child: &mut Child,
    input: Vec<u8>,
    word: &SyncSender<Happened>,
    open: impl FnOnce(Pid) -> std::io::Result<OwnedFd>,
) -> std::io::Result<()> {
    let pidfd = open(Pid::from_child(child))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read all of its input is not at fault.
        thread("input", move || drop(std::io::Write::write_all(&mut stdin, &input)))?;
    }
    read(child.stdout.take(), Stream::Stdout, word.clone())?;
    read(child.stderr.take(), Stream::Stderr, word.clone())?;
    let word = word.clone();
    thread("end", move || {
        // Whatever ends the wait, the other side looks at the child itself.
        let _ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None);
        drop(word.send(Happened::Exited));
    })
}

fn thread(of: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(format!("bare {of}")).spawn(work).map(drop)
}

/// Reads one output to its end, piece by piece.
fn read(
    source: Option<impl Read + Send + 'static>,
    stream: Stream,
    word: SyncSender<Happened>,
) -> std::io::Result<()> {
    thread("output", move || {
        let mut piece = vec![0; PIECE];
        if let Some(mut source) = source {
            while let Ok(count @ 1..) = source.read(&mut piece) {
                let bytes = piece.iter().take(count).copied().collect();
                if word.send(Happened::Printed(stream, bytes)).is_err() {
                    return;
                }
            }
        }
        drop(word.send(Happened::Closed));
    })
}

/// Takes output until the program ends; how it was ended, where it did not end by itself.
fn watch(
    happened: &Receiver<Happened>,
    asked: &AtomicBool,
    output: &mut Output<'_>,
    deadline: Instant,
) -> Option<End> {
    loop {
        if asked.load(Ordering::Acquire) {
            return Some(End::Cancelled);
        }
        match happened.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Happened::Printed(stream, bytes)) => {
                if !output.take(stream, &bytes) {
                    return Some(End::OutputExceeded);
                }
            }
            Ok(Happened::Closed) => output.open = output.open.saturating_sub(1),
            Ok(Happened::Exited) | Err(RecvTimeoutError::Disconnected) => return None,
            Ok(Happened::Cancelled) => return Some(End::Cancelled),
            Err(RecvTimeoutError::Timeout) => return Some(End::TimedOut),
        }
    }
}

/// Takes what is still in the pipes; whether both came to their end.
fn drain(happened: &Receiver<Happened>, output: &mut Output<'_>) -> bool {
    let until = Instant::now() + FAREWELL;
    while output.open > 0 {
        match happened.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Happened::Printed(stream, bytes)) => drop(output.take(stream, &bytes)),
            Ok(Happened::Closed) => output.open = output.open.saturating_sub(1),
            Ok(Happened::Exited | Happened::Cancelled) => {}
            Err(_) => return false,
        }
    }
    true
}

/// Kills the whole process group. The program has not been waited for, so the group is still its.
fn kill(child: &Child) {
    // A group of which nobody is left needs no killing.
    let _gone = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signalled(signal),
        (None, None) => End::SandboxFailed("it ended in an unknown way".to_owned()),
    }
}

/// What a program prints, recorded as it comes and kept within the limit.
struct Output<'a> {
    log: Log<'a>,
    stdout: Captured,
    stderr: Captured,
    room: u64,
    /// Pipes that have not come to their end.
    open: u32,
}

impl<'a> Output<'a> {
    fn new(real: &'a Real, job: &Job, limits: &Limits, cover: &Cover) -> Self {
        Self {
            log: Log::new(real, job, cover),
            stdout: Captured::default(),
            stderr: Captured::default(),
            room: limits.output_bytes,
            open: 2,
        }
    }

    /// Takes a piece; whether it was within the limit.
    fn take(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let kept: Vec<u8> = bytes.iter().take(room).copied().collect();
        self.room = self.room.saturating_sub(bytes.len() as u64);
        let captured = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        captured.bytes.extend_from_slice(&kept);
        captured.truncated |= kept.len() < bytes.len();
        self.log.take(stream, &kept, clock::now());
        kept.len() == bytes.len()
    }
}

/// What was in force: nothing, and a few limits.
fn receipt(spec: &Spec) -> Value {
    let limit = |name: &str, value: Value| json!({ "name": name, "value": value, "by": "rlimit" });
    json!({
        "driver": "none",
        "unsafe": true,
        "profile": "none",
        "network": "host",
        "layers": [],
        "limits": [
            limit("open_files", spec.limits.open_files.into()),
            limit("memory", spec.limits.memory_bytes.into()),
            json!({ "name": "output", "value": spec.limits.output_bytes, "by": "supervisor" }),
        ],
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("1000");
        command
    }

    #[test]
    fn a_program_whose_end_nobody_could_notice_is_killed() {
        let (word, _happened) = sync_channel(WAITING);
        let mut seen = None;
        let refused = spawned(&mut sleeper(), &[], &word, |pid| {
            seen = Some(pid);
            Err(std::io::Error::other("no descriptor is left"))
        });
        assert!(refused.is_err());
        let gone = |pid: Pid| rustix::process::test_kill_process(pid).is_err();
        assert!(gone(seen.unwrap()));
        // Control: with a descriptor it lives.
        let open = |pid| pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from);
        let mut child = spawned(&mut sleeper(), &[], &word, open).unwrap();
        assert!(!gone(Pid::from_child(&child)));
        kill(&child);
        child.wait().unwrap();
    }

    #[test]
    fn what_waits_to_be_recorded_is_bounded_and_a_stop_waits_for_nobody() {
        let (word, happened) = sync_channel(WAITING);
        let open = |pid| pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from);
        let mut child = spawned(&mut sleeper(), &[], &word, open).unwrap();
        // Nobody takes anything, so at some point nothing more fits.
        let piece = || Happened::Printed(Stream::Stdout, Vec::new());
        let fitted = (0..=WAITING).take_while(|_| word.try_send(piece()).is_ok()).count();
        assert_eq!(fitted, WAITING);
        let asked = Arc::new(AtomicBool::new(false));
        Stop { asked: Arc::clone(&asked), word }.stop();
        assert!(asked.load(Ordering::Acquire));
        kill(&child);
        child.wait().unwrap();
        drop(happened);
    }
}
