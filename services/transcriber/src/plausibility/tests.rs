use super::*;

fn said(start_ms: u64, end_ms: u64, text: &str) -> HeardSegment {
    HeardSegment {
        start_ms,
        end_ms,
        text: text.into(),
        confidence: None,
        no_speech: None,
        voice: None,
    }
}

fn any() -> Spoken<'static> {
    Spoken::default()
}

fn only(language: &str) -> Spoken<'_> {
    Spoken { language: Some(language), allowed: &[] }
}

fn speech(start_ms: u64, end_ms: u64) -> Vec<Stretch> {
    vec![Stretch { start_ms, end_ms }]
}

#[test]
fn what_stands_where_nobody_speaks_is_dropped_and_what_was_said_stays() {
    let heard = vec![
        said(0, 2_000, "i need a plumber"),
        said(9_000, 12_000, "Thanks for watching!"),
        said(20_000, 25_000, "תודה רבה על הצפייה"),
    ];
    let judged = judge(heard, &speech(0, 2_000), any());
    assert_eq!(judged.kept, [said(0, 2_000, "i need a plumber")]);
    assert_eq!(judged.doubts, [Doubt::TextOverSilence]);
}

#[test]
fn a_thank_you_that_was_said_stays_and_one_over_mostly_silence_goes() {
    let thanks = said(0, 1_000, "Thank you.");
    assert_eq!(judge(vec![thanks.clone()], &speech(0, 900), any()).kept, [thanks]);
    let stretched = said(0, 30_000, "Thank you.");
    assert!(judge(vec![stretched], &speech(29_000, 29_500), any()).kept.is_empty());
}

#[test]
fn a_segment_the_engine_itself_takes_for_silence_goes_unless_there_is_speech() {
    let unsure = HeardSegment { no_speech: Some(0.9), ..said(0, 10_000, "so it goes") };
    assert!(judge(vec![unsure.clone()], &speech(0, 500), any()).kept.is_empty());
    assert_eq!(judge(vec![unsure], &speech(0, 9_000), any()).kept.len(), 1);
}

#[test]
fn loops_are_said_once() {
    let text = "i am locked out of my house of my house of my house of my house of my house";
    let judged = judge(vec![said(0, 9_000, text)], &speech(0, 9_000), any());
    assert_eq!(judged.kept[0].text, "i am locked out of my house");
    assert_eq!(judged.doubts, [Doubt::Loop]);
    let hebrew = "אני צריך אינסטלטור. ".repeat(6);
    let judged = judge(vec![said(0, 9_000, &hebrew)], &speech(0, 9_000), any());
    assert_eq!(judged.kept[0].text, "אני צריך אינסטלטור.");
    let line = |n: u64| said(n * 1_000, n * 1_000 + 900, "and then we went home again");
    let judged = judge((0..8).map(line).collect(), &speech(0, 8_000), any());
    assert_eq!(judged.kept.len(), 1);
    assert!(judged.doubts.contains(&Doubt::Loop));
}

#[test]
fn people_repeat_themselves_too() {
    for text in ["no no no no no i said no", "bye bye bye", "yes. yes. yes, that is it"] {
        let judged = judge(vec![said(0, 2_000, text)], &speech(0, 2_000), any());
        assert_eq!((judged.kept[0].text.as_str(), judged.doubts.len()), (text, 0));
    }
}

#[test]
fn a_listener_who_says_the_same_word_again_and_again_is_no_loop() {
    let at = |n: u64| (n * 9_000, n * 9_000 + 700);
    let okays: Vec<_> = (0..5).map(|n| said(at(n).0, at(n).1, "Okay.")).collect();
    let spoken: Vec<_> = (0..5).map(|n| Stretch { start_ms: at(n).0, end_ms: at(n).1 }).collect();
    let judged = judge(okays.clone(), &spoken, any());
    assert_eq!((judged.kept, judged.doubts), (okays, vec![]));
    let in_a_row = |n: u64| said(n * 700, n * 700 + 600, "No.");
    assert_eq!(judge((0..9).map(in_a_row).collect(), &speech(0, 7_000), any()).kept.len(), 9);
    assert_eq!(judge((0..30).map(in_a_row).collect(), &speech(0, 21_000), any()).kept.len(), 1);
}

#[test]
fn a_known_language_in_the_wrong_script_is_doubted() {
    let english = vec![said(0, 3_000, "shalom ani tzarich instalator")];
    assert_eq!(judge(english, &speech(0, 3_000), only("he")).doubts, [Doubt::LanguageMismatch]);
    let hebrew = vec![said(0, 3_000, "שלום אני צריך אינסטלטור בחיפה")];
    assert_eq!(judge(hebrew.clone(), &speech(0, 3_000), only("he")).doubts, []);
    assert_eq!(
        judge(hebrew.clone(), &speech(0, 3_000), only("en")).doubts,
        [Doubt::LanguageMismatch]
    );
    assert_eq!(judge(hebrew, &speech(0, 3_000), any()).doubts, []);
}

#[test]
fn the_amount_of_text_is_held_against_the_amount_of_speech() {
    let short = vec![said(0, 60_000, "hello i need")];
    assert_eq!(judge(short, &speech(0, 60_000), any()).doubts, [Doubt::LittleTextForSpeech]);
    assert_eq!(judge(vec![], &speech(0, 5_000), any()).doubts, [Doubt::NoTextForSpeech]);
    assert_eq!(judge(vec![], &[], any()).doubts, []);
    let words: Vec<String> = (0..400).map(|n| format!("word{n}")).collect();
    let flood = vec![said(0, 4_000, &words.join(" "))];
    assert_eq!(judge(flood, &speech(0, 4_000), any()).doubts, [Doubt::MuchTextForSpeech]);
    let usual = vec![said(0, 4_000, "hello i am looking for a plumber in denver")];
    assert_eq!(judge(usual, &speech(0, 4_000), any()).doubts, []);
}

#[test]
fn what_is_in_none_of_the_allowed_languages_is_doubted() {
    let allowed = ["he".to_owned(), "en".to_owned()];
    let spoken = Spoken { language: None, allowed: &allowed };
    let doubts = |text: &str| judge(vec![said(0, 3_000, text)], &speech(0, 3_000), spoken).doubts;
    assert_eq!(doubts("мне нужен сантехник в хайфе"), [Doubt::LanguageNotAllowed]);
    assert_eq!(doubts("אני צריך plumber בחיפה, yes please"), []);
    // Two scripts that nobody allowed, and one whose letters are not known.
    let other = ["zh".to_owned()];
    let spoken = Spoken { language: None, allowed: &other };
    let heard = vec![said(0, 3_000, "мне нужен сантехник в хайфе")];
    assert_eq!(judge(heard, &speech(0, 3_000), spoken).doubts, []);
}

#[test]
fn an_engine_that_heard_another_language_is_doubted_when_there_is_enough_to_hear() {
    let allowed = ["he".to_owned(), "en".to_owned()];
    let heard = |language: &str, text: &str| Heard {
        language: Some(language.into()),
        segments: vec![said(0, 1_000, text)],
        ..Heard::default()
    };
    let among = Spoken { language: None, allowed: &allowed };
    let long = "je voudrais un plombier";
    assert_eq!(among.doubt(&heard("fr", long)), Some(Doubt::LanguageNotAllowed));
    assert_eq!(among.doubt(&heard("en", long)), None);
    assert_eq!(among.doubt(&heard("fr", "oui, non")), None);
    assert_eq!(any().doubt(&heard("fr", long)), None);
    assert_eq!(only("he").doubt(&heard("en", long)), Some(Doubt::LanguageMismatch));
}
