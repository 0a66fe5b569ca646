//! How long the head of a request may take. hyper's own limit runs while a client that keeps its
//! connection open has nothing to ask as well, which may take much longer.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Whose turn it is in a conversation: told by the service, and looked at by the stream.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<State>);

#[derive(Default)]
struct State {
    heads: AtomicU32,
    in_hand: AtomicBool,
}

impl Turn {
    /// A head is complete: what is read from now on is a body.
    pub(super) fn begin(&self) {
        self.0.heads.fetch_add(1, Ordering::Relaxed);
        self.0.in_hand.store(true, Ordering::Relaxed);
    }

    /// The request is answered.
    pub(super) fn end(&self) {
        self.0.in_hand.store(false, Ordering::Relaxed);
    }
}

/// A stream from which a head that has begun must come to its end in time. The first one begins with
/// the connection.
pub(super) struct HeadInTime<S> {
    stream: S,
    turn: Turn,
    patience: Duration,
    /// Heads that were complete when this was last looked at.
    heads: u32,
    has_begun: bool,
    due: Option<Pin<Box<Sleep>>>,
}

impl<S> HeadInTime<S> {
    pub(super) fn new(stream: S, turn: Turn, patience: Duration) -> Self {
        Self { stream, turn, patience, heads: 0, has_begun: true, due: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadInTime<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let heads = this.turn.0.heads.load(Ordering::Relaxed);
        if heads != this.heads {
            (this.heads, this.has_begun, this.due) = (heads, false, None);
        }
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.has_begun |= !this.turn.0.in_hand.load(Ordering::Relaxed);
            return Poll::Ready(read);
        }
        if this.has_begun {
            // Most heads come in one piece, so that nothing has to be timed.
            let due = this.due.get_or_insert_with(|| Box::pin(sleep(this.patience)));
            ready!(due.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadInTime<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
