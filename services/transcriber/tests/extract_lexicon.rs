//! The traps of real calls, one by one.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::{Arc, LazyLock};

use callscribe_transcriber::extract::{
    Lexicon,
    catalogue::{Catalogue, Language},
};
use domain::{Engine, Extraction, Segment, Speaker, Transcript};

/// `A: …` is the agent, `C: …` the caller, anything else an unlabelled channel.
fn transcript(call: &str) -> Transcript {
    let segments = call.lines().map(str::trim).filter(|line| !line.is_empty()).zip(0_u64..);
    let segments = segments.map(|(line, second)| {
        let (speaker, text) = match line.split_once(": ") {
            Some(("A", text)) => (Speaker::Agent, text),
            Some(("C", text)) => (Speaker::Caller, text),
            _ => (Speaker::Unknown, line),
        };
        let (start_ms, end_ms) = (second * 1000, second * 1000 + 900);
        Segment { speaker, start_ms, end_ms, text: text.to_owned(), confidence: None }
    });
    let engine = Engine { name: "test".into(), model: None, version: None };
    Transcript { segments: segments.collect(), language: None, engine }
}

/// Made once: reading a thousand phrases takes longer than applying them.
static LEXICON: LazyLock<Lexicon> =
    LazyLock::new(|| Lexicon::new(Arc::new(Catalogue::built_in().unwrap())).unwrap());

fn lexicon() -> Lexicon {
    LEXICON.clone()
}

fn found(extraction: &Extraction) -> (Option<&str>, Option<&str>) {
    let id = |field: &'_ Option<domain::Field>| field.as_ref().map(|field| field.id.clone());
    let (service, city) = (id(&extraction.service), id(&extraction.city));
    // Leaked in tests only, so that expectations read as plain text.
    (service.map(|id| &*id.leak()), city.map(|id| &*id.leak()))
}

fn check(calls: &[(&str, Option<&str>, Option<&str>)]) {
    let lexicon = lexicon();
    for (call, service, city) in calls {
        let extraction = lexicon.extract(&transcript(call), None);
        assert_eq!(found(&extraction), (*service, *city), "{call}");
    }
}

#[test]
fn the_companys_own_greeting_is_not_what_the_caller_wants() {
    check(&[
        ("A: Tel Aviv Locksmiths, how can I help?\nC: My sink is clogged.", Some("plumber"), None),
        (
            "A: מנעולני חיפה שלום, במה אפשר לעזור?\nC: אני צריך חשמלאי לעכו",
            Some("electrician"),
            Some("acre"),
        ),
    ]);
}

#[test]
fn a_later_correction_wins() {
    check(&[
        ("C: I need a plumber in Haifa, no, sorry, in Acre.", Some("plumber"), Some("acre")),
        ("C: I'm in Haifa. No, not Haifa, Acre.", None, Some("acre")),
        ("C: צריך גרר בחיפה לא סליחה בעכו", Some("towing"), Some("acre")),
        ("A: Are you in Tampa?\nC: No, Orlando.", None, Some("orlando")),
    ]);
}

#[test]
fn what_is_denied_is_not_wanted() {
    check(&[
        ("C: I don't need a plumber, I need an electrician.", Some("electrician"), None),
        ("C: אני לא צריך אינסטלטור אני צריך חשמלאי", Some("electrician"), None),
        (
            "C: I live in Holon but the apartment is in Bat Yam, it needs painting.",
            Some("painter"),
            Some("bat-yam"),
        ),
    ]);
}

#[test]
fn other_peoples_cities_and_the_past_do_not_count() {
    check(&[
        (
            "C: My sister in Boston recommended you, I need a roofer here in Tampa.",
            Some("roofer"),
            Some("tampa"),
        ),
        ("C: We used to live in Dallas. I need a plumber.", Some("plumber"), None),
        ("C: השכן שלי מחיפה המליץ עליכם, אני צריך צבעי", Some("painter"), None),
    ]);
}

#[test]
fn streets_persons_and_ordinary_words_are_no_cities() {
    check(&[
        ("C: Hi, my name is Austin and I need a plumber.", Some("plumber"), None),
        ("C: I need a plumber on Dallas Street.", Some("plumber"), None),
        ("C: אני צריך אינסטלטור ברחוב ירושלים", Some("plumber"), None),
        ("C: מדברת ירושלים, אני צריכה חשמלאי", Some("electrician"), None),
        ("C: I need a locksmith for my mobile home.", Some("locksmith"), None),
    ]);
}

#[test]
fn callers_who_want_no_work_have_neither() {
    check(&[
        ("C: Sorry, wrong number, I wanted the plumber in Haifa.", None, None),
        ("C: I'd like to cancel my plumber appointment in Haifa.", None, None),
        ("C: שלום אני חשמלאי מחיפה ואני מחפש עבודה", None, None),
    ]);
}

#[test]
fn misspellings_and_torn_names_are_read() {
    check(&[
        ("i need a plummer in cincinati", Some("plumber"), Some("cincinnati")),
        ("i need a lock smith in petach tiqwa", Some("locksmith"), Some("petah-tikva")),
        ("צריך אינסטלאטור בתבריה", Some("plumber"), Some("tiberias")),
        ("צריך מנעולן בתלאביב", Some("locksmith"), Some("tel-aviv")),
        ("C: צריך מנעולן בתֵּל־אָבִיב", Some("locksmith"), Some("tel-aviv")),
        ("C: צריך מנעולן בת״א", Some("locksmith"), Some("tel-aviv")),
    ]);
}

#[test]
fn the_region_tells_cities_of_one_name_apart() {
    check(&[
        ("C: I need a plumber in Portland, Maine.", Some("plumber"), Some("portland-me")),
        ("C: I need a plumber in Portland.", Some("plumber"), Some("portland")),
        ("C: I need a plumber in Buffalo, New York.", Some("plumber"), Some("buffalo")),
    ]);
}

#[test]
fn a_field_says_where_it_was_said_and_in_the_language_of_the_call() {
    let call = transcript("A: שלום\nC: אני צריכה מנעולן, אני בעפולה.");
    let extraction = lexicon().extract(&call, None);
    let city = extraction.city.unwrap();
    assert_eq!((city.value.as_str(), city.raw.as_str()), ("עפולה", "בעפולה"));
    assert_eq!(city.evidence.quote, "אני צריכה מנעולן, אני בעפולה");
    assert_eq!(
        (city.evidence.segment, city.evidence.start_char, city.evidence.end_char),
        (1, 0, 28)
    );
    assert_eq!((city.evidence.speaker, city.evidence.start_ms), (Speaker::Caller, 1000));
    assert_eq!(extraction.service.unwrap().value, "מנעולן");

    let english = lexicon().extract(&call, Some(Language::En));
    assert_eq!(english.city.unwrap().value, "Afula");
}

#[test]
fn number_urgency_and_name_are_read_off_the_transcript() {
    let call = transcript(
        "A: who is this?\nC: My name is Dana, call me at oh five two five five five one two three \
         four, it's urgent.",
    );
    let extra = lexicon().extract(&call, None).extra;
    assert_eq!(extra["callback_number"].value, "+972525551234");
    assert_eq!(extra["caller_name"].value, "Dana");
    assert_eq!(extra["urgency"].id, "urgent");
    let calm = transcript("C: No rush, it's not urgent.");
    assert!(lexicon().extract(&calm, None).extra.is_empty());
}

#[test]
fn a_thing_and_what_is_wrong_with_it_name_the_trade() {
    check(&[
        ("C: My fridges stopped cooling", Some("appliance-repair"), None),
        ("C: the faucet in our bathroom wont shut off", Some("plumber"), None),
        ("C: התנור שלי לא מתחמם בכלל", Some("appliance-repair"), None),
        ("C: המזגנים במשרד מטפטפים", Some("hvac"), None),
        ("C: The letter from the bank is behind the fridge.", None, None),
    ]);
}

#[test]
fn a_city_is_heard_in_pieces_or_letter_by_letter_where_one_is_expected() {
    check(&[
        (
            "A: What city?\nC: it's the one by the river, loo a vull. I need a plumber.",
            Some("plumber"),
            Some("louisville"),
        ),
        (
            "C: i need a plumber across the river knocks ville by the bridge",
            Some("plumber"),
            Some("knoxville"),
        ),
        (
            "A: What city?\nC: high aleah west side. I need a plumber.",
            Some("plumber"),
            Some("hialeah"),
        ),
        ("A: איפה אתם?\nC: בדנוור. צריך אינסטלטור.", Some("plumber"), Some("denver")),
        (
            "A: What city?\nC: murfrees burrow. I need a plumber.",
            Some("plumber"),
            Some("murfreesboro"),
        ),
        ("C: I need a plumber in batten rouge", Some("plumber"), Some("baton-rouge")),
        (
            "C: plumber please\nA: spell the city\nC: w o r c e s t e r",
            Some("plumber"),
            Some("worcester"),
        ),
        ("C: צריך אינסטלטור בקריאת גת", Some("plumber"), Some("kiryat-gat")),
        ("C: I need a plumber, the last ones were a batch of rogues", Some("plumber"), None),
    ]);
}

#[test]
fn a_reply_tells_cities_of_one_name_apart() {
    check(&[(
        "C: I need a plumber.\nA: Which city?\nC: Arlington.\nA: Arlington, Texas?\nC: No, Virginia.",
        Some("plumber"),
        Some("arlington-va"),
    )]);
}

#[test]
fn what_is_near_or_elsewhere_is_not_where_the_work_is() {
    check(&[
        ("C: צריך אינסטלטור בגן יבנה ליד אשדוד", Some("plumber"), Some("gan-yavne")),
        (
            "C: I need an electrician. I'm from Haifa, the apartment is in Acre.",
            Some("electrician"),
            Some("acre"),
        ),
        (
            "C: I bought a fridge in Haifa and it stopped cooling. I live in Acre.",
            Some("appliance-repair"),
            Some("acre"),
        ),
    ]);
}

#[test]
fn a_guess_that_is_refused_and_named_again_is_only_explained() {
    check(&[
        (
            "C: I need a plumber.\nA: You in New Orleans?\n\
             C: No ma'am, my mama's in New Orleans. I'm in Baton Rouge.",
            Some("plumber"),
            Some("baton-rouge"),
        ),
        (
            "C: I need a plumber in Raleigh.\nA: Not Durham?\nC: No, Durham's where I live.",
            Some("plumber"),
            Some("raleigh"),
        ),
        (
            "C: I need a plumber.\nA: And you're in Nashville?\nC: Yes ma'am, Germantown.",
            Some("plumber"),
            Some("nashville"),
        ),
    ]);
}

#[test]
fn where_the_company_comes_from_is_not_where_the_work_is() {
    check(&[(
        "C: צריך מנעולן\nA: איפה אתם?\nC: מודיעין עילית\nA: המנעולן שלנו יוצא מרמלה\nC: מרמלה? זה רחוק",
        Some("locksmith"),
        Some("modiin-illit"),
    )]);
}

#[test]
fn a_move_is_at_either_end() {
    check(&[(
        "A: מאיפה לאיפה?\nC: אני צריך הובלת דירה מאשדוד לבאר שבע",
        Some("mover"),
        Some("beer-sheva"),
    )]);
}

#[test]
fn a_state_said_in_reply_and_words_often_said_are_no_cities() {
    check(&[
        (
            "C: I need a plumber. We're in Vancouver.\nA: Canada?\nC: Washington. Everybody asks.",
            Some("plumber"),
            Some("vancouver"),
        ),
        ("C: The plumber cannot come, I need another plumber.", Some("plumber"), None),
    ]);
}

#[test]
fn calls_whose_words_want_no_work_have_no_city_either() {
    check(&[
        (
            "A: Desert Pool.\nC: Hi, you came yesterday to my house in Plano, where can I leave a \
             review? He did a wonderful job.",
            None,
            None,
        ),
        ("C: שלום, ביקשתי שתסירו אותי מרשימת התפוצה, אני לא צריך כלום, אני מחיפה", None, None),
    ]);
}

#[test]
fn a_number_to_call_back_is_a_whole_one_that_is_the_callers() {
    let lexicon = lexicon();
    for (call, number, confidence) in [
        ("C: My ID number is 012345678 and my phone is 0541234567.", Some("+972541234567"), 0.9),
        ("C: My ID is 034567890.", None, 0.0),
        ("C: apartment 2 entrance 1 0541234567", Some("+972541234567"), 0.6),
        (
            "C: call me at two one six double five five oh one eight three",
            Some("+12165550183"),
            0.9,
        ),
        ("C: My order number is 2165550183.", None, 0.0),
        ("C: The invoice is 216-555-0183, my account number 216-555-0184.", None, 0.0),
        ("C: My old number was 0541234567.", None, 0.0),
        (
            "C: My old number was 0541234567, the new number is 0527654321.",
            Some("+972527654321"),
            0.9,
        ),
        ("C: 0541234567 is my old number.", None, 0.0),
        ("C: The previous plumber's number is 0541234567.", None, 0.0),
        ("C: You can ask my brother, his number is 0541234567.", None, 0.0),
        (
            "C: My number is 0541234567. No wait, sorry, it's 0541234568.",
            Some("+972541234568"),
            0.9,
        ),
        (
            "C: My number is 0541234567.\nC: No wait, sorry, it's 0541234568.",
            Some("+972541234568"),
            0.9,
        ),
        ("C: My number is 0541234567. No wait, sorry, it ends in 4568.", None, 0.0),
        ("A: What's your number?\nC: 0541234567", Some("+972541234567"), 0.9),
        ("C: 0541234567", Some("+972541234567"), 0.6),
        ("C: תעודת זהות 034567890", None, 0.0),
        ("C: המספר הישן היה 0541234567", None, 0.0),
        ("C: תחזרו אליי לנייד 054-1234567", Some("+972541234567"), 0.9),
        ("C: it's not 0541234567", None, 0.0),
    ] {
        let extra = lexicon.extract(&transcript(call), None).extra;
        let found = extra.get("callback_number");
        assert_eq!(found.map(|field| field.value.as_str()), number, "{call}");
        assert!(found.is_none_or(|f| (f.confidence - confidence).abs() < 1e-6), "{call}");
    }
}

#[test]
fn what_was_urgent_is_not_and_spelled_is_no_name() {
    let lexicon = lexicon();
    for call in [
        "C: It was an emergency last week but now it's fine.",
        "C: It's not an emergency.",
        "C: My name is spelled D A N A.",
        "C: My name is um Dana.",
    ] {
        let extra = lexicon.extract(&transcript(call), None).extra;
        assert!(extra.is_empty(), "{call}: {extra:?}");
    }
    let urgent = transcript("C: It was fine last week but now it's an emergency.");
    assert!(lexicon.extract(&urgent, None).extra.contains_key("urgency"));
}

#[test]
fn a_well_that_fills_a_pause_is_no_water_well() {
    for said in ["Well, it keeps happening again.", "well hello", "Well, can you come?"] {
        let call = transcript(&format!("C: {said}"));
        assert_eq!(found(&lexicon().extract(&call, None)), (None, None), "{said}");
    }
    let call = transcript("C: I need somebody to drill a well.");
    assert_eq!(found(&lexicon().extract(&call, None)), (Some("well"), None));
}
