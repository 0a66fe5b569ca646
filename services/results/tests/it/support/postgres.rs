//! A private Postgres for the whole test binary, on a unix socket in a folder of its own. It ends
//! with the process, however that ends.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock},
};

/// A running server.
pub struct Postgres {
    folder: PathBuf,
    /// Closed by the operating system when this process ends: the supervisor's sign to stop.
    _alive: Mutex<(Child, ChildStdin)>,
}

/// Makes the cluster, starts the server, says "ready" once it answers, and stops it and removes
/// everything when its standard input is closed. Postgres refuses to run as root, so as root the
/// server runs as the user postgres.
const SUPERVISOR: &str = r#"
set -eu
bin=$1
port=${2:-}
folder=$(mktemp -d "${TMPDIR:-/tmp}/results-pg.XXXXXX")
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as() { if command -v runuser >/dev/null; then runuser -u postgres -- "$@"; else su postgres -s /bin/sh -c '"$0" "$@"' -- "$@"; fi; }
else
    as() { "$@"; }
fi
cd "$folder"
tls=
if [ -n "$port" ]; then
    for name in ca other; do
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" -keyout $name.key -out $name.crt 2>>"$folder.log"
    done
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr 2>>"$folder.log"
    echo subjectAltName=DNS:localhost >server.ext
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt 2>>"$folder.log"
    chmod 600 server.key
    chown --reference="$folder" server.key server.crt
    tls="-p $port -c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=$folder/server.crt -c ssl_key_file=$folder/server.key"
fi
as "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >>"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
if [ -n "$port" ]; then
    printf 'local all all trust\nhostssl all all 127.0.0.1/32 trust\n' >"$folder/data/pg_hba.conf"
fi
as "$bin/pg_ctl" -D "$folder/data" -l "$folder/data/server.log" -w -o "-k $folder -c listen_addresses= -c fsync=off -c max_connections=300 $tls" start >>"$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
rm -f "$folder.log"
echo "ready $folder"
read -r _ || true
as "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
rm -rf "$folder"
"#;

impl Postgres {
    /// The server of this test binary.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of one's own, to be stopped and started.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// A server that takes TLS and nothing else on a port of the loopback; its name is localhost,
    /// and the certificate of who signed for that stands in `ca.crt`, a stranger's in `other.crt`.
    pub fn start_with_tls(port: u16) -> Self {
        Self::with(Some(port))
    }

    /// Where its files are.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    fn with(port: Option<u16>) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(binaries())
            .args(port.map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let alive = child.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let folder = line.trim().strip_prefix("ready ").unwrap_or_else(|| {
            panic!("the private Postgres did not start; its messages stand above")
        });
        Self { folder: folder.into(), _alive: Mutex::new((child, alive)) }
    }

    /// URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.display())
    }

    /// Stops the server at once, as a crash does.
    pub fn kill(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Starts the server again.
    pub fn restart(&self) {
        let options = format!("-k {} -c listen_addresses= -c fsync=off", self.folder.display());
        self.control(&["-l", "server.log", "-w", "-o", &options, "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        let data = self.folder.join("data");
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(binaries().join("pg_ctl"));
            command
        } else {
            Command::new(binaries().join("pg_ctl"))
        };
        let status = command
            .arg("-D")
            .arg(&data)
            .args(arguments)
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "pg_ctl {arguments:?} failed");
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}

/// The folder with initdb and pg_ctl: Debian keeps them outside PATH.
fn binaries() -> PathBuf {
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&in_path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
        .expect(
            "these tests need Postgres: install the package postgresql (apt-get install \
             postgresql, dnf install postgresql-server, brew install postgresql)",
        )
}
