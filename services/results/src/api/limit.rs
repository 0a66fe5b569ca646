//! How many requests are answered: so many a minute for each token, and for each address without
//! one.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::keyed::HashMapStateStore,
};
use warp::http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER};
use warp::reply::Response;

use super::Problem;

/// Addresses share this many places, so that no number of them takes more memory. Two that share
/// one share their requests; which do is different in each process.
const PLACES: u64 = 4096;
const MINUTE: Duration = Duration::from_secs(60);

/// Source: the IETF's draft "RateLimit header fields for HTTP".
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    Token(usize),
    Place(u64),
}

type Counts =
    RateLimiter<Counted, HashMapStateStore<Counted>, DefaultClock, StateInformationMiddleware>;

/// Counts requests.
pub struct Limiter {
    counts: Option<Counts>,
    per_minute: u32,
    places: RandomState,
}

/// What is left to one caller.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    per_minute: u32,
    requests: u32,
}

impl Limiter {
    /// Lets so many requests a minute through, all at once or one by one; 0 lets all through.
    pub fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        let counts = quota.map(|quota| {
            RateLimiter::hashmap(quota).with_middleware::<StateInformationMiddleware>()
        });
        Self { counts, per_minute, places: RandomState::new() }
    }

    /// Counts a request by its token, or by its address where it has none.
    ///
    /// # Errors
    /// When there were too many.
    pub fn count(
        &self,
        token: Option<usize>,
        address: Option<IpAddr>,
    ) -> Result<Option<Left>, Problem> {
        let Some(counts) = &self.counts else { return Ok(None) };
        let place = || Counted::Place(self.places.hash_one(address) % PLACES);
        match counts.check_key(&token.map_or_else(place, Counted::Token)) {
            Ok(state) => Ok(Some(self.left(&state))),
            Err(refused) => {
                let wait = refused.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs().saturating_add(1);
                let per_minute = self.per_minute;
                let left = Left { per_minute, requests: 0 };
                Err(Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    format!(
                        "more than {per_minute} requests a minute; come again in {seconds} s, or \
                         raise results.api.requests_per_minute"
                    ),
                )
                .with(RETRY_AFTER, seconds.to_string())
                .with(LIMIT, left.limit())
                .with(POLICY, left.policy()))
            }
        }
    }

    fn left(&self, state: &StateSnapshot) -> Left {
        Left { per_minute: self.per_minute, requests: state.remaining_burst_capacity() }
    }
}

impl Left {
    /// Tells it in an answer.
    pub fn tell(self, response: &mut Response) {
        for (name, value) in [(LIMIT, self.limit()), (POLICY, self.policy())] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }

    fn limit(self) -> String {
        let missing = self.per_minute.saturating_sub(self.requests);
        let until_full = MINUTE.mul_f64(f64::from(missing) / f64::from(self.per_minute.max(1)));
        let seconds = until_full.as_secs_f64().ceil();
        format!("\"default\";r={};t={seconds}", self.requests)
    }

    fn policy(self) -> String {
        format!("\"default\";q={};w={}", self.per_minute, MINUTE.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_addresses_are_counted_apart_and_the_next_one_is_told_to_wait() {
        let limiter = Limiter::new(2);
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        assert_eq!(limiter.count(Some(0), address(1)).unwrap().unwrap().requests, 1);
        assert_eq!(limiter.count(Some(0), address(2)).unwrap().unwrap().requests, 0);
        let refused = limiter.count(Some(0), address(3)).unwrap_err().into_response("/v1/calls");
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u32 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=31).contains(&seconds), "{seconds}");
        assert!(limiter.count(Some(1), address(1)).is_ok());
        assert!(limiter.count(None, address(1)).is_ok());
    }

    #[test]
    fn any_number_of_addresses_takes_no_more_than_the_places_there_are() {
        let limiter = Limiter::new(1_000_000);
        for number in 0..20_000u32 {
            limiter.count(None, Some(IpAddr::from(number.to_be_bytes()))).unwrap();
        }
        assert!(limiter.counts.as_ref().unwrap().len() as u64 <= PLACES);
        assert!(Limiter::new(0).count(None, None).unwrap().is_none());
    }
}
