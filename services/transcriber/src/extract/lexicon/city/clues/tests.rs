use std::sync::Arc;

use domain::Speaker;

use super::Others;
use crate::extract::{Lexicon, catalogue::Catalogue, lexicon::spoken::call};

/// What stands around each mention of a city.
fn around(said: &[(Speaker, &str)]) -> Vec<(String, Vec<String>)> {
    let lexicon = Lexicon::new(Arc::new(Catalogue::built_in().unwrap())).unwrap();
    let heard = lexicon.hear(&call(said));
    let clues = lexicon.study_cities(&heard).0;
    let named = clues.into_iter().map(|clue| {
        let names = clue.around.into_iter().map(|(name, _)| name).collect();
        (lexicon.catalogue().entries[clue.entry].id.clone(), names)
    });
    named.collect()
}

#[test]
fn a_mention_tells_the_words_beside_it_the_turn_and_the_other_cities() {
    let all = around(&[
        (Speaker::Agent, "Are you in Dallas?"),
        (Speaker::Caller, "No, my office is in Plano."),
    ]);
    let [(first, dallas), (second, plano)] = &all[..] else { unreachable!("{all:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("dallas", "plano"));
    let tells = |names: &[String], name: &str| names.iter().any(|known| known == name);
    for name in ["before-1 in", "before-2 is", "asked-other", "asked-other-opens-No", "last-word"] {
        assert!(tells(plano, name), "{name}: {plano:?}");
    }
    for name in ["other-earlier-agent", "break-after-sentence"] {
        assert!(tells(plano, name) && !tells(dallas, name), "{name}");
    }
    for name in ["other-later-caller", "reply-No-agent", "asks-agent"] {
        assert!(tells(dallas, name) && !tells(plano, name), "{name}");
    }
    assert!(!tells(plano, "only") && !tells(plano, "again-caller"));
}

#[test]
fn the_only_city_said_twice_is_the_only_one_and_said_again() {
    let all = around(&[
        (Speaker::Caller, "I am in Plano, the kitchen floods."),
        (Speaker::Agent, "Plano, okay."),
    ]);
    assert_eq!(all.len(), 2);
    let (_, first) = &all[0];
    assert!(first.iter().any(|name| name == "only") && first.iter().any(|n| n == "again-agent"));
}

#[test]
fn another_entry_is_noticed_however_often_one_is_seen() {
    let mut others = Others::default();
    assert!(!others.than(1));
    others.see(1);
    others.see(1);
    assert!(!others.than(1) && others.than(2));
    others.see(2);
    assert!(others.than(1) && others.than(2) && others.than(3));
}
