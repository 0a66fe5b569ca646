//! Logs, metrics and traces of a process.

mod json;
mod writer;

use std::{
    fs::File,
    io::{IsTerminal, Write},
    path::PathBuf,
};

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::{
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use self::{
    json::Json,
    writer::{Lines, Writing},
};

/// What is told to whom.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Which log lines are written, as `tracing` filters: `info`, `info,queue=debug`. Of what
    /// whisper.cpp tells, only errors, unless `whisper_rs=debug` asks for more. Default `info`.
    pub log: String,
    /// `text`, `json`, or `auto`: text on a terminal, JSON otherwise. Default `auto`.
    pub log_format: LogFormat,
    /// File to which log lines are appended. Default: standard error, except in `callscribe up`
    /// with sample calls.
    pub log_file: Option<PathBuf>,
    /// Base URL of an OTLP/HTTP collector (`http://otel-collector:4318`); traces leave only when
    /// it is set. Default: the standard `OTEL_EXPORTER_OTLP_ENDPOINT`, else none.
    #[serde(serialize_with = "crate::config::masked_url_option")]
    pub otlp_endpoint: Option<String>,
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log: "info".into(),
            log_format: LogFormat::Auto,
            log_file: None,
            otlp_endpoint: None,
        }
    }
}

/// Keeps telemetry going; [`Telemetry::finish`] sends and writes what is left. Until then a log line
/// may wait about 20 ms for others, an error for none.
pub struct Telemetry {
    /// Renders the metrics counted in this process.
    pub metrics: PrometheusHandle,
    traces: Option<SdkTracerProvider>,
    /// Writes the last lines when it is dropped.
    _writing: Writing,
}

/// Upper bounds of histogram buckets, in seconds: from a millisecond to an hour.
const BUCKETS_SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0,
    3600.0,
];

/// Starts logs, metrics and traces for a process; once, before anything else is done.
///
/// # Errors
/// When the filter is malformed, the endpoint is no URL, or telemetry was started before.
pub fn start(settings: &TelemetrySettings, service: &'static str) -> anyhow::Result<Telemetry> {
    let filter = log_filter(&settings.log)?;
    let traces = trace_provider(settings, service)?;
    let (log, writing) = log_layer(settings)?;
    // Spans are for traces: where none leave, none are made. (A layer that is `None` would ask for
    // them, so it is left out instead.)
    let lines = filter.and(filter_fn(|metadata| metadata.is_event()));
    let mut layers = vec![log.with_filter(lines).boxed()];
    if let Some(provider) = &traces {
        let to_otlp = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("callscribe"))
            .with_location(false)
            .with_threads(false);
        layers.push(
            to_otlp
                .with_filter(EnvFilter::new("info,hyper=off,reqwest=off,whisper_rs=off"))
                .boxed(),
        );
    }
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .context("telemetry was started before")?;
    let metrics = PrometheusBuilder::new()
        .set_buckets(&BUCKETS_SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics were started before")?;
    metrics::gauge!(
        "callscribe_build_info", "version" => env!("CARGO_PKG_VERSION"), "service" => service
    )
    .set(1.0);
    Ok(Telemetry { metrics, traces, _writing: writing })
}

impl Telemetry {
    /// Sends the spans and writes the lines that are still held back. Blocks for a few seconds at
    /// most.
    pub fn finish(self) {
        if let Some(provider) = self.traces
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// whisper.cpp tells much that only matters to whoever asks for it by name (`whisper_rs=debug`).
fn log_filter(log: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(format!("whisper_rs=error,{log}")).with_context(|| {
        format!("telemetry.log is {log:?}; allowed are filters such as info,queue=debug")
    })
}

fn log_layer<S>(
    settings: &TelemetrySettings,
) -> anyhow::Result<(Box<dyn Layer<S> + Send + Sync>, Writing)>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let terminal = settings.log_file.is_none() && std::io::stderr().is_terminal();
    let json = match settings.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let to: Box<dyn Write + Send> = match &settings.log_file {
        None => Box::new(std::io::stderr()),
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            Box::new(file.with_context(|| format!("cannot write the log {}", path.display()))?)
        }
    };
    let (lines, writing) = Lines::start(to).context("cannot start the thread that logs")?;
    let layer = tracing_subscriber::fmt::layer().with_writer(lines);
    let layer = if json {
        layer.event_format(Json).boxed()
    } else {
        layer.with_ansi(terminal).with_target(false).boxed()
    };
    Ok((layer, writing))
}

fn trace_provider(
    settings: &TelemetrySettings,
    service: &'static str,
) -> anyhow::Result<Option<SdkTracerProvider>> {
    let standard = || std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok();
    let Some(endpoint) = settings.otlp_endpoint.clone().or_else(standard) else { return Ok(None) };
    if endpoint.is_empty() {
        return Ok(None);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .with_context(|| format!("telemetry.otlp_endpoint {endpoint} cannot be used"))?;
    let resource = Resource::builder().with_service_name(format!("callscribe-{service}")).build();
    Ok(Some(
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build(),
    ))
}

/// The W3C `traceparent` of a span, for an entry to carry; `None` when traces are off.
pub fn traceparent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = std::collections::HashMap::<String, String>::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove("traceparent")
}

/// Makes a span the child of the one an entry carried, however many processes ago it was.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier =
        std::collections::HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    // Fails only where no trace layer is installed, and then there is nothing to continue.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whisper_tells_errors_only_until_it_is_asked_by_name() {
        let filter = |log: &str| log_filter(log).map(|filter| filter.to_string());
        let plain = filter("info,queue=debug").unwrap_or_default();
        assert!(plain.contains("whisper_rs=error") && plain.contains("info"), "{plain}");
        let asked = filter("info,whisper_rs=debug").unwrap_or_default();
        assert!(asked.contains("whisper_rs=debug") && !asked.contains("=error"), "{asked}");
        assert!(filter("not=a=filter").is_err());
    }
}
