//! Whether words that somebody else quotes carry the value they are quoted for.

use domain::{Evidence, Speaker};

use super::{Heard, Lexicon, cue::Cue, scene::Target};
use crate::extract::{
    catalogue::{Entry, Kind, Strength},
    text::Text,
};

/// Fewer words than this carry a service only if they name it.
const PHRASE: usize = 2;

impl Lexicon {
    /// Whether a quotation can be what a value was taken from. One for a city has to name it, or
    /// a landmark of it; one for a service may describe it in words that no rule knows, but not in
    /// a single word, nor in the name of another service. What the agent says of a service counts
    /// where the caller confirms it, and of a city unless the caller denies it.
    pub fn bears_out(&self, heard: &Heard<'_>, entry: &Entry, evidence: &Evidence) -> bool {
        let text = Text::new(&evidence.quote);
        let hits = self.matcher.find(&text).into_iter().filter_map(|hit| match hit.target {
            Target::Phrase(number, phrase) => {
                let named = self.catalogue.entries.get(number as usize)?;
                let strength = named.phrases.get(phrase as usize)?.strength;
                (named.kind == entry.kind).then_some((named.id == entry.id, strength))
            }
            Target::Cue(_) => None,
        });
        let (mut own, mut other) = (None, None);
        for (is_own, strength) in hits {
            let best = if is_own { &mut own } else { &mut other };
            *best = (*best).max(Some(strength));
        }
        let named = own >= Some(Strength::Said);
        let carries = match entry.kind {
            Kind::City | Kind::Region => own.is_some(),
            Kind::Service => {
                let another = own.is_none() && other >= Some(Strength::Said);
                named || text.tokens.len() >= PHRASE && !another
            }
        };
        carries && self.is_callers(heard, entry.kind, evidence)
    }

    /// Whether the caller said it, or lets stand what the agent said.
    fn is_callers(&self, heard: &Heard<'_>, kind: Kind, evidence: &Evidence) -> bool {
        let Some(passage) = heard.scene.passages.get(evidence.segment) else { return false };
        if passage.speaker != Speaker::Agent {
            return true;
        }
        let reply = heard.scene.next(evidence.segment);
        let opens = |cue, words| reply.is_some_and(|passage| passage.opens_with(cue, words));
        !opens(Cue::No, 1) && (kind != Kind::Service || opens(Cue::Yes, 2))
    }
}
