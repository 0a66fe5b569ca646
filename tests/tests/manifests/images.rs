//! The Dockerfile and the compose file, against each other and against the repository.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, path, read, yaml};

const DOCKERFILE: &str = "deploy/Dockerfile";
const COMPOSE: &str = "deploy/compose.yaml";

fn dockerfile() -> String {
    read(DOCKERFILE)
}

/// The Dockerfile's stages: name → its lines.
fn stages() -> Vec<(String, Vec<String>)> {
    let mut stages = Vec::<(String, Vec<String>)>::new();
    for line in dockerfile().lines() {
        if let Some(from) = line.strip_prefix("FROM ") {
            let (_, name) = from.split_once(" AS ").unwrap();
            stages.push((name.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = stages.last_mut() {
            lines.push(line.to_owned());
        }
    }
    stages
}

#[test]
fn the_image_builds_with_the_pinned_toolchain() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap();
    let version = channel.trim_matches('"');
    assert!(dockerfile().contains(&format!("ARG RUST_VERSION={version}\n")), "{version}");
}

#[test]
fn every_package_that_the_image_builds_is_in_the_workspace() {
    let packages: BTreeSet<_> =
        ["services/ingest", "services/transcriber", "services/results", "services/callscribe"]
            .map(|folder| {
                let manifest = read(&format!("{folder}/Cargo.toml"));
                let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
                name.trim_matches('"').to_owned()
            })
            .into();
    let dockerfile = dockerfile();
    let built: BTreeSet<_> = dockerfile
        .split_whitespace()
        .skip_while(|word| *word != "--package")
        .take_while(|word| *word != "&&")
        .filter(|word| !matches!(*word, "--package" | "\\"))
        .map(str::to_owned)
        .collect();
    assert_eq!(built, packages);
    for package in packages {
        assert!(dockerfile.contains(&format!("COPY --from=build /out/{package} ")), "{package}");
    }
}

/// What `kubectl exec deploy/results -- callscribe …` needs; whisper.cpp is C++.
#[test]
fn the_image_of_results_has_the_operators_command_line() {
    let stages = stages();
    let (_, results) = stages.iter().find(|(name, _)| name == "results").unwrap();
    for needed in ["/out/callscribe ", "libstdc++6"] {
        assert!(results.iter().any(|line| line.contains(needed)), "{needed}");
    }
}

#[test]
fn no_image_runs_as_root() {
    let stages = stages();
    for (name, lines) in stages.iter().filter(|(name, _)| name != "build" && name != "runtime") {
        let user = lines.iter().rfind(|line| line.starts_with("USER ")).map(String::as_str);
        assert_eq!(user, Some("USER 10001:10001"), "{name}");
    }
}

#[test]
fn the_images_are_healthy_when_they_are_ready() {
    let stages = stages();
    let (_, runtime) = stages.iter().find(|(name, _)| name == "runtime").unwrap();
    let check = runtime.iter().skip_while(|line| !line.starts_with("HEALTHCHECK")).nth(1).unwrap();
    assert!(check.contains("http://127.0.0.1:9464/readyz"), "{check}");
}

/// A pattern more could hide files that the code includes; one less, let a secret into a layer.
#[test]
fn the_build_sees_the_workspace_and_nothing_else() {
    let ignored = read("deploy/Dockerfile.dockerignore");
    let lines: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    let workspace = read("Cargo.toml");
    let members = workspace.lines().find(|line| line.starts_with("members = ")).unwrap();
    let folders = members.split('"').skip(1).step_by(2).map(|member| member.trim_end_matches("/*"));
    let mut expected = vec!["*".to_owned()];
    expected.extend(
        ["Cargo.toml", "Cargo.lock", ".cargo"].into_iter().chain(folders).map(|f| format!("!{f}")),
    );
    expected.extend(["**/target", "**/.env*"].map(str::to_owned));
    assert_eq!(lines, expected);
}

#[test]
fn the_compose_file_is_complete() {
    let compose = yaml(COMPOSE);
    let services = compose["services"].as_object().unwrap();
    for name in ["redis", "postgres", "ingest", "transcriber", "results", "prometheus", "grafana"] {
        let service = services.get(name).unwrap_or_else(|| panic!("no service {name}"));
        assert!(service.get("profiles").is_none(), "{name} starts without being asked for");
        let checked = service["healthcheck"]["test"].is_array() || service.get("build").is_some();
        assert!(checked, "{name} has no health check");
    }
    assert_eq!(services["otel-collector"]["profiles"], serde_json::json!(["traces"]));
}

#[test]
fn every_build_of_the_compose_file_is_a_stage() {
    let names: Vec<_> = stages().into_iter().map(|(name, _)| name).collect();
    for (name, service) in yaml(COMPOSE)["services"].as_object().unwrap() {
        if let Some(build) = service.get("build") {
            let target = build["target"].as_str().unwrap();
            assert!(names.iter().any(|stage| stage == target), "{name}: no stage {target}");
            let dockerfile = build["dockerfile"].as_str().unwrap();
            let context = path("deploy").join(build["context"].as_str().unwrap());
            assert!(context.join(dockerfile).is_file(), "{name}");
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        }
    }
}

#[test]
fn everything_that_is_mounted_and_depended_on_exists() {
    let compose = yaml(COMPOSE);
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        for volume in list(&service["volumes"]) {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let exists = match source.strip_prefix("./") {
                Some(file) => path("deploy").join(file).exists(),
                None if source.starts_with('/') => true,
                None => compose["volumes"].get(source).is_some(),
            };
            assert!(exists, "{name}: {source}");
        }
        for other in service["depends_on"].as_object().into_iter().flat_map(|others| others.keys())
        {
            assert!(services.contains_key(other), "{name}: {other}");
        }
    }
}

#[test]
fn redis_keeps_what_it_acknowledged_and_drops_nothing() {
    let compose = yaml(COMPOSE);
    let command: Vec<_> = words(&compose["services"]["redis"]["command"]);
    for (option, value) in
        [("--appendonly", "yes"), ("--appendfsync", "always"), ("--maxmemory-policy", "noeviction")]
    {
        let at = command.iter().position(|word| word == option).unwrap();
        assert_eq!(command[at + 1], value, "{option}");
    }
}

/// Compose stops at the first missing variable; the example must name them all.
#[test]
fn the_example_names_every_variable_that_must_be_set() {
    let example = read("deploy/.env.example");
    let offered: BTreeSet<_> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    let compose = read(COMPOSE);
    let asked: BTreeSet<_> = compose
        .split("${")
        .skip(1)
        .map(|rest| rest.split([':', '}', '-']).next().unwrap())
        .filter(|name| *name != "LOG")
        .collect();
    assert_eq!(asked, offered);
    for line in example.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.is_empty() || line.ends_with('='), "a value in the example: {line}");
    }
}

#[test]
fn prometheus_scrapes_every_service_on_the_ops_port() {
    let prometheus = yaml("deploy/prometheus/prometheus.yml");
    let names = &prometheus["scrape_configs"][0]["dns_sd_configs"][0];
    assert_eq!(words(&names["names"]), ["ingest", "transcriber", "results"]);
    assert_eq!(names["port"], 9464);
    let rules = prometheus["rule_files"][0].as_str().unwrap();
    let mounted =
        yaml(COMPOSE)["services"]["prometheus"]["volumes"][0].as_str().unwrap().to_owned();
    let (from, to) = mounted.trim_end_matches(":ro").split_once(':').unwrap();
    let file = rules.strip_prefix(to).unwrap().trim_start_matches('/');
    assert!(path("deploy").join(from).join(file).is_file(), "{rules}");
}

fn words(value: &Value) -> Vec<String> {
    list(value).map(|word| word.as_str().unwrap().to_owned()).collect()
}
