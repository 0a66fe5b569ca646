//! PocketSphinx against programs that stand in for it.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn piece() -> Piece {
    let at = crate::audio::Stretch { start_ms: 5000, end_ms: 6000 };
    Piece::new(at, vec![0; 16_000])
}

/// An engine whose program is a shell script of this name, with a model beside it.
fn engine(folder: &Path, name: &str, script: &str, timeout_seconds: u64) -> PocketSphinx {
    std::fs::create_dir(folder.join("en-us")).unwrap();
    // Written by another process: a file this one holds open for writing would be inherited by
    // the programs that other tests start, and could not be run meanwhile.
    let program = folder.join(name);
    assert!(
        std::process::Command::new("sh")
            .args(["-c", "printf '%s\n' \"$1\" > \"$0\""])
            .arg(&program)
            .arg(format!("#!/bin/sh\n{script}"))
            .status()
            .unwrap()
            .success()
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = PocketSphinxSettings {
        program: Some(program.to_str().unwrap().into()),
        model_folder: Some(folder.into()),
        timeout_seconds,
        ..PocketSphinxSettings::default()
    };
    PocketSphinx::new(&settings, folder).unwrap()
}

#[tokio::test]
async fn the_newer_program_is_asked_for_a_single_file_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"[ "$1 $2" = "-hmm ${0%/*}/en-us" ] && [ "$7" = single ] && [ -s "$8" ] || exit 1
printf '{"b":0.000,"d":1.000,"p":0.5,"t":"hello","w":[{"b":0.100,"d":0.300,"p":0.800,"t":"hello"}]}\n'"#;
    let engine = engine(folder.path(), "pocketsphinx", script, 20);
    let heard = engine.transcribe(&piece(), Some("en-US")).await.unwrap();
    let segment = &heard.segments[0];
    assert_eq!((segment.start_ms, segment.end_ms), (100, 400));
    assert_eq!((segment.text.as_str(), segment.confidence), ("hello", Some(0.8)));
    assert_eq!(heard.language.as_deref(), Some("en"));
}

#[tokio::test]
async fn what_the_programs_read_lies_in_the_folder_for_temporary_files() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"[ "${8%/*}" = "${0%/*}" ] && printf '{"b":0,"d":1,"p":1,"t":"","w":[]}\n'"#;
    let single = engine(folder.path(), "pocketsphinx", script, 20);
    single.transcribe(&piece(), None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The options -cepdir and -ctl, wherever they stand.
    let script = r#"while [ $# -gt 1 ]; do
[ "$1" = -cepdir ] && [ "$2" = "${0%/*}" ] && audio=here
[ "$1" = -ctl ] && [ "${2%/*}" = "${0%/*}" ] && list=here
shift
done
[ "$audio$list" = herehere ] && echo x S 0 T 0 A 0 L 0 0"#;
    let batch = engine(folder.path(), "pocketsphinx_batch", script, 20);
    batch.transcribe(&piece(), None).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_prints_nothing_read_no_file_and_one_without_words_heard_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broken = engine(folder.path(), "pocketsphinx_batch", "echo noise >&2", 20);
    let error = broken.transcribe(&piece(), None).await.unwrap_err();
    assert_eq!(error.code(), "engine_malformed_answer");
    let folder = tempfile::tempdir().unwrap();
    let silent = engine(folder.path(), "pocketsphinx_batch", "echo x S 0 T 0 A 0 L 0 0", 20);
    assert_eq!(silent.transcribe(&piece(), None).await.unwrap().segments, []);
}

#[tokio::test]
async fn a_program_past_its_limit_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), "pocketsphinx_batch", "exec sleep 600", 1);
    let error = engine.transcribe(&piece(), None).await.unwrap_err();
    assert_eq!(error, EngineError::Timeout { seconds: 1 });
}

#[tokio::test]
async fn hebrew_is_refused_before_anything_is_run() {
    let engine = PocketSphinx {
        program: "no-such-program".into(),
        dialect: Dialect::Single,
        model: None,
        limit: Duration::from_secs(1),
        places: 1,
        folder: std::env::temp_dir(),
    };
    let error = engine.transcribe(&piece(), Some("he")).await.unwrap_err();
    assert_eq!(error, EngineError::UnsupportedLanguage);
}
