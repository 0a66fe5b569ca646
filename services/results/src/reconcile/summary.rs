//! The result of a comparison, by cause.

use serde::Serialize;

/// How many recordings were found in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Recordings in Twilio's list.
    pub listed: u64,
    /// Those with a result here.
    pub known: u64,
    /// Those that were erased here.
    pub erased: u64,
    /// Those Twilio has not finished, or finished so lately that their callback comes first.
    pub pending: u64,
    /// Those without media: absent, failed, deleted.
    pub without_media: u64,
    /// Those that Twilio lists without a call, so that nobody can work on them; one log line tells how
    /// many.
    pub unreadable: u64,
    /// Those from before the first day that is compared.
    pub too_old: u64,
    /// Those that were lacking and are enqueued now (or would be, in a dry run).
    pub enqueued: u64,
    /// Those that are on their way: the queue knew them.
    pub under_way: u64,
    /// Rows without an end whose work no queue held any more, enqueued again; not of Twilio's list.
    pub resumed: u64,
}

impl Summary {
    /// Each count with its name in logs and metrics.
    pub fn counts(&self) -> [(&'static str, u64); 9] {
        [
            ("known", self.known),
            ("erased", self.erased),
            ("pending", self.pending),
            ("without_media", self.without_media),
            ("unreadable", self.unreadable),
            ("too_old", self.too_old),
            ("enqueued", self.enqueued),
            ("under_way", self.under_way),
            ("resumed", self.resumed),
        ]
    }
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.listed += other.listed;
        self.known += other.known;
        self.erased += other.erased;
        self.pending += other.pending;
        self.without_media += other.without_media;
        self.unreadable += other.unreadable;
        self.too_old += other.too_old;
        self.enqueued += other.enqueued;
        self.under_way += other.under_way;
        self.resumed += other.resumed;
    }
}
