//! The ops listener, against a real socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use callscribe_chassis::{Process, ops};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

async fn readiness(process: &Process) -> String {
    let url = process.listener("ops").await.unwrap();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_process_is_ready_once_all_its_services_serve() {
    let process = Process::new(CancellationToken::new());
    let settings = ops::OpsSettings { listen: ([127, 0, 0, 1], 0).into() };
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    ops::start(&settings, &process, metrics, &["ingest", "results"]).await.unwrap();

    let before = readiness(&process).await;
    assert!(before.starts_with("HTTP/1.1 503"), "{before}");
    assert!(before.contains(r#""ingest":"starting""#), "{before}");
    process.check("ingest").ready();
    assert!(readiness(&process).await.starts_with("HTTP/1.1 503"));
    process.check("results").ready();
    assert!(readiness(&process).await.starts_with("HTTP/1.1 200"));
    process.stop().cancel();
}
