//! The service as a process of its own, as it is deployed.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus},
};

use tempfile::TempDir;
use twilio::{Form, signature};

use super::redis_server::{RedisServer, eventually};

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "an auth token";
pub const RECORDING: &str = "/webhooks/twilio/recording";

pub struct OwnProcess {
    pub redis: RedisServer,
    /// Host and port.
    pub address: String,
    folder: TempDir,
    child: Child,
}

impl OwnProcess {
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let redis = RedisServer::start().await;
        let folder = TempDir::with_prefix("ingest-process-").unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_callscribe-ingest"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CALLSCRIBE_") {
                command.env_remove(name);
            }
        }
        let child = command
            .env("CALLSCRIBE_REDIS__URL", redis.url())
            .env("CALLSCRIBE_INGEST__HTTP__LISTEN", "127.0.0.1:0")
            .env("CALLSCRIBE_OPS__LISTEN", "127.0.0.1:0")
            .env("CALLSCRIBE_TWILIO__ACCOUNT_SID", ACCOUNT)
            .env("CALLSCRIBE_TWILIO__AUTH_TOKEN", TOKEN)
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut address = None;
        eventually("ingest listens", async || {
            let said = lines(&log).into_iter().find(|line| line["listener"] == "ingest");
            let url = said.and_then(|line| Some(line["url"].as_str()?.to_owned()));
            address = url.map(|url| url.trim_start_matches("http://").to_owned());
            address.is_some()
        })
        .await;
        Self { redis, address: address.unwrap(), folder, child }
    }

    /// What it has logged.
    pub fn log(&self) -> Vec<serde_json::Value> {
        lines(&self.folder.path().join("log"))
    }

    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process has ended", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// The head and the body of a signed callback about a recording.
    pub fn request(&self, n: u32) -> (String, String) {
        self.request_with(n, "")
    }

    /// As [`OwnProcess::request`], with more parameters.
    pub fn request_with(&self, n: u32, more: &str) -> (String, String) {
        let body = format!(
            "AccountSid={ACCOUNT}&CallSid=CA{n:032x}&RecordingSid=RE{n:032x}\
             &RecordingStatus=completed{more}"
        );
        let url = format!("http://{}{RECORDING}", self.address);
        let signed = signature::sign(&TOKEN.into(), &url, &Form::parse(body.as_bytes()));
        let head = format!(
            "POST {RECORDING} HTTP/1.1\r\nhost: {}\r\nexpect: 100-continue\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
             {}: {signed}\r\n\r\n",
            self.address,
            body.len(),
            signature::HEADER,
        );
        (head, body)
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole lines of a log.
fn lines(log: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(log).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
