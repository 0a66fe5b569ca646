//! What the server must be, looked at with every new connection.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;

/// The oldest Redis whose scripts can declare that they may run when memory is full.
const OLDEST: u32 = 7;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Changes whenever the process does.
    pub run_id: String,
    /// Why this server cannot be used at all.
    pub unusable: Option<String>,
    /// Why it may lose what it acknowledged, each with what to do about it.
    pub risks: Vec<String>,
}

impl Server {
    pub async fn inspect(connection: &mut MultiplexedConnection) -> redis::RedisResult<Self> {
        let info: redis::RedisResult<String> = redis::cmd("INFO").query_async(connection).await;
        let info = match info {
            Err(error) if error.code() == Some("NOPERM") => return Ok(Self::unknown(&error)),
            other => other?,
        };
        let mut config = redis::cmd("CONFIG");
        config.arg("GET").arg("appendfsync");
        // Managed servers forbid CONFIG; INFO has the rest.
        let config: HashMap<String, String> =
            config.query_async(connection).await.unwrap_or_default();
        Ok(Self::read(&info, config.get("appendfsync").map(String::as_str)))
    }

    fn unknown(error: &redis::RedisError) -> Self {
        let risk = format!("its settings could not be checked ({error}): allow INFO to this user");
        Self { run_id: String::new(), unusable: None, risks: vec![risk] }
    }

    fn read(info: &str, appendfsync: Option<&str>) -> Self {
        let fields: HashMap<_, _> = info.lines().filter_map(|line| line.split_once(':')).collect();
        let field = |name: &str| fields.get(name).map_or("", |value| value.trim());
        let version = field("redis_version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let unusable = major
            .is_some_and(|major| major < OLDEST)
            .then(|| format!("Redis {version} is too old: version {OLDEST}.0 or newer is needed"));
        let mut risks = Vec::new();
        if field("aof_enabled") != "1" {
            risks.push("appendonly is off: set `appendonly yes`".to_owned());
        } else if appendfsync == Some("no") {
            risks.push("appendfsync is `no`: set `everysec`, or `always`".to_owned());
        }
        if field("maxmemory_policy") != "noeviction" {
            risks.push(format!(
                "maxmemory-policy is `{}`: set `noeviction`",
                field("maxmemory_policy")
            ));
        }
        Self { run_id: field("run_id").to_owned(), unusable, risks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, aof: u8, policy: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\nrun_id:ab\r\naof_enabled:{aof}\r\n\
             maxmemory_policy:{policy}\r\n"
        )
    }

    #[test]
    fn a_server_that_keeps_everything_carries_no_risk() {
        let server = Server::read(&info("7.0.15", 1, "noeviction"), Some("everysec"));
        assert_eq!(server, Server { run_id: "ab".into(), unusable: None, risks: Vec::new() });
    }

    #[test]
    fn each_risk_says_what_to_set() {
        let server = Server::read(&info("8.0.0", 0, "allkeys-lru"), None);
        assert_eq!(server.risks.len(), 2);
        assert!(server.risks[0].contains("appendonly yes"));
        assert!(server.risks[1].contains("allkeys-lru") && server.risks[1].contains("noeviction"));
        let server = Server::read(&info("7.0.0", 1, "noeviction"), Some("no"));
        assert!(server.risks[0].contains("everysec"));
    }

    #[test]
    fn a_server_older_than_seven_cannot_be_used() {
        let server = Server::read(&info("6.2.14", 1, "noeviction"), None);
        assert!(server.unusable.unwrap().contains("6.2.14"));
    }
}
