//! The manifests against the types of the Kubernetes API, unknown and missing fields refused.

use k8s_openapi::{
    Resource,
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{ConfigMap, Namespace, Secret, Service},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{OVERLAYS, keda, name, rendered, yaml};

/// Everything about one object that the API would not understand.
fn complaints(object: &Value) -> Vec<String> {
    let found = match (object["apiVersion"].as_str(), object["kind"].as_str()) {
        (Some("apps/v1"), Some("Deployment")) => differences::<Deployment>(object),
        (Some("apps/v1"), Some("StatefulSet")) => differences::<StatefulSet>(object),
        (Some("v1"), Some("ConfigMap")) => differences::<ConfigMap>(object),
        (Some("v1"), Some("Namespace")) => differences::<Namespace>(object),
        (Some("v1"), Some("Secret")) => differences::<Secret>(object),
        (Some("v1"), Some("Service")) => differences::<Service>(object),
        (Some("networking.k8s.io/v1"), Some("NetworkPolicy")) => {
            differences::<NetworkPolicy>(object)
        }
        (Some("policy/v1"), Some("PodDisruptionBudget")) => {
            differences::<PodDisruptionBudget>(object)
        }
        (Some("keda.sh/v1alpha1"), Some("ScaledObject")) => keda::complaints(object),
        other => vec![format!("{other:?} has no schema in this test")],
    };
    found.into_iter().map(|found| format!("{} {}: {found}", object["kind"], name(object))).collect()
}

/// Reads an object as its type and writes it again: what the type does not know is gone then, and
/// what it requires but was not given appears.
fn differences<T: Resource + DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    let typed: T = match serde_json::from_value(object.clone()) {
        Ok(typed) => typed,
        Err(error) => return vec![error.to_string()],
    };
    let mut found = Vec::new();
    compare(object, &serde_json::to_value(typed).unwrap(), "", &mut found);
    found
}

fn compare(given: &Value, known: &Value, at: &str, found: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (field, value) in given {
                match known.get(field) {
                    Some(known) => compare(value, known, &format!("{at}.{field}"), found),
                    None => found.push(format!("unknown field {at}.{field}")),
                }
            }
            // The types of embedded objects write their own kind, and always metadata.
            let written = ["apiVersion", "kind", "metadata"];
            let required = known.keys().filter(|field| !given.contains_key(*field));
            let required = required.filter(|field| !written.contains(&field.as_str()));
            found.extend(required.map(|field| format!("missing field {at}.{field}")));
        }
        (Value::Array(given), Value::Array(known)) if given.len() == known.len() => {
            for (index, (given, known)) in given.iter().zip(known).enumerate() {
                compare(given, known, &format!("{at}[{index}]"), found);
            }
        }
        _ if given == known => {}
        _ => found.push(format!("{at} is {given}, which is read as {known}")),
    }
}

#[test]
fn every_object_is_what_the_kubernetes_api_expects() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        assert!(objects.len() > 10, "{overlay} has only {} objects", objects.len());
        let found: Vec<_> = objects.iter().flat_map(complaints).collect();
        assert!(found.is_empty(), "{overlay}: {found:#?}");
    }
}

#[test]
fn the_secret_template_is_a_secret() {
    assert_eq!(complaints(&yaml("k8s/base/secret.template.yaml")), Vec::<String>::new());
}

#[test]
fn unknown_missing_and_mistyped_fields_are_found() {
    let budget = |spec: Value| {
        complaints(&json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "name": "x" }, "spec": spec,
        }))
    };
    assert_eq!(budget(json!({ "maxUnavailable": 1 })), Vec::<String>::new());
    assert!(budget(json!({ "maxUnavailble": 1 }))[0].contains("unknown field .spec.maxUnavailble"));
    assert!(budget(json!({ "maxUnavailable": [] }))[0].contains("invalid type"));
    let deployment = complaints(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "x" },
        "spec": { "template": { "spec": { "containers": [{ "name": "c", "probe": {} }] } } },
    }));
    assert!(deployment.iter().any(|c| c.contains("unknown field .spec.template.spec.containers")));
    assert!(deployment.iter().any(|c| c.contains("missing field .spec.selector")));
}
