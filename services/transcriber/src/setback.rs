//! Why a call did not get to its end, and what to do about it.

use std::time::Duration;

use queue::{Failure, Verdict};
use twilio::TwilioError;

use crate::{audio::AudioError, engines::EngineError};

/// An attempt that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// What helps.
    pub treatment: Treatment,
    /// What happened.
    pub failure: Failure,
}

/// What helps against a setback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    /// Trying again with the queue's backoff.
    Retry,
    /// Trying again after a while; no attempt is counted.
    Wait(Duration),
    /// Nothing short of a person.
    GiveUp,
    /// A person, and everybody who uses the same thing waits.
    Park {
        /// Name of the pause, such as `account:AC…`.
        by: String,
        /// How long.
        wait: Duration,
    },
}

/// How long an account or an engine is left alone when a person has to act.
const PARKED: Duration = Duration::from_secs(300);

/// How long to wait when asked for fewer requests without being told how long.
const RATE_LIMITED: Duration = Duration::from_secs(30);

/// The bounds of a wait.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

impl Setback {
    /// A setback with its code and sentence.
    pub fn new(treatment: Treatment, code: &str, message: impl Into<String>) -> Self {
        Self { treatment, failure: Failure::new(code, message) }
    }

    /// What the queue does with the entry.
    pub fn verdict(self) -> Verdict {
        let failure = self.failure;
        match self.treatment {
            Treatment::Retry => Verdict::Retry { after: None, failure, counts: true },
            // No attempt limit ends a wait, so one that somebody else asks for has bounds.
            Treatment::Wait(after) => {
                let after = Some(after.clamp(SHORTEST_WAIT, LONGEST_WAIT));
                Verdict::Retry { after, failure, counts: false }
            }
            Treatment::GiveUp => Verdict::Dead { failure },
            Treatment::Park { by, wait } => Verdict::Park { by, wait, failure },
        }
    }

    /// What Twilio's failure means for a call of this account.
    pub fn from_twilio(error: &TwilioError, account: &domain::AccountSid) -> Self {
        let parked = || Treatment::Park { by: format!("account:{account}"), wait: PARKED };
        let (treatment, code) = match error {
            TwilioError::RateLimited { retry_after, .. } => {
                (Treatment::Wait(retry_after.unwrap_or(RATE_LIMITED)), "twilio_rate_limited")
            }
            TwilioError::Unavailable { .. } => (Treatment::Retry, "twilio_unavailable"),
            TwilioError::Timeout => (Treatment::Retry, "twilio_timeout"),
            TwilioError::Unreadable(_) => (Treatment::Retry, "twilio_unreadable"),
            // A rotated token must not cost the calls that come in meanwhile.
            TwilioError::Forbidden { status: 401, .. } => (parked(), "twilio_credentials"),
            TwilioError::UnknownAccount(_) => (parked(), "twilio_account_unknown"),
            TwilioError::Forbidden { .. } => (Treatment::Retry, "forbidden"),
            TwilioError::NotFound { .. } => (Treatment::GiveUp, "not_found"),
            TwilioError::Api { .. } | TwilioError::Settings(_) => {
                (Treatment::GiveUp, "twilio_refused")
            }
        };
        Self::new(treatment, code, error.to_string())
    }

    /// What an engine's failure means for a call.
    pub fn from_engine(engine: &str, error: &EngineError) -> Self {
        let parked = || Treatment::Park { by: format!("engine:{engine}"), wait: PARKED };
        let treatment = match error {
            EngineError::Unavailable(_)
            | EngineError::Timeout { .. }
            | EngineError::Malformed(_)
            | EngineError::Program(_) => Treatment::Retry,
            EngineError::RateLimited { after } => Treatment::Wait(after.unwrap_or(RATE_LIMITED)),
            EngineError::QuotaExhausted | EngineError::Credentials { .. } => parked(),
            EngineError::TooLarge | EngineError::UnsupportedLanguage | EngineError::Refused(_) => {
                Treatment::GiveUp
            }
        };
        Self::new(treatment, error.code(), format!("{engine}: {error}"))
    }
}

impl From<AudioError> for Setback {
    fn from(error: AudioError) -> Self {
        let treatment = match error {
            AudioError::Io(_) | AudioError::Detector(_) => Treatment::Retry,
            _ => Treatment::GiveUp,
        };
        Self::new(treatment, error.code(), error.to_string())
    }
}
