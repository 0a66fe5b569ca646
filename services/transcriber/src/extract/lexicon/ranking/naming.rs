//! Which services are named where in the call.

use std::collections::HashMap;

use domain::Speaker;

use super::CIRCUMSTANCES;
use crate::extract::{
    catalogue::{Kind, Strength},
    lexicon::{cue::Cue, part::Part, scene::Scene},
};

/// Words in which a denial opens an answer.
const DENIAL: usize = 2;

/// Which services are named where.
pub struct Naming {
    greeted: Vec<usize>,
    greeted_things: Vec<usize>,
    concluded: Option<usize>,
    /// For each entry: the mentions by the caller, and the segments it is mentioned in.
    told: HashMap<usize, (u16, Vec<usize>)>,
}

impl Naming {
    /// Looks through the mentions of services.
    pub fn of(scene: &Scene<'_>, parts: &[Part]) -> Self {
        let mut naming = Self {
            greeted: Vec::new(),
            greeted_things: Vec::new(),
            concluded: None,
            told: HashMap::new(),
        };
        let mut last: Option<(usize, Vec<usize>)> = None;
        let services = scene.mentions.iter().filter(|m| m.kind == Kind::Service);
        for mention in services {
            let strength = scene.phrase(mention).strength;
            let part = parts[mention.segment];
            if strength >= Strength::Said && part == Part::Agent {
                match &mut last {
                    Some((segment, named)) if *segment == mention.segment => {
                        named.push(mention.entry);
                    }
                    _ => last = Some((mention.segment, vec![mention.entry])),
                }
            }
            if strength < Strength::Thing {
                continue;
            }
            if part == Part::Greeting {
                let said = strength >= Strength::Said;
                let list = if said { &mut naming.greeted } else { &mut naming.greeted_things };
                if !list.contains(&mention.entry) {
                    list.push(mention.entry);
                }
                continue;
            }
            let (count, segments) = naming.told.entry(mention.entry).or_default();
            *count = count.saturating_add(u16::from(part.is_caller()));
            if segments.last() != Some(&mention.segment) {
                segments.push(mention.segment);
            }
        }
        naming.concluded = last.and_then(|(segment, named)| {
            let first = *named.first()?;
            let denied = scene.passages.get(segment + 1).is_some_and(|reply| {
                reply.speaker != Speaker::Agent
                    && [Cue::No, Cue::Negate].iter().any(|cue| reply.opens_with(*cue, DENIAL))
            });
            (!denied && named.iter().all(|entry| *entry == first)).then_some(first)
        });
        naming
    }

    /// What the naming of a service speaks for it.
    pub fn add(&self, entry: usize, found: &mut [f32; CIRCUMSTANCES.len()]) {
        if self.greeted.contains(&entry) {
            match self.greeted.len() {
                1 => found[22] = 1.0,
                2 => found[23] = 1.0,
                _ => {}
            }
        } else if self.greeted.is_empty() && self.greeted_things == [entry] {
            found[24] = 1.0;
        }
        if self.concluded == Some(entry) {
            found[25] = 1.0;
        }
        if let Some((count, segments)) = self.told.get(&entry) {
            found[26] = f32::from(*count).ln_1p();
            found[27] = (segments.len() as f32).ln_1p();
        }
    }
}
