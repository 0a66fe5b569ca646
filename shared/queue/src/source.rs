//! Where connections come from: a pool that knows how to find the server that takes writes.
//!
//! A single server is always the same one. Behind sentinels it is the master they name. In a
//! cluster it is the master of the one slot that the prefix hashes to: all keys live there, so the
//! connections to it are plain ones, and a `MOVED` answer means to look for it anew.

use std::{path::Path, time::Duration};

use deadpool_redis::{PoolError, cluster, sentinel};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, RedisError, TlsCertificates, aio::MultiplexedConnection,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{QueueError, RedisSettings};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) enum Source {
    Server(deadpool_redis::Pool),
    Sentinels(sentinel::Pool),
    Cluster { pool: cluster::Pool, tag: String, like: Box<ConnectionInfo> },
}

impl Source {
    pub fn new(settings: &RedisSettings) -> Result<Self, QueueError> {
        let server = std::slice::from_ref(&settings.url);
        let all = server.iter().chain(&settings.sentinels).chain(&settings.cluster);
        if settings.tls || all.into_iter().any(|url| url.expose_secret().starts_with("rediss:")) {
            // An error means that a provider is installed already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        if !settings.cluster.is_empty() {
            let nodes = endpoints("cluster", &settings.cluster, settings, Login::Given)?;
            let like = Box::new(nodes[0].clone());
            let manager = cluster::Manager::new(nodes, false).map_err(unusable("cluster"))?;
            let pool = cluster::Pool::builder(manager).build().map_err(unusable("cluster"))?;
            return Ok(Self::Cluster { pool, tag: format!("{{{}}}", settings.prefix), like });
        }
        if !settings.sentinels.is_empty() {
            if settings.tls && settings.ca_file.is_some() {
                return Err(QueueError::Settings(
                    "ca_file: is not used for a master behind sentinels (tls = true): add the \
                     authority to the system's certificates, or name its file in SSL_CERT_FILE, \
                     and leave ca_file out"
                        .to_owned(),
                ));
            }
            let nodes = endpoints("sentinels", &settings.sentinels, settings, Login::Own)?;
            let tls_mode = settings.tls.then_some(sentinel::TlsMode::Secure);
            let login = deadpool_redis::RedisConnectionInfo {
                db: settings.database,
                username: settings.username.clone(),
                password: settings.password.as_ref().map(|p| p.expose_secret().to_owned()),
                ..Default::default()
            };
            let node = sentinel::SentinelNodeConnectionInfo {
                tls_mode,
                redis_connection_info: Some(login),
            };
            let manager = sentinel::Manager::new(
                nodes,
                settings.master.clone(),
                Some(node),
                sentinel::SentinelServerType::Master,
            )
            .map_err(unusable("sentinels"))?;
            let pool = sentinel::Pool::builder(manager).build().map_err(unusable("sentinels"))?;
            return Ok(Self::Sentinels(pool));
        }
        let node = endpoints("url", server, settings, Login::Given)?.remove(0);
        let manager = deadpool_redis::Manager::new_with_config(
            node,
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)),
        )
        .map_err(unusable("url"))?;
        let pool = deadpool_redis::Pool::builder(manager).build().map_err(unusable("url"))?;
        Ok(Self::Server(pool))
    }

    /// A new connection to the server that takes writes, taken out of the pool for good.
    pub async fn connect(&self, response: Duration) -> Result<MultiplexedConnection, QueueError> {
        let limit = CONNECT_TIMEOUT * 3;
        let connecting = async {
            match self {
                Self::Server(pool) => {
                    pool.get().await.map(deadpool_redis::Connection::take).map_err(no_connection)
                }
                Self::Sentinels(pool) => {
                    pool.get().await.map(sentinel::Connection::take).map_err(no_connection)
                }
                Self::Cluster { pool, tag, like } => {
                    let address = owner(pool, tag).await?;
                    let client = Client::open(like_seed(like, address)).map_err(unavailable)?;
                    let config =
                        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT));
                    let connection = client.get_multiplexed_async_connection_with_config(&config);
                    connection.await.map_err(unavailable)
                }
            }
        };
        let mut connection = tokio::time::timeout(limit, connecting)
            .await
            .map_err(|_| QueueError::Unavailable("connecting took too long".to_owned()))??;
        connection.set_response_timeout(response);
        Ok(connection)
    }
}

/// Whose user and password an endpoint is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    /// Those of its URL (sentinels have their own).
    Own,
    /// Those of the settings, where there are some.
    Given,
}

fn endpoints(
    setting: &'static str,
    urls: &[SecretString],
    settings: &RedisSettings,
    login: Login,
) -> Result<Vec<ConnectionInfo>, QueueError> {
    urls.iter().map(|url| endpoint(setting, url, settings, login)).collect()
}

fn endpoint(
    setting: &'static str,
    url: &SecretString,
    settings: &RedisSettings,
    login: Login,
) -> Result<ConnectionInfo, QueueError> {
    let mut info = url.expose_secret().into_connection_info().map_err(unusable(setting))?;
    if let Some(ca_file) = &settings.ca_file
        && matches!(info.addr(), ConnectionAddr::TcpTls { .. })
    {
        info = trusting(info, ca_file)?;
    }
    // A URL may ask for RESP3, whose answers have other forms than those which are read here.
    let mut access = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    if login == Login::Own {
        return Ok(info.set_redis_settings(access));
    }
    if let Some(username) = &settings.username {
        access = access.set_username(username);
    }
    if let Some(password) = &settings.password {
        access = access.set_password(password.expose_secret());
    }
    Ok(info.set_redis_settings(access))
}

/// The same endpoint, its certificate signed by the authority in the file.
fn trusting(info: ConnectionInfo, ca_file: &Path) -> Result<ConnectionInfo, QueueError> {
    let wrong = |error: &dyn std::fmt::Display| {
        QueueError::Settings(format!("ca_file {}: {error}", ca_file.display()))
    };
    let root = std::fs::read(ca_file).map_err(|error| wrong(&error))?;
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(root) };
    let client = Client::build_with_tls(info, certificates).map_err(|error| wrong(&error))?;
    Ok(client.get_connection_info().clone())
}

/// A wrong setting; what the library says of it is not shown, since it can quote the password.
fn unusable<E>(setting: &'static str) -> impl Fn(E) -> QueueError {
    move |_| {
        QueueError::Settings(format!(
            "{setting}: expected redis://[user:password@]host:port[/db], rediss://… for TLS or \
             redis+unix:///path for a socket"
        ))
    }
}

fn unavailable(error: impl std::fmt::Display) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

/// Why there is no connection; that a pool asked for it is of no interest.
fn no_connection(error: PoolError) -> QueueError {
    match error {
        PoolError::Backend(refused) => unavailable(refused),
        other => unavailable(other),
    }
}

/// Address of the master of the slot that the tag hashes to.
async fn owner(pool: &cluster::Pool, tag: &str) -> Result<(String, u16), QueueError> {
    type Range = (u16, u16, Vec<redis::Value>);
    let mut connection = pool.get().await.map_err(no_connection)?;
    let (mut key_slot, mut all_slots) = (redis::cmd("CLUSTER"), redis::cmd("CLUSTER"));
    key_slot.arg("KEYSLOT").arg(tag);
    all_slots.arg("SLOTS");
    let asked: Result<(u16, Vec<redis::Value>), RedisError> = async {
        let slot = key_slot.query_async(&mut connection).await?;
        Ok((slot, all_slots.query_async(&mut connection).await?))
    }
    .await;
    let (slot, slots) = match asked {
        Ok(answer) => answer,
        Err(error) => {
            // This one may be stuck with nodes that are gone.
            drop(cluster::Connection::take(connection));
            return Err(unavailable(error));
        }
    };
    for range in slots {
        let redis::Value::Array(mut range) = range else { continue };
        range.truncate(3);
        let range: Range = match <[redis::Value; 3]>::try_from(range) {
            Ok([first, last, redis::Value::Array(master)]) => (
                redis::from_redis_value(first).map_err(unavailable)?,
                redis::from_redis_value(last).map_err(unavailable)?,
                master,
            ),
            _ => continue,
        };
        if (range.0..=range.1).contains(&slot)
            && let [host, port, ..] = &range.2[..]
        {
            let host = redis::from_redis_value_ref(host).map_err(unavailable)?;
            let port = redis::from_redis_value_ref(port).map_err(unavailable)?;
            return Ok((host, port));
        }
    }
    Err(QueueError::Unavailable(format!("no node of the cluster serves slot {slot} now")))
}

/// A node's endpoint, reached the way the seeds are.
fn like_seed(seed: &ConnectionInfo, (host, port): (String, u16)) -> ConnectionInfo {
    let address = match seed.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    seed.clone().set_addr(address)
}
