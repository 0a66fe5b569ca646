//! Dashboards and alerts, as far as they can be checked without a running system.

use std::{collections::BTreeSet, path::Path};

use callscribe_tests::dashboards::{Query, of_repository};
use serde_json::Value;

use super::{list, path, read, yaml};

const DASHBOARD: &str = "deploy/grafana/dashboards/queue-lag.json";
const ALERTS: &str = "deploy/prometheus/alerts.yml";

fn queries() -> Vec<Query> {
    let queries = of_repository().unwrap();
    assert!(queries.len() > 20, "only {} queries", queries.len());
    queries
}

#[test]
fn every_expression_parses_and_names_metrics() {
    for query in queries() {
        assert!(!query.uses().unwrap().is_empty(), "{query:?}");
    }
}

/// A typing error in a name would show as an empty panel.
#[test]
fn every_metric_has_the_prefix_of_a_part_that_exports() {
    let prefixes = ["queue_", "ingest_", "transcriber_", "results_", "callscribe_"];
    for used in queries().iter().flat_map(|query| query.uses().unwrap()) {
        let known = prefixes.iter().any(|prefix| used.metric.starts_with(prefix));
        assert!(known, "{}", used.metric);
    }
}

/// Not every value is exported in every run: nothing may ever be refused. But the code knows it.
#[test]
fn every_label_value_that_is_asked_for_is_written_somewhere_in_the_code() {
    let mut code = String::new();
    for folder in ["services", "shared"] {
        read_code(&path(folder), &mut code);
    }
    for query in queries() {
        for value in query.uses().unwrap().into_iter().flat_map(|used| used.written) {
            assert!(code.contains(&format!("\"{value}\"")), "{}: {value}", query.place);
        }
    }
}

fn read_code(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            read_code(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Every process reports the same queues, so gauges added up would count each entry many times.
#[test]
fn gauges_of_the_queues_are_never_added_up_over_processes() {
    let gauges = [
        "queue_entries",
        "queue_oldest_",
        "queue_consumers",
        "queue_max_deliveries",
        "queue_pauses",
    ];
    for query in queries() {
        for used in query.uses().unwrap() {
            if gauges.iter().any(|gauge| used.metric.starts_with(gauge)) {
                let first = used.aggregated_by.as_deref();
                let asks_for_absence = query.promql.starts_with("absent(");
                assert!(first == Some("max") || asks_for_absence, "{query:?}");
            }
        }
    }
}

#[test]
fn a_legend_names_only_labels_that_the_query_keeps() {
    for query in queries() {
        let kept: BTreeSet<_> =
            query.uses().unwrap().into_iter().flat_map(|used| used.labels).collect();
        let legend = query.legend.as_deref().unwrap_or_default();
        for label in legend.split("{{").skip(1) {
            let label = label.split("}}").next().unwrap();
            assert!(kept.contains(label), "{}: {legend}", query.place);
        }
    }
}

#[test]
fn the_dashboard_shows_what_an_operator_asks_first() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    assert_eq!(dashboard["title"], "Queue lag");
    let titles: Vec<_> =
        list(&dashboard["panels"]).map(|panel| panel["title"].as_str().unwrap()).collect();
    for asked in [
        "Waiting",
        "In flight",
        "Scheduled",
        "Dead",
        "Oldest waiting",
        "Oldest in flight",
        "Arrivals against completions",
        "Paused",
        "Longest handling",
        "Redis keeps what it acknowledges",
    ] {
        assert!(titles.contains(&asked), "{asked}");
    }
    let ids: BTreeSet<_> = list(&dashboard["panels"]).map(|p| p["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), titles.len(), "every panel has an id of its own");
}

#[test]
fn panels_read_the_provisioned_data_source() {
    let sources = yaml("deploy/grafana/provisioning/datasources/prometheus.yaml");
    let uid = &sources["datasources"][0]["uid"];
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    for panel in list(&dashboard["panels"]).filter(|panel| panel["type"] != "row") {
        assert_eq!(&panel["datasource"]["uid"], uid, "{}", panel["title"]);
        for target in list(&panel["targets"]) {
            assert_eq!(&target["datasource"]["uid"], uid, "{}", panel["title"]);
        }
    }
}

#[test]
fn somebody_is_told_when_any_of_the_services_is_gone() {
    let queries = queries();
    for service in ["ingest", "transcriber", "results"] {
        let absence = format!("absent(callscribe_build_info{{service=\"{service}\"}})");
        assert!(queries.iter().any(|query| query.promql.contains(&absence)), "{service}");
    }
}

#[test]
fn every_alert_says_what_happened_and_what_to_do() {
    let rules = yaml(ALERTS);
    let explained = read("deploy/README.md");
    for alert in list(&rules["groups"]).flat_map(|group| list(&group["rules"])) {
        for text in ["summary", "action"] {
            assert!(alert["annotations"][text].is_string(), "{}: {text}", alert["alert"]);
        }
        assert!(alert["labels"]["severity"].is_string(), "{}", alert["alert"]);
        let name = alert["alert"].as_str().unwrap();
        assert!(explained.contains(&format!("| {name} |")), "{name} is not in deploy/README.md");
    }
}
