//! The chain by language: whom it passes over without a request.

use super::*;

fn knowing(name: &'static str, knows: &'static [&'static str]) -> Arc<Scripted> {
    Arc::new(Scripted { knows, ..own(Scripted::new(name, Ok(SAID))) })
}

async fn in_language(chain: &Chain, language: &str) -> Result<Transcription, Setback> {
    chain.transcribe(&Task { language: Some(language.into()), ..task() }).await
}

#[tokio::test]
async fn an_engine_is_not_asked_for_a_language_that_it_does_not_know() {
    let (english, any) = (knowing("english", &["en"]), knowing("any", &[]));
    let chain = chain(vec![english.clone(), any.clone()]);
    for (language, by, asked) in [("he", "any", (0, 1)), ("en", "english", (1, 1))] {
        let given = in_language(&chain, language).await.unwrap();
        assert_eq!(given.transcript.engine.name, by, "{language}");
        assert_eq!((english.asked(), any.asked()), asked, "{language}");
    }
}

#[tokio::test]
async fn where_calls_are_in_several_languages_one_that_an_engine_knows_is_enough() {
    let (russian, english) = (knowing("russian", &["ru"]), knowing("english", &["en"]));
    let chain = chain(vec![russian.clone(), english.clone()])
        .in_languages(&["he".to_owned(), "en".to_owned()]);
    ask(&chain).await.unwrap();
    assert_eq!((russian.asked(), english.asked()), (0, 1));
}

#[tokio::test]
async fn what_an_engine_heard_decides_who_is_asked_after_it() {
    let told = (Some("he"), &[][..]);
    let first = Arc::new(Scripted { told, ..own(Scripted::new("first", Ok("שלום"))) });
    let (english, hebrew) = (knowing("english", &["en"]), knowing("hebrew", &["he"]));
    let chain = chain(vec![first, english.clone(), hebrew.clone()]);
    // A word in four seconds of speech is too little, so that the others are thought of.
    ask(&chain).await.unwrap();
    assert_eq!((english.asked(), hebrew.asked()), (0, 1));
}

#[tokio::test]
async fn where_no_engine_knows_the_language_the_call_says_so() {
    let english = knowing("english", &["en"]);
    let chain = chain(vec![english.clone()]);
    assert_eq!(chain.look("AC1", Some("he")).await, Ok(()));
    let setback = in_language(&chain, "he").await.unwrap_err();
    assert_eq!(setback.failure.code, "engine_unsupported_language");
    assert_eq!((setback.treatment, english.asked()), (Treatment::GiveUp, 0));
}

#[tokio::test]
async fn a_call_waits_for_the_engines_that_know_its_language_alone() {
    let broken = Err(EngineError::Credentials { status: 401 });
    let hebrew = Arc::new(Scripted { knows: &["he"], ..own(Scripted::new("hebrew", broken)) });
    let chain = chain(vec![hebrew, knowing("english", &["en"])]);
    in_language(&chain, "he").await.unwrap_err();
    assert!(chain.look("AC1", Some("he")).await.is_err());
    assert_eq!(chain.look("AC1", Some("en")).await, Ok(()));
}
