//! The parameters of a callback as the list of pairs they are.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Room for the parameters of most callbacks.
const USUAL_PARAMETERS: usize = 16;

/// A parsed `application/x-www-form-urlencoded` body. A name may come several times, and the order
/// is kept: both matter to the signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Form<'a> {
    /// Reads a body. Every sequence of bytes is some form; what is no UTF-8 is replaced, and then
    /// fits no signature.
    pub fn parse(body: &'a [u8]) -> Self {
        // Twilio's bodies are ASCII with escapes, which is read in one go; the library reads the
        // rest, and everything alike, at several times the cost.
        let text = str::from_utf8(body).unwrap_or_default();
        let mut pairs = Vec::with_capacity(USUAL_PARAMETERS);
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (Some(name), Some(value)) = (unescaped(name), unescaped(value)) else {
                return Self { pairs: form_urlencoded::parse(body).collect() };
            };
            pairs.push((name, value));
        }
        if text.len() < body.len() {
            return Self { pairs: form_urlencoded::parse(body).collect() };
        }
        Self { pairs }
    }

    /// Reads a JSON object whose fields are the parameters; `None` when the body is something else.
    /// Numbers and switches become the texts they would be in a form, `null` counts as absent, and
    /// what is nested means nothing to a callback.
    pub fn from_json(body: &[u8]) -> Option<Form<'static>> {
        let fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let pairs = fields.into_iter().filter_map(|(name, value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(switch) => switch.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((Cow::Owned(name), Cow::Owned(text)))
        });
        Some(Form { pairs: pairs.collect() })
    }

    /// All pairs, in the order they came.
    pub fn pairs(&self) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        &self.pairs
    }

    /// The first value of a name that says anything; an empty or blank one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let of_name = self.pairs.iter().filter(|(key, _)| key == name);
        of_name.map(|(_, value)| value.trim()).find(|value| !value.is_empty())
    }

    /// A value as a number; absent where Twilio does not know it (absent, empty, `-1`, no number).
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }
}

/// A name or value without its escapes; `None` where they stand for something that is no UTF-8.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    let Some(first) = text.bytes().position(|byte| matches!(byte, b'%' | b'+')) else {
        return Some(Cow::Borrowed(text));
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut plain = Vec::with_capacity(text.len());
    let (done, mut rest) = text.as_bytes().split_at(first);
    plain.extend_from_slice(done);
    while let [byte, after @ ..] = rest {
        let escape = match after {
            [high, low, ..] if *byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = match escape {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                &after[2..]
            }
            None => {
                plain.push(if *byte == b'+' { b' ' } else { *byte });
                after
            }
        };
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_body_is_read_as_the_library_reads_it(
            body in prop::collection::vec(
                prop::sample::select(&b"ab=&&==%%++20zF9\xd7\xa2\xff;"[..]), 0..40),
        ) {
            let expected: Vec<_> = form_urlencoded::parse(&body).collect();
            prop_assert_eq!(Form::parse(&body).pairs, expected);
        }
    }

    #[test]
    fn repeated_names_and_their_order_are_kept() {
        let form = Form::parse(b"b=2&a=1&b=&b=3+4%2B");
        let pairs: Vec<_> = form.pairs().iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        assert_eq!(pairs, [("b", "2"), ("a", "1"), ("b", ""), ("b", "3 4+")]);
    }

    #[test]
    fn a_json_object_holds_the_same_parameters() {
        let json =
            br#"{"CallSid":"CA1","CallDuration":17,"From":null,"Nested":{"To":"x"},"On":true}"#;
        let form = Form::from_json(json).unwrap();
        assert_eq!((form.get("CallSid"), form.get("On")), (Some("CA1"), Some("true")));
        assert_eq!(form.number::<u32>("CallDuration"), Some(17));
        assert_eq!((form.get("From"), form.get("To"), form.get("Nested")), (None, None, None));
        for other in ["", "[]", "\"CallSid=CA1\"", "CallSid=CA1", "{"] {
            assert_eq!(Form::from_json(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn an_empty_value_counts_as_absent() {
        let form = Form::parse(b"From=&To=%20&CallSid=CA1");
        assert_eq!((form.get("From"), form.get("To")), (None, None));
        assert_eq!(form.get("CallSid"), Some("CA1"));
    }

    #[test]
    fn a_duration_of_minus_one_is_unknown() {
        let form = Form::parse(b"RecordingDuration=-1&CallDuration=17&Other=many");
        assert_eq!(form.number::<u32>("RecordingDuration"), None);
        assert_eq!(form.number::<u32>("CallDuration"), Some(17));
        assert_eq!(form.number::<u32>("Other"), None);
    }
}
