//! How long what is kept.

use std::collections::BTreeMap;

use domain::AccountSid;
use serde::{Deserialize, Serialize};

/// How long what is kept.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// The ages for every account without its own. Default: everything is kept.
    pub ages: Ages,
    /// The ages of single accounts, by AccountSid; they replace the others. Default none.
    pub accounts: BTreeMap<AccountSid, Ages>,
    /// Take nothing away, only say in the log and the API what it would be. Default `false`.
    pub dry_run: bool,
}

/// Ages in days after which something goes; absent keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ages {
    /// Transcripts, and the words quoted in extracted fields. The fields themselves stay.
    pub transcripts_days: Option<u32>,
    /// Recordings at Twilio.
    pub recordings_days: Option<u32>,
    /// Telephone numbers of calls; a lead that no call belongs to any more goes as well, unless a
    /// person has edited it.
    pub numbers_days: Option<u32>,
    /// Calls with everything that belongs to them; where `recordings_days` is given, not before their
    /// recordings are deleted at Twilio.
    pub calls_days: Option<u32>,
}

impl RetentionSettings {
    /// The ages of an account.
    pub fn ages(&self, account_sid: &str) -> Ages {
        let own = account_sid.parse().ok().and_then(|sid: AccountSid| self.accounts.get(&sid));
        own.copied().unwrap_or(self.ages)
    }

    /// Whether anything ever goes.
    pub fn is_on(&self) -> bool {
        self.accounts.values().chain([&self.ages]).any(|ages| *ages != Ages::default())
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence with the setting's name and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        for ages in self.accounts.values().chain([&self.ages]) {
            let all =
                [ages.transcripts_days, ages.recordings_days, ages.numbers_days, ages.calls_days];
            if let Some(wrong) = all.into_iter().flatten().find(|d| !(1..=36_500).contains(d)) {
                return Err(format!(
                    "results.retention: an age is {wrong} days; allowed is 1 to 36500, or none"
                ));
            }
            if let (Some(recordings), Some(calls)) = (ages.recordings_days, ages.calls_days)
                && recordings > calls
            {
                return Err(format!(
                    "results.retention: recordings_days is {recordings} and calls_days is {calls}; \
                     allowed is recordings_days up to calls_days: a call goes after its recordings"
                ));
            }
        }
        Ok(())
    }
}
