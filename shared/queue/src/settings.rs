//! How to reach Redis.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Where Redis is and what is asked of it: one server (`url`), a sentinel set (`sentinels`) or a
/// cluster (`cluster`); the last one given counts.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port/db`, `rediss://…` for TLS, `redis+unix:///path` for a
    /// socket. Default `redis://127.0.0.1:6379`.
    #[serde(serialize_with = "without_password")]
    pub url: SecretString,
    /// Sentinels, as URLs (`rediss://…` when they speak TLS), a list or separated by commas.
    /// Default none.
    #[serde(deserialize_with = "addresses", serialize_with = "without_passwords")]
    pub sentinels: Vec<SecretString>,
    /// Name under which the sentinels watch the master. Default `mymaster`.
    pub master: String,
    /// Some nodes of a cluster, as URLs, a list or separated by commas. Default none. The queues
    /// of one prefix live on one shard, whose replicas take over when it fails.
    #[serde(deserialize_with = "addresses", serialize_with = "without_passwords")]
    pub cluster: Vec<SecretString>,
    /// User of the data nodes. Default: the URL's.
    pub username: Option<String>,
    /// Password of the data nodes. Default: the URL's.
    #[serde(serialize_with = "masked")]
    pub password: Option<SecretString>,
    /// Database behind the sentinels; a single server has it in its URL, a cluster has only 0.
    /// Default 0.
    pub database: i64,
    /// Whether the data nodes behind the sentinels speak TLS. Default `false`.
    pub tls: bool,
    /// PEM file of the authority that signed the server's certificate; refused for a master behind
    /// sentinels, where the system's (or those in `SSL_CERT_FILE`) count. Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// Prefix of all keys, used as their hash tag: `{callscribe}:calls`. Default `callscribe`.
    pub prefix: String,
    /// Refuse to work unless Redis has AOF on and `maxmemory-policy noeviction`. Default `false`:
    /// a warning.
    pub require_durable: bool,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            sentinels: Vec::new(),
            master: "mymaster".into(),
            cluster: Vec::new(),
            username: None,
            password: None,
            database: 0,
            tls: false,
            ca_file: None,
            prefix: "callscribe".into(),
            require_durable: false,
        }
    }
}

impl RedisSettings {
    /// The addresses in force, without passwords.
    pub fn addresses(&self) -> String {
        let several = [&self.cluster, &self.sentinels].into_iter().find(|list| !list.is_empty());
        let list = several.map_or(std::slice::from_ref(&self.url), Vec::as_slice);
        list.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// A list, or text with commas: an environment variable is a text.
fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SecretString>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Addresses {
        Text(String),
        List(Vec<String>),
    }
    let list = match Addresses::deserialize(from)? {
        Addresses::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        Addresses::List(list) => list,
    };
    Ok(list.into_iter().filter(|address| !address.is_empty()).map(Into::into).collect())
}

/// An address without its password.
fn shown(address: &SecretString) -> String {
    let Ok(mut url) = Url::parse(address.expose_secret()) else { return "***".into() };
    // A socket's password stands in its query.
    if url.query_pairs().any(|(name, _)| name == "pass") {
        return "***".into();
    }
    if url.password().is_none() {
        return address.expose_secret().to_owned();
    }
    // Only an address without a host takes no password, and it has none to mask.
    if url.set_password(Some("***")).is_err() { "***".into() } else { url.into() }
}

fn without_password<S: Serializer>(address: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&shown(address))
}

fn without_passwords<S: Serializer>(list: &[SecretString], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(shown))
}

fn masked<S: Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(to)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_addresses_in_force_are_shown_without_passwords() {
        let mut settings =
            RedisSettings { url: "redis://user:secret@a:1".into(), ..Default::default() };
        assert_eq!(settings.addresses(), "redis://user:***@a:1");
        settings.sentinels = vec!["redis://:secret@b:2".into(), "redis://c:3".into()];
        assert_eq!(settings.addresses(), "redis://:***@b:2, redis://c:3");
        settings.cluster = vec!["redis://d:4".into()];
        assert_eq!(settings.addresses(), "redis://d:4");
    }

    #[test]
    fn addresses_come_as_a_list_or_separated_by_commas() {
        for json in [
            r#"{"sentinels": "redis://a:1, redis://b:2"}"#,
            r#"{"sentinels": ["redis://a:1", "redis://b:2"]}"#,
        ] {
            let settings: RedisSettings = serde_json::from_str(json).unwrap();
            let sentinels: Vec<_> = settings.sentinels.iter().map(|s| s.expose_secret()).collect();
            assert_eq!(sentinels, ["redis://a:1", "redis://b:2"]);
        }
        assert!(serde_json::from_str::<RedisSettings>("{}").unwrap().cluster.is_empty());
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        assert!(serde_json::from_str::<RedisSettings>(r#"{"sentinel": "x"}"#).is_err());
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let settings =
            RedisSettings { url: "redis://u:hunter2@h".into(), ..RedisSettings::default() };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn passwords_are_not_printed() {
        let settings = RedisSettings {
            url: "redis://worker:secret@redis:6379/2".into(),
            sentinels: vec!["redis://:secret@one:26379".into()],
            cluster: vec!["redis+unix:///run/redis.sock?pass=secret".into()],
            password: Some("secret".into()),
            ..RedisSettings::default()
        };
        let printed = serde_json::to_string(&settings).unwrap();
        assert!(!printed.contains("secret"), "{printed}");
        assert!(printed.contains("redis://worker:***@redis:6379/2"), "{printed}");
    }
}
