//! A private redis-server on a socket in a temporary folder.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// How long a condition may take to come true before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A redis-server that loses nothing it acknowledged; killed with the value.
pub struct RedisServer {
    folder: TempDir,
    child: Child,
}

impl RedisServer {
    pub async fn start() -> Self {
        let folder = TempDir::with_prefix("ingest-redis-").unwrap();
        let child = spawn(folder.path());
        let server = Self { folder, child };
        server.answers().await;
        server
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same data.
    pub async fn restart(&mut self) {
        self.child = spawn(self.folder.path());
        self.answers().await;
    }

    /// Sends the process a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// One command, answered in redis-cli's raw form, a line a value.
    pub fn cli(&self, words: &[&str]) -> Vec<String> {
        let output =
            Command::new("redis-cli").arg("-s").arg(self.socket()).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    async fn answers(&self) {
        eventually("redis-server answers", async || self.cli(&["PING"]) == ["PONG"]).await;
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
        .unwrap()
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed by its test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition to come true; it is looked at again every few milliseconds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("never came true: {what}");
    }
}
