//! The processes that are measured.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use warp::{Filter, http::StatusCode};

use crate::requests::{ACCOUNT, TOKEN};

/// A private redis-server with AOF, everysec.
pub struct Redis {
    folder: TempDir,
    child: Child,
}

impl Redis {
    pub async fn start() -> Self {
        let folder = TempDir::with_prefix("bench-redis-").unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning"])
            .arg("--dir")
            .arg(folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { folder, child };
        let socket = redis.folder.path().join("redis.sock");
        until("redis-server", || std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
        redis
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}/redis.sock", self.folder.path().display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Redis {
    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }
}

/// The service, as its own binary starts it.
pub struct Service {
    pub address: SocketAddr,
    pub url: String,
    child: Child,
    _log: TempDir,
}

impl Service {
    pub async fn start(redis: &str) -> Self {
        let (address, ops) = (free_address(), free_address());
        // A deployment keeps its log, so this one is kept too, for as long as it is measured.
        let log = TempDir::with_prefix("bench-log-").unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CALLSCRIBE_") {
                command.env_remove(name);
            }
        }
        let child = command
            .arg("service")
            .env("CALLSCRIBE_REDIS__URL", redis)
            .env("CALLSCRIBE_INGEST__HTTP__LISTEN", address.to_string())
            .env("CALLSCRIBE_OPS__LISTEN", ops.to_string())
            .env("CALLSCRIBE_TWILIO__ACCOUNT_SID", ACCOUNT)
            .env("CALLSCRIBE_TWILIO__AUTH_TOKEN", TOKEN)
            .env("CALLSCRIBE_TELEMETRY__LOG_FORMAT", "json")
            .env("CALLSCRIBE_TELEMETRY__LOG", std::env::var("BENCH_LOG").unwrap_or("info".into()))
            .stderr(File::create(log.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        until("the service", || TcpStream::connect(address).is_ok()).await;
        Self { address, url: format!("http://{address}"), child, _log: log }
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }

    /// Resident memory, in MB (10⁶ bytes).
    pub fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A server the service is measured beside.
pub struct Beside {
    pub address: SocketAddr,
    child: Child,
}

impl Beside {
    /// Starts this program as `NAME ADDRESS ARGUMENTS…`.
    pub async fn start(name: &str, arguments: &[&str]) -> Self {
        let address = free_address();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([name, &address.to_string()])
            .args(arguments)
            .spawn()
            .unwrap();
        until(name, || TcpStream::connect(address).is_ok()).await;
        Self { address, child }
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The process of the bare handler: it reads the body and answers 204, and does nothing else.
pub fn serve_bare() -> ExitCode {
    let address: SocketAddr = std::env::args().nth(2).unwrap().parse().unwrap();
    let handler = warp::post().and(warp::body::bytes()).map(|body: bytes::Bytes| {
        std::hint::black_box(body);
        StatusCode::NO_CONTENT
    });
    chassis::on_runtime(async {
        warp::serve(handler).run(address).await;
        Ok(())
    })
    .unwrap();
    ExitCode::SUCCESS
}

/// Processor time this process used so far: that of the load.
pub fn own_cpu() -> Duration {
    cpu(std::process::id())
}

/// Ticks of 10 ms, as every Linux counts them for its users.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
