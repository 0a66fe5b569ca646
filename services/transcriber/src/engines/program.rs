//! Running a local program on a piece of audio: with a time limit, and nothing left behind.

use std::{ffi::OsString, path::PathBuf, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{io::AsyncReadExt, process::Command};

use super::EngineError;

/// The most a program may print; a transcript of hours is far below.
const MAX_OUTPUT_BYTES: u64 = 4_000_000;

/// Kills a program with everything it started, unless it has ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended this instant; there is nothing left to kill then.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Runs a program to its end and returns what it printed.
///
/// Its error output is dropped: speech programs write what they heard there. Dropping the future,
/// or passing the limit, kills the program and its children.
///
/// # Errors
/// When it cannot be started, fails, prints too much, or takes longer than `limit`.
pub async fn output(
    program: &str,
    arguments: &[OsString],
    limit: Duration,
) -> Result<String, EngineError> {
    let failed = |what: String| EngineError::Program(format!("{program}: {what}"));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut group = Group(leader);
    let Some(stdout) = child.stdout.take() else { return Err(failed("has no output".into())) };
    let mut printed = Vec::new();
    let work = async {
        stdout.take(MAX_OUTPUT_BYTES).read_to_end(&mut printed).await?;
        child.wait().await
    };
    let status = match tokio::time::timeout(limit, work).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => return Err(EngineError::Timeout { seconds: limit.as_secs() }),
    };
    group.0 = None;
    if !status.success() {
        let hint = "run it by hand on an audio file to see why";
        return Err(failed(format!("ended with {status}; {hint}")));
    }
    if printed.len() as u64 >= MAX_OUTPUT_BYTES {
        return Err(EngineError::Malformed(format!("{program} printed more than 4 MB")));
    }
    String::from_utf8(printed)
        .map_err(|_| EngineError::Malformed(format!("{program} printed something not UTF-8")))
}

/// Cores of this machine, as far as this process may use them.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Where a program is, looked for as the shell would.
pub fn find(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(is_program);
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(is_program)
}
