//! What only a process of its own shows: signals, its log, its traces.

use std::{collections::BTreeSet, net::TcpStream as Plain};

use domain::mask_phone;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{own_process::OwnProcess, redis_server::eventually};

/// Sends the head of a callback and waits until the service asks for its body.
async fn begin(process: &OwnProcess, n: u32) -> (TcpStream, String) {
    begin_with(process, process.request(n)).await
}

async fn begin_with(process: &OwnProcess, request: (String, String)) -> (TcpStream, String) {
    let (head, body) = request;
    let mut stream = TcpStream::connect(&process.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    (stream, body)
}

async fn finish((mut stream, body): (TcpStream, String)) -> String {
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "closed after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    answer
}

#[tokio::test]
async fn at_a_sigterm_every_callback_in_hand_is_stored_answered_and_logged() {
    const IN_HAND: u32 = 50;
    let mut process = OwnProcess::start(&[]).await;
    let mut open = Vec::new();
    for n in 1..=IN_HAND {
        open.push(begin(&process, n).await);
    }
    process.terminate();
    // The listener is given up first.
    eventually("new connections are refused", async || Plain::connect(&process.address).is_err())
        .await;
    for request in open {
        let answer = finish(request).await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
    assert!(process.ended().await.success());
    let stored = process.redis.cli(&["XLEN", "{callscribe}:calls"]);
    assert_eq!(stored, [IN_HAND.to_string()]);
    let log = process.log();
    let logged: BTreeSet<_> = log
        .iter()
        .filter(|line| line["message"] == "job enqueued")
        .map(|line| line["call_sid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(logged.len(), IN_HAND as usize, "the tail of the log is there");
}

#[tokio::test]
async fn the_access_log_shows_no_whole_number() {
    let mut process = OwnProcess::start(&[]).await;
    let request = process.request_with(1, "&From=%2B15125550123&To=%2B972541234567");
    let answer = finish(begin_with(&process, request).await).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    process.terminate();
    assert!(process.ended().await.success());
    let log = process.log();
    let line = log.iter().find(|line| line["target"] == "access").unwrap();
    assert_eq!(line["from"], mask_phone("+15125550123"), "{line}");
    assert_eq!(line["to"], mask_phone("+972541234567"), "{line}");
    for line in log {
        let line = line.to_string();
        assert!(!line.contains("5125550123") && !line.contains("541234567"), "{line}");
    }
}

#[tokio::test]
async fn where_traces_are_on_the_job_and_its_event_carry_the_trace_that_began_here() {
    // Nobody needs to listen there: spans are made all the same.
    let endpoint = ("CALLSCRIBE_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:9");
    for (variables, traced) in [(&[endpoint][..], true), (&[], false)] {
        let process = OwnProcess::start(variables).await;
        assert!(finish(begin(&process, 1).await).await.starts_with("HTTP/1.1 204"));
        let traces = ["{callscribe}:calls", "{callscribe}:results"].map(|stream| {
            let lines = process.redis.cli(&["XRANGE", stream, "-", "+"]);
            let at = lines.iter().position(|field| field == "traceparent");
            at.map(|at| lines[at + 1].clone())
        });
        assert_eq!(traces[0], traces[1]);
        assert_eq!(traces[0].is_some(), traced);
        if let Some(trace) = &traces[0] {
            let parts: Vec<_> = trace.split('-').map(str::len).collect();
            assert_eq!(parts, [2, 32, 16, 2], "a W3C traceparent: {trace}");
        }
    }
}
