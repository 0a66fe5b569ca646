//! Answers that are made while they are sent, and how many of them at once.

use std::{error::Error, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sync_wrapper::SyncStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use warp::{
    Reply,
    http::{HeaderValue, StatusCode},
    reply::Response,
};

use super::{Problem, problem};

/// How long somebody may leave a piece untaken: longer than a network that is mended stands still.
const PATIENCE: Duration = Duration::from_secs(60);

type BoxError = Box<dyn Error + Send + Sync>;

/// How many answers of each kind are being sent at once at most.
pub struct Places {
    /// Recordings.
    pub audio: Arc<Semaphore>,
    /// Exports.
    pub exports: Arc<Semaphore>,
    /// Listeners to live changes.
    pub listeners: Arc<Semaphore>,
}

impl Places {
    /// Free places only.
    pub fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { audio: places(32), exports: places(4), listeners: places(100) }
    }
}

/// Takes a place until the value goes.
pub fn take(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    places.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many answers of this kind are being sent; try again in a moment",
        )
    })
}

/// An answer whose body comes piece by piece. An error ends the connection, so that nobody takes
/// what was sent until then for the whole. The place is kept until the last piece is taken, or until
/// one was left for a minute.
pub fn response<E>(
    content_type: &str,
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    place: OwnedSemaphorePermit,
) -> Response
where
    E: Into<BoxError> + Send + 'static,
{
    let response = warp::reply::stream(SyncStream::new(paced(body, place, PATIENCE)));
    let mut response = response.into_response();
    problem::private(&mut response);
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert("content-type", content_type);
    }
    response
}

/// Makes the pieces beside the connection: who stops reading stops what is behind it from being
/// asked, so nothing in the answer itself could give the place back.
fn paced<E>(
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    place: OwnedSemaphorePermit,
    patience: Duration,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static
where
    E: Into<BoxError> + Send + 'static,
{
    let (pieces, taken) = mpsc::channel(1);
    tokio::spawn(async move {
        let _until_the_end = place;
        let mut body = pin!(body);
        loop {
            let piece = tokio::select! {
                piece = body.next() => piece.map(|piece| piece.map_err(Into::into)),
                () = pieces.closed() => return,
            };
            let is_last = piece.is_none();
            let is_taken = tokio::time::timeout(patience, pieces.send(piece)).await;
            if is_last || !matches!(is_taken, Ok(Ok(()))) {
                return;
            }
        }
    });
    stream::unfold(Some(taken), |taken| async move {
        let mut taken = taken?;
        match taken.recv().await {
            Some(Some(piece)) => Some((piece, Some(taken))),
            Some(None) => None,
            None => Some((Err("the answer was not taken in time".into()), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn pieces() -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        stream::iter(["a", "b", "c"].map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
    }

    #[tokio::test]
    async fn who_does_not_read_loses_the_place_and_is_told_that_this_is_not_the_whole() {
        let places = Arc::new(Semaphore::new(1));
        let answer = paced(pieces(), take(&places).unwrap(), Duration::from_millis(1));
        assert!(take(&places).is_err());
        drop(places.clone().acquire_owned().await.unwrap());
        let sent: Vec<_> = answer.collect().await;
        let told: Vec<_> = sent.iter().map(Result::is_ok).collect();
        assert_eq!(told, [true, false]);
    }

    #[tokio::test]
    async fn who_reads_gets_the_whole_and_who_leaves_frees_the_place() {
        let places = Arc::new(Semaphore::new(1));
        let sent: Vec<_> = paced(pieces(), take(&places).unwrap(), PATIENCE).collect().await;
        let whole: Vec<_> = sent.into_iter().map(Result::unwrap).collect();
        assert_eq!(whole.concat(), b"abc");
        let endless = stream::pending::<Result<Bytes, Infallible>>();
        let place = places.clone().acquire_owned().await.unwrap();
        drop(paced(endless, place, PATIENCE));
        drop(places.acquire().await.unwrap());
    }
}
