//! Reading: as many entries as there are free slots, live work first, over a connection of its
//! own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Value, aio::ConnectionLike, aio::MultiplexedConnection};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::Backoff,
    complaint::Complaint,
    job::Item,
    slots::{Room, Slot},
    work::Work,
};
use crate::{
    Lane, QueueError,
    error::classify,
    keys::GROUP,
    wire::{StreamEntry, millis, read_streams},
};

/// How long a read waits for entries.
const BLOCK: Duration = Duration::from_secs(2);
/// How soon waking a blocked read is tried again, when it had not begun to block.
const WAKE_AGAIN: Duration = Duration::from_millis(5);
/// How soon it is looked whether somebody else took the suspect work that slots are cleared for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The reader of one consumer.
pub(crate) struct Reader {
    pub(super) work: Arc<Work>,
    connection: Option<MultiplexedConnection>,
    blocked: Arc<Blocked>,
    /// Whether the last wait ended without an entry.
    idle: bool,
    /// Whether there is work that crashed its worker: nothing else is begun until the slots are
    /// clear for it, or somebody else took it.
    pub(super) clearing: bool,
    complaint: Complaint,
}

/// Whether the reader waits inside Redis, and under which client id.
#[derive(Default)]
pub(crate) struct Blocked {
    client: AtomicI64,
    now: AtomicBool,
}

impl Reader {
    pub fn new(work: Arc<Work>) -> Self {
        Self {
            work,
            connection: None,
            blocked: Arc::default(),
            idle: false,
            clearing: false,
            complaint: Complaint::default(),
        }
    }

    pub fn blocked(&self) -> Arc<Blocked> {
        Arc::clone(&self.blocked)
    }

    /// Reads and dispatches until told to stop.
    pub async fn run(mut self, stop: &CancellationToken, dispatch: impl Fn(Vec<(Item, Slot)>)) {
        let mut backoff = Backoff::new();
        while !stop.is_cancelled() {
            let room = self.work.slots.room();
            if room.free == 0 || self.work.is_paused() {
                tokio::select! {
                    () = self.work.slots.freed.notified() => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            match self.round(room, stop).await {
                Ok(items) => {
                    backoff = Backoff::new();
                    self.complaint = Complaint::default();
                    if !items.is_empty() {
                        dispatch(items);
                    }
                }
                Err(error) => {
                    self.recover(&error).await;
                    backoff.pause(stop).await;
                }
            }
        }
    }

    /// One read, at most one of its steps waiting for entries.
    async fn round(
        &mut self,
        room: Room,
        stop: &CancellationToken,
    ) -> Result<Vec<(Item, Slot)>, QueueError> {
        self.connect().await?;
        if self.work.reclaimable.swap(false, Ordering::AcqRel) || self.clearing {
            let items = self.reclaim(room).await.inspect_err(|_| {
                self.work.reclaimable.store(true, Ordering::Release);
            })?;
            if !items.is_empty() {
                return Ok(items);
            }
        }
        if self.clearing {
            tokio::select! {
                () = self.work.slots.freed.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = stop.cancelled() => {}
            }
            return Ok(Vec::new());
        }
        // After an idle wait there is nothing to poll for: the next wait sees what came meanwhile.
        let mut entries = if self.idle { Vec::new() } else { self.poll(room).await? };
        if entries.is_empty() {
            entries = self.wait(room, stop).await?;
            self.idle = entries.is_empty();
        }
        Ok(self.accept(entries, room).await)
    }

    /// Reads what is there: the bulk lane's share first, then live work, then what is left.
    async fn poll(&mut self, room: Room) -> Result<Vec<StreamEntry>, QueueError> {
        let first = Share { live: room.free - room.bulk_first, bulk: room.bulk_first };
        let mut entries = self.read(first).await?;
        let bulk = entries.iter().filter(|entry| entry.lane == Lane::Bulk).count();
        let live = entries.len() - bulk;
        let left = room.free - entries.len();
        let (live_dry, bulk_dry) = (live < first.live, bulk < first.bulk);
        let more = match (live_dry, bulk_dry) {
            (true, true) => Share { live: 0, bulk: 0 },
            (true, false) => Share { live: 0, bulk: left.min(room.bulk_most - bulk) },
            (false, _) => Share { live: left, bulk: 0 },
        };
        if more.live + more.bulk > 0 {
            match self.read(more).await {
                Ok(found) => entries.extend(found),
                // What was read is in hand; the next round meets the same error.
                Err(_) if !entries.is_empty() => {
                    self.work.reclaimable.store(true, Ordering::Release);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    async fn read(&mut self, share: Share) -> Result<Vec<StreamEntry>, QueueError> {
        let mut pipeline = redis::pipe();
        for (lane, count) in [(Lane::Bulk, share.bulk), (Lane::Live, share.live)] {
            if count > 0 {
                let mut command = self.command(count);
                command.arg("STREAMS").arg(self.work.queue.keys().stream(lane)).arg(">");
                pipeline.add_command(command);
            }
        }
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let Some(connection) = &mut self.connection else { return Ok(Vec::new()) };
        let count = pipeline.len();
        let answers = connection.req_packed_commands(&pipeline, 0, count).await;
        let answers: Vec<Value> = answers.map_err(|error| classify(&error))?;
        let mut entries = Vec::new();
        let mut failed = None;
        for answer in answers {
            match answer.extract_error() {
                Ok(answer) => entries.extend(read_streams(answer, &self.work.queue.keys().live)),
                Err(error) => failed = Some(classify(&error)),
            }
        }
        self.work.queue.link().health().answered();
        match failed {
            Some(error) if entries.is_empty() => Err(error),
            _ => Ok(entries),
        }
    }

    /// Waits for entries inside Redis.
    async fn wait(
        &mut self,
        room: Room,
        stop: &CancellationToken,
    ) -> Result<Vec<StreamEntry>, QueueError> {
        let slots = Arc::clone(&self.work.slots);
        let keys = self.work.queue.keys();
        let live_only = room.bulk_most == 0;
        slots.live_only.store(live_only, Ordering::Release);
        // COUNT holds for each stream: with both, half of the free slots at most.
        let count = if live_only { room.free } else { (room.free / 2).clamp(1, room.bulk_most) };
        let mut command = self.command(count);
        command.arg("BLOCK").arg(millis(BLOCK)).arg("STREAMS").arg(&keys.live);
        if live_only {
            command.arg(">");
        } else {
            command.arg(&keys.bulk).arg(">").arg(">");
        }
        self.blocked.now.store(true, Ordering::Release);
        let widened = live_only && slots.room().bulk_most > 0;
        let answer = match &mut self.connection {
            Some(connection) if !widened && !stop.is_cancelled() => {
                connection.req_packed_command(&command).await.and_then(Value::extract_error)
            }
            _ => Ok(Value::Nil),
        };
        self.blocked.now.store(false, Ordering::Release);
        slots.live_only.store(false, Ordering::Release);
        let answer = answer.map_err(|error| classify(&error))?;
        self.work.queue.link().health().answered();
        Ok(read_streams(answer, &self.work.queue.keys().live))
    }

    fn command(&self, count: usize) -> Cmd {
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(&self.work.name).arg("COUNT").arg(count);
        command
    }

    async fn connect(&mut self) -> Result<(), QueueError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let mut connection = self.work.queue.link().dedicated(BLOCK).await?;
        let id: i64 = redis::cmd("CLIENT")
            .arg("ID")
            .query_async(&mut connection)
            .await
            .map_err(|error| classify(&error))?;
        self.blocked.client.store(id, Ordering::Release);
        self.connection = Some(connection);
        // A reply may have been lost with the connection before this one.
        self.work.reclaimable.store(true, Ordering::Release);
        Ok(())
    }

    async fn recover(&mut self, error: &QueueError) {
        if error.group_is_missing() {
            match self.create_groups().await {
                Ok(()) => {}
                Err(error) => self.note(&error),
            }
            return;
        }
        self.note(error);
        self.connection = None;
    }

    /// One log line for a failure, however often it is met.
    fn note(&mut self, error: &QueueError) {
        if let Some(message) = self.complaint.news(error) {
            tracing::error!(queue = self.work.queue.name(), error = %message,
                "reading failed; trying until it works");
        }
        self.work.queue.link().health().failed(error);
    }

    async fn create_groups(&self) -> Result<(), QueueError> {
        let link = self.work.queue.link();
        let call = self.work.on_lanes(&link.scripts().group);
        if link.call(&call).await? != Value::Int(0) {
            link.health().lost_data();
            tracing::info!(
                queue = self.work.queue.name(),
                "the consumer group was missing; it is made"
            );
        }
        Ok(())
    }
}

/// How many entries are asked of each lane.
#[derive(Clone, Copy)]
struct Share {
    live: usize,
    bulk: usize,
}

/// Ends the reader's wait inside Redis whenever it has something else to do.
pub(crate) async fn wake(work: Arc<Work>, blocked: Arc<Blocked>, stop: CancellationToken) {
    let mut stopping = false;
    loop {
        tokio::select! {
            () = work.wake.notified() => {}
            () = work.slots.widened.notified() => {}
            () = stop.cancelled(), if !stopping => stopping = true,
        }
        while blocked.now.load(Ordering::Acquire) {
            let mut command = redis::cmd("CLIENT");
            command.arg("UNBLOCK").arg(blocked.client.load(Ordering::Acquire));
            match work.queue.link().command(&command).await {
                Ok(Value::Int(1)) | Err(_) => break,
                Ok(_) => tokio::time::sleep(WAKE_AGAIN).await,
            }
        }
    }
}
