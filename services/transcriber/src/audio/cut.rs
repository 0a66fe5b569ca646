//! Cutting a channel into pieces an engine takes.
//!
//! Pieces never overlap and together hold all speech, so nothing is lost or heard twice at a seam.
//! Cuts lie in silences; only speech without a pause longer than a piece may be is cut inside, and
//! then at its quietest moment.

use super::{Channel, Stretch};

/// What pieces an engine wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutRule {
    /// Longest piece, in milliseconds.
    pub longest_ms: u64,
    /// Silences from this length on always end a piece, so that an engine that gives no times
    /// still yields segments that have them; `None` cuts only where the length asks for it.
    pub at_silence_ms: Option<u64>,
}

/// Silence kept before and after the speech of a piece: engines miss words that start at once.
const MARGIN_MS: u64 = 250;

/// The pieces of a channel, in order.
pub fn cut(channel: &Channel, rule: CutRule) -> Vec<Stretch> {
    around(&split_long(channel, rule.longest_ms), channel.length_ms(), rule)
}

/// Stretches of speech joined as the rule says, in order, each with a margin that reaches neither
/// into its neighbours nor beyond `end_ms`.
pub fn around(speech: &[Stretch], end_ms: u64, rule: CutRule) -> Vec<Stretch> {
    let groups = grouped(speech, rule);
    (0..groups.len())
        .map(|index| {
            let group = groups[index];
            let before = index.checked_sub(1).map_or(0, |at| halfway(groups[at], group));
            let after = groups.get(index + 1).map_or(end_ms, |next| halfway(group, *next));
            Stretch {
                start_ms: group.start_ms.saturating_sub(MARGIN_MS).max(before),
                end_ms: (group.end_ms + MARGIN_MS).min(after).max(group.start_ms),
            }
        })
        .collect()
}

fn halfway(one: Stretch, next: Stretch) -> u64 {
    one.end_ms + next.start_ms.saturating_sub(one.end_ms) / 2
}

/// Stretches as they are, those that are too long cut at their quietest moments.
fn split_long(channel: &Channel, longest_ms: u64) -> Vec<Stretch> {
    let room_ms = longest_ms.saturating_sub(2 * MARGIN_MS).max(1000);
    let mut parts = Vec::new();
    for stretch in channel.stretches() {
        let mut rest = *stretch;
        while rest.length_ms() > room_ms {
            let latest = rest.start_ms + room_ms;
            let at = channel.quietest_ms(rest.start_ms + room_ms / 2, latest).min(latest);
            parts.push(Stretch { start_ms: rest.start_ms, end_ms: at });
            rest.start_ms = at;
        }
        parts.push(rest);
    }
    parts
}

fn grouped(parts: &[Stretch], rule: CutRule) -> Vec<Stretch> {
    let mut groups: Vec<Stretch> = Vec::new();
    for part in parts {
        let joins = groups.last().is_some_and(|last| {
            let silence = part.start_ms.saturating_sub(last.end_ms);
            let fits = part.end_ms.saturating_sub(last.start_ms) + 2 * MARGIN_MS <= rule.longest_ms;
            fits && rule.at_silence_ms.is_none_or(|limit| silence < limit)
        });
        match groups.last_mut() {
            Some(last) if joins => last.end_ms = part.end_ms,
            _ => groups.push(*part),
        }
    }
    groups
}
