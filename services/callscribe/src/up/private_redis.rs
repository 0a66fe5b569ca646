//! A redis-server of our own: one child process, its data in the data folder, gone with us.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::data_folder::DataFolder;

/// Longest wait for a redis-server to answer: it may have to read a long append-only file first.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// The servers that will do, the first one that is installed.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Runs a server and ends it (cleanly, by SIGTERM) as soon as our end of its standard input
/// closes, which also happens when we are killed. The shell's `read` needs the descriptor given to
/// it: a background job's standard input is /dev/null otherwise.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(read -r _ <&3; kill -TERM $server 2>/dev/null) &
watcher=$!
wait $server
code=$?
kill $watcher 2>/dev/null
exit $code
"#;

/// A running private Redis.
pub struct PrivateRedis {
    data: DataFolder,
    child: Child,
    lifeline: ChildStdin,
}

impl PrivateRedis {
    /// Starts it and waits until it answers. One left over by a crash is stopped first.
    ///
    /// The caller holds the folder's lock, so nobody else uses that left-over server.
    ///
    /// # Errors
    /// When redis-server is missing, or ends, or does not answer in time.
    pub async fn start(data: &DataFolder) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data.redis())?;
        stop_left_over(&data.redis_socket()).await?;
        let (child, lifeline) = spawn(data)?;
        let mut redis = Self { data: data.clone(), child, lifeline };
        redis.wait_until_it_answers().await?;
        Ok(redis)
    }

    /// Starts it again whenever it ends before `stop` is cancelled; then stops it.
    ///
    /// Cancel `stop` only when nobody needs Redis any more.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn supervise(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                ended = self.child.wait() => {
                    let status = ended.context("cannot wait for redis-server")?;
                    tracing::error!(%status, "the private redis-server ended, starting it again");
                }
                () = stop.cancelled() => break,
            }
            let Some(started) = Self::start_again(&self.data, &stop).await else { return Ok(()) };
            self = started;
        }
        drop(self.lifeline);
        self.child.wait().await.context("cannot wait for redis-server")?;
        Ok(())
    }

    /// Tries until it runs: a full disk may have room again. `None` when stopped first.
    async fn start_again(data: &DataFolder, stop: &CancellationToken) -> Option<Self> {
        loop {
            // A server that ends at once must not be started in a tight loop.
            tokio::select! {
                () = sleep(Duration::from_secs(1)) => {}
                () = stop.cancelled() => return None,
            }
            match Self::start(data).await {
                Ok(started) => return Some(started),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(%error, "the private redis-server does not start");
                }
            }
        }
    }

    async fn wait_until_it_answers(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        while !answers(&self.data.redis_socket()).await {
            if let Some(status) = self.child.try_wait()? {
                let log = self.data.redis().join("redis.log");
                bail!("redis-server ended at its start ({status}); see {}", log.display());
            }
            if Instant::now() > deadline {
                bail!("redis-server does not answer after {} s", START_PATIENCE.as_secs());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn spawn(data: &DataFolder) -> anyhow::Result<(Child, ChildStdin)> {
    let Some(program) = PROGRAMS.into_iter().find(|program| is_installed(program)) else {
        bail!(
            "redis-server is not installed: install the package redis-server (Debian, Ubuntu), \
             valkey (Fedora) or redis (Homebrew), or set CALLSCRIBE_REDIS__URL to a Redis that \
             runs elsewhere"
        );
    };
    let socket = data.redis_socket();
    let folder = data.redis();
    let mut child = Command::new("sh")
        .args(["-c", WATCHDOG, "private-redis", program])
        .args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(&folder)
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        .args(["--maxmemory-policy", "noeviction", "--logfile", "redis.log"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C reaches the whole group of the terminal: Redis must outlive those who drain.
        .process_group(0)
        .spawn()
        .context("cannot start a shell for redis-server")?;
    let lifeline = child.stdin.take().context("the shell has no standard input")?;
    Ok((child, lifeline))
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Asks a server that answers on the socket to stop, and waits until it has.
async fn stop_left_over(socket: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_PATIENCE;
    while tokio::net::UnixStream::connect(socket).await.is_ok() {
        // No answer comes to a SHUTDOWN that works; one that does not work is tried again.
        let _ = command(socket, "SHUTDOWN").await;
        if Instant::now() > deadline {
            bail!("the redis-server on {} does not stop; stop it by hand", socket.display());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn answers(socket: &Path) -> bool {
    matches!(command(socket, "PING").await, Ok(pong) if pong == "PONG")
}

async fn command(socket: &Path, name: &str) -> anyhow::Result<String> {
    let client = redis::Client::open(format!("redis+unix://{}", socket.display()))?;
    let asked = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd(name).query_async::<String>(&mut connection).await
    };
    Ok(tokio::time::timeout(Duration::from_secs(2), asked).await??)
}
