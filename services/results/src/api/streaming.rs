//! Answers that are made while they are sent, and how many of them at once.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sync_wrapper::SyncStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use warp::{
    Reply,
    http::{HeaderValue, StatusCode},
    reply::Response,
};

use super::{Problem, problem};

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
/// what was sent until then for the whole. The place is kept until the last piece.
pub fn response<E>(
    content_type: &str,
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    place: OwnedSemaphorePermit,
) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    let kept = body.map(move |piece| {
        let _until_the_end = &place;
        piece
    });
    let mut response = warp::reply::stream(SyncStream::new(kept)).into_response();
    problem::private(&mut response);
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert("content-type", content_type);
    }
    response
}
