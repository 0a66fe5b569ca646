//! However a list or a search finds its way, it finds what reading everything finds.

use std::collections::HashSet;

use callscribe_results::store::{
    calls::{CallQuery, Place},
    entities::call_logs::{Entity, Model},
};
use fastrand::Rng;
use sea_orm::EntityTrait;

use super::support::{
    Db,
    events::{of_recording, transcribed},
    on_both,
};

#[path = "../../examples/bench_queries/million.rs"]
#[allow(dead_code, reason = "shared with the bench")]
mod million;

const CALLS: u32 = 2000;
const QUERIES: usize = 40;

/// What happens to calls: they come late, together, are told anew, and lose their words.
const CHANGES: [&str; 6] = [
    "UPDATE call_logs SET created_at = '2020-01-02T10:00:00+00:00' WHERE id % 11 = 0",
    "UPDATE call_logs SET created_at = '2025-10-09T17:00:00.123+00:00' WHERE id % 5 = 0",
    "UPDATE call_logs SET status = 'failed', city_id = 'O''Fallon \\ | (x', lead_id = NULL \
     WHERE id % 13 = 0",
    "UPDATE call_logs SET final_transcript = 'caller: another text' WHERE id % 17 = 0",
    "UPDATE call_logs SET final_transcript = NULL, from_number = NULL WHERE id % 19 = 0",
    "DELETE FROM call_logs WHERE id % 23 = 0",
];

on_both! {
    async fn lists_and_searches_find_what_reading_everything_finds(db: Db) {
        million::fill(&db.store, CALLS).await;
        for change in CHANGES {
            db.execute(change).await;
        }
        let all = Entity::find().all(db.store.reader()).await.unwrap();
        let mut rng = Rng::with_seed(3);
        let mut found_some = 0;
        for _ in 0..QUERIES {
            let query = query(&all, &mut rng);
            let words = words(&all, &mut rng);
            let wanted = reading_all(&all, &query, &words);
            found_some += usize::from(!wanted.is_empty());
            // Page after page, to the end.
            let mut sids = Vec::new();
            let mut at = query.clone();
            loop {
                let (rows, next) = if words.is_empty() {
                    let page = db.store.calls(&at).await.unwrap();
                    (page.rows, page.next)
                } else {
                    let page = db.store.search(&words.join(" ").parse().unwrap(), &at).await.unwrap();
                    assert!(page.rows.iter().all(|found| !found.snippet.is_empty()));
                    (page.rows.into_iter().map(|found| found.call).collect(), page.next)
                };
                sids.extend(rows.into_iter().map(|call| call.call_sid));
                at.after = next;
                if at.after.is_none() {
                    break;
                }
            }
            assert_eq!(sids, wanted, "{words:?} {query:?}");
        }
        assert!(found_some > QUERIES / 2, "{found_some}");
    }
}

fn words(all: &[Model], rng: &mut Rng) -> Vec<String> {
    let call = &all[rng.usize(0..all.len())];
    let words: Vec<&str> =
        call.final_transcript.as_deref().unwrap_or("").split(' ').skip(1).collect();
    (0..rng.usize(0..3)).filter_map(|_| rng.choice(&words).map(|word| word.to_string())).collect()
}

/// A query whose values are those of a call, more or less.
fn query(all: &[Model], rng: &mut Rng) -> CallQuery {
    let call = all[rng.usize(0..all.len())].clone();
    let other = |rng: &mut Rng| all[rng.usize(0..all.len())].clone();
    let mut query = CallQuery { limit: rng.u64(40..400), ..CallQuery::default() };
    query.oldest_first = rng.bool();
    for _ in 0..rng.u8(0..3) {
        match rng.u8(0..10) {
            0 => query.status = Some(status(&call.status)),
            1 => query.service.clone_from(&call.service_id),
            2 => query.service.clone_from(&call.extracted_service),
            3 => query.city.clone_from(&call.city_id),
            4 => query.lead_id = call.lead_id,
            5 => query.number.clone_from(if rng.bool() {
                &call.from_number
            } else {
                &call.to_number
            }),
            6 => query.language.clone_from(&call.transcript_language),
            7 => query.account_sid = Some(call.account_sid.clone()),
            8 => query.since = Some(other(rng).created_at),
            _ => query.until = Some(other(rng).created_at),
        }
    }
    query.after = rng.bool().then(|| Place::of(&other(rng)));
    query
}

fn status(name: &str) -> callscribe_results::projection::Status {
    name.parse().unwrap()
}

fn reading_all(all: &[Model], query: &CallQuery, words: &[String]) -> Vec<String> {
    let place = |call: &Model| (call.created_at, call.call_sid.clone());
    let is = |wanted: &Option<String>, values: &[&Option<String>]| {
        wanted.is_none() || values.contains(&wanted)
    };
    let mut calls: Vec<&Model> = all.iter().collect();
    calls.retain(|call| {
        let text: HashSet<&str> =
            call.final_transcript.iter().flat_map(|text| text.split(' ')).collect();
        let is_after = query.after.as_ref().is_none_or(|after| {
            let after = (after.created_at, after.sid.clone());
            if query.oldest_first { place(call) > after } else { place(call) < after }
        });
        is_after
            && words.iter().all(|word| text.contains(word.as_str()))
            && query.status.is_none_or(|status| status.as_str() == call.status)
            && is(&query.service, &[&call.extracted_service, &call.service_id])
            && is(&query.city, &[&call.extracted_city, &call.city_id])
            && is(&query.number, &[&call.from_number, &call.to_number])
            && is(&query.language, &[&call.transcript_language])
            && query.account_sid.as_ref().is_none_or(|account| *account == call.account_sid)
            && query.lead_id.is_none_or(|lead| call.lead_id == Some(lead))
            && query.since.is_none_or(|since| call.created_at >= since)
            && query.until.is_none_or(|until| call.created_at < until)
    });
    calls.sort_by_key(|call| place(call));
    if !query.oldest_first {
        calls.reverse();
    }
    calls.into_iter().map(|call| call.call_sid.clone()).collect()
}

on_both! {
    async fn a_word_ends_where_its_letters_end_and_accents_do_not_matter(db: Db) {
        let text = "call 512-555-0123, a plumber/locksmith (example.com) at Caf\u{e9} Noir\u{2014}now, \
                    \u{5e9}\u{5b8}\u{5dc}\u{5d5}\u{5b9}\u{5dd} \u{5d1}\u{5d9}\u{5ea}\u{5be}\u{5d7}\u{5d5}\u{5dc}\u{5d9}\u{5dd}";
        let event = of_recording(1, 1, (0, 0, 1), 1_790_000_000_000, transcribed(text, None, None));
        db.persist(&[event]).await.unwrap();
        let query = CallQuery { limit: 10, ..Default::default() };
        let finds = async |words: &str| {
            let found = db.store.search(&words.parse().unwrap(), &query).await.unwrap().rows.len();
            assert!(found <= 1);
            found == 1
        };
        for words in [
            "512-555-0123", "555", "0123", "plumber", "locksmith", "plumber/locksmith", "example",
            "com", "example.com", "cafe", "CAF\u{c9}", "cafe\u{301}", "now", "noir",
            "\u{5d7}\u{5d5}\u{5dc}\u{5d9}\u{5dd}",
        ] {
            assert!(finds(words).await, "{words}");
        }
        for words in ["51", "examplecom", "caf", "\u{5b8}"] {
            assert!(!finds(words).await, "{words}");
        }
    }
}
