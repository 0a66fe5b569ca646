//! A request, as far as the handlers look at it.

use std::{net::IpAddr, pin::pin};

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use warp::http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};

use super::{Problem, params::Params};

/// The largest body that is read.
const LIMIT_BYTES: usize = 64 * 1024;

/// A request with its body.
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub params: Params,
    pub peer: Option<IpAddr>,
}

impl Request {
    /// A request whose body was not read yet.
    pub fn new(method: Method, path: &str, query: String, headers: HeaderMap) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query,
            headers,
            body: Vec::new(),
            params: Params::default(),
            peer: None,
        }
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send a body of the type application/json",
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the body: {error}"))
        })
    }

    /// Reads the body, where the route takes one.
    pub async fn read<B: Buf>(
        &mut self,
        chunks: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Result<(), Problem> {
        let mut chunks = pin!(chunks);
        while let Some(chunk) = chunks.next().await {
            let mut chunk = chunk.map_err(|_| {
                Problem::new(StatusCode::BAD_REQUEST, "the body ended before its end")
            })?;
            if self.body.len() + chunk.remaining() > LIMIT_BYTES {
                return Err(Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the body is larger than {LIMIT_BYTES} bytes"),
                ));
            }
            while chunk.has_remaining() {
                let part = chunk.chunk();
                self.body.extend_from_slice(part);
                let read = part.len();
                chunk.advance(read);
            }
        }
        Ok(())
    }
}
