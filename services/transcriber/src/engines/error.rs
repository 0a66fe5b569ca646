//! How engines fail, told apart by what helps.

use std::time::Duration;

/// Why an engine returned no transcript.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// It cannot be reached, or says that it is broken for now.
    #[error("the speech engine is not available: {0}")]
    Unavailable(String),
    /// No connection came about: it was not asked at all.
    #[error("the speech engine cannot be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("the speech engine did not answer within {seconds} s")]
    Timeout {
        /// The limit that was passed.
        seconds: u64,
    },
    /// Too many requests for now.
    #[error("the speech engine takes no more requests for now")]
    RateLimited {
        /// How long it asks to wait, where it says so.
        after: Option<Duration>,
    },
    /// The account at the engine's provider has nothing left; a person has to act.
    #[error("the quota of the account at the speech engine is used up")]
    QuotaExhausted,
    /// The key is missing, wrong, or not allowed to do this; a person has to act.
    #[error("the speech engine refuses the credentials (status {status})")]
    Credentials {
        /// The HTTP status.
        status: u16,
    },
    /// It does not do this for us, which may be due to this piece of audio alone.
    #[error("the speech engine refuses the request (status 403, {code})")]
    Forbidden {
        /// The provider's own code.
        code: String,
    },
    /// There is no such address or model; a person has to act.
    #[error("the speech engine's address or model is not there (status {status}, {code})")]
    NotThere {
        /// The HTTP status.
        status: u16,
        /// The provider's own code.
        code: String,
    },
    /// It answered, but not as its interface says.
    #[error("the speech engine's answer cannot be read: {0}")]
    Malformed(String),
    /// The piece is larger than it takes.
    #[error("the piece of audio is larger than the speech engine takes")]
    TooLarge,
    /// It does not know the language.
    #[error("the speech engine does not know the language")]
    UnsupportedLanguage,
    /// It refuses the request, and would again.
    #[error("the speech engine refuses the request: {0}")]
    Refused(String),
    /// A program on this machine cannot be started or failed.
    #[error("{0}")]
    Program(String),
}

impl EngineError {
    /// The code under which an operator finds it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::Unreachable(_) => "engine_unavailable",
            Self::Timeout { .. } => "engine_timeout",
            Self::RateLimited { .. } => "engine_rate_limited",
            Self::QuotaExhausted => "engine_quota_exhausted",
            Self::Credentials { .. } => "engine_credentials",
            Self::Forbidden { .. } => "engine_forbidden",
            Self::NotThere { .. } => "engine_not_there",
            Self::Malformed(_) => "engine_malformed_answer",
            Self::TooLarge => "engine_too_large",
            Self::UnsupportedLanguage => "engine_unsupported_language",
            Self::Refused(_) => "engine_refused",
            Self::Program(_) => "engine_program_failed",
        }
    }

    /// Whether only a person can mend it, for all calls at once.
    pub fn needs_somebody(&self) -> bool {
        matches!(self, Self::QuotaExhausted | Self::Credentials { .. } | Self::NotThere { .. })
    }

    /// Whether the audio was surely not worked on, so that nobody charges for it.
    pub fn is_free(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Timeout { .. } | Self::Malformed(_) | Self::Program(_) => {
                false
            }
            Self::Unreachable(_)
            | Self::RateLimited { .. }
            | Self::QuotaExhausted
            | Self::Credentials { .. }
            | Self::Forbidden { .. }
            | Self::NotThere { .. }
            | Self::TooLarge
            | Self::UnsupportedLanguage
            | Self::Refused(_) => true,
        }
    }
}
