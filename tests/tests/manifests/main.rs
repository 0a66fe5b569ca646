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

/// What `kubectl apply -k` would send; `None` where kubectl is missing, which CI must not be.
fn rendered(overlay: &str) -> Option<Vec<Value>> {
    let output = match Command::new("kubectl").arg("kustomize").arg(path(overlay)).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs kubectl: {error}");
            println!("SKIPPED: kubectl is not installed, so {overlay} cannot be rendered");
            return None;
        }
        Err(error) => panic!("kubectl: {error}"),
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl kustomize {overlay}: {complaints}");
    assert!(complaints.is_empty(), "kubectl kustomize {overlay} warns: {complaints}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(serde_saphyr::from_multiple(&text).unwrap())
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
