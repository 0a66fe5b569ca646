//! Log lines, gathered for a moment and written together: a system call for many lines rather than
//! one for each, and none of them in the way of a request.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes that are gathered before whoever adds the next line writes them all: a reader that is too
/// slow slows the process down, and costs neither lines nor memory.
const MOST: usize = 64 * 1024;

/// Where log lines go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines {
    shared: Arc<Shared>,
}

struct Shared {
    gathered: Mutex<Gathered>,
    first_line: Condvar,
    out: Mutex<Out>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    stopping: bool,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// The buffer that changes places with the gathered lines, so that neither is made anew.
    spare: Vec<u8>,
}

/// Writes what is left when it is dropped.
pub(super) struct Writing {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Starts the thread that writes to `to`.
    pub(super) fn start(to: Box<dyn Write + Send>) -> io::Result<(Self, Writing)> {
        let lines = Self {
            shared: Arc::new(Shared {
                gathered: Mutex::default(),
                first_line: Condvar::new(),
                out: Mutex::new(Out { to, spare: Vec::new() }),
            }),
        };
        let shared = lines.shared.clone();
        let thread = std::thread::Builder::new().name("log".into());
        let thread = thread.spawn(move || shared.write_until_stopped())?;
        Ok((lines.clone(), Writing { lines, thread: Some(thread) }))
    }
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], at_once: bool) {
        let mut gathered = self.gathered();
        let first = gathered.lines.is_empty();
        gathered.lines.extend_from_slice(line);
        let full = gathered.lines.len() >= MOST;
        // After the last words of the thread nobody else would write them.
        let at_once = at_once || full || gathered.stopping;
        drop(gathered);
        if at_once {
            self.write_all();
        } else if first {
            self.first_line.notify_one();
        }
    }

    fn write_all(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Out { to, spare } = &mut *out;
        mem::swap(&mut self.gathered().lines, spare);
        // There is nowhere left to say that the log cannot be written.
        let _ = to.write_all(spare).and_then(|()| to.flush());
        spare.clear();
    }

    fn write_until_stopped(&self) {
        loop {
            let gathered = self.gathered();
            let nothing = |gathered: &mut Gathered| gathered.lines.is_empty() && !gathered.stopping;
            let gathered = self.first_line.wait_while(gathered, nothing);
            let gathered = gathered.unwrap_or_else(PoisonError::into_inner);
            let goes_on = |gathered: &mut Gathered| !gathered.stopping;
            let waited = self.first_line.wait_timeout_while(gathered, GATHER, goes_on);
            let stopping = waited.unwrap_or_else(PoisonError::into_inner).0.stopping;
            self.write_all();
            if stopping {
                return;
            }
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let shared = &self.lines.shared;
        shared.gathered().stopping = true;
        shared.first_line.notify_one();
        if let Some(thread) = self.thread.take() {
            // It panics only where its output does.
            let _ = thread.join();
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.shared, at_once: false }
    }

    /// An error may be the last thing a process says.
    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.shared, at_once: *metadata.level() == Level::ERROR }
    }
}

/// Takes one whole line at a time, as the formatting layer hands them over.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    at_once: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.add(line, self.at_once);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands on each write as it comes.
    struct Pieces(mpsc::Sender<Vec<u8>>);

    impl Write for Pieces {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.send(piece.to_vec()).map_err(io::Error::other)?;
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start() -> (Lines, Writing, mpsc::Receiver<Vec<u8>>) {
        let (sender, pieces) = mpsc::channel();
        let (lines, writing) = Lines::start(Box::new(Pieces(sender))).unwrap();
        (lines, writing, pieces)
    }

    #[test]
    fn a_line_is_written_without_another_one_following() {
        let (lines, _writing, pieces) = start();
        lines.make_writer().write_all(b"hello\n").unwrap();
        assert_eq!(pieces.recv().unwrap(), b"hello\n");
    }

    #[test]
    fn lines_of_many_threads_stay_whole_and_the_last_ones_are_written_at_the_end() {
        let (lines, writing, pieces) = start();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    for n in 0..5_000 {
                        let line = format!("{thread} {n}\n");
                        lines.make_writer().write_all(line.as_bytes()).unwrap();
                    }
                });
            }
        });
        drop(writing);
        lines.make_writer().write_all(b"0 5000\n").unwrap();
        drop(lines);
        let written = String::from_utf8(pieces.iter().flatten().collect()).unwrap();
        let mut next = [0; 4];
        for line in written.lines() {
            let (thread, n) = line.split_once(' ').unwrap();
            let thread: usize = thread.parse().unwrap();
            assert_eq!(n.parse(), Ok(next[thread]), "of thread {thread}");
            next[thread] += 1;
        }
        assert_eq!(next, [5_001, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn lines_do_not_pile_up() {
        let (lines, writing, pieces) = start();
        let line = vec![b'x'; MOST / 2];
        for _ in 0..20 {
            lines.make_writer().write_all(&line).unwrap();
        }
        drop(writing);
        drop(lines);
        let lengths: Vec<_> = pieces.iter().map(|piece| piece.len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 20 * line.len());
        assert!(lengths.iter().all(|length| *length < MOST + line.len()), "{lengths:?}");
    }
}
