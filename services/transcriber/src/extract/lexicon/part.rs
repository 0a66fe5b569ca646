//! Which part of the call a segment is.

use domain::Speaker;

use super::scene::Scene;

/// A part of a call. What is said about the work weighs differently in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the company says before anybody else: its name, its trades.
    Greeting,
    /// The first thing of substance a caller says.
    Opening,
    /// What the caller says besides.
    Caller,
    /// What the company says to it.
    Agent,
}

impl Part {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Greeting, Self::Opening, Self::Caller, Self::Agent];

    /// The part of every segment.
    pub fn of(scene: &Scene<'_>) -> Vec<Self> {
        let mut answered = false;
        let part = |(segment, speaker): (usize, Speaker)| {
            let agent = speaker == Speaker::Agent;
            answered |= !agent;
            match (agent, answered) {
                (true, false) => Self::Greeting,
                (true, true) => Self::Agent,
                (false, _) if scene.opening == Some(segment) => Self::Opening,
                (false, _) => Self::Caller,
            }
        };
        scene.passages.iter().map(|passage| passage.speaker).enumerate().map(part).collect()
    }

    /// Whether the caller speaks.
    pub fn is_caller(self) -> bool {
        matches!(self, Self::Opening | Self::Caller)
    }
}
