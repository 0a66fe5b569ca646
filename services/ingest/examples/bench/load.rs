//! The load: as fast as it goes, or at a fixed rate.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// Sends all requests over so many connections, each waiting for its answers; requests a second.
pub async fn closed_loop(address: SocketAddr, connections: usize, requests: Vec<Bytes>) -> f64 {
    let count = requests.len();
    let share = count.div_ceil(connections);
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(connect(address).await);
    }
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for (mut stream, share) in streams.into_iter().zip(requests.chunks(share)) {
        let share = share.to_vec();
        tasks.spawn(async move {
            for request in share {
                exchange(&mut stream, &request).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    count as f64 / started.elapsed().as_secs_f64()
}

/// Sends requests at a fixed rate, whether answers come or not; the 99th percentile of the times
/// from when each should have been sent to its answer, in milliseconds.
pub async fn open_loop(
    address: SocketAddr,
    rate: u32,
    requests: Vec<Bytes>,
    span: Duration,
) -> f64 {
    let (hand_out, taken) = mpsc::unbounded_channel::<(Instant, Bytes)>();
    let taken = Arc::new(Mutex::new(taken));
    let mut workers = JoinSet::new();
    for _ in 0..64 {
        let taken = taken.clone();
        let mut stream = connect(address).await;
        workers.spawn(async move {
            let mut times = Vec::new();
            loop {
                let next = taken.lock().await.recv().await;
                let Some((due, request)) = next else { return times };
                exchange(&mut stream, &request).await;
                times.push(due.elapsed().as_secs_f64() * 1000.0);
            }
        });
    }
    let mut interval = tokio::time::interval(Duration::from_secs(1) / rate);
    let started = Instant::now();
    for request in requests {
        let due = interval.tick().await.into_std();
        if started.elapsed() > span {
            break;
        }
        hand_out.send((due, request)).unwrap();
    }
    drop(hand_out);
    let mut times = Vec::new();
    while let Some(ended) = workers.join_next().await {
        times.extend(ended.unwrap());
    }
    times.sort_by(f64::total_cmp);
    times[(times.len() * 99).div_ceil(100) - 1]
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// One request and its answer, which must be a 204 and so has no body.
async fn exchange(stream: &mut TcpStream, request: &Bytes) {
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 1024];
    let mut length = 0;
    loop {
        let read = stream.read(&mut answer[length..]).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        length += read;
        if answer[..length].ends_with(b"\r\n\r\n") {
            break;
        }
    }
    if !answer.starts_with(b"HTTP/1.1 204") {
        panic!("{}", String::from_utf8_lossy(&answer[..length]));
    }
}
