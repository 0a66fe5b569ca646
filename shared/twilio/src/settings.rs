//! Which accounts there are and how to reach Twilio.

use domain::AccountSid;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The Twilio accounts that are served, and how Twilio is reached.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TwilioSettings {
    /// The account, `AC…`. Default: none, and then nothing is accepted from Twilio.
    #[serde(deserialize_with = "empty_is_none")]
    pub account_sid: Option<AccountSid>,
    /// The account's auth token; several with commas while one is being rotated. All are accepted
    /// on callbacks, the first is used towards Twilio. Default: none.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "masked")]
    pub auth_token: Option<SecretString>,
    /// An API key, `SK…`, used towards Twilio instead of the token. Default: none.
    #[serde(deserialize_with = "empty_is_none")]
    pub api_key_sid: Option<String>,
    /// The API key's secret. Default: none.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "masked")]
    pub api_key_secret: Option<SecretString>,
    /// Further accounts (sub-accounts, other customers): tables in the file, or in a variable one
    /// JSON text, `[{"account_sid": "AC…", "auth_tokens": ["…"]}]`. Default: none.
    pub accounts: Vec<AccountSettings>,
    /// Base of the REST API; another one for a region or a test. `http` is allowed to this machine
    /// only. Default `https://api.twilio.com/2010-04-01`.
    #[serde(serialize_with = "without_secrets")]
    pub api_base: String,
    /// Seconds until a connection must stand. Default 5.
    pub connect_timeout_seconds: u64,
    /// Seconds until Twilio must have answered a question about a call or a recording. Default 15.
    pub request_timeout_seconds: u64,
    /// Seconds a download may stand still. Default 30.
    pub media_idle_timeout_seconds: u64,
    /// How often a question is asked again when Twilio is busy or broken. Default 4.
    pub max_retries: u32,
    /// Requests a second, per process. After a quiet time as many may start at once, so that those
    /// of one call need not wait for each other; whatever is answered 429 waits as Twilio asks.
    /// Default 25.
    pub max_requests_per_second: u32,
}

impl Default for TwilioSettings {
    fn default() -> Self {
        Self {
            account_sid: None,
            auth_token: None,
            api_key_sid: None,
            api_key_secret: None,
            accounts: Vec::new(),
            api_base: "https://api.twilio.com/2010-04-01".into(),
            connect_timeout_seconds: 5,
            request_timeout_seconds: 15,
            media_idle_timeout_seconds: 30,
            max_retries: 4,
            max_requests_per_second: 25,
        }
    }
}

/// One of several accounts.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The account, `AC…`.
    pub account_sid: AccountSid,
    /// Its auth tokens: all are accepted on callbacks, the first is used towards Twilio. For a
    /// sub-account, add the main account's token if Twilio signs with that one.
    #[serde(serialize_with = "all_masked")]
    pub auth_tokens: Vec<SecretString>,
    /// An API key, used towards Twilio instead of the token. Default: none.
    #[serde(default, deserialize_with = "empty_is_none")]
    pub api_key_sid: Option<String>,
    /// The API key's secret. Default: none.
    #[serde(default, deserialize_with = "empty_is_none", serialize_with = "masked")]
    pub api_key_secret: Option<SecretString>,
}

/// An account as the rest of this crate uses it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account.
    pub sid: AccountSid,
    /// Accepted on callbacks.
    pub auth_tokens: Vec<SecretString>,
    /// User name and password towards Twilio; absent where neither a token nor a key is known.
    pub credentials: Option<(String, SecretString)>,
}

impl TwilioSettings {
    /// Whether any account is known.
    pub fn is_configured(&self) -> bool {
        !self.all_accounts().is_empty()
    }

    /// Every account, the main one first.
    pub fn all_accounts(&self) -> Vec<Account> {
        let main = self.account_sid.iter().map(|sid| {
            let tokens = self.auth_token.as_ref().map(split_tokens).unwrap_or_default();
            Account::new(sid.clone(), tokens, &self.api_key_sid, &self.api_key_secret)
        });
        let further = self.accounts.iter().map(|account| {
            Account::new(
                account.account_sid.clone(),
                account.auth_tokens.iter().flat_map(trimmed).collect(),
                &account.api_key_sid,
                &account.api_key_secret,
            )
        });
        main.chain(further).collect()
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence that names the setting and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        if self.account_sid.is_none() && (self.auth_token.is_some() || self.api_key_sid.is_some()) {
            return Err("twilio.account_sid is missing: twilio.auth_token and twilio.api_key_sid \
                        belong to an account (AC followed by 32 hexadecimal digits)"
                .into());
        }
        let keys = std::iter::once((&self.api_key_sid, &self.api_key_secret))
            .chain(self.accounts.iter().map(|a| (&a.api_key_sid, &a.api_key_secret)));
        for (sid, secret) in keys {
            if sid.is_some() != secret.is_some() {
                return Err("twilio.api_key_sid and twilio.api_key_secret go together: set both \
                            or neither"
                    .into());
            }
        }
        if let Some(account) =
            self.accounts.iter().find(|account| account.auth_tokens.iter().any(is_blank))
        {
            return Err(format!(
                "account {} has an empty auth token in twilio.accounts: leave out what is not known",
                account.account_sid
            ));
        }
        let accounts = self.all_accounts();
        for (index, account) in accounts.iter().enumerate() {
            if account.credentials.is_none() {
                return Err(format!(
                    "account {} has neither an auth token nor an API key: set twilio.auth_token \
                     (callbacks are checked with it) or twilio.api_key_sid",
                    account.sid
                ));
            }
            if accounts[..index].iter().any(|earlier| earlier.sid == account.sid) {
                return Err(format!("account {} stands in twilio.accounts twice", account.sid));
            }
        }
        match url::Url::parse(&self.api_base) {
            Ok(base) if base.scheme() == "https" && base.has_host() => {}
            Ok(base) if base.scheme() == "http" && is_loopback(&base) => {}
            Ok(base) if base.scheme() == "http" && base.has_host() => {
                return Err(format!(
                    "twilio.api_base is {:?}: the auth token would go there unencrypted; http is \
                     allowed to this machine only, such as http://127.0.0.1:4010",
                    domain::mask_url(&self.api_base)
                ));
            }
            _ => {
                return Err(format!(
                    "twilio.api_base is {:?}; allowed is an https URL, such as \
                     https://api.twilio.com/2010-04-01",
                    domain::mask_url(&self.api_base)
                ));
            }
        }
        for (name, value) in [
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("request_timeout_seconds", self.request_timeout_seconds),
            ("media_idle_timeout_seconds", self.media_idle_timeout_seconds),
            ("max_requests_per_second", u64::from(self.max_requests_per_second)),
        ] {
            if value == 0 {
                return Err(format!("twilio.{name} is 0; allowed is 1 and more"));
            }
        }
        Ok(())
    }
}

impl Account {
    fn new(
        sid: AccountSid,
        auth_tokens: Vec<SecretString>,
        key_sid: &Option<String>,
        key_secret: &Option<SecretString>,
    ) -> Self {
        let key = key_sid.clone().zip(key_secret.clone());
        let token = || auth_tokens.first().map(|token| (sid.to_string(), token.clone()));
        let credentials = key.or_else(token);
        Self { credentials, sid, auth_tokens }
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn split_tokens(tokens: &SecretString) -> Vec<SecretString> {
    let tokens = tokens.expose_secret().split(',').map(str::trim);
    tokens.filter(|token| !token.is_empty()).map(SecretString::from).collect()
}

/// A token as it is used. An empty one is none: whoever knows that it is empty could sign with it.
fn trimmed(token: &SecretString) -> Option<SecretString> {
    let token = token.expose_secret().trim();
    (!token.is_empty()).then(|| token.into())
}

fn is_blank(token: &SecretString) -> bool {
    trimmed(token).is_none()
}

/// A variable that is set to nothing is a setting that is not made.
fn empty_is_none<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    use serde::de::{Error, IntoDeserializer};
    match Option::<String>::deserialize(from)? {
        Some(text) if !text.trim().is_empty() => {
            let text: serde::de::value::StringDeserializer<D::Error> =
                text.trim().to_owned().into_deserializer();
            T::deserialize(text).map(Some).map_err(Error::custom)
        }
        _ => Ok(None),
    }
}

fn masked<S: Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if secret.is_some() { "***" } else { "" })
}

fn all_masked<S: Serializer>(secrets: &[SecretString], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(secrets.iter().map(|_| "***"))
}

fn without_secrets<S: Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&domain::mask_url(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: serde_json::Value) -> TwilioSettings {
        serde_json::from_value(json).unwrap()
    }

    fn sid(n: u8) -> String {
        format!("AC{n:032x}")
    }

    #[test]
    fn a_token_being_rotated_is_accepted_beside_the_new_one_which_is_used() {
        let settings = settings(serde_json::json!({
            "account_sid": sid(1), "auth_token": "new, old",
        }));
        let account = &settings.all_accounts()[0];
        let tokens: Vec<_> = account.auth_tokens.iter().map(|t| t.expose_secret()).collect();
        assert_eq!(tokens, ["new", "old"]);
        let (user, password) = account.credentials.clone().unwrap();
        assert_eq!((user, password.expose_secret()), (sid(1), "new"));
    }

    #[test]
    fn an_api_key_is_preferred_towards_twilio() {
        let settings = settings(serde_json::json!({
            "account_sid": sid(1), "auth_token": "t", "api_key_sid": "SK1", "api_key_secret": "s",
        }));
        assert_eq!(settings.all_accounts()[0].credentials.clone().unwrap().0, "SK1");
    }

    #[test]
    fn a_setting_that_is_empty_is_a_setting_that_is_not_made() {
        let settings = settings(serde_json::json!({ "account_sid": "", "auth_token": " " }));
        assert!(!settings.is_configured());
        assert_eq!(settings.validate(), Ok(()));
    }

    #[test]
    fn wrong_settings_are_named() {
        let cases = [
            (serde_json::json!({ "auth_token": "t" }), "twilio.account_sid"),
            (serde_json::json!({ "account_sid": sid(1) }), "twilio.auth_token"),
            (serde_json::json!({ "account_sid": sid(1), "api_key_sid": "SK" }), "api_key_secret"),
            (serde_json::json!({ "api_base": "ftp://x" }), "twilio.api_base"),
            (serde_json::json!({ "api_base": "http://twilio.example/v1" }), "unencrypted"),
            (serde_json::json!({ "max_requests_per_second": 0 }), "max_requests_per_second"),
            (
                serde_json::json!({ "account_sid": sid(1), "auth_token": "t",
                    "accounts": [{ "account_sid": sid(1), "auth_tokens": ["u"] }] }),
                "twice",
            ),
        ];
        for (json, named) in cases {
            let message = settings(json).validate().unwrap_err();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn an_address_that_is_refused_shows_neither_user_nor_password() {
        let settings = settings(serde_json::json!({ "api_base": "ftp://hush-1:hush-2@x/y" }));
        let message = settings.validate().unwrap_err();
        assert!(message.contains("ftp://***@x/y") && !message.contains("hush"), "{message}");
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for api_base in ["http://127.0.0.1:1/v1", "http://[::1]:1", "http://localhost", "https://x"]
        {
            let settings = settings(serde_json::json!({ "api_base": api_base }));
            assert_eq!(settings.validate(), Ok(()), "{api_base}");
        }
    }

    #[test]
    fn an_empty_token_is_refused_and_signs_nothing() {
        for tokens in [vec![""], vec!["t", " "]] {
            let settings = settings(serde_json::json!({
                "accounts": [{ "account_sid": sid(1), "auth_tokens": tokens }],
            }));
            let message = settings.validate().unwrap_err();
            assert!(message.contains("empty auth token"), "{message}");
            let kept = settings.all_accounts().remove(0).auth_tokens;
            assert!(kept.iter().all(|token| token.expose_secret() == "t"), "{tokens:?}");
        }
    }

    #[test]
    fn the_tokens_of_further_accounts_are_trimmed() {
        let settings = settings(serde_json::json!({
            "accounts": [{ "account_sid": sid(1), "auth_tokens": [" t\n"] }],
        }));
        assert_eq!(settings.all_accounts()[0].auth_tokens[0].expose_secret(), "t");
        assert_eq!(settings.validate(), Ok(()));
    }

    #[test]
    fn a_malformed_account_sid_is_refused_with_what_is_allowed() {
        let error =
            serde_json::from_value::<TwilioSettings>(serde_json::json!({ "account_sid": "AC1" }))
                .unwrap_err();
        assert!(error.to_string().contains("32 hexadecimal digits"), "{error}");
    }

    #[test]
    fn secrets_are_masked_when_the_settings_are_printed() {
        let settings = settings(serde_json::json!({
            "account_sid": sid(1), "auth_token": "hush-1",
            "accounts": [{ "account_sid": sid(2), "auth_tokens": ["hush-2"],
                "api_key_sid": "SK1", "api_key_secret": "hush-3" }],
        }));
        let printed = serde_json::to_string(&settings).unwrap() + &format!("{settings:?}");
        assert!(!printed.contains("hush"), "{printed}");
        assert!(printed.contains("***"));
    }
}
