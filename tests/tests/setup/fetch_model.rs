use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::file_server::{FileServer, Manners};

const WELL: Manners = Manners { breaks_off_after: None, stalls: false, knows_ranges: true };

fn model() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// A data folder, and a list of models with one entry: `base`, as `published`.
struct Fetch {
    folder: tempfile::TempDir,
    server: FileServer,
}

impl Fetch {
    fn new(served: Vec<u8>, manners: Manners, published: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sum = hex::encode(Sha256::digest(published));
        let line = format!("base ggml-base.bin {} {sum} some/path/ggml-base.bin", published.len());
        std::fs::write(folder.path().join("list"), format!("# a comment\n{line}\n")).unwrap();
        Self { folder, server: FileServer::start(served, manners) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/setup/model.sh");
        let mut command = Command::new(script);
        for (name, _) in std::env::vars() {
            if name.starts_with("CALLSCRIBE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env("CALLSCRIBE_DATA", self.folder.path())
            .env("MODEL_LIST", self.folder.path().join("list"))
            .env("MODEL_FROM", self.server.url())
            .env("no_proxy", "127.0.0.1")
            .env_remove("MODEL")
            .stdin(Stdio::null());
        command
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("models/ggml-base.bin")
    }

    fn lock(&self) -> PathBuf {
        self.folder.path().join("models/ggml-base.bin.part.lock")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("models/ggml-base.bin.part")
    }

    fn until_something_arrived(&self) {
        let began = Instant::now();
        while std::fs::metadata(self.part()).map_or(0, |part| part.len()) == 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing arrives");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_model_is_fetched_checked_and_not_fetched_twice() {
    let fetch = Fetch::new(model(), WELL, &model());
    let first = fetch.command(&[]).output().unwrap();
    assert!(first.status.success(), "{}", said(&first));
    assert!(said(&first).contains("fetching base, 1 MB (0 MB of it are here)"), "{}", said(&first));
    assert!(std::fs::read(fetch.file()).unwrap() == model());
    let second = fetch.command(&[]).output().unwrap();
    assert!(second.status.success() && said(&second).contains("is here"), "{}", said(&second));
    assert_eq!(fetch.server.ranges(), [None]);
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let manners = Manners { breaks_off_after: Some(500_000), ..WELL };
    let fetch = Fetch::new(model(), manners, &model());
    let mut broken = fetch.command(&[]).output().unwrap();
    if !broken.status.success() {
        assert!(said(&broken).contains("'make model' tries again"), "{}", said(&broken));
        assert_eq!(std::fs::metadata(fetch.part()).unwrap().len(), 500_000);
        broken = fetch.command(&[]).output().unwrap();
    }
    assert!(broken.status.success(), "{}", said(&broken));
    assert!(std::fs::read(fetch.file()).unwrap() == model());
    assert_eq!(fetch.server.ranges(), [None, Some(500_000)]);
}

#[test]
fn a_server_without_ranges_is_asked_for_the_whole_file() {
    let fetch = Fetch::new(model(), Manners { knows_ranges: false, ..WELL }, &model());
    std::fs::create_dir(fetch.folder.path().join("models")).unwrap();
    std::fs::write(fetch.part(), &model()[..1_000]).unwrap();
    let output = fetch.command(&[]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(std::fs::read(fetch.file()).unwrap() == model());
    assert_eq!(fetch.server.ranges(), [Some(1_000), None]);
}

#[test]
fn a_file_that_is_complete_but_was_never_checked_is_not_fetched_again() {
    let fetch = Fetch::new(model(), WELL, &model());
    std::fs::create_dir(fetch.folder.path().join("models")).unwrap();
    std::fs::write(fetch.part(), model()).unwrap();
    let output = fetch.command(&[]).output().unwrap();
    assert!(output.status.success() && fetch.file().is_file(), "{}", said(&output));
    assert!(fetch.server.ranges().is_empty());
}

#[test]
fn what_has_another_checksum_is_thrown_away() {
    let mut other = model();
    other[7] ^= 1;
    let fetch = Fetch::new(other, WELL, &model());
    let output = fetch.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("its checksum is another one"), "{}", said(&output));
    assert!(!fetch.file().exists() && !fetch.part().exists());
}

#[test]
fn without_a_network_one_sentence_says_what_happens_now() {
    let mut fetch = Fetch::new(model(), WELL, &model());
    let gone = fetch.server.url();
    fetch.server = FileServer::start(Vec::new(), WELL);
    let mut command = fetch.command(&[]);
    // Nobody listens where the first server was.
    let output = command.env("MODEL_FROM", gone).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("cannot be reached") && said.contains("PocketSphinx"), "{said}");
}

#[test]
fn nothing_is_fetched_where_none_is_wanted_and_an_unknown_name_is_answered_with_the_known_ones() {
    let fetch = Fetch::new(model(), WELL, &model());
    let none = fetch.command(&[]).env("MODEL", "none").output().unwrap();
    assert!(none.status.success() && said(&none).is_empty());
    let unknown = fetch.command(&[]).env("MODEL", "huge").output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("allowed are none, base."), "{}", said(&unknown));
    let engine = "CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__BASE_URL";
    let me = std::process::id().to_string();
    let other = fetch.command(&["beside", &me]).env(engine, "http://whisper:8000/v1").output();
    assert!(other.unwrap().status.success());
    assert!(fetch.server.ranges().is_empty());
}

#[test]
fn beside_a_run_it_is_quiet_and_a_run_without_a_network_is_not_disturbed() {
    let fetch = Fetch::new(model(), WELL, &model());
    let me = std::process::id().to_string();
    let output = fetch.command(&["beside", &me]).output().unwrap();
    assert!(output.status.success() && fetch.file().is_file(), "{}", said(&output));
    let said = said(&output);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("the next start uses it") && output.stdout.is_empty(), "{said}");
}

#[test]
fn a_download_ends_with_what_it_runs_beside_and_keeps_what_it_has() {
    let manners = Manners { breaks_off_after: Some(500_000), stalls: true, ..WELL };
    let fetch = Fetch::new(model(), manners, &model());
    // It lives until its input is closed.
    let mut run = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut beside = fetch.command(&["beside", &run.id().to_string()]).spawn().unwrap();
    fetch.until_something_arrived();
    drop(run.stdin.take());
    run.wait().unwrap();
    assert!(beside.wait().unwrap().success() && !fetch.file().exists());
    let next = fetch.command(&[]).output().unwrap();
    assert!(next.status.success() && fetch.file().is_file(), "{}", said(&next));
    let ranges = fetch.server.ranges();
    assert!(matches!(ranges[..], [None, Some(from)] if from > 0), "{ranges:?}");
}

#[test]
fn two_downloads_do_not_write_into_the_same_part_and_a_dead_one_holds_up_nobody() {
    let manners = Manners { breaks_off_after: Some(500_000), stalls: true, ..WELL };
    let fetch = Fetch::new(model(), manners, &model());
    let mut run = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let run_id = run.id().to_string();
    let mut beside = fetch.command(&["beside", &run_id]).spawn().unwrap();
    fetch.until_something_arrived();
    let second = fetch.command(&[]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let holder = format!("process {} is fetching it already", beside.id());
    assert!(said(&second).contains(&holder), "{}", said(&second));
    assert!(fetch.command(&["beside", &run_id]).output().unwrap().status.success());
    assert_eq!(fetch.server.ranges(), [None]);
    drop(run.stdin.take());
    run.wait().unwrap();
    assert!(beside.wait().unwrap().success() && !fetch.lock().exists());

    // What a process that was killed leaves behind.
    std::fs::write(fetch.lock(), run_id).unwrap();
    let next = fetch.command(&[]).output().unwrap();
    assert!(next.status.success() && fetch.file().is_file(), "{}", said(&next));
    assert!(!fetch.lock().exists());
}

#[test]
fn the_published_list_is_well_formed() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/setup/models.txt");
    let list = std::fs::read_to_string(list).unwrap();
    let entries: Vec<Vec<&str>> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(entries.iter().any(|entry| entry[0] == "base"));
    for entry in entries {
        let [name, file, bytes, sum, path] = entry[..] else { panic!("{entry:?}") };
        assert!(file.starts_with("ggml-") && file.ends_with(".bin"), "{name}");
        assert!(bytes.parse::<u64>().unwrap() > 50_000_000, "{name}");
        assert_eq!(hex::decode(sum).unwrap().len(), 32, "{name}");
        assert!(path.contains("/resolve/") && path.ends_with(".bin"), "{name}");
    }
}
