//! Transcribing a call again through the API.

use domain::{AttemptOrder, CallJob, EventKind};
use queue::{BatchHandler, ConsumerOptions, Delivery, Settlement};
use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{
    Db,
    events::{call_sid, of_call, of_recording, recording_sid, transcribed, usual},
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
