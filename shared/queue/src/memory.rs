//! How full Redis is.

use redis::Value;

use crate::{Link, QueueError, wire::text};

/// What Redis says of its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in use.
    pub used_bytes: u64,
    /// `maxmemory` in bytes; `None` where there is no limit.
    pub limit_bytes: Option<u64>,
}

impl Memory {
    /// The share of the limit that is used; `None` where there is no limit.
    pub fn share(&self) -> Option<f64> {
        self.limit_bytes.map(|limit| self.used_bytes as f64 / limit as f64)
    }

    fn read(info: &str) -> Option<Self> {
        let field = |name: &str| {
            let lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.into_iter().find(|(key, _)| *key == name)?.1.trim().parse::<u64>().ok()
        };
        Some(Self {
            used_bytes: field("used_memory")?,
            limit_bytes: field("maxmemory").filter(|limit| *limit > 0),
        })
    }
}

impl Link {
    /// How full Redis is, in one round trip. A server that does not let this user ask (`NOPERM`) is
    /// taken for one without a limit; it refuses by itself what it has no room for.
    ///
    /// # Errors
    /// When Redis does not answer or does not tell.
    pub async fn memory(&self) -> Result<Memory, QueueError> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let answer = match self.command_if_allowed(&command).await? {
            None => return Ok(Memory { used_bytes: 0, limit_bytes: None }),
            Some(Value::VerbatimString { text, .. }) => Some(text),
            Some(other) => text(other),
        };
        let memory = answer.as_deref().and_then(Memory::read);
        memory.ok_or_else(|| QueueError::Redis("INFO memory tells nothing".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_known_where_there_is_a_limit() {
        let info = "# Memory\r\nused_memory:750\r\nused_memory_rss:9000\r\nmaxmemory:1000\r\n";
        assert_eq!(Memory::read(info).unwrap().share(), Some(0.75));
        let info = "used_memory:750\r\nmaxmemory:0\r\n";
        assert_eq!(Memory::read(info).unwrap().share(), None);
        assert_eq!(Memory::read("maxmemory:0"), None);
    }
}
