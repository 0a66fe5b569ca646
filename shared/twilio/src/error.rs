//! What can go wrong between us and Twilio.

use std::time::Duration;

use domain::AccountSid;

/// Why Twilio did not give what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TwilioError {
    /// There is no such thing, or not yet: media answers so for a while after its callback.
    #[error("Twilio does not know it{}", code_suffix(*code))]
    NotFound {
        /// Twilio's code, 20404 as a rule.
        code: Option<u32>,
    },
    /// The credentials are wrong or may not do this.
    #[error("Twilio refuses the credentials (status {status}{}): check twilio.auth_token or \
             twilio.api_key_sid and twilio.api_key_secret", code_suffix(*code))]
    Forbidden {
        /// 401 or 403.
        status: u16,
        /// Twilio's code.
        code: Option<u32>,
    },
    /// Too many requests: not processed, safe to repeat.
    #[error("Twilio asks for fewer requests")]
    RateLimited {
        /// How long Twilio asks to wait.
        retry_after: Option<Duration>,
        /// Twilio's code, 20429 as a rule.
        code: Option<u32>,
    },
    /// Twilio cannot be reached, or answers 5xx.
    #[error("Twilio is not available: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// How long Twilio asks to wait.
        retry_after: Option<Duration>,
    },
    /// Twilio did not answer in time.
    #[error("Twilio did not answer in time")]
    Timeout,
    /// Twilio refused this request for a reason of its own.
    #[error("Twilio answered {status}{}: {message}", code_suffix(*code))]
    Api {
        /// The HTTP status.
        status: u16,
        /// Twilio's code; see <https://www.twilio.com/docs/api/errors>.
        code: Option<u32>,
        /// Twilio's sentence.
        message: String,
    },
    /// The answer is not what Twilio documents.
    #[error("Twilio's answer cannot be read: {0}")]
    Unreadable(String),
    /// Nothing is configured for this account.
    #[error(
        "account {0} is not configured: set twilio.account_sid and twilio.auth_token, or add \
             it to twilio.accounts"
    )]
    UnknownAccount(AccountSid),
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
}

impl TwilioError {
    /// Error code of a request for two channels of a recording that has one.
    pub const MONO_ONLY: u32 = 16113;
    /// Error code of a request for the MP3 of an encrypted recording.
    pub const NO_MP3_OF_ENCRYPTED: u32 = 16109;

    /// Twilio's own code, where it gave one.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::NotFound { code }
            | Self::Forbidden { code, .. }
            | Self::RateLimited { code, .. }
            | Self::Api { code, .. } => *code,
            _ => None,
        }
    }

    /// How long Twilio asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// Whether the same request may well succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Timeout)
    }
}

fn code_suffix(code: Option<u32>) -> String {
    code.map(|code| format!(", error {code}")).unwrap_or_default()
}

impl From<reqwest::Error> for TwilioError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.is_decode() {
            return Self::Unreadable(error.without_url().to_string());
        }
        // The causes say what matters ("connection refused"); the URL says nothing new.
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            reason = next.to_string();
            cause = next.source();
        }
        Self::Unavailable { reason, retry_after: None }
    }
}
