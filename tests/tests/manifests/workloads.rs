//! The objects against each other, and against what the services need to run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{OVERLAYS, list, name, of_kind, rendered, yaml};

const SERVICES: [&str; 3] = ["ingest", "results", "transcriber"];

fn deployments(objects: &[Value]) -> Vec<&Value> {
    let mut deployments = of_kind(objects, "Deployment");
    deployments.sort_by_key(|deployment| name(deployment));
    deployments
}

fn pod(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]
}

fn container(workload: &Value) -> &Value {
    &pod(workload)["containers"][0]
}

/// Whether a selector's labels are all among those of an object.
fn selects(selector: &Value, labels: &Value) -> bool {
    let selector = selector.as_object().unwrap();
    !selector.is_empty() && selector.iter().all(|(label, value)| labels.get(label) == Some(value))
}

#[test]
fn there_is_a_deployment_for_every_service() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        let names: Vec<_> = deployments(&objects).into_iter().map(name).collect();
        assert_eq!(names, SERVICES, "{overlay}");
    }
}

#[test]
fn every_selector_finds_exactly_one_workload() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        let workloads: Vec<_> =
            [of_kind(&objects, "Deployment"), of_kind(&objects, "StatefulSet")].concat();
        let found = |selector: &Value| {
            let labels =
                |w: &&&Value| selects(selector, &w["spec"]["template"]["metadata"]["labels"]);
            workloads.iter().filter(labels).map(|w| name(w)).collect::<Vec<_>>()
        };
        for service in of_kind(&objects, "Service") {
            assert_eq!(found(&service["spec"]["selector"]), [name(service)], "{overlay}");
        }
        let budgets = of_kind(&objects, "PodDisruptionBudget");
        let budgeted: BTreeSet<_> = budgets.iter().map(|budget| name(budget)).collect();
        assert_eq!(budgeted, BTreeSet::from(SERVICES), "{overlay}");
        for budget in budgets {
            let selector = &budget["spec"]["selector"]["matchLabels"];
            assert_eq!(found(selector), [name(budget)], "{overlay}");
        }
        for workload in &workloads {
            let selector = &workload["spec"]["selector"]["matchLabels"];
            assert_eq!(found(selector), [name(workload)], "{overlay}");
        }
    }
}

#[test]
fn services_and_probes_point_at_ports_that_the_container_names() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        for deployment in deployments(&objects) {
            let container = container(deployment);
            let names: Vec<_> = list(&container["ports"]).map(|port| &port["name"]).collect();
            for (probe, path) in [
                ("startupProbe", "/livez"),
                ("livenessProbe", "/livez"),
                ("readinessProbe", "/readyz"),
            ] {
                let get = &container[probe]["httpGet"];
                assert_eq!((&get["path"], &get["port"]), (&path.into(), &"ops".into()), "{probe}");
            }
            let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
            let ops = list(&container["ports"]).find(|port| port["name"] == "ops").unwrap();
            let scraped = annotations["prometheus.io/port"].as_str().unwrap();
            assert_eq!(scraped, ops["containerPort"].to_string());
            let service = of_kind(&objects, "Service")
                .into_iter()
                .find(|service| name(service) == name(deployment));
            for port in service.into_iter().flat_map(|service| list(&service["spec"]["ports"])) {
                assert!(names.contains(&&port["targetPort"]), "{overlay}: {port}");
            }
        }
    }
}

/// The rules of the "restricted" pod security standard, and a root nobody can write to.
#[test]
fn every_container_is_restricted() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        let workloads =
            [of_kind(&objects, "Deployment"), of_kind(&objects, "StatefulSet")].concat();
        for workload in workloads {
            let place = format!("{overlay} {}", name(workload));
            let pod = pod(workload);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{place}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            assert_eq!(pod["automountServiceAccountToken"], false, "{place}");
            for container in list(&pod["containers"]) {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false, "{place}");
                assert_eq!(security["readOnlyRootFilesystem"], true, "{place}");
                assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]), "{place}");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{place}");
                assert!(container["resources"]["requests"]["cpu"].is_string(), "{place}");
            }
        }
    }
}

#[test]
fn the_services_can_write_temporary_files_and_nothing_else() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        for deployment in deployments(&objects) {
            let mounts: Vec<_> = list(&container(deployment)["volumeMounts"]).collect();
            let volumes: Vec<_> = list(&pod(deployment)["volumes"]).collect();
            let ([mount], [volume]) = (mounts.as_slice(), volumes.as_slice()) else {
                panic!("{overlay} {}: one volume, /tmp", name(deployment));
            };
            assert_eq!(mount["mountPath"], "/tmp");
            assert_eq!(mount["name"], volume["name"]);
            assert!(volume["emptyDir"]["sizeLimit"].is_string());
        }
    }
}

/// Kubernetes would set `CALLSCRIBE_…_PORT` for a Service of that name, and an unknown setting
/// stops the start.
#[test]
fn no_variable_comes_in_that_nobody_wrote() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        for deployment in deployments(&objects) {
            assert_eq!(pod(deployment)["enableServiceLinks"], false, "{}", name(deployment));
        }
    }
}

#[test]
fn the_number_of_transcribers_is_left_to_the_autoscaler() {
    let Some(objects) = rendered("k8s/base") else { return };
    for deployment in deployments(&objects) {
        let scaled = name(deployment) == "transcriber";
        assert_eq!(deployment["spec"].get("replicas").is_none(), scaled, "{}", name(deployment));
    }
}

#[test]
fn every_key_that_a_container_reads_is_in_the_secret_template_or_the_config_map() {
    let template = yaml("k8s/base/secret.template.yaml");
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        let maps = of_kind(&objects, "ConfigMap");
        let secrets = of_kind(&objects, "Secret");
        let in_base = secrets.is_empty();
        for deployment in deployments(&objects) {
            for from in list(&container(deployment)["env"]).map(|env| &env["valueFrom"]) {
                if let Some(reference) = from.get("configMapKeyRef") {
                    let map = maps.iter().find(|map| map["metadata"]["name"] == reference["name"]);
                    let key = reference["key"].as_str().unwrap();
                    assert!(map.is_some_and(|m| m["data"].get(key).is_some()), "{overlay} {key}");
                }
                if let Some(reference) = from.get("secretKeyRef") {
                    let key = reference["key"].as_str().unwrap();
                    assert!(template["stringData"].get(key).is_some(), "template lacks {key}");
                    let secret =
                        secrets.iter().find(|s| s["metadata"]["name"] == reference["name"]);
                    let there = secret.is_some_and(|secret| secret["data"].get(key).is_some());
                    assert!(in_base || there || reference["optional"] == true, "{overlay} {key}");
                    if in_base {
                        assert_eq!(reference["name"], template["metadata"]["name"]);
                    }
                }
            }
        }
    }
}
