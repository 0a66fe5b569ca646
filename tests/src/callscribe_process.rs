//! The real binary, on a data folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use crate::signal;

/// A running `callscribe`.
pub struct CallscribeProcess {
    child: Child,
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
            .env("CALLSCRIBE_RESULTS__HTTP__LISTEN", "127.0.0.1:0")
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

    /// Starts `callscribe up` with more arguments; what it prints goes to files in the folder.
    ///
    /// # Panics
    /// When the binary cannot be started.
    pub fn start(binary: &str, data: &Path, arguments: &[&str]) -> Self {
        let output = |name: &str| std::fs::File::create(data.join(name)).expect("an output file");
        let mut command = Self::command(binary, data);
        let child = command
            .arg("up")
            .args(arguments)
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .expect("callscribe starts");
        Self { child }
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

/// The SQLite database of a data folder, read as an outsider reads it.
pub struct Database {
    path: PathBuf,
}

impl Database {
    /// The database in a data folder; it need not be there yet.
    pub fn of(data: &Path) -> Self {
        Self { path: data.join("callscribe.db") }
    }

    /// The rows a query answers with; every value as text, NULL as `None`.
    ///
    /// Empty while the database or its tables are not there yet.
    pub async fn rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        use sea_orm::{ConnectionTrait, Database, Statement};
        if !self.path.is_file() {
            return Vec::new();
        }
        let url = format!("sqlite://{}?mode=ro", self.path.display());
        let Ok(connection) = Database::connect(url).await else { return Vec::new() };
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
