//! What `deploy/` and `k8s/` say, held against the schemas it is for and against the code.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod dashboards;
mod images;
mod keda;
mod kubernetes;
mod settings;
mod workloads;

use std::{path::PathBuf, process::Command};

use serde_json::Value;

/// A file of the repository.
fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative))
        .unwrap_or_else(|error| panic!("{relative} cannot be read: {error}"))
}

fn yaml(relative: &str) -> Value {
    serde_saphyr::from_str(&read(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The two sets of manifests that somebody applies.
const OVERLAYS: [&str; 2] = ["k8s/base", "k8s/overlays/dev"];

/// What `kubectl apply -k` would send; `None` where kubectl is missing or too old, which it must not
/// be in CI.
fn rendered(overlay: &str) -> Option<Vec<Value>> {
    if let Err(reason) = recent_kubectl() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI needs a recent kubectl: {reason}"
        );
        println!("SKIPPED: {overlay} cannot be rendered: {reason}");
        return None;
    }
    let output = Command::new("kubectl").arg("kustomize").arg(path(overlay)).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl kustomize {overlay}: {complaints}");
    assert!(complaints.is_empty(), "kubectl kustomize {overlay} warns: {complaints}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(serde_saphyr::from_multiple(&text).unwrap())
}

/// Whether there is a kubectl whose kustomize is 5 or later (kubectl 1.27; Debian 12 has 1.20).
fn recent_kubectl() -> Result<(), String> {
    let version = Command::new("kubectl").args(["version", "--client", "--output=json"]).output();
    let version = version.map_err(|error| format!("kubectl: {error}"))?;
    let version: Value = serde_json::from_slice(&version.stdout).unwrap_or_default();
    let kustomize = version["kustomizeVersion"].as_str().unwrap_or("none");
    let major = kustomize.trim_start_matches('v').split('.').next().map(str::parse::<u32>);
    match major {
        Some(Ok(major)) if major >= 5 => Ok(()),
        _ => Err(format!("kubectl has kustomize {kustomize}, 5 or later is needed")),
    }
}

/// The objects of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
