//! A private redis-server.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A redis-server on a socket in a temporary folder, with `appendfsync always`.
pub struct RedisServer {
    folder: TempDir,
    child: Child,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// When redis-server is not installed or does not answer.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("redis").tempdir().expect("a folder");
        let child = spawn(folder.path());
        let server = Self { folder, child };
        server.wait();
        server
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Kills it the hard way.
    pub fn kill(&mut self) {
        self.child.kill().expect("redis-server can be killed");
        self.child.wait().expect("redis-server can be waited for");
    }

    /// Starts it again on the same data.
    pub fn restart(&mut self) {
        self.child = spawn(self.folder.path());
        self.wait();
    }

    /// One command, answered in redis-cli's raw form.
    pub fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .arg("-s")
            .arg(self.socket())
            .args(words)
            .output()
            .expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.cli(&["PING"]) != "PONG" {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::yield_now();
        }
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"])
        .arg("--dir")
        .arg(folder)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed (package redis-server)")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed by its test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
