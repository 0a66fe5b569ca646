//! The accept loop, against real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{convert::Infallible, time::Duration};

use callscribe_chassis::serve::{HttpSettings, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use warp::Filter;

struct Running {
    address: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn serving<F>(settings: HttpSettings, filter: F) -> Running
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
    F: Filter<Extract = (&'static str,)>,
{
    running(Server::bind(&settings).await.unwrap(), filter)
}

fn running<F>(server: Server, filter: F) -> Running
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
    F: Filter<Extract = (&'static str,)>,
{
    let address = server.url().unwrap().trim_start_matches("http://").to_owned();
    let stop = CancellationToken::new();
    let task = tokio::spawn(server.run(warp::service(filter), stop.clone()));
    Running { address, stop, task }
}

async fn send(address: &str, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

async fn all_of(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_panicking_handler_answers_500_and_the_server_goes_on() {
    let filter = warp::any().map(|| -> &'static str { panic!("a handler's bug") });
    let server = serving(HttpSettings::default(), filter).await;
    for _ in 0..2 {
        let answer = all_of(send(&server.address, REQUEST).await).await;
        assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
        assert!(!answer.contains("bug"), "the panic's message leaked: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let settings = HttpSettings { header_timeout_seconds: 1, ..HttpSettings::default() };
    let server = serving(settings, warp::any().map(|| "hello")).await;
    let half = send(&server.address, "GET / HTTP/1.1\r\nHost:").await;
    assert!(!all_of(half).await.contains("hello"));
}

/// Asks over a connection that stays open, and waits for the answer.
async fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 256]);
    while !answer.ends_with(b"hello") {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
    }
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_for_longer_than_a_head_may_take() {
    let settings = HttpSettings { header_timeout_seconds: 1, ..HttpSettings::default() };
    let server = serving(settings, warp::any().map(|| "hello")).await;
    let mut kept = TcpStream::connect(&server.address).await.unwrap();
    ask(&mut kept).await;
    let closed = tokio::time::timeout(Duration::from_millis(1500), kept.readable()).await;
    assert!(closed.is_err(), "it was closed as if a head had begun");
    ask(&mut kept).await;
    // The next head begins and never ends.
    kept.write_all(b"GET / HT").await.unwrap();
    assert!(!all_of(kept).await.contains("hello"));
}

#[tokio::test]
async fn a_connection_over_which_nothing_is_asked_is_closed_in_the_end() {
    let settings = HttpSettings {
        header_timeout_seconds: 1,
        idle_timeout_seconds: 1,
        ..HttpSettings::default()
    };
    let server = serving(settings, warp::any().map(|| "hello")).await;
    let silent = TcpStream::connect(&server.address).await.unwrap();
    let mut kept = TcpStream::connect(&server.address).await.unwrap();
    ask(&mut kept).await;
    for stream in [silent, kept] {
        assert!(!all_of(stream).await.contains("hello"));
    }
}

#[tokio::test]
async fn a_head_beyond_64_kib_is_answered_431() {
    let server = serving(HttpSettings::default(), warp::any().map(|| "hello")).await;
    let head = |length: usize| format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(length));
    let whole = head(63 * 1024) + "\r\nConnection: close\r\n\r\n";
    assert!(all_of(send(&server.address, &whole).await).await.contains("hello"));
    // No more than is read: what is left unread would reset the connection.
    let endless = head(64 * 1024);
    let answer = all_of(send(&server.address, &endless[..64 * 1024]).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_body_may_take_longer_than_a_head() {
    let settings = HttpSettings { header_timeout_seconds: 1, ..HttpSettings::default() };
    let filter = warp::body::bytes().map(|_| "hello").recover(async |_| Ok::<_, Infallible>("no"));
    let server = serving(settings, filter.unify()).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n1";
    let mut slow = send(&server.address, head).await;
    let answered = tokio::time::timeout(Duration::from_millis(1500), slow.readable()).await;
    assert!(answered.is_err(), "it was cut off");
    slow.write_all(b"2").await.unwrap();
    assert!(all_of(slow).await.contains("hello"));
}

#[tokio::test]
async fn a_half_sent_head_does_not_hold_up_a_stop() {
    let settings =
        HttpSettings { header_timeout_seconds: 3600, drain_seconds: 1, ..HttpSettings::default() };
    let server = serving(settings, warp::any().map(|| "hello")).await;
    let mut half = send(&server.address, "GET / HTTP/1.1\r\nHost:").await;
    // A whole exchange on another connection shows that the first one was accepted before.
    assert!(all_of(send(&server.address, REQUEST).await).await.contains("hello"));
    server.stop.cancel();
    server.task.await.unwrap();
    assert_eq!(half.read(&mut [0; 1]).await.unwrap_or(0), 0, "the connection was left open");
}

/// A filter that says when it has started, and waits until it is released.
fn waiting() -> (
    impl Filter<Extract = (&'static str,), Error = Infallible> + Clone + Send + Sync + 'static,
    oneshot::Receiver<()>,
    oneshot::Sender<()>,
) {
    let (started, has_started) = oneshot::channel::<()>();
    let (release, released) = oneshot::channel::<()>();
    let once = std::sync::Arc::new(tokio::sync::Mutex::new(Some((started, released))));
    let filter = warp::any().then(move || {
        let once = once.clone();
        async move {
            let (started, released) = once.lock().await.take().unwrap();
            started.send(()).unwrap();
            released.await.unwrap();
            "finished"
        }
    });
    (filter, has_started, release)
}

#[tokio::test]
async fn a_request_in_hand_is_answered_before_the_server_stops() {
    let (filter, has_started, release) = waiting();
    let server = serving(HttpSettings::default(), filter).await;
    let open = send(&server.address, REQUEST).await;
    has_started.await.unwrap();
    server.stop.cancel();
    release.send(()).unwrap();
    assert!(all_of(open).await.contains("finished"));
    server.task.await.unwrap();
}

#[tokio::test]
async fn what_is_to_be_stored_is_handled_to_its_end_though_its_sender_has_closed() {
    let (filter, has_started, release) = waiting();
    let server = Server::bind(&HttpSettings::default()).await.unwrap().finishing_abandoned();
    let server = running(server, filter);
    let mut half_closed = send(&server.address, REQUEST).await;
    has_started.await.unwrap();
    half_closed.shutdown().await.unwrap();
    // A whole exchange shows that the server has been about meanwhile.
    let answer = all_of(send(&server.address, REQUEST).await).await;
    assert!(answer.starts_with("HTTP/1.1 500"), "only the first one waits: {answer}");
    release.send(()).unwrap();
    assert!(all_of(half_closed).await.contains("finished"));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_408() {
    let settings = HttpSettings { request_timeout_seconds: 1, ..HttpSettings::default() };
    let filter = warp::any().then(|| async {
        std::future::pending::<()>().await;
        "never"
    });
    let server = serving(settings, filter).await;
    let answer = all_of(send(&server.address, REQUEST).await).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_their_turn() {
    let settings = HttpSettings { max_connections: 1, ..HttpSettings::default() };
    let server = serving(settings, warp::any().map(|| "hello")).await;
    let keeps_open = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = send(&server.address, keeps_open).await;
    let mut buffer = [0; 256];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let second = send(&server.address, REQUEST).await;
    let waited = tokio::time::timeout(Duration::from_millis(200), second.readable()).await;
    assert!(waited.is_err(), "the second connection was served beside the first");
    drop(first);
    assert!(all_of(second).await.contains("hello"));
}

#[tokio::test]
async fn who_asks_and_does_not_read_loses_the_connection() {
    // More than the system takes over between two sockets.
    let much: &'static str = String::leak("x".repeat(64 * 1024 * 1024));
    let settings =
        HttpSettings { max_connections: 1, write_timeout_seconds: 1, ..HttpSettings::default() };
    let server = serving(settings, warp::any().map(move || much)).await;
    let idle = send(&server.address, REQUEST).await;
    let next = all_of(send(&server.address, REQUEST).await);
    let answer = tokio::time::timeout(Duration::from_secs(60), next).await;
    let answer = answer.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('x'));
    drop(idle);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let server = serving(HttpSettings::default(), warp::any().map(|| "hello")).await;
    let again = HttpSettings::at(server.address.parse().unwrap());
    let error = Server::bind(&again).await.err().unwrap();
    assert!(format!("{error:#}").contains(&server.address), "{error:#}");
}

#[tokio::test]
async fn half_of_the_tls_settings_is_an_error() {
    let settings = HttpSettings { tls_key: Some("key.pem".into()), ..HttpSettings::default() };
    let error = Server::bind(&settings).await.err().unwrap().to_string();
    assert!(error.contains("tls_certificate and tls_key"), "{error}");
}
