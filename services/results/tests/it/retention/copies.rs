//! Copies in the queues: events on their way out, dead jobs and events.

use super::*;

on_both! {
    async fn copies_of_events_on_their_way_out_go_with_what_they_tell_of(db: Db) {
        two_calls(&db).await;
        let redis = Redis::start().await;
        let webhooks = outbound::queue(Link::open(&redis.settings()).await.unwrap());
        for n in [1, 2] {
            let told = json!({
                "endpoint": "crm", "event_id": format!("msg_{n}"), "call_sid": call_sid(n),
                "body": "words",
            });
            webhooks.enqueue(Entry::new(format!("msg_{n}"), told.to_string())).await.unwrap();
        }
        let ages = Ages { transcripts_days: Some(5), ..Ages::default() };
        let retention = after_5_days(ages);
        let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
        let retention = Retention::new(db.store.clone(), None, settings);
        let retention = retention.with_webhooks(webhooks.clone());
        retention.sweep(now(), &CancellationToken::new()).await.unwrap();
        let mut left = Vec::new();
        webhooks.look_through(|kept| left.push(kept.key.clone())).await.unwrap();
        assert_eq!(left, ["msg_2"]);
    }
}

/// Puts entries among the dead letters.
async fn kill(queue: &Queue, entries: Vec<Entry>) {
    struct Refuse;
    impl BatchHandler for Refuse {
        async fn handle(&self, deliveries: Vec<Delivery>) -> Vec<Settlement> {
            let refused = || Verdict::Dead { failure: Failure::new("refused", "refused") }.into();
            deliveries.iter().map(|_| refused()).collect()
        }
    }
    let count = entries.len() as u64;
    queue.enqueue_batch(entries).await.unwrap();
    let stop = CancellationToken::new();
    let options = ConsumerOptions::default();
    let refusing = queue::consume_batches(queue.clone(), options, Refuse, stop.clone());
    let refusing = tokio::spawn(refusing);
    eventually("all are dead", || async { queue.stats().await.unwrap().dead == count }).await;
    stop.cancel();
    refusing.await.unwrap().unwrap();
}

#[tokio::test]
async fn dead_jobs_and_events_go_with_what_they_are_about() {
    let db = Db::sqlite().await;
    let redis = Redis::start().await;
    let link = Link::open(&redis.settings()).await.unwrap();
    let (jobs, events) = (queues::calls(link.clone()), queues::results(link));
    let keeping = format!("AC{:032x}", 2);
    let of = |account: &str, n: u32| {
        let mut event = of_call(n, T, observed(CALLER, OTHER, "inbound"));
        event.account_sid = account.parse().unwrap();
        queues::event_entry(&event, None).unwrap()
    };
    let unreadable = Entry::new("x", "{");
    kill(&events, vec![of(&account(), 1), of(&keeping, 2), unreadable]).await;
    let job = |account: &str, n: u32| CallJob::Resolve {
        account_sid: account.parse().unwrap(),
        call_sid: call_sid(n).parse().unwrap(),
        source: JobSource::Callback,
    };
    let entry = |job| Entry { emit: vec![], ..queues::job_entry(&job, None).unwrap() };
    kill(&jobs, vec![entry(job(&account(), 1)), entry(job(&keeping, 2))]).await;

    let sweep = async |ages: Ages, days: i64| {
        let accounts = [(keeping.parse().unwrap(), Ages::default())].into();
        let retention = RetentionSettings { accounts, ..after_5_days(ages) };
        let settings = Arc::new(ResultsSettings { retention, ..ResultsSettings::default() });
        let retention = Retention::new(db.store.clone(), None, settings);
        let retention = retention.with_dead_letters(jobs.clone(), events.clone());
        let now = Utc::now() + TimeDelta::days(days);
        retention.sweep(now, &CancellationToken::new()).await.unwrap();
        let dead = async |queue: &Queue| queue.stats().await.unwrap().dead;
        (dead(&jobs).await, dead(&events).await)
    };
    let words = Ages { transcripts_days: Some(5), ..Ages::default() };
    assert_eq!(sweep(words, 4).await, (2, 3));
    assert_eq!(sweep(words, 6).await, (2, 2), "what cannot be read may hold words");
    let numbers = Ages { numbers_days: Some(5), ..Ages::default() };
    assert_eq!(sweep(numbers, 6).await, (2, 1));
    let calls = Ages { calls_days: Some(5), ..Ages::default() };
    assert_eq!(sweep(calls, 6).await, (1, 1));
}
