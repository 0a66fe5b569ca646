//! The variables of the manifests, read by the configuration of the service that gets them: what
//! it does not know, or does not allow, fails here instead of in the cluster.

use std::{collections::BTreeMap, net::SocketAddr};

use base64::{Engine, prelude::BASE64_STANDARD};
use chassis::{ProcessConfig, config::load_from};
use serde_json::Value;

use super::{OVERLAYS, list, name, of_kind, rendered, yaml};

/// What a service makes of its variables.
struct Settings {
    ops: SocketAddr,
    http: Option<SocketAddr>,
    /// Seconds that stopping may take: open requests, work in hand.
    stopping: u64,
}

fn loaded<C: ProcessConfig>(place: &str, variables: &BTreeMap<String, String>) -> C {
    let config: C = load_from(None, variables.clone())
        .unwrap_or_else(|error| panic!("{place}: {error}; given {variables:?}"));
    config.validate().unwrap_or_else(|sentence| panic!("{place}: {sentence}"));
    config
}

fn settings(service: &str, place: &str, variables: &BTreeMap<String, String>) -> Settings {
    match service {
        "ingest" => {
            let config: ingest::Config = loaded(place, variables);
            assert!(config.redis.require_durable, "{place}");
            let http = &config.ingest.http;
            Settings {
                ops: config.ops.listen,
                http: Some(http.listen),
                stopping: http.drain_seconds,
            }
        }
        "transcriber" => {
            let config: transcriber::Config = loaded(place, variables);
            assert!(config.redis.require_durable, "{place}");
            let stopping = config.transcriber.grace_seconds;
            Settings { ops: config.ops.listen, http: None, stopping }
        }
        "results" => {
            let config: results::Config = loaded(place, variables);
            assert!(config.redis.require_durable, "{place}");
            assert!(config.twilio.is_configured(), "{place}: nothing is compared with Twilio");
            let http = config.results.api.http();
            let stopping =
                http.drain_seconds.max(queue::ConsumerOptions::default().grace.as_secs());
            Settings { ops: config.ops.listen, http: Some(http.listen), stopping }
        }
        other => panic!("{place}: no service {other}"),
    }
}

/// A value of the right kind for something that a person fills in.
fn sample(name: &str) -> String {
    let value = match name.to_lowercase().replace('-', "_").as_str() {
        "twilio_account_sid" => "AC0123456789abcdef0123456789abcdef",
        "public_url" => "https://calls.example.com",
        "database_url" => "postgres://callscribe:secret@postgres:5432/callscribe",
        "openai_base_url" => "http://whisper:8000/v1",
        "otlp_endpoint" => "http://otel-collector:4318",
        "twilio_auth_token" | "openai_api_key" | "api_token" | "redis_password"
        | "postgres_password" | "grafana_password" => "0123456789abcdef",
        other => panic!("no sample for {other}"),
    };
    value.to_owned()
}

/// The values a container's `env` and `envFrom` come to, as the kubelet makes them.
fn environment(container: &Value, objects: &[Value]) -> BTreeMap<String, String> {
    let find = |kind: &str, reference: &Value| {
        let mut objects = of_kind(objects, kind).into_iter();
        objects.find(|object| object["metadata"]["name"] == reference["name"])
    };
    let mut variables = BTreeMap::new();
    for from in list(&container["envFrom"]) {
        let map = find("ConfigMap", &from["configMapRef"]).unwrap();
        for (name, value) in map["data"].as_object().unwrap() {
            variables.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
    }
    // Only what stands in `env` before it can be referred to as $(NAME).
    let mut referable = Vec::<(String, String)>::new();
    for given in list(&container["env"]) {
        let from = &given["valueFrom"];
        let value = if let Some(reference) = from.get("configMapKeyRef") {
            let map = find("ConfigMap", reference).unwrap();
            map["data"][reference["key"].as_str().unwrap()].as_str().unwrap().to_owned()
        } else if let Some(reference) = from.get("secretKeyRef") {
            let key = reference["key"].as_str().unwrap();
            let secret = find("Secret", reference);
            match secret.map(|secret| secret["data"].get(key)) {
                Some(Some(encoded)) => {
                    let bytes = BASE64_STANDARD.decode(encoded.as_str().unwrap()).unwrap();
                    String::from_utf8(bytes).unwrap()
                }
                Some(None) => continue,
                None => sample(key),
            }
        } else {
            let value = given["value"].as_str().unwrap().to_owned();
            referable
                .iter()
                .fold(value, |value, (name, of)| value.replace(&format!("$({name})"), of))
        };
        assert!(!value.contains("$("), "{value} refers to something that is not set before it");
        referable.push((given["name"].as_str().unwrap().to_owned(), value));
    }
    variables.extend(referable);
    variables
}

fn ours(variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
    variables.into_iter().filter(|(name, _)| name.starts_with("CALLSCRIBE_")).collect()
}

#[test]
fn the_services_take_the_variables_and_ports_that_kubernetes_gives_them() {
    for overlay in OVERLAYS {
        let Some(objects) = rendered(overlay) else { return };
        for deployment in of_kind(&objects, "Deployment") {
            let place = format!("{overlay} {}", name(deployment));
            let pod = &deployment["spec"]["template"]["spec"];
            let container = &pod["containers"][0];
            let variables = ours(environment(container, &objects));
            let settings = settings(name(deployment), &place, &variables);
            if name(deployment) == "results" {
                // The operator's command line runs there.
                let _: callscribe::Config = loaded(&place, &variables);
            }

            let port = |called: &str| {
                let port = list(&container["ports"]).find(|port| port["name"] == called);
                port.map(|port| port["containerPort"].as_u64().unwrap())
            };
            assert_eq!(port("ops"), Some(settings.ops.port().into()), "{place}");
            assert_eq!(port("http"), settings.http.map(|http| http.port().into()), "{place}");
            for listen in [Some(settings.ops), settings.http].into_iter().flatten() {
                assert!(listen.ip().is_unspecified(), "{place}: nobody reaches {listen}");
            }

            let before = &container["lifecycle"]["preStop"]["exec"]["command"][1];
            let before = before.as_str().map_or(0, |seconds| seconds.parse::<u64>().unwrap());
            let traces = 5;
            let needed = before + settings.stopping + traces;
            let given = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(given >= needed, "{place}: {given} s to stop, {needed} s needed");
        }
    }
}

#[test]
fn network_policies_open_the_ports_that_the_services_listen_on() {
    let Some(objects) = rendered("k8s/base") else { return };
    for policy in of_kind(&objects, "NetworkPolicy") {
        let selector = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
        for deployment in of_kind(&objects, "Deployment") {
            let template = &deployment["spec"]["template"];
            let labels = &template["metadata"]["labels"];
            if selector.iter().any(|(label, value)| labels.get(label) != Some(value)) {
                continue;
            }
            let ports: Vec<_> = list(&template["spec"]["containers"][0]["ports"])
                .map(|port| &port["containerPort"])
                .collect();
            for opened in list(&policy["spec"]["ingress"]).flat_map(|rule| list(&rule["ports"])) {
                assert!(ports.contains(&&opened["port"]), "{} {opened}", name(policy));
            }
        }
    }
}

/// Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}`.
fn interpolated(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').unwrap();
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable.split(":?").next().unwrap(), None),
        };
        filled.push_str(before);
        filled.push_str(&default.map_or_else(|| sample(name), str::to_owned));
        rest = after;
    }
    filled + rest
}

#[test]
fn the_services_take_the_variables_and_ports_that_compose_gives_them() {
    let compose = yaml("deploy/compose.yaml");
    for service in ["ingest", "transcriber", "results"] {
        let place = format!("compose {service}");
        let given = &compose["services"][service];
        let variables = given["environment"].as_object().unwrap().iter();
        let variables = variables
            .map(|(name, value)| (name.clone(), interpolated(value.as_str().unwrap())))
            .collect();
        let settings = settings(service, &place, &variables);
        assert_eq!(settings.ops.to_string(), "0.0.0.0:9464", "{place}: prometheus.yml scrapes it");
        let published: Vec<u16> = list(&given["ports"])
            .map(|port| port.as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap())
            .collect();
        let listens: Vec<u16> = settings.http.iter().map(SocketAddr::port).collect();
        assert_eq!(published, listens, "{place}");
        assert!(settings.http.is_none_or(|http| http.ip().is_unspecified()), "{place}");
        let grace = given["stop_grace_period"].as_str().unwrap().trim_end_matches('s');
        assert!(grace.parse::<u64>().unwrap() >= settings.stopping + 5, "{place}: {grace} s");
    }
}

#[test]
fn the_example_of_a_public_url_and_of_every_secret_is_enough_to_start() {
    let template = yaml("k8s/base/secret.template.yaml");
    for (key, value) in template["stringData"].as_object().unwrap() {
        assert_eq!(value, "", "the template holds no value for {key}");
        assert!(!sample(key).is_empty());
    }
}
