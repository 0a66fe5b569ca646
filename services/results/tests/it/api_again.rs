//! Transcribing a call again through the API.

use callscribe_results::{erasure, store::entities::tombstones};
use chassis::queues;
use domain::{AttemptOrder, CallJob, EventKind, JobSource};
use queue::{BatchHandler, ConsumerOptions, Delivery, Settlement};
use reqwest::Method;
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, EntityTrait as _};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{
    Db,
    events::{
        account, call_sid, no_recording, of_call, of_recording, queued, recording_sid, transcribed,
        usual,
    },
    on_both,
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

on_both! {
    async fn transcribe_again_gives_out_the_next_generation_and_its_result_stands(db: Db) {
        let service = Service::start(db).await;
        service.publish(&usual(1, T, CALLER, "Austin")).await;
        service.is_idle().await;
        let path = format!("/v1/calls/{}/transcribe-again", call_sid(1));
        for generation in 1..=2 {
            let response = service.request(Method::POST, &path).send().await.unwrap();
            assert_eq!(response.status(), 202);
            let answer: serde_json::Value = response.json().await.unwrap();
            assert_eq!(answer["enqueued"], json!([
                { "recording_sid": recording_sid(1), "generation": generation }
            ]));
        }
        let jobs = take_jobs(&service, 2).await;
        let generations: Vec<_> = jobs
            .iter()
            .map(|job| match job {
                CallJob::Transcribe { generation, .. } => *generation,
                CallJob::Resolve { .. } => panic!("{job:?}"),
            })
            .collect();
        assert_eq!(generations, [1, 2]);
        service.is_idle().await;
        let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
        assert_eq!(call["status"], "queued");
        assert_eq!(call["extracted_city"], "Austin", "kept until there is something better");

        let better = transcribed("in Dallas", None, Some(("Dallas", 0.97)));
        let mut event = of_recording(1, 1, (2, 0, 1), T + 99, better);
        event.order = AttemptOrder { generation: 2, redrive: 0, attempt: 1 };
        service.publish(&[event]).await;
        service.is_idle().await;
        let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
        assert_eq!((&call["status"], &call["extracted_city"]), (&json!("completed"), &json!("Dallas")));
        service.stop().await;
    }
}

on_both! {
    async fn a_recording_that_was_deleted_is_not_transcribed_again(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let second = transcribed("in Dallas", None, None);
        db.persist(&[of_recording(1, 2, (0, 0, 1), T + 99, second)]).await.unwrap();
        let gone = recording_sid(1);
        db.execute(&format!(
            "UPDATE recordings SET media_deleted_at = created_at WHERE recording_sid = '{gone}'"
        )).await;
        let store = db.store.clone();
        let service = Service::start(db).await;
        let path = format!("/v1/calls/{}/transcribe-again", call_sid(1));
        let response = service.request(Method::POST, &path).send().await.unwrap();
        let answer: serde_json::Value = response.json().await.unwrap();
        assert_eq!(answer["enqueued"], json!([
            { "recording_sid": recording_sid(2), "generation": 1 }
        ]));
        take_jobs(&service, 1).await;
        service.is_idle().await;
        let transaction = store.begin().await.unwrap();
        let all = "UPDATE recordings SET media_deleted_at = created_at";
        transaction.execute_unprepared(all).await.unwrap();
        transaction.commit().await.unwrap();
        let response = service.request(Method::POST, &path).send().await.unwrap();
        assert!(problem(response, 410).await.contains("deleted at Twilio"));
        let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
        assert_eq!(call["recordings"][0]["generation"], 0);
        service.stop().await;
    }
}

on_both! {
    async fn what_is_asked_for_is_queued_in_the_row_before_any_event_says_so(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let store = db.store.clone();
        let service = Service::start(db).await;
        // No event of an erased recording becomes a row.
        let buried = tombstones::ActiveModel {
            sid_hash: Set(erasure::hash(&recording_sid(1))),
            created_at: Set(chrono::Utc::now()),
        };
        let transaction = store.begin().await.unwrap();
        tombstones::Entity::insert(buried).exec(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let path = format!("/v1/calls/{}/transcribe-again", call_sid(1));
        let response = service.request(Method::POST, &path).send().await.unwrap();
        assert_eq!(response.status(), 202);
        service.is_idle().await;
        let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
        let recording = &call["recordings"][0];
        assert_eq!((&recording["status"], &recording["generation"]), (&json!("queued"), &json!(1)));
        service.stop().await;
    }
}

on_both! {
    async fn a_generation_is_given_out_with_its_work_or_not_at_all(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let service = Service::start(db).await;
        let path = format!("/v1/calls/{}/transcribe-again", call_sid(1));
        let generation = async || {
            let call = service.json(&format!("/v1/calls/{}", call_sid(1))).await;
            call["recordings"][0]["generation"].clone()
        };
        let limit = async |bytes: &str| {
            let mut limit = redis::cmd("CONFIG");
            limit.arg(&["SET", "maxmemory", bytes]);
            let _: () = service.calls.link().query(&limit).await.unwrap();
        };
        limit("1").await;
        let response = service.request(Method::POST, &path).send().await.unwrap();
        assert!(response.status().is_server_error(), "{}", response.status());
        assert_eq!(generation().await, 0);
        limit("0").await;
        // The queue remembers one that this database does not know: it was restored.
        let job = CallJob::Transcribe {
            account_sid: account().parse().unwrap(),
            call_sid: call_sid(1).parse().unwrap(),
            recording_sid: recording_sid(1).parse().unwrap(),
            generation: 1,
            source: JobSource::Manual,
        };
        let remembered = queues::job_entry(&job, None).unwrap();
        service.calls.enqueue(queue::Entry { emit: vec![], ..remembered }).await.unwrap();
        let response = service.request(Method::POST, &path).send().await.unwrap();
        assert_eq!((response.status().as_u16(), generation().await), (202, json!(2)));
        service.stop().await;
    }
}

on_both! {
    async fn media_that_is_gone_at_twilio_takes_no_transcript_away(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        db.persist(&[of_recording(1, 1, (1, 0, 0), T + 50, queued())]).await.unwrap();
        assert_eq!(db.rows().await.calls[0].status, "queued");
        db.persist(&[of_recording(1, 1, (1, 0, 1), T + 60, no_recording())]).await.unwrap();
        let rows = db.rows().await;
        let (call, recording) = (&rows.calls[0], &rows.recordings[0]);
        assert_eq!((&call.status[..], &recording.status[..]), ("completed", "completed"));
        assert_eq!((recording.generation, recording.last_error_code.as_deref()), (1, Some("deleted")));
        assert!(call.final_transcript.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_recording_is_searched_again_each_time_somebody_asks() {
    let service = Service::start(Db::sqlite().await).await;
    service.publish(&[of_call(1, T, EventKind::NoRecording { code: "none_listed".into() })]).await;
    service.is_idle().await;
    let path = format!("/v1/calls/{}/transcribe-again", call_sid(1));
    for _ in 0..2 {
        let response = service.request(Method::POST, &path).send().await.unwrap();
        assert_eq!(response.status(), 202);
    }
    let jobs = take_jobs(&service, 2).await;
    assert!(jobs.iter().all(|job| matches!(job, CallJob::Resolve { .. })), "{jobs:?}");
    service.stop().await;
}

/// Takes jobs out of the queue, as a transcriber would.
async fn take_jobs(service: &Service, count: usize) -> Vec<CallJob> {
    struct Take(mpsc::UnboundedSender<CallJob>);
    impl BatchHandler for Take {
        async fn handle(&self, deliveries: Vec<Delivery>) -> Vec<Settlement> {
            for delivery in &deliveries {
                self.0.send(serde_json::from_str(&delivery.body).unwrap()).unwrap();
            }
            vec![Settlement::done(); deliveries.len()]
        }
    }
    let (sender, mut jobs) = mpsc::unbounded_channel();
    let stop = tokio_util::sync::CancellationToken::new();
    let options = ConsumerOptions::default();
    let taking = queue::consume_batches(service.calls.clone(), options, Take(sender), stop.clone());
    let taking = tokio::spawn(taking);
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.push(jobs.recv().await.unwrap());
    }
    stop.cancel();
    taking.await.unwrap().unwrap();
    taken
}
