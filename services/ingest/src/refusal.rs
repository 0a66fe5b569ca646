//! Why a callback is not taken, and what is answered then.

use twilio::callback::FormError;
use warp::http::StatusCode;

/// Why a request is refused. The text is answered; it repeats nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No callback comes to this path.
    #[error("no callback comes here")]
    NotFound,
    /// Callbacks are posted.
    #[error("callbacks are posted")]
    Method,
    /// The body is neither a form nor JSON.
    #[error("the content type is neither application/x-www-form-urlencoded nor application/json")]
    ContentType,
    /// The body is said to be JSON and is no object.
    #[error("the body is no JSON object")]
    Json,
    /// The body is too long.
    #[error("the body is longer than 64 KiB")]
    TooLarge,
    /// The body broke off.
    #[error("the body could not be read")]
    Unreadable,
    /// A parameter is missing or malformed.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The account is not one of ours.
    #[error("this account is not served")]
    UnknownAccount,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// The entry could not be stored; Twilio is to try again.
    #[error("not possible right now")]
    Unavailable {
        /// Why, for the log alone.
        reason: String,
    },
}

impl Refusal {
    /// The status that is answered.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Json | Self::Unreadable | Self::Form(_) => StatusCode::BAD_REQUEST,
            Self::UnknownAccount | Self::Signature => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Method => "method",
            Self::ContentType => "content_type",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Json | Self::Form(_) => "malformed",
            Self::UnknownAccount => "unknown_account",
            Self::Signature => "wrong_signature",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}
