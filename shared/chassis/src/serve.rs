//! The accept loop: warp's filters on hyper's connections, with the limits warp does not have.
//!
//! warp 0.4 itself knows no header timeout, no connection cap and no deadline for a graceful stop,
//! panics when its port is taken, and drops the connection when a handler panics.

mod head;
mod tls;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Semaphore,
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_service::Service;
use warp::{
    http::{Request, StatusCode},
    reply::Response,
};

use self::{
    head::{HeadInTime, Turn},
    tls::Tls,
};

/// Where an HTTP server listens and what it bears.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port; port 0 takes a free one. The default differs by listener.
    #[serde(default = "not_configured")]
    pub listen: SocketAddr,
    /// Connections at once; further ones wait in the kernel's queue. Default 1024.
    pub max_connections: usize,
    /// Seconds a client may take to send its request's head, the first one from the connection on.
    /// Default 10.
    pub header_timeout_seconds: u64,
    /// Seconds a connection is kept open between requests. More than a proxy in front keeps it (nginx
    /// 60), so that none asks over a connection that is just being closed. Default 75.
    pub idle_timeout_seconds: u64,
    /// Seconds until a request must have been answered (its body read included). Default 30.
    pub request_timeout_seconds: u64,
    /// Seconds a client may leave what is sent to it untaken. Default 60.
    pub write_timeout_seconds: u64,
    /// Seconds that open requests get when the process stops. Default 10.
    pub drain_seconds: u64,
    /// PEM file with the certificate chain; TLS is on when this and `tls_key` are set. Both are read
    /// again within a minute after they change; one that cannot be used leaves the one before.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub tls_key: Option<PathBuf>,
}

impl HttpSettings {
    /// The defaults, listening at an address.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: 1024,
            header_timeout_seconds: 10,
            idle_timeout_seconds: 75,
            request_timeout_seconds: 30,
            write_timeout_seconds: 60,
            drain_seconds: 10,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

impl HttpSettings {
    /// Checks what the types cannot say; `section` is where these settings stand.
    ///
    /// # Errors
    /// A sentence with the setting's name and what is allowed.
    pub fn validate(&self, section: &str) -> Result<(), String> {
        for (name, value) in [
            ("max_connections", self.max_connections as u64),
            ("header_timeout_seconds", self.header_timeout_seconds),
            ("idle_timeout_seconds", self.idle_timeout_seconds),
            ("request_timeout_seconds", self.request_timeout_seconds),
            ("write_timeout_seconds", self.write_timeout_seconds),
        ] {
            if value == 0 {
                return Err(format!("{section}.{name} is 0; allowed is 1 and more"));
            }
        }
        Ok(())
    }

    /// The same settings, listening at `listen` unless an address was configured.
    pub fn or_at(self, listen: SocketAddr) -> Self {
        if self.listen == NOT_CONFIGURED { Self { listen, ..self } } else { self }
    }
}

/// Stands for an address that nobody configured: a section may set other things only. Listening
/// there (any address, any port) would make no sense to anybody.
const NOT_CONFIGURED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

fn not_configured() -> SocketAddr {
    NOT_CONFIGURED
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

/// Whom a request comes from, among its extensions: the other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// A bound server that does not answer yet.
pub struct Server {
    listener: TcpListener,
    tls: Option<Tls>,
    settings: HttpSettings,
    finishes_abandoned: bool,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// When the port is taken or the certificate cannot be used.
    pub async fn bind(settings: &HttpSettings) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!("cannot listen on {} (is the port taken?)", settings.listen)
        })?;
        let tls = Tls::open(settings, Instant::now())?;
        Ok(Self { listener, tls, settings: settings.clone(), finishes_abandoned: false })
    }

    /// The same server, which handles a request to its end even when its sender has closed the
    /// connection meanwhile. Without, the handler is dropped then: right for questions, wrong for
    /// what is to be stored. (It also spares looking out for the end while a request is handled,
    /// for which hyper sets up another buffer every time.)
    pub fn finishing_abandoned(self) -> Self {
        Self { finishes_abandoned: true, ..self }
    }

    /// Where it listens, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn url(&self) -> std::io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.listener.local_addr()?))
    }

    /// Answers until `stop` is cancelled, then finishes open requests within the drain time.
    ///
    /// `service` comes from [`warp::service`]. A handler that panics answers 500.
    pub async fn run<S>(self, service: S, stop: CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        self.run_on(vec![(Handle::current(), service)], stop).await;
    }

    /// As [`Server::run`], with the connections dealt out in turn: each is answered, to its end, on
    /// one of these runtimes by the service that goes with it. There must be one at least.
    pub async fn run_on<S>(self, places: Vec<(Handle, S)>, stop: CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let permits = Arc::new(Semaphore::new(self.settings.max_connections));
        let settings = Arc::new(self.settings);
        let mut tls = self.tls;
        for (runtime, service) in places.iter().cycle() {
            let permit = tokio::select! {
                permit = permits.clone().acquire_owned() => permit,
                () = stop.cancelled() => break,
            };
            let accepted = tokio::select! {
                accepted = accept(&self.listener) => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, address) = accepted;
            let connection = Connection {
                service: service.clone(),
                watcher: graceful.watcher(),
                settings: settings.clone(),
                peer: Peer(address.ip()),
                finishes_abandoned: self.finishes_abandoned,
            };
            let tls = tls.as_mut().map(|tls| tls.acceptor(Instant::now()));
            while connections.try_join_next().is_some() {}
            let conversation = async move {
                // A stream is woken by the runtime it was made in.
                if let Ok(stream) = TcpStream::from_std(stream) {
                    connection.accept(stream, tls).await;
                }
                drop(permit);
            };
            connections.spawn_on(conversation, runtime);
        }
        drop(self.listener);
        let drain = Duration::from_secs(settings.drain_seconds);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(seconds = settings.drain_seconds, "requests still open at the deadline");
        }
        connections.shutdown().await;
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (std::net::TcpStream, SocketAddr) {
    loop {
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, address)| Ok((stream.into_std()?, address))) {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

struct Connection<S> {
    service: S,
    watcher: Watcher,
    settings: Arc<HttpSettings>,
    peer: Peer,
    finishes_abandoned: bool,
}

impl<S> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    async fn accept(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Answers are small and wanted at once; a failure only costs latency.
        let _ = stream.set_nodelay(true);
        // Who asks for much and reads nothing would keep the connection until the process ends.
        let mut stream = TimeoutStream::new(stream);
        let patience = Duration::from_secs(self.settings.write_timeout_seconds);
        stream.set_write_timeout(Some(patience));
        let stream = Box::pin(stream);
        let Some(tls) = tls else { return self.converse(stream).await };
        let patience = Duration::from_secs(self.settings.header_timeout_seconds);
        match tokio::time::timeout(patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.converse(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let patience = Duration::from_secs(self.settings.request_timeout_seconds);
        let (service, peer) = (self.service, self.peer);
        let head = Duration::from_secs(self.settings.header_timeout_seconds);
        let idle = Duration::from_secs(self.settings.idle_timeout_seconds);
        let turn = Turn::default();
        let stream = HeadInTime::new(stream, turn.clone(), head);
        let answer = service_fn(move |mut request: Request<Incoming>| {
            turn.begin();
            request.extensions_mut().insert(peer);
            let (answering, turn) = (answer(service.clone(), request, patience), turn.clone());
            async move {
                let answer = answering.await;
                turn.end();
                answer
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // From the answer to the end of the next head.
            .header_read_timeout(idle.max(head))
            .max_buf_size(64 * 1024)
            .half_close(self.finishes_abandoned)
            // Most answers are one small piece, for which a plain write costs less.
            .writev(false)
            .serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}

async fn answer<S>(
    mut service: S,
    request: Request<Incoming>,
    patience: Duration,
) -> Result<Response, Infallible>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let handled = AssertUnwindSafe(async { service.call(request).await }).catch_unwind();
    Ok(match tokio::time::timeout(patience, handled).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_panic)) => {
            tracing::error!("a request's handler panicked");
            plain(500, "internal error\n")
        }
        Err(_) => plain(408, "the request took too long\n"),
    })
}

fn plain(status: u16, text: &'static str) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}
