//! What the services need: Redis, the database, Twilio, its callbacks, engines, the catalogue.

use std::time::Duration;

use chrono::Utc;
use queue::Link;
use results::store::{Kind, Store, kind};
use secrecy::ExposeSecret;
use transcriber::{engines, extract::Extractor};
use twilio::{Client, Days, TwilioSettings};

use super::Finding;
use crate::{Config, up::callback_urls};

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether Redis answers, and whether it keeps what it acknowledged.
pub async fn redis(config: &Config) -> Vec<Finding> {
    const ABOUT: &str = "redis";
    let away = |why: String| {
        let says = format!(
            "{}: {why}; `callscribe up` starts one of its own, redis.url (CALLSCRIBE_REDIS__URL) \
             names another",
            config.redis.addresses()
        );
        vec![Finding::wrong(ABOUT, says)]
    };
    let link = match Link::open(&config.redis).await {
        Ok(link) => link,
        Err(error) => return away(error.to_string()),
    };
    match tokio::time::timeout(PATIENCE, link.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return away(error.to_string()),
        Err(_) => return away(format!("no answer within {} s", PATIENCE.as_secs())),
    }
    let risks = link.risks();
    if risks.is_empty() {
        let says = format!("{} keeps what it acknowledges", config.redis.addresses());
        return vec![Finding::fine(ABOUT, says)];
    }
    let risk = |risk| Finding::doubtful(ABOUT, format!("may lose what it acknowledges: {risk}"));
    risks.into_iter().map(risk).collect()
}

/// Whether the database is there and fits this program.
pub async fn database(config: &Config) -> Finding {
    const ABOUT: &str = "database";
    let settings = &config.results.database;
    let kind = match kind(settings.url.expose_secret()) {
        Ok(kind) => kind,
        Err(error) => return Finding::wrong(ABOUT, error.to_string()),
    };
    let what = match &kind {
        Kind::Sqlite { path } if !std::path::Path::new(path).exists() => {
            let says = format!("{path} is not there yet; the results service makes it");
            return Finding::doubtful(ABOUT, says);
        }
        Kind::Sqlite { path } => path.as_str(),
        Kind::Postgres => "Postgres",
    };
    match Store::open_read(settings).await {
        Ok(_) => Finding::fine(ABOUT, format!("{what} answers, and its schema fits")),
        Err(error) => Finding::wrong(ABOUT, error.to_string()),
    }
}

/// Whether Twilio takes the credentials of each account.
pub async fn twilio(config: &Config) -> Vec<Finding> {
    const ABOUT: &str = "twilio";
    let accounts = config.twilio.all_accounts();
    if accounts.is_empty() {
        let says = "no account is configured, so only the sample calls can be worked on; set \
                    twilio.account_sid and twilio.auth_token";
        return vec![Finding::doubtful(ABOUT, says)];
    }
    // Whoever asks is waiting.
    let settings = TwilioSettings { max_retries: 1, ..config.twilio.clone() };
    let client = match Client::new(&settings) {
        Ok(client) => client,
        Err(error) => return vec![Finding::wrong(ABOUT, error.to_string())],
    };
    let today = Days { since: Some(Utc::now().date_naive()), until: None };
    let mut findings = Vec::new();
    for account in accounts {
        let sid = account.sid;
        let page = async { client.recordings(&sid, today)?.next_page().await };
        findings.push(match page.await {
            Ok(_) => Finding::fine(ABOUT, format!("lists the recordings of {sid}")),
            Err(error) => Finding::wrong(ABOUT, format!("{sid}: {error}")),
        });
    }
    findings
}

/// Whether callbacks can be checked, and what to enter at Twilio.
pub fn callbacks(config: &Config) -> Finding {
    const ABOUT: &str = "callbacks";
    match &config.ingest.public_url {
        Some(base) => {
            let [recording, call] = callback_urls(&base.to_string());
            Finding::fine(ABOUT, format!("to be entered at Twilio: {recording} and {call}"))
        }
        None if config.twilio.all_accounts().is_empty() => {
            Finding::fine(ABOUT, "none are expected without an account")
        }
        None => Finding::wrong(
            ABOUT,
            "ingest.public_url (CALLSCRIBE_INGEST__PUBLIC_URL) is not set: signatures are checked \
             against the address under which Twilio reaches this machine, so all would be refused",
        ),
    }
}

/// Which engines there are. None is asked: that may cost money.
pub async fn engines(config: &Config) -> Finding {
    const ABOUT: &str = "engines";
    let settings = config.transcriber.clone();
    // A model takes seconds to load.
    let chosen =
        tokio::task::spawn_blocking(move || engines::chosen(&settings.engines, &settings.folder()));
    let chosen = chosen.await;
    let engines = match chosen {
        Ok(Ok(engines)) => engines,
        Ok(Err(why)) => return Finding::wrong(ABOUT, why),
        Err(error) => return Finding::wrong(ABOUT, error.to_string()),
    };
    if let Err(why) = config.transcriber.check_engines(&engines) {
        return Finding::wrong(ABOUT, why);
    }
    let names: Vec<_> = engines
        .iter()
        .map(|engine| {
            let identity = engine.identity();
            identity
                .model
                .map_or(identity.name.clone(), |model| format!("{} ({model})", identity.name))
        })
        .collect();
    Finding::fine(ABOUT, names.join(", then "))
}

/// Whether the catalogue of services and cities can be read.
pub fn extraction(config: &Config) -> Finding {
    const ABOUT: &str = "extraction";
    match Extractor::from_settings(&config.transcriber.extract) {
        Ok(_) => Finding::fine(ABOUT, "the catalogue of services and cities is in order"),
        Err(error) => Finding::wrong(ABOUT, error.to_string()),
    }
}
