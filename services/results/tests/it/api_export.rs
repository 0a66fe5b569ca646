//! Calls and leads as files.

use callscribe_results::store::{calls::CallQuery, leads::LeadQuery};
use serde_json::{Value, json};

use crate::support::{
    Db,
    events::{call_sid, of_recording, transcribed, usual},
    on_both,
    service::{Service, problem},
};

const T: i64 = 1_790_000_000_000;

async fn text(service: &Service, path: &str) -> String {
    let response = service.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

on_both! {
    async fn an_export_holds_every_row_once_in_order_whatever_the_page(db: Db) {
        // More than two pages; many calls a time, so that pages end within one.
        let calls: Vec<_> = (1..=450u32)
            .flat_map(|call| {
                let caller = format!("+1512555{call:04}");
                let city = if call % 3 == 0 { "Austin" } else { "Dallas" };
                usual(call, T + i64::from(call / 7), &caller, city)
            })
            .collect();
        db.persist(&calls).await.unwrap();
        let store = db.store.clone();
        let service = Service::start(db).await;
        let all = CallQuery { limit: 1000, ..CallQuery::default() };
        let expected: Vec<Value> = store
            .calls(&all).await.unwrap().rows.iter()
            .map(|row| serde_json::to_value(row).unwrap())
            .collect();
        let lines = text(&service, "/v1/calls/export?format=jsonl").await;
        let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows, expected);

        for (query, count) in [
            ("", 450),
            ("&city=austin", 150),
            ("&city=Austin&q=locksmith&sort=created_at", 150),
            ("&status=failed", 0),
        ] {
            let csv = text(&service, &format!("/v1/calls/export?format=csv{query}")).await;
            let mut lines = csv.split_terminator("\r\n");
            assert!(lines.next().unwrap().starts_with("call_sid,account_sid,"));
            assert_eq!(lines.count(), count, "{query}");
        }
        let leads = store.leads(&LeadQuery { limit: 1000, ..LeadQuery::default() }).await.unwrap().0;
        let lines = text(&service, "/v1/leads/export?format=jsonl").await;
        let ids: Vec<i64> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, leads.iter().map(|lead| lead.id).collect::<Vec<_>>());
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_says_runs_in_no_spreadsheet_and_hebrew_arrives_with_its_mark() {
    let db = Db::sqlite().await;
    let hostile =
        transcribed("x", Some(("=HYPERLINK(\"http://x\",\"y\")", 0.9)), Some(("תל אביב", 0.9)));
    db.persist(&[of_recording(1, 1, (0, 0, 1), T, hostile)]).await.unwrap();
    let service = Service::start(db).await;
    let response = service.get("/v1/calls/export?bom=true").await;
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"calls.csv\"");
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    let bytes = response.bytes().await.unwrap();
    let csv = std::str::from_utf8(&bytes).unwrap();
    assert!(csv.starts_with("\u{feff}call_sid,"));
    assert!(csv.contains(",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\","), "{csv}");
    assert!(csv.contains(&call_sid(1)) && csv.contains(",תל אביב,"), "{csv}");
    // JSON is read by programs: it stays as it is.
    let lines = text(&service, "/v1/calls/export?format=jsonl").await;
    let row: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(row["extracted_service"], json!("=HYPERLINK(\"http://x\",\"y\")"));
    for (path, word) in [
        ("/v1/calls/export?format=xml", "csv, jsonl"),
        ("/v1/calls/export?limit=5", "limit"),
        ("/v1/leads/export?bom=yes", "true or false"),
    ] {
        assert!(problem(service.get(path).await, 400).await.contains(word), "{path}");
    }
    service.stop().await;
}
