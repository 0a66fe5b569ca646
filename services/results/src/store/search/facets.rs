//! What stands beside the words in the index of a search (migration m0009): the narrowest sets of
//! facets that hold everything a query asks for. They may hold more: the rows are compared again.

use chrono::{DateTime, Utc};

use super::window::Window;
use crate::store::{
    calls::CallQuery,
    migrations::m0009_facets::{TIMES, VALUE},
};

/// Stretches that a window may be covered with: more of them, and shorter ones, would take longer
/// to look up than they spare.
const MOST_STRETCHES: i64 = 16;

/// A facet: the letter of its kind, and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facet(char, String);

/// The facets that calls must have to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Facets {
    /// Each of them.
    all: Vec<Facet>,
    /// One of them.
    any: Vec<Facet>,
}

impl Facets {
    /// What the query asks for, in the time of the window.
    pub fn of(query: &CallQuery, window: &Window) -> Self {
        Self { all: of_query(query), any: of_window(window) }
    }

    /// As an expression for FTS5.
    pub fn fts5(&self) -> String {
        let any: Vec<_> = self.any.iter().map(Facet::fts5).collect();
        let any = format!("({})", any.join(" OR "));
        let all: Vec<_> = self.all.iter().map(Facet::fts5).chain([any]).collect();
        format!("facets : ({})", all.join(" AND "))
    }

    /// As expressions for `tsquery`, all of which must hold.
    pub fn tsqueries(&self) -> Vec<String> {
        let any: Vec<_> = self.any.iter().map(Facet::tsquery).collect();
        self.all.iter().map(Facet::tsquery).chain([any.join(" | ")]).collect()
    }
}

fn of_query(query: &CallQuery) -> Vec<Facet> {
    let mut all = Vec::new();
    let mut add = |kind, value: Option<String>| {
        all.extend(value.map(|value| Facet(kind, value.chars().take(VALUE).collect())));
    };
    add('a', query.status.map(|status| status.as_str().to_owned()));
    add('b', query.service.clone());
    add('c', query.city.clone());
    add('d', query.lead_id.map(|lead| lead.to_string()));
    add('e', query.number.clone());
    add('f', query.language.clone());
    add('g', query.account_sid.clone());
    all
}

fn of_window(window: &Window) -> Vec<Facet> {
    let seconds = |time: DateTime<Utc>| time.timestamp().max(0);
    let (first, last) = (seconds(window.start), seconds(window.end));
    let stretches = |power: u32| (first >> power, last >> power);
    let is_short = |(_, power): &(char, u32)| {
        let (first, last) = stretches(*power);
        last - first < MOST_STRETCHES
    };
    let [.., longest] = TIMES;
    let (kind, power) = TIMES.into_iter().find(is_short).unwrap_or(longest);
    let (first, last) = stretches(power);
    (first..=last).map(|stretch| Facet(kind, stretch.to_string())).collect()
}

impl Facet {
    fn fts5(&self) -> String {
        let Self(kind, value) = self;
        if matches!(kind, 'd' | 'h'..='k') {
            format!("\"{kind}{value}\"")
        } else {
            format!("\"{kind}{}\"", hex::encode(value))
        }
    }

    fn tsquery(&self) -> String {
        let Self(kind, value) = self;
        format!("'{kind} {}'", value.replace('\\', "\\\\").replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: i64, end: i64) -> Window {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        Window { start: time(start), end: time(end) }
    }

    #[test]
    fn a_window_is_covered_by_few_stretches_of_time_however_long_it_is() {
        let of = |start, end| of_window(&window(start, end));
        assert_eq!(of(4096, 8191), [Facet('h', "1".into())]);
        assert_eq!(of(4095, 8192), ["0", "1", "2"].map(|one| Facet('h', one.into())));
        assert_eq!(of(-9, 16 << 12), [Facet('i', "0".into()), Facet('i', "1".into())]);
        assert!(of(1_700_000_000, 1_790_000_000).len() <= 16);
        assert_eq!(of(0, 60 << 24).len(), 61);
    }

    #[test]
    fn quotes_do_not_get_through() {
        let query = CallQuery { city: Some(r"O'Fallon\ | 'x".into()), ..CallQuery::default() };
        let [facet] = of_query(&query).try_into().unwrap();
        assert_eq!(facet.tsquery(), r"'c O''Fallon\\ | ''x'");
        assert_eq!(facet.fts5(), "\"c4f2746616c6c6f6e5c207c202778\"");
    }
}
