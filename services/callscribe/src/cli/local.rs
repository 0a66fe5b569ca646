//! The configuration as an operator's verb sees it: what is not configured is looked for in the
//! data folder of `callscribe up`.

use std::path::PathBuf;

use clap::Args;
use queue::{Link, Queue};
use tokio_util::sync::CancellationToken;

use super::{Outcome, Refusal};
use crate::{Config, data_folder::DataFolder, up};

/// The data folder.
#[derive(Args, Debug, Clone)]
pub struct DataArg {
    /// Where `callscribe up` keeps the database, Redis's files and the log.
    #[arg(long, env = "CALLSCRIBE_DATA", default_value = "./data", value_name = "FOLDER")]
    pub data: PathBuf,
}

impl DataArg {
    /// The configuration, with what `callscribe up` takes from the data folder where it is not
    /// configured: Redis, the database, a Whisper model.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn load(&self) -> Outcome<Config> {
        let (mut config, given) = Config::load().map_err(Refusal::Setting)?;
        if !self.data.is_dir() {
            return Ok(config);
        }
        let folder = DataFolder::open(&self.data)?;
        if !up::uses_own_address(&given) && folder.redis_socket().exists() {
            config.redis.url = folder.redis_url().into();
        }
        if !given.has("results.database.url") {
            config.results.database.url = folder.database_url().into();
        }
        up::take_model(&mut config, &folder);
        Ok(config)
    }
}

/// A queue by its name, or a refusal that names them.
///
/// # Errors
/// When there is no such queue, or Redis cannot be reached.
pub async fn queue_named(config: &Config, name: &str) -> anyhow::Result<Queue> {
    let link = Link::open(&config.redis).await?;
    match name {
        chassis::queues::CALLS => Ok(chassis::queues::calls(link)),
        chassis::queues::RESULTS => Ok(chassis::queues::results(link)),
        results::outbound::WEBHOOKS => Ok(results::outbound::queue(link)),
        other => anyhow::bail!("there is no queue {other}; there are calls, results and webhooks"),
    }
}

/// Cancelled by Ctrl-C or SIGTERM.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn until_interrupted() -> anyhow::Result<CancellationToken> {
    Ok(chassis::Process::until_signalled()?.stop().clone())
}
