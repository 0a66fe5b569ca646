//! Parameters of a request: each is known and right, or the answer names it.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use warp::http::HeaderMap;

use super::{
    Problem,
    kind::Kind,
    route::{Parameter, Route},
};

/// The parameters of one request, checked against its route.
#[derive(Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Reads and checks the path's variable segments, the query and the headers that count.
    ///
    /// # Errors
    /// The first parameter that is unknown, repeated, missing or wrong.
    pub fn read(
        route: &Route,
        segments: &[(&'static str, &str)],
        query: &str,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let mut params = Self::default();
        for (name, value) in segments {
            let Some(own) = route.segments.iter().find(|own| own.name == *name) else { continue };
            params.add(own, value)?;
        }
        params.read_query(query, route.query)?;
        for own in route.headers {
            let Some(value) = headers.get(own.name) else { continue };
            let value = value
                .to_str()
                .map_err(|_| Problem::parameter(own.name, "holds what is not ASCII text"))?;
            params.add(own, value)?;
        }
        for own in route.query.iter().filter(|own| own.required) {
            if params.get(own.name).is_none() {
                return Err(Problem::parameter(own.name, "is missing"));
            }
        }
        Ok(params)
    }

    fn read_query(&mut self, query: &str, known: &'static [Parameter]) -> Result<(), Problem> {
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let Some(own) = known.iter().find(|own| own.name == name) else {
                let names: Vec<&str> = known.iter().map(|own| own.name).collect();
                let allowed = if names.is_empty() { "none".into() } else { names.join(", ") };
                return Err(Problem::parameter(&name, format!("unknown; allowed are: {allowed}")));
            };
            if self.get(own.name).is_some() {
                return Err(Problem::parameter(own.name, "given more than once"));
            }
            self.add(own, &value)?;
        }
        Ok(())
    }

    fn add(&mut self, own: &Parameter, value: &str) -> Result<(), Problem> {
        own.kind.check(value).map_err(|allowed| Problem::parameter(own.name, allowed))?;
        self.0.push((own.name, value.to_owned()));
        Ok(())
    }

    /// A value as it was sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A value of its own.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A variable segment of the path: there is always one.
    pub fn segment(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A value of a kind of its own.
    ///
    /// # Errors
    /// When it has the right form and cannot be used all the same.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let parse = |text: &str| {
            text.parse().map_err(|error: T::Err| Problem::unusable(name, error.to_string()))
        };
        self.get(name).map(parse).transpose()
    }

    /// A time; one that no row can have becomes the nearest that one can.
    pub fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let time: Option<DateTime<Utc>> = self.parsed(name)?;
        Ok(time.map(|time| crate::projection::time::at(time.timestamp_millis())))
    }

    /// How many rows: 50 unless said otherwise.
    pub fn limit(&self) -> u64 {
        self.get("limit").and_then(|text| text.parse().ok()).unwrap_or(50)
    }
}

/// `limit` of every list.
pub const LIMIT: Parameter =
    Parameter::new("limit", Kind::Number(1, 200), "How many rows; 50 unless given.");

/// `cursor` of every list that goes by row numbers.
pub const CURSOR: Parameter = Parameter::new(
    "cursor",
    Kind::RowCursor,
    "Where to go on: `next_cursor` of the answer before.",
);
