//! An OpenTelemetry collector on loopback that keeps the spans it is sent.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value,
};
use prost::Message;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use warp::Filter;

/// One span as it left a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace it belongs to, in hexadecimal.
    pub trace_id: String,
    /// Its name.
    pub name: String,
    /// The `service.name` of its process.
    pub service: String,
}

/// The collector.
pub struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
    changed: watch::Receiver<()>,
    stop: CancellationToken,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let settings = chassis::serve::HttpSettings::default();
        let server = chassis::serve::Server::bind(&settings).await.expect("a free port");
        let endpoint = server.url().expect("an address");
        let spans = Arc::new(Mutex::new(Vec::new()));
        let (tell, changed) = watch::channel(());
        let keep = spans.clone();
        let routes = warp::path!("v1" / "traces").and(warp::post()).and(warp::body::bytes()).map(
            move |body: bytes::Bytes| {
                let request = ExportTraceServiceRequest::decode(body).expect("an OTLP request");
                keep.lock().unwrap_or_else(PoisonError::into_inner).extend(spans_of(request));
                tell.send_replace(());
                warp::reply()
            },
        );
        let stop = CancellationToken::new();
        tokio::spawn(server.run(warp::service(routes), stop.clone()));
        Self { endpoint, spans, changed, stop }
    }

    /// Its base URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits until the spans received so far satisfy a condition, and returns them.
    ///
    /// # Panics
    /// When the collector ends first.
    pub async fn wait_for(&mut self, condition: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        loop {
            let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if condition(&spans) {
                return spans;
            }
            self.changed.changed().await.expect("the collector runs");
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn spans_of(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|r| r.attributes).unwrap_or_default();
        let name = attributes.into_iter().find(|a| a.key == "service.name");
        let service = match name.and_then(|a| a.value).and_then(|v| v.value) {
            Some(Value::StringValue(text)) => text,
            _ => String::new(),
        };
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let trace_id = hex::encode(&span.trace_id);
            spans.push(Span { trace_id, name: span.name, service: service.clone() });
        }
    }
    spans
}
