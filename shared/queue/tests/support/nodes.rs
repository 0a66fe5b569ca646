//! Redis processes on loopback ports: TLS, sentinel sets, clusters, and a proxy between.

use std::{
    net::TcpListener as StdListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use redis::FromRedisValue;
use tempfile::TempDir;

use super::{PATIENCE, eventually};

/// A port nobody listens on.
pub fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One redis-server process on a port of its own, killed with the value.
pub struct Node {
    pub port: u16,
    pub folder: TempDir,
    child: Child,
}

impl Node {
    pub fn start(arguments: &[&str]) -> Self {
        let port = free_port();
        let mut all = vec!["--port".to_owned(), port.to_string()];
        all.extend(["--save", "", "--appendonly", "no"].map(str::to_owned));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Self::spawn(port, TempDir::with_prefix("queue-node-").unwrap(), &all)
    }

    fn spawn(port: u16, folder: TempDir, arguments: &[String]) -> Self {
        let child = Command::new("redis-server")
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Self { port, folder, child }
    }

    pub fn sentinel_with_password(master: u16, password: &str) -> Self {
        let port = free_port();
        let folder = TempDir::with_prefix("queue-sentinel-").unwrap();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nsentinel monitor mymaster 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds mymaster 400\n\
             sentinel failover-timeout mymaster 2000\n\
             sentinel auth-pass mymaster {password}\n"
        );
        std::fs::write(&file, text).unwrap();
        Self::spawn(port, folder, &[file.display().to_string(), "--sentinel".to_owned()])
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub async fn up(&self) {
        eventually("the node answers", async || self.try_raw::<String>(&["PING"]).await.is_ok())
            .await;
    }

    pub async fn raw<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_raw(command).await.unwrap()
    }

    pub async fn try_raw<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut raw = redis::cmd(command[0]);
        raw.arg(&command[1..]);
        raw.query_async(&mut connection).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A certificate authority and a certificate for 127.0.0.1 signed by it; `None` without openssl.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub fn make() -> Option<Self> {
        let folder = TempDir::with_prefix("queue-tls-").unwrap();
        let made = Self { folder };
        std::fs::write(made.path("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        let [ca, ca_key, key, request, certificate, extensions] =
            ["ca.pem", "ca.key", "key.pem", "req.pem", "cert.pem", "ext"]
                .map(|name| made.path(name).display().to_string());
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let root: Vec<&str> = [
            &["req", "-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", &ca_key],
            &["-out", ca.as_str()][..],
            &curve,
        ]
        .concat();
        let asked: Vec<&str> = [
            &["req", "-subj", "/CN=localhost", "-keyout", key.as_str(), "-out", &request][..],
            &curve,
        ]
        .concat();
        let signed = [
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ];
        for arguments in [&root[..], &asked, &signed] {
            let done = Command::new("openssl").args(arguments).output().ok()?;
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        Some(made)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A redis-server that speaks TLS only, and asks for a password.
pub fn tls_node(certificates: &Certificates) -> Node {
    let port = free_port();
    let path = |name: &str| certificates.path(name).display().to_string();
    let arguments = [
        "--port",
        "0",
        "--tls-port",
        &port.to_string(),
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &path("cert.pem"),
        "--tls-key-file",
        &path("key.pem"),
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--save",
        "",
        "--user",
        "worker",
        "on",
        ">secret",
        "~*",
        "&*",
        "+@all",
        "--user",
        "default",
        "off",
    ]
    .map(str::to_owned);
    Node::spawn(port, TempDir::with_prefix("queue-node-").unwrap(), &arguments)
}

/// Three masters that share the slots.
pub struct Cluster {
    pub nodes: Vec<Node>,
}

impl Cluster {
    pub async fn start() -> Self {
        let nodes: Vec<_> = (0..3).map(|_| Self::node()).collect();
        for node in &nodes {
            node.up().await;
        }
        for (n, node) in nodes.iter().enumerate() {
            let (first, last) = (n * 5462, ((n + 1) * 5462 - 1).min(16383));
            let (first, last) = (first.to_string(), last.to_string());
            node.raw::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            let port = nodes[0].port.to_string();
            let bus = cluster_bus(&nodes[0]).to_string();
            node.raw::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        let cluster = Self { nodes };
        cluster.agrees().await;
        cluster
    }

    fn node() -> Node {
        let port = free_port();
        let bus = free_port();
        let folder = TempDir::with_prefix("queue-cluster-").unwrap();
        std::fs::write(folder.path().join("bus"), bus.to_string()).unwrap();
        let arguments = [
            "--port",
            &port.to_string(),
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus.to_string(),
            "--cluster-node-timeout",
            "1000",
            "--save",
            "",
        ]
        .map(str::to_owned);
        Node::spawn(port, folder, &arguments)
    }

    async fn agrees(&self) {
        eventually("the cluster is complete", async || {
            for node in &self.nodes {
                let info: String = node.raw(&["CLUSTER", "INFO"]).await;
                if !info.contains("cluster_state:ok") || !info.contains("cluster_known_nodes:3") {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// The node that serves a key, and another one.
    pub async fn owner_and_other(&self, key: &str) -> (&Node, &Node) {
        let mut others = Vec::new();
        let mut owner = None;
        for node in &self.nodes {
            match node.try_raw::<redis::Value>(&["TYPE", key]).await {
                Ok(_) => owner = Some(node),
                Err(_) => others.push(node),
            }
        }
        (owner.expect("a node serves it"), others[0])
    }

    /// Moves the slot of `key`, with all that is in it, while it is in use.
    pub async fn migrate(&self, key: &str) {
        let (from, to) = self.owner_and_other(key).await;
        let slot = from.raw::<u16>(&["CLUSTER", "KEYSLOT", key]).await.to_string();
        let from_id: String = from.raw(&["CLUSTER", "MYID"]).await;
        let to_id: String = to.raw(&["CLUSTER", "MYID"]).await;
        to.raw::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
        from.raw::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
        loop {
            let keys: Vec<String> = from.raw(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
            if keys.is_empty() {
                break;
            }
            let port = to.port.to_string();
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            from.raw::<redis::Value>(&command).await;
        }
        for node in [to, from].into_iter().chain(&self.nodes) {
            node.raw::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
        }
    }
}

fn cluster_bus(node: &Node) -> u16 {
    read(&node.folder.path().join("bus")).parse().unwrap()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}
