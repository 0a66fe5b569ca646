//! The real binary, on a data folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use serde_json::Value;

use crate::signal;

/// A running `callscribe`.
pub struct CallscribeProcess {
    child: Child,
    data: PathBuf,
}

impl CallscribeProcess {
    /// The command, ready for more arguments: nothing of the caller's environment configures it,
    /// and every listener takes a free port.
    pub fn command(binary: &str, data: &Path) -> Command {
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CALLSCRIBE_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(data)
            .env("CALLSCRIBE_DATA", data)
            .env("CALLSCRIBE_OPS__LISTEN", "127.0.0.1:0")
            .env("CALLSCRIBE_INGEST__HTTP__LISTEN", "127.0.0.1:0")
            .env("CALLSCRIBE_RESULTS__API__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    /// Runs `callscribe up --once` to its end.
    ///
    /// # Panics
    /// When the binary cannot be started.
    pub fn run_once(binary: &str, data: &Path) -> Output {
        let mut command = Self::command(binary, data);
        command.args(["up", "--once"]).output().expect("callscribe starts")
    }

    /// Starts `callscribe up` with more arguments and variables; what it prints goes to files in
    /// the folder.
    ///
    /// # Panics
    /// When the binary cannot be started.
    pub fn start(
        binary: &str,
        data: &Path,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Self {
        Self::start_verb(binary, data, &[&["up"], arguments].concat(), variables)
    }

    /// As [`Self::start`], with any verb.
    ///
    /// # Panics
    /// When the binary cannot be started.
    pub fn start_verb(
        binary: &str,
        data: &Path,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Self {
        let output = |name: &str| std::fs::File::create(data.join(name)).expect("an output file");
        let mut command = Self::command(binary, data);
        let child = command
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .expect("callscribe starts");
        Self { child, data: data.to_owned() }
    }

    /// Waits until it says in its log that it listens, and returns where.
    ///
    /// # Panics
    /// When it says nothing for a minute.
    pub async fn listener(&self, name: &str) -> String {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let log = std::fs::read_to_string(self.data.join("stderr")).unwrap_or_default();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let said = |line: &Value| line["message"] == "listening" && line["listener"] == name;
            if let Some(line) = lines.into_iter().find(said) {
                return line["url"].as_str().unwrap_or_default().to_owned();
            }
            assert!(std::time::Instant::now() < deadline, "no listener {name}: {}", self.printed());
            tokio::task::yield_now().await;
        }
    }

    /// What it has printed so far, to both outputs.
    pub fn printed(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.data.join(name)).unwrap_or_default();
        read("stdout") + &read("stderr")
    }

    /// Its number among the processes.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("callscribe can be waited for")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for CallscribeProcess {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A database, read as an outsider reads it.
pub struct Database {
    url: String,
    file: Option<PathBuf>,
}

impl Database {
    /// The SQLite database in a data folder; it need not be there yet.
    pub fn of(data: &Path) -> Self {
        let path = data.join("callscribe.db");
        Self { url: format!("sqlite://{}?mode=ro", path.display()), file: Some(path) }
    }

    /// The database of a server.
    pub fn at(url: String) -> Self {
        Self { url, file: None }
    }

    /// The rows a query answers with; every value as text, NULL as `None`.
    ///
    /// Empty while the database or its tables are not there yet.
    pub async fn rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        use sea_orm::{ConnectionTrait, Database, Statement};
        if self.file.as_ref().is_some_and(|file| !file.is_file()) {
            return Vec::new();
        }
        let Ok(connection) = Database::connect(&self.url).await else { return Vec::new() };
        let statement = Statement::from_string(connection.get_database_backend(), query);
        let rows = connection.query_all_raw(statement).await.unwrap_or_default();
        let values = |row: &sea_orm::QueryResult| {
            let columns = row.column_names();
            columns.iter().map(|column| as_text(row, column)).collect()
        };
        rows.iter().map(values).collect()
    }
}

fn as_text(row: &sea_orm::QueryResult, column: &str) -> Option<String> {
    if let Ok(text) = row.try_get::<Option<String>>("", column) {
        return text;
    }
    if let Ok(number) = row.try_get::<Option<i64>>("", column) {
        return number.map(|n| n.to_string());
    }
    row.try_get::<Option<f64>>("", column).ok().flatten().map(|n| n.to_string())
}
