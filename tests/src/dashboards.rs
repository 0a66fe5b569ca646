//! What the dashboards and the alerts ask of the metrics, held against what is exported.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, anyhow};
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{Expr, LabelModifier, VectorSelector},
};
use serde_json::Value;

/// A PromQL expression and where it stands.
#[derive(Debug, Clone)]
pub struct Query {
    /// The panel or the alert.
    pub place: String,
    /// The expression, Grafana's variables replaced.
    pub promql: String,
    /// The legend of a panel's query, such as `{{queue}} waiting`.
    pub legend: Option<String>,
}

/// One metric as an expression uses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The name of the samples: a histogram's ends in `_bucket`, `_sum` or `_count`.
    pub metric: String,
    /// The labels that are selected or grouped by.
    pub labels: BTreeSet<String>,
    /// The labels that must have one certain value.
    pub values: BTreeSet<(String, String)>,
    /// Every value that is written out, in whatever comparison: `a` and `b` of `x!~"a|b"`.
    pub written: BTreeSet<String>,
    /// The aggregation that its samples meet first, such as `sum` or `max`.
    pub aggregated_by: Option<String>,
}

/// What stands around a part of an expression.
#[derive(Clone, Default)]
struct Around {
    grouped_by: BTreeSet<String>,
    aggregation: Option<String>,
}

/// Everything that the repository's dashboard and alerts ask.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub fn of_repository() -> anyhow::Result<Vec<Query>> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let read = |file: &str| std::fs::read_to_string(deploy.join(file)).context(file.to_owned());
    let mut queries = of_dashboard(&read("grafana/dashboards/queue-lag.json")?)?;
    queries.extend(of_alerts(&read("prometheus/alerts.yml")?)?);
    Ok(queries)
}

/// The queries of a Grafana dashboard.
///
/// # Errors
/// When it is no dashboard: not JSON, or without panels.
pub fn of_dashboard(json: &str) -> anyhow::Result<Vec<Query>> {
    let dashboard: Value = serde_json::from_str(json)?;
    let panels = dashboard["panels"].as_array().context("the dashboard has no panels")?;
    let mut queries = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let place = format!("panel {}", panel["title"]);
            let promql = target["expr"].as_str().with_context(|| format!("{place}: no expr"))?;
            queries.push(Query {
                place,
                promql: without_variables(promql),
                legend: target["legendFormat"].as_str().map(str::to_owned),
            });
        }
    }
    Ok(queries)
}

/// The queries of a file with alert rules.
///
/// # Errors
/// When it is no such file.
pub fn of_alerts(yaml: &str) -> anyhow::Result<Vec<Query>> {
    let rules: Value = serde_saphyr::from_str(yaml)?;
    let groups = rules["groups"].as_array().context("the rules have no groups")?;
    let alerts = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    alerts
        .map(|alert| {
            let promql = alert["expr"].as_str().context("an alert without expr")?;
            let place = format!("alert {}", alert["alert"]);
            Ok(Query { place, promql: promql.to_owned(), legend: None })
        })
        .collect()
}

/// Grafana fills these in before Prometheus sees the expression.
fn without_variables(promql: &str) -> String {
    promql.replace("$__rate_interval", "1m").replace("$queue", ".*")
}

impl Query {
    /// The metrics it uses, and how.
    ///
    /// # Errors
    /// When the expression does not parse, or selects without naming a metric.
    pub fn uses(&self) -> anyhow::Result<BTreeSet<Use>> {
        let parsed = promql_parser::parser::parse(&self.promql)
            .map_err(|error| anyhow!("{}: {error}: {}", self.place, self.promql))?;
        let mut uses = BTreeSet::new();
        collect(&parsed, &Around::default(), &mut uses).with_context(|| self.place.clone())?;
        Ok(uses)
    }
}

/// Everything in the queries that the exposition (Prometheus text format) does not have: metrics,
/// labels of a metric, values of a label.
///
/// # Errors
/// When an expression does not parse.
pub fn missing_from(exposition: &str, queries: &[Query]) -> anyhow::Result<Vec<String>> {
    let samples = samples(exposition);
    let mut missing = Vec::new();
    for query in queries {
        for used in query.uses()? {
            let place = &query.place;
            let Some(labels) = samples.get(used.metric.as_str()) else {
                missing.push(format!("{place}: no metric {}", used.metric));
                continue;
            };
            let unknown = used.labels.iter().filter(|label| !labels.contains_key(label.as_str()));
            missing.extend(
                unknown.map(|label| format!("{place}: {} has no label {label}", used.metric)),
            );
            let absent = used.values.iter().filter(|(label, value)| {
                labels.get(label.as_str()).is_some_and(|values| !values.contains(value.as_str()))
            });
            missing.extend(absent.map(|(label, value)| {
                format!("{place}: no {} with {label}={value:?}", used.metric)
            }));
        }
    }
    Ok(missing)
}

fn collect(expression: &Expr, around: &Around, uses: &mut BTreeSet<Use>) -> anyhow::Result<()> {
    match expression {
        Expr::VectorSelector(selector) => {
            uses.insert(used(selector, around)?);
        }
        Expr::MatrixSelector(matrix) => {
            uses.insert(used(&matrix.vs, around)?);
        }
        Expr::Aggregate(aggregate) => {
            let mut around = around.clone();
            if let Some(LabelModifier::Include(by)) = &aggregate.modifier {
                around.grouped_by.extend(by.labels.iter().cloned());
            }
            around.aggregation = Some(aggregate.op.to_string());
            collect(&aggregate.expr, &around, uses)?;
        }
        Expr::Binary(binary) => {
            collect(&binary.lhs, around, uses)?;
            collect(&binary.rhs, around, uses)?;
        }
        Expr::Call(call) => {
            for argument in &call.args.args {
                collect(argument, around, uses)?;
            }
        }
        Expr::Paren(paren) => collect(&paren.expr, around, uses)?,
        Expr::Unary(unary) => collect(&unary.expr, around, uses)?,
        Expr::Subquery(subquery) => collect(&subquery.expr, around, uses)?,
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
    Ok(())
}

fn used(selector: &VectorSelector, around: &Around) -> anyhow::Result<Use> {
    let metric = selector.name.clone().context("a selector names no metric")?;
    let matchers = || selector.matchers.matchers.iter();
    let mut labels = around.grouped_by.clone();
    labels.extend(matchers().map(|matcher| matcher.name.clone()));
    let certain = |matcher: &&Matcher| matches!(matcher.op, MatchOp::Equal);
    let values = matchers().filter(certain).map(|m| (m.name.clone(), m.value.clone())).collect();
    let written = matchers().flat_map(|matcher| matcher.value.split('|')).map(str::to_owned);
    Ok(Use {
        metric,
        labels,
        values,
        written: written.filter(|value| value != ".*").collect(),
        aggregated_by: around.aggregation.clone(),
    })
}

/// The samples of an exposition: name → label → the values it has.
fn samples(exposition: &str) -> BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> {
    let mut samples = BTreeMap::<_, BTreeMap<_, BTreeSet<_>>>::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() {
            continue;
        }
        let labels = samples.entry(name).or_default();
        for (label, value) in labels_of(rest) {
            labels.entry(label).or_default().insert(value);
        }
    }
    samples
}

/// The labels of one sample. Values are taken as they are written: those that dashboards name hold
/// nothing that would be escaped.
fn labels_of(mut rest: &str) -> Vec<(&str, &str)> {
    let mut labels = Vec::new();
    rest = rest.strip_prefix('{').unwrap_or_default();
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut escaped = false;
        let end = after.find(|c: char| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some(end) = end else { break };
        labels.push((label, &after[..end]));
        rest = after[end + 1..].trim_start_matches(',');
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPOSITION: &str = "# HELP entries x\n# TYPE entries gauge\n\
        entries{queue=\"calls\",state=\"dead\",note=\"a \\\"b\\\", c=\\\"d\\\"\"} 1\n\
        wait_bucket{queue=\"calls\",le=\"+Inf\"} 3\nwait_count{queue=\"calls\"} 3\nup 1\n";

    fn missing(promql: &str) -> Vec<String> {
        let query = Query { place: "here".into(), promql: promql.into(), legend: None };
        missing_from(EXPOSITION, &[query]).unwrap()
    }

    #[test]
    fn what_is_exported_is_not_missed() {
        let promql = "histogram_quantile(0.9, sum by (le, queue) (rate(wait_bucket[1m]))) > 1 \
                      and on (queue) max by (queue, note) (entries{state=\"dead\"}) or up";
        assert_eq!(missing(promql), Vec::<String>::new());
    }

    #[test]
    fn an_unknown_metric_label_or_value_is_missed() {
        assert_eq!(missing("sum(rate(wait_sum[1m]))"), ["here: no metric wait_sum"]);
        assert_eq!(missing("max by (lane) (entries)"), ["here: entries has no label lane"]);
        assert_eq!(missing("entries{state=\"gone\"}"), ["here: no entries with state=\"gone\""]);
    }

    #[test]
    fn an_expression_that_does_not_parse_is_an_error_that_says_where() {
        let query = Query { place: "panel X".into(), promql: "sum by (".into(), legend: None };
        assert!(query.uses().unwrap_err().to_string().contains("panel X"));
    }
}
