//! One process of the extension: its sandbox, its socket, one question after another.
//!
//! Its output is thrown away and bounded; it has no network, sees an empty project and its own file, and dies with
//! this value.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::policy::extension::{Answer, question};
use engine::policy::{Call, Extended, ExtensionFault};
use sandbox::{Access, Canceller, Limits, Mount, Spec};

use super::{ExtensionError, Settings};

/// Where its file lies inside.
const FOLDER: &str = "/extension";
/// Memory, in bytes.
const MEMORY: u64 = 512 * 1024 * 1024;
/// Processes and threads.
const THREADS: u32 = 64;
/// Longer than a node lives; what ends it is the end of its node.
const WALL: Duration = Duration::from_secs(366 * 24 * 3600);
/// Bytes of an answer read at a time.
const PIECE: usize = 4_096;

/// A running extension.
#[derive(Debug)]
pub(super) struct Life {
    socket: UnixStream,
    stop: Canceller,
}

impl Life {
    /// Starts the program with its end of the socket as descriptor 3.
    pub(super) fn start(settings: &Settings) -> Result<Self, ExtensionError> {
        std::fs::create_dir_all(&settings.empty).map_err(ExtensionError::System)?;
        let (socket, theirs) = UnixStream::pair().map_err(ExtensionError::System)?;
        let child = sandbox::launch(&spec(settings, theirs.into()))
            .map_err(|error| ExtensionError::Launch(Box::new(error)))?;
        let stop = child.canceller();
        let waited = std::thread::Builder::new()
            .name("extension".to_owned())
            .spawn(move || drop(child.wait(&mut |_, _| {})));
        match waited {
            Ok(_thread) => Ok(Self { socket, stop }),
            Err(error) => {
                stop.cancel();
                Err(ExtensionError::System(error))
            }
        }
    }

    /// Asks one question and waits for its answer, `within` that time altogether.
    pub(super) fn ask(
        &mut self,
        number: u64,
        call: &Call<'_>,
        within: Duration,
    ) -> Result<Extended, ExtensionFault> {
        let frame = question(number, call)?;
        let deadline = Instant::now() + within;
        let socket = &self.socket;
        let mut write = |rest: &[u8], left| {
            socket.set_write_timeout(Some(left))?;
            (&mut &*socket).write(rest)
        };
        send(&frame, || deadline.saturating_duration_since(Instant::now()), &mut write)?;
        let (mut answer, mut piece) = (Answer::to(number), [0; PIECE]);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ExtensionFault::TimedOut);
            }
            self.socket.set_read_timeout(Some(left)).map_err(|_| ExtensionFault::Crashed)?;
            let read = match self.socket.read(&mut piece) {
                Ok(0) => return Err(ExtensionFault::Crashed),
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(fault(&error)),
            };
            if let Some(answer) = answer.take(read)? {
                return Ok(answer);
            }
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Writes a whole frame while time is `left`, however slowly the other side takes it.
fn send(
    frame: &[u8],
    mut left: impl FnMut() -> Duration,
    write: &mut dyn FnMut(&[u8], Duration) -> io::Result<usize>,
) -> Result<(), ExtensionFault> {
    let mut rest = frame;
    while !rest.is_empty() {
        let left = left();
        if left.is_zero() {
            return Err(ExtensionFault::TimedOut);
        }
        match write(rest, left) {
            Ok(0) => return Err(ExtensionFault::Crashed),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(&error)),
        }
    }
    Ok(())
}

fn fault(error: &io::Error) -> ExtensionFault {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ExtensionFault::TimedOut,
        _ => ExtensionFault::Crashed,
    }
}

fn spec(settings: &Settings, socket: OwnedFd) -> Spec {
    let name = settings.program.file_name().unwrap_or_default();
    let inside = PathBuf::from(FOLDER).join(name);
    let mount =
        Mount { source: settings.program.clone(), target: inside.clone(), access: Access::Read };
    Spec {
        mounts: vec![mount],
        handed: vec![Arc::new(socket)],
        landlock_floor: Some(settings.landlock_floor),
        limits: Limits {
            memory_bytes: Some(MEMORY),
            pids: THREADS,
            wall: WALL,
            output_bytes: u64::MAX,
            ..Limits::default()
        },
        ..Spec::new(&settings.empty, [inside])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a frame of so many bytes to somebody who takes one at a time, each in 10 ms; how many were taken.
    fn slowly(bytes: usize) -> (Result<(), ExtensionFault>, usize) {
        let (taken, within) = (std::cell::Cell::new(0), Duration::from_millis(100));
        let spent = || Duration::from_millis(10) * u32::try_from(taken.get()).unwrap();
        let sent = send(&vec![0; bytes], || within.saturating_sub(spent()), &mut |_, left| {
            assert!(left <= within - spent());
            taken.set(taken.get() + 1);
            Ok(1)
        });
        (sent, taken.get())
    }

    #[test]
    fn a_question_that_is_taken_too_slowly_has_one_deadline() {
        assert_eq!(slowly(1000), (Err(ExtensionFault::TimedOut), 10));
        // Control: what is taken in time arrives whole.
        assert_eq!(slowly(10), (Ok(()), 10));
    }

    #[test]
    fn a_write_that_is_interrupted_is_tried_again_and_one_that_fails_is_not() {
        let mut kinds = [io::ErrorKind::Interrupted, io::ErrorKind::BrokenPipe].into_iter();
        let mut write = |_: &[u8], _| Err(kinds.next().unwrap().into());
        let sent = send(&[0], || Duration::from_secs(1), &mut write);
        assert_eq!(sent, Err(ExtensionFault::Crashed));
    }
}
