//! Who may come in: known accounts with a signature that fits.

use std::collections::HashMap;

use domain::AccountSid;
use twilio::{
    Form, TwilioSettings,
    callback::FormError,
    signature::{self, Key, Payload},
};

use crate::{PublicUrl, Refusal};

/// The accounts, their tokens, and the base of the URLs they sign.
#[derive(Debug, Clone)]
pub struct Gate {
    /// By account, as Twilio writes it.
    keys: HashMap<String, Vec<Key>>,
    public_url: PublicUrl,
    accept_unsigned: bool,
}

impl Gate {
    /// A gate for the settings' accounts.
    pub fn new(settings: &TwilioSettings, public_url: PublicUrl, accept_unsigned: bool) -> Self {
        let accounts = settings.all_accounts().into_iter();
        let keys = accounts.map(|account| {
            (account.sid.into(), account.auth_tokens.iter().map(Key::new).collect())
        });
        Self { keys: keys.collect(), public_url, accept_unsigned }
    }

    /// The path of a request below the public base: a proxy may strip its prefix or pass it on.
    pub fn below_base<'a>(&self, path: &'a str) -> &'a str {
        let rest = path.strip_prefix(self.public_url.path());
        rest.filter(|rest| rest.starts_with('/')).unwrap_or(path)
    }

    /// Lets a callback in or says why not. `form` holds its parameters, `payload` what of it is
    /// signed beside the URL; path and query follow the public base.
    ///
    /// # Errors
    /// [`Refusal::Form`] when no account is named, [`Refusal::UnknownAccount`],
    /// [`Refusal::Signature`].
    pub fn admit(
        &self,
        form: &Form<'_>,
        payload: Payload<'_>,
        shown: Option<&str>,
        path: &str,
        query: &str,
    ) -> Result<(), Refusal> {
        let account = form.get("AccountSid").ok_or(FormError::Missing("AccountSid"))?;
        let keys = self.keys.get(account);
        if keys.is_none() {
            let parsed = account.parse::<AccountSid>();
            parsed.map_err(|error| FormError::Malformed {
                name: "AccountSid",
                reason: error.to_string(),
            })?;
        }
        if self.accept_unsigned && (self.keys.is_empty() || keys.is_some()) {
            return Ok(());
        }
        let keys = keys.ok_or(Refusal::UnknownAccount)?;
        let url = self.public_url.join(path, query);
        if signature::is_valid(keys, shown.unwrap_or_default(), &url, payload) {
            Ok(())
        } else {
            Err(Refusal::Signature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "AccountSid=AC00000000000000000000000000000001&CallSid=x";

    fn settings(tokens: &str) -> TwilioSettings {
        TwilioSettings {
            account_sid: Some(format!("AC{:032x}", 1).parse().unwrap()),
            auth_token: Some(tokens.into()),
            ..Default::default()
        }
    }

    fn gate(tokens: &str, base: &str) -> Gate {
        Gate::new(&settings(tokens), base.parse().unwrap(), false)
    }

    fn signed(token: &str, url: &str) -> String {
        signature::sign(&token.into(), url, &Form::parse(FORM.as_bytes()))
    }

    fn admit(gate: &Gate, signature: &str) -> Result<(), Refusal> {
        admit_form(gate, FORM, Some(signature), "/hook?a=1")
    }

    fn admit_form(
        gate: &Gate,
        form: &str,
        shown: Option<&str>,
        path_and_query: &str,
    ) -> Result<(), Refusal> {
        let form = Form::parse(form.as_bytes());
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        gate.admit(&form, Payload::Form(&form), shown, path, query)
    }

    #[test]
    fn the_signature_is_that_of_the_public_url_with_its_prefix() {
        let gate = gate("t", "https://Calls.example.com/scribe");
        assert_eq!(admit(&gate, &signed("t", "https://Calls.example.com/scribe/hook?a=1")), Ok(()));
        let other = signed("t", "https://Calls.example.com/hook?a=1");
        assert_eq!(admit(&gate, &other), Err(Refusal::Signature));
    }

    #[test]
    fn a_proxy_may_strip_the_prefix_or_pass_it_on() {
        let gate = gate("t", "https://example.com/scribe");
        assert_eq!(gate.below_base("/scribe/webhooks/twilio/call"), "/webhooks/twilio/call");
        assert_eq!(gate.below_base("/webhooks/twilio/call"), "/webhooks/twilio/call");
        assert_eq!(gate.below_base("/scribed/x"), "/scribed/x");
    }

    #[test]
    fn either_token_opens_while_one_is_being_rotated() {
        let gate = gate("new,old", "https://example.com");
        for token in ["new", "old"] {
            assert_eq!(admit(&gate, &signed(token, "https://example.com/hook?a=1")), Ok(()));
        }
        let wrong = signed("older", "https://example.com/hook?a=1");
        assert_eq!(admit(&gate, &wrong), Err(Refusal::Signature));
    }

    #[test]
    fn an_account_is_known_by_its_own_tokens() {
        let second: AccountSid = format!("AC{:032x}", 2).parse().unwrap();
        let mut settings = settings("one");
        settings.accounts.push(twilio::AccountSettings {
            account_sid: second.clone(),
            auth_tokens: vec!["two".into()],
            api_key_sid: None,
            api_key_secret: None,
        });
        let gate = Gate::new(&settings, "https://example.com".parse().unwrap(), false);
        let body = format!("AccountSid={second}");
        let form = Form::parse(body.as_bytes());
        let by = |token: &str| signature::sign(&token.into(), "https://example.com/hook", &form);
        assert_eq!(admit_form(&gate, &body, Some(&by("two")), "/hook"), Ok(()));
        assert_eq!(admit_form(&gate, &body, Some(&by("one")), "/hook"), Err(Refusal::Signature));
        let unknown = format!("AccountSid=AC{:032x}", 3);
        assert_eq!(admit_form(&gate, &unknown, None, "/hook"), Err(Refusal::UnknownAccount));
    }

    #[test]
    fn without_a_signature_nobody_enters_unless_that_is_switched_off() {
        let strict = gate("t", "https://example.com");
        assert_eq!(admit_form(&strict, FORM, None, "/hook"), Err(Refusal::Signature));
        let lax = Gate::new(&settings("t"), "https://example.com".parse().unwrap(), true);
        assert_eq!(admit_form(&lax, FORM, None, "/hook"), Ok(()));
        let unknown = format!("AccountSid=AC{:032x}", 3);
        assert_eq!(admit_form(&lax, &unknown, None, "/hook"), Err(Refusal::UnknownAccount));
    }

    #[test]
    fn a_form_without_an_account_is_told_what_is_missing() {
        let gate = gate("t", "https://example.com");
        let refusal = admit_form(&gate, "CallSid=x", None, "/hook").unwrap_err();
        assert_eq!(refusal.to_string(), "AccountSid is missing");
    }
}
