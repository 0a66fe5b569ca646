//! Phrases that tell what a name beside them is doing in the sentence.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::gist::GistError;
use crate::extract::matching::{MatcherBuilder, Pattern, PatternError};

/// What a phrase says about the names around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cue {
    /// "I need", "מחפש".
    Need,
    /// "I live in", "נמצאים".
    Live,
    /// Where the work is: "the house is in", "להגיע ל".
    Site,
    /// "Do you come out to", "אתם מגיעים".
    Serve,
    /// "Near", "ליד".
    Near,
    /// "In", "בעיר".
    Inside,
    /// "Used to", "לפני שנה".
    Past,
    /// Someone else: "my sister", "השכן".
    Kin,
    /// Someone else, and the work is theirs: "for my mother".
    KinNeeds,
    /// "Recommended you".
    Recommend,
    /// "Not", "לא".
    Negate,
    /// "Sorry, I meant".
    Correct,
    /// "But", "עכשיו".
    But,
    /// "Here", "פה".
    Here,
    /// Before a name that is a street's or an institution's.
    StreetBefore,
    /// After such a name.
    StreetAfter,
    /// "How can I help".
    Greeting,
    /// "Which city?"
    AskCity,
    /// "What seems to be the problem?"
    AskService,
    /// "What's your name?"
    AskName,
    /// "Yes".
    Yes,
    /// "No", at the beginning of an answer.
    No,
    /// The company about itself: "our office", "אנחנו לא מגיעים".
    Own,
    /// Before a person's name: "my name is", "לדבר עם".
    Named,
    /// Before the caller's own name.
    Introduced,
    /// Before a person's name or anything else: "hi", "it's".
    Person,
    /// After a person's name.
    PersonAfter,
    /// On the way: "driving from", "בדרך ל".
    Origin,
    /// "I work in".
    Work,
    /// Looks for a job: "are you hiring".
    Applicant,
    /// "My husband is a".
    TradeOfKin,
    /// A tradesman who was there already: "the plumber said".
    Done,
    /// Wants no work: "cancel my appointment", "press nine to be removed".
    Idle,
    /// Either side notices: "wrong number".
    Wrong,
    /// The agent's guess: "are you in", "אתם מ".
    Guess,
    /// After a guess: "right?", "כן?".
    Tag,
    /// Someone else's place: "he's in".
    Third,
    /// "We moved", "עברנו".
    Moved,
    /// A tradesman who is still wanted: "never showed up".
    Unserved,
    /// The agent sums up: "so you need".
    Recap,
    /// The agent sends someone: "on his way".
    Dispatch,
    /// "I'm", "אנחנו".
    Me,
    /// "As soon as possible".
    Urgent,
    /// "No rush".
    Relaxed,
    /// What goes wrong with things: "leaking", "won't open", "נתקע".
    Fault,
    /// What is done to things: "replace", "installed", "לתקן".
    Mend,
    /// What happened somewhere else: "bought it in", "the owner is in".
    Elsewhere,
    /// Before a thing that is only where something else is: "behind the".
    Aside,
}

impl Cue {
    /// All of them, in their order.
    pub const ALL: [Self; 48] = [
        Self::Need,
        Self::Live,
        Self::Site,
        Self::Serve,
        Self::Near,
        Self::Inside,
        Self::Past,
        Self::Kin,
        Self::KinNeeds,
        Self::Recommend,
        Self::Negate,
        Self::Correct,
        Self::But,
        Self::Here,
        Self::StreetBefore,
        Self::StreetAfter,
        Self::Greeting,
        Self::AskCity,
        Self::AskService,
        Self::AskName,
        Self::Yes,
        Self::No,
        Self::Own,
        Self::Named,
        Self::Introduced,
        Self::Person,
        Self::PersonAfter,
        Self::Origin,
        Self::Work,
        Self::Applicant,
        Self::TradeOfKin,
        Self::Done,
        Self::Idle,
        Self::Wrong,
        Self::Guess,
        Self::Tag,
        Self::Third,
        Self::Moved,
        Self::Unserved,
        Self::Recap,
        Self::Dispatch,
        Self::Me,
        Self::Urgent,
        Self::Relaxed,
        Self::Fault,
        Self::Mend,
        Self::Elsewhere,
        Self::Aside,
    ];
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    phrases: BTreeMap<Cue, Vec<String>>,
    ordinary: BTreeMap<String, String>,
}

/// The built-in phrases.
pub const BUILT_IN: &str = include_str!("../../../data/cues.toml");

/// Why the built-in phrases cannot be used; the tests of this module rule it out.
#[derive(Debug, thiserror::Error)]
pub enum CueError {
    /// Not the expected TOML.
    #[error("the built-in cue phrases: {0}")]
    Toml(#[from] toml::de::Error),
    /// A phrase is not a pattern.
    #[error("the built-in cue phrases: {0}")]
    Phrase(#[from] PatternError),
    /// The learned weights are damaged.
    #[error(transparent)]
    Gist(#[from] GistError),
}

/// Adds all cue phrases and the ordinary words that no misspelling is read into.
///
/// # Errors
/// When the source is wrong.
pub fn add_cues<T: Clone + PartialEq>(
    source: &str,
    builder: &mut MatcherBuilder<T>,
    target: impl Fn(Cue) -> T,
) -> Result<(), CueError> {
    let file: File = toml::from_str(source)?;
    for (cue, phrases) in &file.phrases {
        for phrase in phrases {
            for pattern in Pattern::phrase(phrase)? {
                builder.add(&pattern, target(*cue), false);
            }
        }
    }
    for word in file.ordinary.values().flat_map(|words| words.split_whitespace()) {
        builder.ordinary(&crate::extract::text::normalise_name(word));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_cues_is_whole_and_in_order() {
        let last = *Cue::ALL.last().unwrap();
        assert_eq!(last, Cue::Aside);
        assert!(Cue::ALL.iter().enumerate().all(|(at, cue)| *cue as usize == at));
        assert_eq!(Cue::ALL.len(), last as usize + 1);
    }
}
