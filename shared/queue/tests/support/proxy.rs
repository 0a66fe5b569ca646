//! A small proxy between a client and Redis that cuts and delays.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// Listens on a socket of its own; its settings hold for the connections there are and come.
pub struct Proxy {
    pub socket: PathBuf,
    delay_ms: Arc<AtomicU64>,
    cut: watch::Sender<u64>,
    held: watch::Sender<bool>,
}

impl Proxy {
    pub fn start(listen: &Path, target: &Path) -> Self {
        let listener = UnixListener::bind(listen).unwrap();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let (cut, cuts) = watch::channel(0);
        let (held, holding) = watch::channel(false);
        let (target, delay) = (target.to_owned(), Arc::clone(&delay_ms));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, delay, mut cuts) = (target.clone(), Arc::clone(&delay), cuts.clone());
                let mut holding = holding.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let _ = holding.wait_for(|held| !held).await;
                    let Ok(server) = UnixStream::connect(target).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = pass(from_client, to_server, &delay) => {}
                        () = pass(from_server, to_client, &delay) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { socket: listen.to_owned(), delay_ms, cut, held }
    }

    /// Lets no new connection through until told otherwise.
    pub fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    /// Drops every connection, with whatever is on its way.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Holds everything back for so long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis() as u64, Ordering::Relaxed);
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    delay_ms: &AtomicU64,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        let delay = delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
