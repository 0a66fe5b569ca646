//! Nothing is believed that the transcript does not say, in words that carry it.

use std::collections::BTreeMap;

use domain::{Evidence, Extraction, Field, Transcript};

use super::reply::{JobSheet, Quoted};
use crate::extract::{
    Lexicon, LlmSettings, Ruled,
    catalogue::{Catalogue, Entry, Kind},
    text::Text,
};

/// From so many words on a quotation may say what the value says with none of its words.
const ENOUGH_WORDS: usize = 3;

/// The shortest word that is looked for behind a prefix.
const SHORTEST_PART: usize = 3;

/// A longer value is no value but an essay.
const MAX_VALUE_CHARS: usize = 500;

/// What is left of the model's answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The service, if it is in the catalogue and its quotation in the transcript and about it.
    pub service: Option<Field>,
    /// The city, likewise.
    pub city: Option<Field>,
    /// Further fields that are configured and whose quotation is in the transcript.
    pub extra: BTreeMap<String, Field>,
}

/// Keeps what the catalogue knows and the transcript says.
pub(super) fn verify(
    sheet: JobSheet,
    lexicon: &Lexicon,
    transcript: &Transcript,
    ruled: &Ruled,
    settings: &LlmSettings,
) -> Found {
    let confidence = settings.unconfirmed_confidence;
    let catalogue = lexicon.catalogue();
    let heard = lexicon.hear(transcript);
    let known = |kind: Kind, quoted: Option<Quoted>| {
        let quoted = quoted?;
        let entry = match kind {
            Kind::Service => catalogue.get(kind, &quoted.value),
            Kind::City | Kind::Region => city(catalogue, &quoted.value, &ruled.extraction),
        }?;
        // Both sides may have said it.
        let mut places = places(transcript, &quoted);
        let evidence = places.find(|evidence| lexicon.bears_out(&heard, entry, evidence))?;
        Some(Field {
            id: entry.id.clone(),
            value: entry.name(ruled.language).to_owned(),
            raw: evidence.quote.clone(),
            confidence,
            evidence,
        })
    };
    // What nobody asked for nobody looks after: only configured fields, and no page of text.
    let asked_for = |(name, quoted): &(String, Quoted)| {
        settings.fields.contains_key(name) && is_presentable(&quoted.value)
    };
    let fits = |(_, quoted): &(String, Quoted)| fits(&quoted.quote, &quoted.value);
    let extra =
        sheet.extra.into_iter().filter(asked_for).filter(fits).filter_map(|(name, quoted)| {
            let evidence = places(transcript, &quoted).next()?;
            let field = Field {
                id: name.clone(),
                value: quoted.value,
                raw: evidence.quote.clone(),
                confidence,
                evidence,
            };
            Some((name, field))
        });
    Found {
        service: known(Kind::Service, sheet.service),
        city: known(Kind::City, sheet.city),
        extra: extra.collect(),
    }
}

/// Whether a quotation can be what an own field's value was taken from: it shares a word or a number
/// with it, or it says enough to be put in other words. One or two words that have nothing to do
/// with the value are found in any call.
fn fits(quote: &str, value: &str) -> bool {
    let (quote, value) = (Text::new(quote), Text::new(value));
    let words = |text: &Text| -> Vec<String> {
        text.tokens.iter().map(|token| text.word(token).to_owned()).collect()
    };
    let (said, meant) = (words(&quote), words(&value));
    let digits = |words: &[String]| -> String {
        words.concat().chars().filter(char::is_ascii_digit).collect()
    };
    let is_same_number = !digits(&said).is_empty() && digits(&said) == digits(&meant);
    said.len() >= ENOUGH_WORDS
        || is_same_number
        || said.iter().any(|one| meant.iter().any(|other| is_same(one, other)))
}

/// Whether two words are the same: with a prefix, as Hebrew has them, or without; a number with
/// leading zeros or without.
fn is_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|word| {
        let is_number = word.chars().all(|c| c.is_ascii_digit());
        if is_number { word.trim_start_matches('0') } else { word }
    });
    let [short, long] = if one.len() <= other.len() { [one, other] } else { [other, one] };
    let is_part = short.chars().count() >= SHORTEST_PART && long.ends_with(short);
    !short.is_empty() && (short == long || is_part)
}

/// Whether a value can be shown as it is.
fn is_presentable(value: &str) -> bool {
    !value.trim().is_empty()
        && value.chars().count() <= MAX_VALUE_CHARS
        && !value.contains(char::is_control)
}

/// The city of this name. Of several, the one with the region that is named with it, or else the
/// one the rules found: which it is otherwise, nobody knows.
fn city<'c>(catalogue: &'c Catalogue, said: &str, rules: &Extraction) -> Option<&'c Entry> {
    let named: Vec<&Entry> = catalogue.cities_called(said).collect();
    let ruled = rules.city.as_ref().map(|field| &field.id);
    match named[..] {
        [only] => Some(only),
        _ => named.into_iter().find(|entry| Some(&entry.id) == ruled),
    }
}

/// Where the quotation stands, once in a segment: in the one it names, then in the others; case,
/// points and punctuation aside. The evidence is the transcript's own text, not the model's.
fn places<'t>(transcript: &'t Transcript, quoted: &Quoted) -> impl Iterator<Item = Evidence> + 't {
    let wanted = Text::new(&quoted.quote);
    let named = quoted.segment;
    let others = (0..transcript.segments.len()).filter(move |at| Some(*at) != named);
    named.into_iter().chain(others).filter_map(move |number| {
        let words: Vec<&str> = wanted.tokens.iter().map(|token| wanted.word(token)).collect();
        if words.is_empty() {
            return None;
        }
        let segment = transcript.segments.get(number)?;
        let text = Text::new(&segment.text);
        let said: Vec<&str> = text.tokens.iter().map(|token| text.word(token)).collect();
        let at = said.windows(words.len()).position(|window| window == words)?;
        let (first, last) = (&text.tokens[at], &text.tokens[at + words.len() - 1]);
        Some(Evidence {
            quote: segment.text.get(first.bytes.start..last.bytes.end)?.to_owned(),
            segment: number,
            start_char: first.chars.start,
            end_char: last.chars.end,
            speaker: segment.speaker,
            start_ms: segment.start_ms,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_quotation_fits_a_value_whose_words_or_numbers_it_has_or_which_it_describes() {
        for (quote, value, expected) in [
            ("on Sunday at nine", "2026-11-29 09:00", true),
            ("Sunday", "Sunday 09:00", true),
            ("at 9", "09:00", true),
            ("0501234567", "050-123-4567", true),
            ("בראשון", "יום ראשון", true),
            ("hello", "Sunday 09:00", false),
            ("can you", "+1 512 555 0123", false),
            ("at 5", "15:00", false),
            ("at", "that", false),
        ] {
            assert_eq!(fits(quote, value), expected, "{quote:?} for {value:?}");
        }
    }
}
