//! A private Postgres.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A Postgres cluster on a socket in a temporary folder.
pub struct Postgres {
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster, starts it and waits until it answers.
    ///
    /// # Panics
    /// When Postgres is not installed or does not start.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().expect("a folder");
        if is_root() {
            // The server refuses to run as root; the packages bring a user of its own.
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
        let server = Self { folder };
        run(as_server_user("initdb")
            .args(["--auth", "trust", "--username", "postgres", "--encoding", "UTF8", "-D"])
            .arg(server.data()));
        let options =
            format!("-c listen_addresses='' -k {} -c fsync=off", server.folder.path().display());
        run(as_server_user("pg_ctl")
            .args(["start", "--wait", "--silent", "--log"])
            .arg(server.folder.path().join("log"))
            .arg("-D")
            .arg(server.data())
            .arg("-o")
            .arg(options));
        server
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@localhost/postgres?host={folder}")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = as_server_user("pg_ctl");
        stop.args(["stop", "--mode", "immediate", "--silent", "-D"]).arg(self.data());
        // Its test may have stopped it already.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

fn as_server_user(program: &str) -> Command {
    let program = server_program(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

/// Debian keeps the server's programs out of the PATH.
fn server_program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|v| v.path().join("bin").join(name)).collect();
    found.sort();
    found.retain(|path| Path::new(path).is_file());
    found.pop().unwrap_or_else(|| name.into())
}

fn run(command: &mut Command) {
    let output = command
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .expect("Postgres is installed (package postgresql)");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
