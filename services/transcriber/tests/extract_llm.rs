//! The language model beside the rules, against a real HTTP server.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::LazyLock;

use callscribe_transcriber::extract::{ExtractSettings, Extractor, LlmSettings};
use domain::{Agreement, Engine, Extraction, Segment, Speaker, Transcript};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header, method, path},
};

/// `A: …` is the agent's, anything else the caller's.
fn transcript(texts: &[&str]) -> Transcript {
    let segments = texts.iter().map(|text| {
        let (speaker, text) = match text.strip_prefix("A: ") {
            Some(text) => (Speaker::Agent, text),
            None => (Speaker::Caller, *text),
        };
        Segment { speaker, start_ms: 0, end_ms: 1, text: text.to_owned(), confidence: None }
    });
    let engine = Engine { name: "test".into(), model: None, version: None };
    Transcript { segments: segments.collect(), language: Some("en".into()), engine }
}

fn answer(sheet: &Value) -> ResponseTemplate {
    let content = sheet.to_string();
    ResponseTemplate::new(200)
        .set_body_json(json!({ "choices": [{ "message": { "content": content } }] }))
}

fn settings(server: &MockServer) -> LlmSettings {
    LlmSettings {
        url: Some(format!("{}/v1/", server.uri()).parse().unwrap()),
        api_key: Some("secret".to_owned().into()),
        timeout_seconds: 30,
        fields: [("appointment".to_owned(), "day and time asked for".to_owned())].into(),
        ..LlmSettings::default()
    }
}

/// Made once: compiling the rules takes longer than applying them.
static RULES: LazyLock<Extractor> =
    LazyLock::new(|| Extractor::from_settings(&ExtractSettings::default()).unwrap());

fn extractor(llm: LlmSettings) -> Extractor {
    let _ = rustls::crypto::ring::default_provider().install_default();
    RULES.clone().with_llm(&llm).unwrap()
}

fn rules(texts: &[&str]) -> Extraction {
    RULES.lexicon().extract(&transcript(texts), None)
}

async fn server(responses: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let queue = std::sync::Mutex::new(responses.into_iter());
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .and(header("authorization", "Bearer secret"))
        .respond_with(move |_: &Request| {
            queue.lock().unwrap().next().unwrap_or_else(|| ResponseTemplate::new(500))
        })
        .mount(&server)
        .await;
    server
}

async fn ask(responses: Vec<ResponseTemplate>, texts: &[&str]) -> (Extraction, Vec<Request>) {
    let server = server(responses).await;
    let extraction = extractor(settings(&server)).extract(&transcript(texts)).await.extraction;
    (extraction, server.received_requests().await.unwrap())
}

fn quoted(key: &str, value: &str, quote: &str) -> Value {
    json!({ key: value, "quote": quote, "segment": 0 })
}

#[tokio::test]
async fn what_rules_and_model_agree_on_is_surer_than_either() {
    let text = "I need a plumber in Haifa, on Sunday at nine.";
    let sheet = json!({
        "service": quoted("id", "plumber", "need a plumber"),
        "city": quoted("name", "Haifa", "in haifa"),
        "extra": { "appointment": quoted("value", "Sunday 09:00", "on Sunday at nine") },
    });
    let (extraction, requests) = ask(vec![answer(&sheet)], &[text]).await;
    assert_eq!(extraction.agreement, Some(Agreement { service: Some(true), city: Some(true) }));
    let city = extraction.city.unwrap();
    assert!(city.confidence > 0.9, "{}", city.confidence);
    let appointment = &extraction.extra["appointment"];
    assert_eq!(appointment.value, "Sunday 09:00");
    assert_eq!(appointment.evidence.quote, "on Sunday at nine");
    assert_eq!((appointment.evidence.start_char, appointment.evidence.end_char), (27, 44));

    let body: Value = requests[0].body_json().unwrap();
    assert_eq!(body["temperature"], 0);
    let schema = &body["response_format"]["json_schema"];
    assert_eq!(schema["strict"], true);
    let services = schema["schema"]["properties"]["service"]["properties"]["id"]["enum"].clone();
    assert!(services.as_array().unwrap().contains(&json!("plumber")));
}

#[tokio::test]
async fn a_value_whose_quotation_is_not_in_the_transcript_is_dropped() {
    let sheet = json!({
        "service": quoted("id", "roofer", "the roof is leaking"),
        "city": quoted("name", "Eilat", "down in Eilat"),
        "extra": {},
    });
    let (extraction, _) = ask(vec![answer(&sheet)], &["Hello, can you hear me?"]).await;
    assert_eq!((extraction.service, extraction.city), (None, None));
}

#[tokio::test]
async fn an_own_field_whose_quotation_has_nothing_to_do_with_it_is_dropped() {
    let sheet = json!({
        "service": null,
        "city": null,
        "extra": { "appointment": quoted("value", "Sunday 09:00", "Hello") },
    });
    let (extraction, _) = ask(vec![answer(&sheet)], &["Hello, can you hear me?"]).await;
    assert!(extraction.extra.is_empty(), "{extraction:?}");
}

#[tokio::test]
async fn a_value_that_is_not_in_the_catalogue_is_dropped_and_the_other_field_kept() {
    let text = "It is about the thing up on the house, over there by Dimona.";
    let sheet = json!({
        "service": quoted("id", "dragon-tamer", "the thing up on the house"),
        "city": quoted("name", "Dimona", "by Dimona"),
        "extra": {},
    });
    let (extraction, _) = ask(vec![answer(&sheet)], &[text]).await;
    assert_eq!(extraction.service, None);
    assert_eq!(extraction.city.unwrap().id, "dimona");
}

#[tokio::test]
async fn null_in_one_field_keeps_the_other() {
    let sheet = json!({
        "service": quoted("id", "plumber", "the water comes up"),
        "city": null,
        "extra": { "appointment": null },
    });
    let (extraction, _) = ask(vec![answer(&sheet)], &["Well, the water comes up."]).await;
    let service = extraction.service.unwrap();
    assert_eq!(service.id, "plumber");
    assert!(service.confidence < 0.8, "nobody confirmed it: {}", service.confidence);
    assert!(extraction.extra.is_empty());
}

#[tokio::test]
async fn where_they_differ_nobody_acts_on_it() {
    let sheet = json!({
        "service": quoted("id", "electrician", "something electric"),
        "city": quoted("name", "Haifa", "in Haifa"),
        "extra": {},
    });
    let text = "I need a plumber in Haifa, or is it something electric?";
    let (extraction, _) = ask(vec![answer(&sheet)], &[text]).await;
    assert_eq!(extraction.agreement, Some(Agreement { service: Some(false), city: Some(true) }));
    assert!(extraction.service.unwrap().confidence < 0.8);
}

#[tokio::test]
async fn a_malformed_answer_is_asked_for_once_more() {
    let nonsense = ResponseTemplate::new(200)
        .set_body_json(json!({ "choices": [{ "message": { "content": "Sure! Here you go:" } }] }));
    let sheet = json!({ "service": null, "city": quoted("name", "Arad", "is Arad"), "extra": {} });
    let (extraction, requests) =
        ask(vec![nonsense.clone(), answer(&sheet)], &["The place is Arad."]).await;
    assert_eq!(extraction.city.unwrap().id, "arad");
    assert_eq!(requests.len(), 2);

    let (extraction, requests) =
        ask(vec![nonsense.clone(), nonsense], &["I need a plumber in Haifa."]).await;
    assert_eq!(extraction.city.unwrap().id, "haifa", "the rules' result stands");
    assert_eq!(extraction.agreement, None);
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn a_refusal_or_silence_leaves_the_rules_result() {
    let slow = answer(&json!({})).set_delay(std::time::Duration::from_secs(60));
    let refusals = [(ResponseTemplate::new(401), 30), (ResponseTemplate::new(503), 30), (slow, 1)];
    for (response, timeout_seconds) in refusals {
        let server = server(vec![response]).await;
        let settings = LlmSettings { timeout_seconds, ..settings(&server) };
        let call = transcript(&["I need a plumber in Haifa."]);
        let extracted = extractor(settings).extract(&call).await;
        assert_eq!(extracted.extraction.service.unwrap().id, "plumber");
        assert!(extracted.without_model.is_some());
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_transcript_away() {
    let elsewhere = MockServer::start().await;
    let moved = ResponseTemplate::new(307).insert_header("location", elsewhere.uri().as_str());
    let (extraction, _) = ask(vec![moved], &["I need a plumber in Haifa."]).await;
    assert_eq!(extraction.city.unwrap().id, "haifa");
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_city_that_its_quotation_does_not_name_neither_stands_nor_takes_away_from_the_rules() {
    let text = "I need a plumber in Haifa, the kitchen floor is wet.";
    for quote in ["the kitchen floor", "in Haifa"] {
        let sheet = json!({ "service": null, "city": quoted("name", "Eilat", quote), "extra": {} });
        let (extraction, _) = ask(vec![answer(&sheet)], &[text]).await;
        assert_eq!(extraction.city, rules(&[text]).city, "{quote}");
    }
    let landmark = "It is next to Dizengoff Center.";
    let sheet =
        json!({ "city": quoted("name", "Tel Aviv", "next to Dizengoff Center"), "extra": {} });
    let (extraction, _) = ask(vec![answer(&sheet)], &[landmark]).await;
    assert_eq!(extraction.city.unwrap().id, "tel-aviv");
}

#[tokio::test]
async fn a_service_rests_on_words_that_the_caller_said_or_confirmed() {
    let cases: [(&[&str], &str, bool); 8] = [
        (
            &["A: So it keeps happening again?", "Hm.", "It keeps happening again."],
            "it keeps happening again",
            true,
        ),
        (&["Well, it keeps happening again."], "happening", false),
        (&["Well, it keeps happening again."], "it keeps happening again", true),
        (&["It's about the plumbing."], "plumbing", true),
        (
            &["A: Does it keep happening again?", "What do you mean?"],
            "does it keep happening again",
            false,
        ),
        (
            &["A: Does it keep happening again?", "No, it doesn't."],
            "does it keep happening again",
            false,
        ),
        (
            &["A: Does it keep happening again?", "Yes, it does."],
            "does it keep happening again",
            true,
        ),
        (&["I was told to get an electrician."], "get an electrician", false),
    ];
    for (texts, quote, given) in cases {
        let sheet = json!({ "service": quoted("id", "plumber", quote), "city": null, "extra": {} });
        let (extraction, _) = ask(vec![answer(&sheet)], texts).await;
        let ruled = rules(texts).service;
        let id = |field: &Option<domain::Field>| field.as_ref().map(|field| field.id.clone());
        if given {
            assert_eq!(id(&extraction.service).as_deref(), Some("plumber"), "{texts:?} {quote}");
        } else {
            assert_eq!(extraction.service, ruled, "{texts:?} {quote}");
        }
    }
}

#[tokio::test]
async fn one_odd_field_does_not_throw_away_the_sheet() {
    let text = "I need a plumber, the place is Arad.";
    let place = json!({ "name": "Arad", "quote": "is Arad", "segment": -1 });
    for (service, city, extra) in [
        (json!("plumber"), place.clone(), json!({})),
        (json!(7), place.clone(), json!([])),
        (json!({ "id": "plumber" }), place.clone(), json!({ "appointment": "Sunday" })),
        (json!({ "id": 3, "quote": "a plumber" }), place.clone(), Value::Null),
        (Value::Null, json!({ "name": "Arad", "quote": "is Arad", "segment": "first" }), json!({})),
        (Value::Null, json!({ "name": "Arad", "quote": "is Arad", "segment": 1e300 }), json!({})),
        (Value::Null, json!({ "name": "Arad", "quote": "is Arad" }), json!({ "a": { "b": 1 } })),
    ] {
        let sheet = json!({ "service": service, "city": city, "extra": extra });
        let (extraction, requests) = ask(vec![answer(&sheet)], &[text]).await;
        assert_eq!(extraction.agreement.unwrap().city, Some(true), "{sheet}");
        assert_eq!(requests.len(), 1, "{sheet}");
    }
}

#[tokio::test]
async fn cities_of_one_name_are_told_apart_by_region_or_by_the_rules_or_not_at_all() {
    let unclear = "It is the Portland one, thanks, not the other one.";
    let clear = "I need a plumber in Portland, Maine.";
    for (text, name, city) in [
        (clear, "Portland", Some("portland-me")),
        (clear, "Portland, Maine", Some("portland-me")),
        (clear, "portland me", Some("portland-me")),
        (unclear, "Portland, ME", Some("portland-me")),
        (unclear, "Portland, Oregon", Some("portland")),
    ] {
        let sheet = json!({ "city": quoted("name", name, "Portland"), "extra": {} });
        let (extraction, _) = ask(vec![answer(&sheet)], &[text]).await;
        let agreed = extraction.agreement.unwrap().city;
        let ruled = rules(&[text]).city.map(|field| field.id);
        assert_eq!(agreed, Some(ruled.as_deref() == city), "{text} {name}");
        if ruled.is_none() {
            assert_eq!(extraction.city.unwrap().id, city.unwrap(), "{name}");
        }
    }
    // The rules say Springfield nowhere: which of them it is, nobody knows.
    let text = "My cousin used to live in Springfield.";
    let sheet = json!({ "city": quoted("name", "Springfield", "in Springfield"), "extra": {} });
    let (extraction, _) = ask(vec![answer(&sheet)], &[text]).await;
    assert_eq!(extraction.city, rules(&[text]).city);
    assert_ne!(extraction.agreement.unwrap().city, Some(true));
}

#[tokio::test]
async fn the_model_adds_no_field_that_nobody_configured_and_no_odd_value() {
    let text = "Please come on Sunday at nine, the gate code is 1234.";
    let long = "x".repeat(501);
    for (name, value) in [
        ("gate_code", "1234"),
        ("callback_number", "+15125550123"),
        ("appointment", ""),
        ("appointment", "Sunday\u{1b}[2J"),
        ("appointment", &long),
    ] {
        let sheet = json!({ "extra": { name: quoted("value", value, "on Sunday at nine") } });
        let (extraction, _) = ask(vec![answer(&sheet)], &[text]).await;
        assert!(extraction.extra.is_empty(), "{name}: {value:?}");
    }
}

#[tokio::test]
async fn a_model_that_fails_three_times_in_a_row_is_left_alone() {
    let server = server(vec![ResponseTemplate::new(503); 9]).await;
    let extractor = extractor(settings(&server));
    let call = transcript(&["I need a plumber in Haifa."]);
    let mut codes = Vec::new();
    for _ in 0..5 {
        // A copy of the extractor knows what the others learnt.
        let extracted = extractor.clone().extract(&call).await;
        assert_eq!(extracted.extraction.city.unwrap().id, "haifa");
        codes.push(extracted.without_model.unwrap().code());
    }
    assert_eq!(codes, ["refused", "refused", "refused", "left_alone", "left_alone"]);
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}
