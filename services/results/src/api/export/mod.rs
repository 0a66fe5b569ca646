//! Calls and leads as CSV or JSON Lines, of any number: rows are read, written and sent in
//! stretches, each after the one before was taken.

mod csv;
mod rows;

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Serialize;
use warp::{http::HeaderValue, reply::Response};

use self::rows::{CallRows, LeadRows, Rows};
use super::{
    Api, Problem, Request, calls,
    kind::Kind,
    leads,
    route::{Answer, Content, Parameter, Route},
    streaming,
};

const CSV: &str = "text/csv; charset=utf-8; header=present";
const JSON_LINES: &str = "application/jsonl";
const ANSWERS: &[Answer] = &[Answer {
    status: 200,
    description: "One row a line; a connection that breaks off means that rows are missing.",
    content: &[(CSV, Content::Text), (JSON_LINES, Content::Text)],
    headers: &[],
}];
const ABOUT: &str = "With the filters of the list. In CSV, a text that a spreadsheet would take \
                     for a formula has an apostrophe before it.";

const FORMAT: Parameter =
    Parameter::new("format", Kind::Choice(&["csv", "jsonl"]), "CSV unless given.");
const BOM: Parameter = Parameter::new(
    "bom",
    Kind::Switch,
    "Whether CSV starts with a byte order mark, which some spreadsheets need for Hebrew.",
);

/// What it serves.
pub const ROUTES: &[Route] = &[
    Route {
        summary: "Calls as CSV or JSON Lines",
        description: ABOUT,
        query: &[
            FORMAT,
            BOM,
            calls::Q,
            calls::STATUS,
            calls::SERVICE,
            calls::CITY,
            calls::LEAD,
            calls::NUMBER,
            calls::LANGUAGE,
            calls::ACCOUNT,
            calls::SINCE,
            calls::UNTIL,
            calls::SORT,
        ],
        answers: ANSWERS,
        problems: &[calls::NO_WORD],
        ..Route::get("/v1/calls/export", "export_calls", |api, request| {
            Box::pin(async {
                let rows = CallRows::new(
                    api.store.clone(),
                    calls::filter(&request.params)?,
                    request.params.parsed("q")?,
                );
                export(api, request, "calls", rows)
            })
        })
    },
    Route {
        summary: "Leads as CSV or JSON Lines",
        description: ABOUT,
        query: &[FORMAT, BOM, leads::ACCOUNT, leads::PHONE, leads::SERVICE, leads::CITY],
        answers: ANSWERS,
        ..Route::get("/v1/leads/export", "export_leads", |api, request| {
            Box::pin(async {
                let rows = LeadRows::new(api.store.clone(), leads::filter(&request.params)?);
                export(api, request, "leads", rows)
            })
        })
    },
];

/// How rows are written.
#[derive(Clone, Copy)]
enum Format {
    Csv { bom: bool },
    JsonLines,
}

fn export<R: Rows>(api: &Api, request: &Request, name: &str, rows: R) -> Result<Response, Problem> {
    let place = streaming::take(&api.places.exports)?;
    let bom = request.params.is_on("bom");
    let (format, content_type, ending) = match request.params.get("format") {
        Some("jsonl") => (Format::JsonLines, JSON_LINES, "jsonl"),
        _ => (Format::Csv { bom }, CSV, "csv"),
    };
    let mut response = streaming::response(content_type, written(rows, format), place);
    let name = format!("attachment; filename=\"{name}.{ending}\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert("content-disposition", name);
    }
    Ok(response)
}

/// The lines, a stretch of rows at a time.
fn written<R: Rows>(rows: R, format: Format) -> impl Stream<Item = anyhow::Result<Bytes>> {
    let head = match format {
        Format::Csv { bom } => csv::head(R::COLUMNS, bom),
        Format::JsonLines => Ok(Vec::new()),
    };
    let first = stream::iter([head.map(Bytes::from)]);
    let rest = stream::try_unfold(rows, move |mut rows| async move {
        let written = async {
            let page = rows.next_page().await?;
            if page.is_empty() { Ok(None) } else { lines::<R>(&page, format).map(Some) }
        };
        match written.await {
            Ok(lines) => Ok(lines.map(|lines: Bytes| (lines, rows))),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "an export broke off");
                Err(error)
            }
        }
    });
    futures_util::StreamExt::chain(first, rest)
}

fn lines<R: Rows>(page: &[impl Serialize], format: Format) -> anyhow::Result<Bytes> {
    let mut lines = Vec::new();
    match format {
        Format::Csv { .. } => lines = csv::lines(R::COLUMNS, page)?,
        Format::JsonLines => {
            for row in page {
                serde_json::to_writer(&mut lines, row)?;
                lines.push(b'\n');
            }
        }
    }
    Ok(lines.into())
}
