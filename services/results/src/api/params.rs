//! Query parameters: each is known and right, or the answer names it.

use std::str::FromStr;

use super::Problem;

/// The parameters of one request.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query; refuses names that are not among `known`, and repetitions.
    pub fn read(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        for (place, (name, value)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let allowed = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(Problem::parameter(name, format!("unknown; allowed are: {allowed}")));
            }
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::parameter(name, "given more than once"));
            }
            if value.contains('\0') {
                return Err(Problem::parameter(name, "holds the character NUL"));
            }
        }
        Ok(Self(pairs))
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.get(name) {
            Some("") => Err(Problem::parameter(name, "is empty; leave it out instead")),
            other => Ok(other.map(str::to_owned)),
        }
    }

    /// A value of a kind of its own.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|error: T::Err| Problem::parameter(name, error.to_string()))
            })
            .transpose()
    }

    /// How many rows: 1 to 200, 50 unless said otherwise.
    pub fn limit(&self) -> Result<u64, Problem> {
        let Some(text) = self.get("limit") else { return Ok(50) };
        match text.parse() {
            Ok(limit @ 1..=200) => Ok(limit),
            _ => Err(Problem::parameter("limit", "a number from 1 to 200")),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
