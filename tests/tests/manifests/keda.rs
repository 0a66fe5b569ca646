//! KEDA's ScaledObject. Its fields are those of the specification for KEDA 2.17
//! (keda.sh/docs, "ScaledObject specification" and "Redis Streams").

use serde_json::{Value, json};

use super::{list, of_kind, rendered};

/// Everything about a ScaledObject that KEDA would not understand.
pub fn complaints(object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |value: &Value, at: &str, required: &[&str], optional: &[&str]| {
        let Some(fields) = value.as_object() else {
            found.push(format!("{at} is no object"));
            return;
        };
        let known = |field: &&String| !required.iter().chain(optional).any(|known| known == field);
        found.extend(fields.keys().filter(known).map(|f| format!("unknown field {at}.{f}")));
        let absent = required.iter().filter(|field| !fields.contains_key(**field));
        found.extend(absent.map(|field| format!("missing field {at}.{field}")));
    };
    check(object, "", &["apiVersion", "kind", "metadata", "spec"], &[]);
    let spec = &object["spec"];
    let optional = [
        "pollingInterval",
        "cooldownPeriod",
        "initialCooldownPeriod",
        "idleReplicaCount",
        "minReplicaCount",
        "maxReplicaCount",
        "fallback",
        "advanced",
    ];
    check(spec, ".spec", &["scaleTargetRef", "triggers"], &optional);
    let target = ["apiVersion", "kind", "envSourceContainerName"];
    check(&spec["scaleTargetRef"], ".spec.scaleTargetRef", &["name"], &target);
    if let Some(fallback) = spec.get("fallback") {
        check(fallback, ".spec.fallback", &["failureThreshold", "replicas"], &["behavior"]);
    }
    if let Some(advanced) = spec.get("advanced") {
        let known =
            ["restoreToOriginalReplicaCount", "horizontalPodAutoscalerConfig", "scalingModifiers"];
        check(advanced, ".spec.advanced", &[], &known);
        if let Some(autoscaler) = advanced.get("horizontalPodAutoscalerConfig") {
            check(
                autoscaler,
                ".spec.advanced.horizontalPodAutoscalerConfig",
                &[],
                &["name", "behavior"],
            );
        }
    }
    for trigger in list(&spec["triggers"]) {
        let optional = ["name", "authenticationRef", "metricType", "useCachedMetrics"];
        check(trigger, ".spec.triggers[]", &["type", "metadata"], &optional);
        check(
            &trigger["metadata"],
            ".spec.triggers[].metadata",
            &["stream"],
            &[
                "address",
                "addressFromEnv",
                "host",
                "hostFromEnv",
                "port",
                "portFromEnv",
                "usernameFromEnv",
                "passwordFromEnv",
                "consumerGroup",
                "pendingEntriesCount",
                "streamLength",
                "lagCount",
                "activationLagCount",
                "enableTLS",
                "unsafeSsl",
                "databaseIndex",
            ],
        );
    }
    found.extend(values(spec));
    found
}

/// The kinds of the values that KEDA is particular about.
fn values(spec: &Value) -> Vec<String> {
    let counts = ["pollingInterval", "cooldownPeriod", "minReplicaCount", "maxReplicaCount"];
    let wrong = counts.iter().filter(|field| spec.get(**field).is_some_and(|v| !v.is_u64()));
    let mut found: Vec<_> = wrong.map(|field| format!(".spec.{field} is no number")).collect();
    for trigger in list(&spec["triggers"]) {
        if trigger["type"] != "redis-streams" {
            found.push(format!("trigger {} is not known to this test", trigger["type"]));
        }
        for (field, value) in trigger["metadata"].as_object().into_iter().flatten() {
            if !value.is_string() {
                found.push(format!("trigger metadata {field} must be a text, is {value}"));
            }
        }
    }
    found
}

#[test]
fn unknown_and_missing_fields_are_found() {
    let found = complaints(&json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": "x" },
        "spec": { "scaleTargetRef": {}, "minReplicas": 1, "triggers": [
            { "type": "redis-streams", "metadata": { "stream": "s", "streamLength": 5 } },
        ] },
    }));
    assert_eq!(
        found,
        [
            "unknown field .spec.minReplicas",
            "missing field .spec.scaleTargetRef.name",
            "trigger metadata streamLength must be a text, is 5",
        ]
    );
}

/// With `consumerGroup` KEDA looks at the group's pending entries instead of the stream's length.
#[test]
fn the_transcribers_scale_on_the_length_of_both_lanes() {
    let Some(objects) = rendered("k8s/base") else { return };
    let scaled = of_kind(&objects, "ScaledObject");
    let [scaled] = scaled.as_slice() else { panic!("one ScaledObject, not {}", scaled.len()) };
    assert_eq!(scaled["spec"]["scaleTargetRef"]["name"], "transcriber");
    let triggers: Vec<_> = list(&scaled["spec"]["triggers"]).map(|t| &t["metadata"]).collect();
    let streams: Vec<_> = triggers.iter().map(|t| t["stream"].as_str().unwrap()).collect();
    assert_eq!(streams, ["{callscribe}:calls", "{callscribe}:calls:bulk"]);
    for trigger in triggers {
        let length = trigger["streamLength"].as_str().unwrap();
        assert!(length.parse::<u32>().is_ok_and(|length| length > 0), "{length}");
        assert!(trigger.get("consumerGroup").is_none(), "{trigger}");
    }
}
