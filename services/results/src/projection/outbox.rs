//! Events for the outside, with an identifier that is the same for the same fact.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Status;
use crate::store::entities::{call_logs, leads, outbox::Model};

/// A call has reached an end. `outcome` tells this end from an earlier or later one.
pub fn of_call(call: &call_logs::Model, outcome: &str, now: DateTime<Utc>) -> Model {
    let failed = call.status == Status::Failed.as_str();
    let event_type = if failed { "call.failed" } else { "call.completed" };
    Model {
        seq: 0,
        event_id: event_id(&[event_type, outcome]),
        event_type: event_type.into(),
        account_sid: call.account_sid.clone(),
        call_sid: Some(call.call_sid.clone()),
        lead_id: call.lead_id,
        payload: envelope(event_type, call.updated_at, json!({ "call": call })),
        created_at: now,
        relayed_at: None,
    }
}

/// A lead is new or has changed. Its version tells this change from an earlier or later one; the times
/// tell it from one of a database that was lost, or restored, whose ids and versions are given out anew.
pub fn of_lead(lead: &leads::Model, call_sid: Option<&str>, now: DateTime<Utc>) -> Model {
    let event_type = "lead.updated";
    let times = [lead.created_at, lead.updated_at].map(|time| time.timestamp_micros());
    let fact = format!("{}\n{}\n{}\n{}", lead.id, lead.version, times[0], times[1]);
    Model {
        seq: 0,
        event_id: event_id(&[event_type, &fact]),
        event_type: event_type.into(),
        account_sid: lead.account_sid.clone(),
        call_sid: call_sid.map(str::to_owned),
        lead_id: Some(lead.id),
        payload: envelope(event_type, lead.updated_at, json!({ "lead": lead })),
        created_at: now,
        relayed_at: None,
    }
}

/// The body after the Standard Webhooks specification: type, timestamp, data.
fn envelope(event_type: &str, at: DateTime<Utc>, data: Value) -> Value {
    json!({ "type": event_type, "timestamp": at, "data": data })
}

fn event_id(fact: &[&str]) -> String {
    let digest = Sha256::digest(fact.join("\n").as_bytes());
    format!("msg_{}", hex::encode(&digest[..16]))
}
