//! Engines that make fluent text of any sound, behind others.

use super::*;

/// An engine that says in which language it heard what it heard.
fn hearing(
    name: &'static str,
    language: &'static str,
    then: Result<&'static str, EngineError>,
) -> Arc<Scripted> {
    Arc::new(Scripted { told: (Some(language), &[]), ..own(Scripted::new(name, then)) })
}

/// One that makes fluent English of anything.
pub(super) fn stand_in() -> Arc<Scripted> {
    Arc::new(Scripted { stands_in: true, ..own(hearing("stand-in", "en", Ok(SAID))) })
}

#[tokio::test]
async fn words_that_are_in_doubt_are_not_replaced_by_an_engine_that_only_stands_in() {
    for language in ["he", "en"] {
        let (first, second) = (hearing("first", language, Ok("שלום")), stand_in());
        let given = ask(&chain(vec![first, second.clone()])).await.unwrap();
        assert_eq!((given.transcript.engine.name.as_str(), second.asked()), ("first", 0));
        assert_eq!(given.flags, ["little_text_for_speech"]);
    }
}

#[tokio::test]
async fn an_engine_that_stands_in_takes_over_where_there_is_no_word_in_another_language() {
    for (first, expected) in [
        (hearing("first", "en", Err(down())), "stand-in"),
        (hearing("first", "en", Ok("")), "stand-in"),
        (hearing("first", "he", Ok("")), "first"),
    ] {
        let given = ask(&chain(vec![first, stand_in()])).await.unwrap();
        assert_eq!(given.transcript.engine.name, expected);
    }
    assert_eq!(ask(&chain(vec![stand_in()])).await.unwrap().transcript.text(), SAID);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stands_in_is_not_asked_while_the_other_only_has_to_be_waited_for() {
    for error in [
        EngineError::RateLimited { after: None },
        EngineError::QuotaExhausted,
        EngineError::Credentials { status: 401 },
    ] {
        let code = error.code();
        let (first, second) = (Scripted::new("first", Err(error)), stand_in());
        let chain = chain(vec![first, second.clone()]);
        // The second time it is known before anybody is asked.
        for _ in 0..2 {
            let setback = ask(&chain).await.unwrap_err();
            assert_eq!((setback.failure.code.as_str(), second.asked()), (code, 0));
        }
        assert_eq!(chain.look("AC1", None).await.unwrap_err().failure.code, code);
    }
    let rare = Arc::new(Scripted { per_minute: Some(1), ..own(Scripted::new("rare", Ok(SAID))) });
    let paced = chain(vec![rare, stand_in()]);
    let given = futures_util::future::join_all((0..4).map(|_| ask(&paced))).await;
    let names: Vec<_> = given.into_iter().flatten().map(|g| g.transcript.engine.name).collect();
    assert!(names.len() < 4 && names.iter().all(|name| name == "rare"), "{names:?}");
}

#[tokio::test]
async fn an_answer_in_another_language_than_was_heard_is_refused() {
    for (language, expected) in [("en", "first"), ("he", "second")] {
        let first = hearing("first", "he", Ok("שלום"));
        let second = hearing("second", language, Ok(SAID));
        let given = ask(&chain(vec![first, second])).await.unwrap();
        assert_eq!(given.transcript.engine.name, expected);
    }
    // One that knows English only is no witness.
    let only_english = Arc::new(Scripted { then: Ok("ok"), ..own(stand_in()) });
    let given = ask(&chain(vec![only_english, hearing("second", "he", Ok(SAID))])).await.unwrap();
    assert_eq!(given.transcript.engine.name, "second");
}
