//! Why a call did not get to its end, and what to do about it.

use std::time::Duration;

use queue::{Failure, Verdict};
use twilio::TwilioError;

use crate::{audio::AudioError, engines::EngineError, fetch::FetchError, patience::Patience};

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
pub const PARKED: Duration = Duration::from_secs(300);

/// How long to wait when asked for fewer requests without being told how long.
const RATE_LIMITED: Duration = Duration::from_secs(30);

/// The bounds of a wait. Whatever is waited for, somebody may end it: a limit is raised, a pause
/// lifted. A call that sleeps does not notice, so it looks again from time to time.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

impl Setback {
    /// A setback with its code and sentence.
    pub fn new(treatment: Treatment, code: &str, message: impl Into<String>) -> Self {
        Self { treatment, failure: Failure::new(code, message) }
    }

    /// Whether it costs nobody an attempt: it only has to be waited for.
    pub fn is_uncounted(&self) -> bool {
        matches!(self.treatment, Treatment::Wait(_) | Treatment::Park { .. })
    }

    /// Whether time can heal it.
    pub fn heals(&self) -> bool {
        self.treatment != Treatment::GiveUp
    }

    /// How long it has to be waited for; nothing where nobody says.
    pub fn wait(&self) -> Duration {
        match &self.treatment {
            Treatment::Wait(wait) | Treatment::Park { wait, .. } => *wait,
            Treatment::Retry | Treatment::GiveUp => Duration::ZERO,
        }
    }

    /// What the queue does with the entry.
    pub fn verdict(self) -> Verdict {
        let failure = self.failure;
        match self.treatment {
            Treatment::Retry => Verdict::Retry { after: None, failure, counts: true },
            // No attempt limit ends a wait, so one that somebody else asks for has bounds.
            Treatment::Wait(after) => {
                let after = Some(spread(after.clamp(SHORTEST_WAIT, LONGEST_WAIT)));
                Verdict::Retry { after, failure, counts: false }
            }
            Treatment::GiveUp => Verdict::Dead { failure },
            Treatment::Park { by, wait } => Verdict::Park { by, wait, failure },
        }
    }

    /// What Twilio's failure means for a call of this account.
    pub fn from_twilio(
        error: &TwilioError,
        account: &domain::AccountSid,
        patience: Patience,
    ) -> Self {
        // What asks for less time than anybody would give it is not asked more often for that.
        let away = patience.while_away().map_or(Treatment::Retry, |wait| {
            Treatment::Wait(error.retry_after().map_or(wait, |asked| asked.max(wait)))
        });
        let parked = || Treatment::Park { by: format!("account:{account}"), wait: PARKED };
        let (treatment, code) = match error {
            TwilioError::RateLimited { retry_after, .. } => {
                (Treatment::Wait(retry_after.unwrap_or(RATE_LIMITED)), "twilio_rate_limited")
            }
            TwilioError::Unavailable { .. } => (away, "twilio_unavailable"),
            TwilioError::Timeout => (away, "twilio_timeout"),
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

    /// What a failed download means for a call of this account.
    pub fn from_fetch(
        error: &FetchError,
        account: &domain::AccountSid,
        patience: Patience,
    ) -> Self {
        let (treatment, code) = match error {
            // The account's credentials have just been good enough for its lists: it is the
            // media, or the host that Twilio leads to for it, that is closed.
            FetchError::Twilio(TwilioError::Forbidden { .. }) => (Treatment::Retry, "forbidden"),
            FetchError::Twilio(error) => return Self::from_twilio(error, account, patience),
            FetchError::NotThere => (Treatment::Retry, "not_ready"),
            FetchError::Outside { .. } => (Treatment::GiveUp, "external_media"),
            FetchError::TooLarge { .. } => (Treatment::GiveUp, "media_too_large"),
            FetchError::NotApart(_) => (Treatment::Retry, "channels_not_apart"),
            FetchError::Timeout { .. } => (Treatment::Retry, "media_timeout"),
            FetchError::Incomplete { .. } => (Treatment::Retry, "media_incomplete"),
            FetchError::NotAudio { .. } => (Treatment::Retry, "media_not_audio"),
            FetchError::Io(_) => (Treatment::Retry, "temporary_file"),
        };
        Self::new(treatment, code, error.to_string())
    }

    /// What an engine's failure means for a call.
    pub fn from_engine(engine: &str, error: &EngineError) -> Self {
        let parked = || Treatment::Park { by: format!("engine:{engine}"), wait: PARKED };
        let treatment = match error {
            EngineError::Unavailable(_)
            | EngineError::Unreachable(_)
            | EngineError::Timeout { .. }
            | EngineError::Forbidden { .. }
            | EngineError::Malformed(_)
            | EngineError::Program(_)
            // The smallest piece there is: somebody may raise the limit of what stands in between.
            | EngineError::TooLarge => Treatment::Retry,
            EngineError::RateLimited { after } => Treatment::Wait(after.unwrap_or(RATE_LIMITED)),
            EngineError::QuotaExhausted
            | EngineError::Credentials { .. }
            | EngineError::NotThere { .. } => parked(),
            EngineError::UnsupportedLanguage | EngineError::Refused(_) => Treatment::GiveUp,
        };
        Self::new(treatment, error.code(), format!("{engine}: {error}"))
    }
}

/// The wait, or up to a tenth more: what many calls wait for does not meet all of them at once.
fn spread(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + fastrand::f64() / 10.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> domain::AccountSid {
        format!("AC{:032x}", 1).parse().unwrap()
    }

    #[test]
    fn what_twilio_answers_is_repeated_waited_for_parked_or_given_up() {
        let parked = || Treatment::Park { by: format!("account:{}", account()), wait: PARKED };
        let seven = Duration::from_secs(7);
        let limited = |retry_after| TwilioError::RateLimited { retry_after, code: Some(20429) };
        let forbidden = |status| TwilioError::Forbidden { status, code: None };
        let refused = TwilioError::Api { status: 400, code: Some(20001), message: "m".into() };
        let broken = |asked: Option<u64>| TwilioError::Unavailable {
            reason: "status 503".into(),
            retry_after: asked.map(Duration::from_secs),
        };
        // Half of the age.
        let minutes = |minutes: u64| Treatment::Wait(Duration::from_secs(60 * minutes));
        for (error, treatment, code) in [
            (limited(Some(seven)), Treatment::Wait(seven), "twilio_rate_limited"),
            (limited(None), Treatment::Wait(RATE_LIMITED), "twilio_rate_limited"),
            (broken(None), minutes(2), "twilio_unavailable"),
            (broken(Some(600)), minutes(10), "twilio_unavailable"),
            (broken(Some(1)), minutes(2), "twilio_unavailable"),
            (TwilioError::Timeout, minutes(2), "twilio_timeout"),
            (TwilioError::Unreadable("html".into()), Treatment::Retry, "twilio_unreadable"),
            (forbidden(401), parked(), "twilio_credentials"),
            (TwilioError::UnknownAccount(account()), parked(), "twilio_account_unknown"),
            (forbidden(403), Treatment::Retry, "forbidden"),
            (refused, Treatment::GiveUp, "twilio_refused"),
        ] {
            let setback = Setback::from_twilio(&error, &account(), aged(240));
            assert_eq!((setback.treatment, setback.failure.code.as_str()), (treatment, code));
        }
        let for_days = Setback::from_twilio(&broken(Some(1)), &account(), aged(25 * 3600));
        assert_eq!(for_days.treatment, Treatment::Retry);
    }

    fn aged(seconds: u64) -> Patience {
        Patience::new(Duration::from_secs(seconds), Duration::ZERO)
    }

    #[test]
    fn media_that_is_closed_to_us_parks_no_account_whose_lists_are_open() {
        for status in [401, 403] {
            let error = FetchError::Twilio(TwilioError::Forbidden { status, code: None });
            let setback = Setback::from_fetch(&error, &account(), aged(0));
            assert_eq!(
                (setback.treatment, &*setback.failure.code),
                (Treatment::Retry, "forbidden")
            );
        }
    }

    #[test]
    fn what_an_engine_answers_is_repeated_waited_for_parked_or_given_up() {
        let parked = || Treatment::Park { by: "engine:openai".into(), wait: PARKED };
        let limited = |after| EngineError::RateLimited { after };
        for (error, treatment) in [
            (EngineError::Unavailable("status 503".into()), Treatment::Retry),
            (EngineError::Timeout { seconds: 9 }, Treatment::Retry),
            (EngineError::Malformed("no text".into()), Treatment::Retry),
            (EngineError::Program("it crashed".into()), Treatment::Retry),
            (limited(None), Treatment::Wait(RATE_LIMITED)),
            (limited(Some(Duration::from_secs(7))), Treatment::Wait(Duration::from_secs(7))),
            (EngineError::QuotaExhausted, parked()),
            (EngineError::Credentials { status: 401 }, parked()),
            (EngineError::NotThere { status: 404, code: "no code".into() }, parked()),
            (EngineError::Unreachable("refused".into()), Treatment::Retry),
            (EngineError::Forbidden { code: "no code".into() }, Treatment::Retry),
            (EngineError::TooLarge, Treatment::Retry),
            (EngineError::UnsupportedLanguage, Treatment::GiveUp),
            (EngineError::Refused("status 400".into()), Treatment::GiveUp),
        ] {
            assert_eq!(Setback::from_engine("openai", &error).treatment, treatment, "{error:?}");
        }
    }

    #[test]
    fn a_wait_that_somebody_else_asks_for_has_bounds_and_does_not_end_for_all_at_once() {
        let given = |seconds| {
            let treatment = Treatment::Wait(Duration::from_secs(seconds));
            match Setback::new(treatment, "code", "m").verdict() {
                Verdict::Retry { after, counts: false, .. } => after.unwrap_or_default(),
                _ => Duration::ZERO,
            }
        };
        for (asked, least) in [(0, SHORTEST_WAIT), (1 << 40, LONGEST_WAIT)] {
            let waits: Vec<_> = (0..20).map(|_| given(asked)).collect();
            assert!(waits.iter().all(|wait| (least..=least.mul_f64(1.1)).contains(wait)));
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        }
    }
}
