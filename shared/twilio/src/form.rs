//! A form body as the list of pairs it is.

use std::borrow::Cow;

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
        Self { pairs: form_urlencoded::parse(body).collect() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_and_their_order_are_kept() {
        let form = Form::parse(b"b=2&a=1&b=&b=3+4%2B");
        let pairs: Vec<_> = form.pairs().iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        assert_eq!(pairs, [("b", "2"), ("a", "1"), ("b", ""), ("b", "3 4+")]);
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
