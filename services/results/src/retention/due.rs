//! What is old enough.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Func, IntoColumnRef},
};
use serde::Serialize;

use super::{Ages, RetentionSettings};
use crate::{
    projection::Status,
    store::{
        Store, StoreError,
        entities::{call_logs, recordings},
    },
};

/// What goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "DueKind")]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Recordings at Twilio.
    Recordings,
    /// Calls with everything that belongs to them.
    Calls,
    /// Transcripts.
    Transcripts,
    /// Telephone numbers.
    Numbers,
}

/// Something of an account that is old enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Due {
    /// The account.
    pub account_sid: String,
    /// What.
    pub kind: Kind,
    /// Everything from before this time.
    pub before: DateTime<Utc>,
    /// How many recordings or calls.
    pub count: u64,
}

impl Kind {
    /// The name in the log, the API and the audit table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recordings => "recordings",
            Self::Calls => "calls",
            Self::Transcripts => "transcripts",
            Self::Numbers => "numbers",
        }
    }

    /// Recordings come first: where they are is written in the rows that go next.
    const ORDER: [Self; 4] = [Self::Recordings, Self::Calls, Self::Transcripts, Self::Numbers];

    fn days(self, ages: Ages) -> Option<u32> {
        match self {
            Self::Recordings => ages.recordings_days,
            Self::Calls => ages.calls_days,
            Self::Transcripts => ages.transcripts_days,
            Self::Numbers => ages.numbers_days,
        }
    }
}

/// What is old enough at `now`, by account.
pub async fn find(
    store: &Store,
    settings: &RetentionSettings,
    now: DateTime<Utc>,
) -> Result<Vec<Due>, StoreError> {
    let accounts: Vec<String> = call_logs::Entity::find()
        .select_only()
        .column(call_logs::Column::AccountSid)
        .distinct()
        .order_by_asc(call_logs::Column::AccountSid)
        .into_tuple()
        .all(store.reader())
        .await?;
    let mut found = Vec::new();
    for account_sid in accounts {
        let ages = settings.ages(&account_sid);
        for kind in Kind::ORDER {
            let Some(days) = kind.days(ages) else { continue };
            let before = now - TimeDelta::days(days.into());
            let mut due = Due { account_sid: account_sid.clone(), kind, before, count: 0 };
            due.count = match kind {
                Kind::Recordings => {
                    let old = recordings::Entity::find().filter(old_recordings(&due));
                    old.count(store.reader()).await?
                }
                _ => {
                    let old = call_logs::Entity::find().filter(old_calls(&due));
                    old.count(store.reader()).await?
                }
            };
            if due.count > 0 {
                found.push(due);
            }
        }
    }
    Ok(found)
}

/// Recordings that are old enough, oldest first, without the first `skipped` of them.
pub async fn recordings(
    store: &Store,
    due: &Due,
    skipped: u64,
    limit: u64,
) -> Result<Vec<String>, StoreError> {
    Ok(recordings::Entity::find()
        .select_only()
        .column(recordings::Column::RecordingSid)
        .filter(old_recordings(due))
        .order_by_asc(recorded_at())
        .order_by_asc(recordings::Column::Id)
        .offset(skipped)
        .limit(limit)
        .into_tuple()
        .all(store.reader())
        .await?)
}

fn old_recordings(due: &Due) -> Condition {
    Condition::all()
        .add(recordings::Column::AccountSid.eq(&due.account_sid))
        .add(recorded_at().lt(due.before))
        .add(recordings::Column::MediaDeletedAt.is_null())
        // Without the media, work that waits, however long, could never be done.
        .add(recordings::Column::Status.is_in(named(Status::is_terminal)))
}

/// Ages count from the recording's start; where that is not known, from when it was first heard of.
fn recorded_at() -> Expr {
    use recordings::Column::{CreatedAt, StartedAt};
    coalesce((recordings::Entity, StartedAt), (recordings::Entity, CreatedAt))
}

/// The same of a call.
fn called_at() -> Expr {
    use call_logs::Column::{CreatedAt, StartedAt};
    coalesce((call_logs::Entity, StartedAt), (call_logs::Entity, CreatedAt))
}

/// As the indexes have it.
fn coalesce(first: impl IntoColumnRef, second: impl IntoColumnRef) -> Expr {
    Func::coalesce([Expr::col(first), Expr::col(second)]).into()
}

/// The calls that go, oldest first.
pub fn calls_due(due: &Due, settings: &RetentionSettings) -> Select<call_logs::Entity> {
    let mut which = old_calls(due);
    let ages = settings.ages(&due.account_sid);
    if due.kind == Kind::Calls && ages.recordings_days.is_some() {
        which = which.add(without_media());
    }
    call_logs::Entity::find().filter(which).order_by_asc(called_at())
}

/// Calls that are old enough and still have what is to go. Calls with work under way are left until
/// it is done.
fn old_calls(due: &Due) -> Condition {
    use call_logs::Column;
    let old = Condition::all()
        .add(Column::AccountSid.eq(&due.account_sid))
        .add(called_at().lt(due.before))
        .add(Column::Status.is_in(named(|status| !status.is_under_way())));
    match due.kind {
        Kind::Transcripts => old.add(Column::FinalTranscript.is_not_null()),
        Kind::Numbers => old.add(
            Condition::any()
                .add(Column::FromNumber.is_not_null())
                .add(Column::ToNumber.is_not_null()),
        ),
        Kind::Recordings | Kind::Calls => old,
    }
}

/// Calls none of whose recordings is still to be deleted at Twilio: their rows say where it is.
fn without_media() -> Condition {
    // Asked of each call that is met: Postgres goes through all recordings for `NOT IN`.
    let of_the_call = Expr::col((recordings::Entity, recordings::Column::CallSid))
        .equals((call_logs::Entity, call_logs::Column::CallSid));
    let still_there = recordings::Entity::find()
        .select_only()
        .column(recordings::Column::Id)
        .filter(of_the_call)
        .filter(recordings::Column::MediaDeletedAt.is_null())
        .filter(recordings::Column::Status.ne(Status::NoRecording.as_str()));
    Condition::all().not().add(Expr::exists(still_there.into_query()))
}

fn named(which: impl Fn(Status) -> bool) -> Vec<&'static str> {
    Status::ALL.into_iter().filter(|status| which(*status)).map(Status::as_str).collect()
}
