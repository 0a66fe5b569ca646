//! How to reach Redis.

use secrecy::SecretString;
use serde::Deserialize;

/// Where Redis is and what is asked of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port/db`, `rediss://…` for TLS, `redis+unix:///path` for a
    /// socket. Default `redis://127.0.0.1:6379`.
    pub url: SecretString,
    /// Prefix of all keys, used as their hash tag: `{callscribe}:calls`. Default `callscribe`.
    pub prefix: String,
    /// Refuse to start unless Redis has AOF on and `maxmemory-policy noeviction`. Default `false`:
    /// a warning.
    pub require_durable: bool,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            prefix: "callscribe".into(),
            require_durable: false,
        }
    }
}
