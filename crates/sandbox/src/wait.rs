//! Waiting for a sandbox: output, deadline, cancellation, death, and what is left afterwards.
//!
//! One loop of poll, handle, repeat, on the caller's thread. Whatever ends the loop, the result is
//! made only after the first process is dead, which means that everything inside is.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::blocked;
use crate::capture::{Capture, Stream};
use crate::child::{Child, DEATH_MAX, Running};
use crate::inside::report::{Message, SIZE};
use crate::outcome::{End, Layers, Outcome, Seen, Stop, Usage, judge};
use crate::sys::wait::Status;

/// Bytes taken from a stream at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// See [`Child::wait`].
pub(crate) fn wait(child: Child, on_output: &mut dyn FnMut(Stream, &[u8])) -> Outcome {
    let Child { mut running, upper, listener, patterns, limits, receipt } = child;
    drop(listener);
    let mut watch = Watch {
        capture: Capture::new(limits.output_bytes),
        chunk: vec![0; CHUNK_BYTES],
        on_output,
        status: None,
        stop: None,
        open: [true; 3],
    };
    let dead = watch.until_death(&running);
    watch.drain(&running);
    let Watch { capture, status, stop, .. } = watch;
    let observed = running.observe();
    let resources = if dead { running.reap().ok() } else { None };
    let wall = running.started.elapsed();
    let status = status.or_else(|| running.status(stop));
    let end = match resources {
        None => End::SandboxFailed(format!("still alive {} s after the kill", DEATH_MAX.as_secs())),
        Some(_) => judge(&Seen { status, stop, observed, disk_full: upper.is_full() }),
    };
    let end = running.explain(end, &capture.stderr.bytes);
    drop(running);
    let resources = resources.unwrap_or_default();
    let found = upper.gather(&patterns, &limits);
    Outcome {
        blocked: blocked::decide(&end, &receipt, &capture.stderr.bytes),
        end,
        stdout: capture.stdout,
        stderr: capture.stderr,
        artifacts: found.artifacts,
        skipped: found.skipped,
        layers: Layers { upper: upper.fd, lower: upper.lower },
        usage: Usage {
            wall,
            cpu_user: resources.user,
            cpu_system: resources.system,
            peak_memory: observed.peak_memory.unwrap_or(resources.peak_memory),
        },
        receipt,
    }
}

/// Waits until `fd` is readable or closed; `ETIME` after `deadline`.
pub(crate) fn readable(fd: impl AsFd, deadline: Instant) -> Result<(), Errno> {
    loop {
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(&mut fds, Some(&left(deadline))) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(0) if Instant::now() >= deadline => return Err(Errno::TIME),
            Ok(0) => {}
            Ok(_) => return Ok(()),
        }
    }
}

fn left(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() }
}

/// What the loop has learned so far.
struct Watch<'a> {
    capture: Capture,
    chunk: Vec<u8>,
    on_output: &'a mut dyn FnMut(Stream, &[u8]),
    status: Option<Status>,
    stop: Option<Stop>,
    /// Whether the status, standard output and standard error can still bring anything.
    open: [bool; 3],
}

/// What is ready, in the order of the descriptors polled.
struct Ready {
    dead: bool,
    status: bool,
    streams: [bool; 2],
}

impl Watch<'_> {
    /// Returns whether everything inside is dead; `false` only if the kernel did not kill it.
    fn until_death(&mut self, running: &Running) -> bool {
        let mut deadline = later(running.started, running.wall);
        loop {
            let ready = match self.poll(running, deadline) {
                Err(Errno::INTR) => continue,
                Err(_) => return false,
                Ok(ready) => ready,
            };
            if ready.status {
                self.take_status(running);
            }
            let [stdout, stderr] = ready.streams;
            let fits = [(stdout, Stream::Stdout), (stderr, Stream::Stderr)]
                .map(|(ready, stream)| !ready || self.read(running, stream) != Some(Fit::TooMuch));
            if ready.dead {
                self.stop = self.stop.or_else(|| running.shared.stopped());
                return true;
            }
            let over = Instant::now() >= deadline;
            match self.stop {
                Some(_) if over => return false,
                None if fits.contains(&false) => deadline = self.stop(running, Stop::Output),
                None if over => {
                    let wall = later(running.started, running.wall);
                    let extended = running.shared.pause().extended(wall, Instant::now());
                    deadline = extended.unwrap_or_else(|| self.stop(running, Stop::Wall));
                }
                _ => {}
            }
        }
    }

    /// Kills everything inside and returns the time by which it has to be dead.
    fn stop(&mut self, running: &Running, stop: Stop) -> Instant {
        self.stop = Some(stop);
        running.shared.kill();
        Instant::now() + DEATH_MAX
    }

    /// What can bring nothing any more would be reported as hung up for ever; in its place the
    /// first process is watched a second time.
    fn poll(&self, running: &Running, deadline: Instant) -> Result<Ready, Errno> {
        let pidfd = running.pidfd();
        let ends = &running.ends;
        let watched = |open: bool, end| match open {
            true => PollFd::from_borrowed_fd(end, PollFlags::IN),
            false => PollFd::from_borrowed_fd(pidfd, PollFlags::empty()),
        };
        let [status, stdout, stderr] = self.open;
        let mut fds = [
            PollFd::from_borrowed_fd(pidfd, PollFlags::IN),
            watched(status, ends.status.as_fd()),
            watched(stdout, ends.stdout.as_fd()),
            watched(stderr, ends.stderr.as_fd()),
        ];
        poll(&mut fds, Some(&left(deadline)))?;
        let [dead, first, second, third] = fds.map(|fd| !fd.revents().is_empty());
        Ok(Ready { dead, status: status && first, streams: [stdout && second, stderr && third] })
    }

    fn take_status(&mut self, running: &Running) {
        let [open, ..] = &mut self.open;
        *open = false;
        let mut bytes = [0_u8; SIZE];
        if let Ok(got) = rustix::io::read(&running.ends.status, &mut bytes)
            && let Some(Message::Ended(status)) = bytes.get(..got).and_then(Message::decode)
        {
            self.status = Some(Status(status));
        }
    }

    /// Takes one piece of a stream, keeps what fits and hands it on.
    fn read(&mut self, running: &Running, stream: Stream) -> Option<Fit> {
        let (fd, open): (&OwnedFd, _) = match (stream, &mut self.open) {
            (Stream::Stdout, [_, open, _]) => (&running.ends.stdout, open),
            (Stream::Stderr, [_, _, open]) => (&running.ends.stderr, open),
        };
        match rustix::io::read(fd, &mut self.chunk) {
            Err(Errno::AGAIN | Errno::INTR) => None,
            Ok(0) | Err(_) => {
                *open = false;
                None
            }
            Ok(count) => {
                let bytes = self.chunk.get(..count).unwrap_or_default();
                let (kept, fits) = self.capture.keep(stream, bytes);
                if !kept.is_empty() {
                    (self.on_output)(stream, kept);
                }
                Some(if fits { Fit::Whole } else { Fit::TooMuch })
            }
        }
    }

    /// Takes what the dead left in the pipes. They hold a bounded amount, nobody can add to it,
    /// and the status may still be waiting too.
    fn drain(&mut self, running: &Running) {
        if self.status.is_none() && readable(&running.ends.status, Instant::now()).is_ok() {
            self.take_status(running);
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            while let Some(fit) = self.read(running, stream) {
                if fit == Fit::TooMuch {
                    self.stop = Some(Stop::Output);
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    TooMuch,
}

/// A time so far away that it cannot be written down is as good as none.
fn later(start: Instant, wall: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);
    start + wall.min(FOR_EVER)
}
