//! A lead's fields: recomputed from all calls of the caller, so the order of arrival does not
//! matter and a better transcription corrects what an earlier one said.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use crate::store::entities::{call_logs, leads::Model};

/// What one call says about its lead.
#[derive(Debug, Clone, PartialEq, FromQueryResult)]
pub struct Said {
    /// The lead.
    pub lead_id: Option<i64>,
    /// The call.
    pub call_sid: String,
    /// When its recordings started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was first heard of.
    pub created_at: DateTime<Utc>,
    /// What the caller wants.
    pub extracted_service: Option<String>,
    /// The catalogue's identifier of it.
    pub service_id: Option<String>,
    /// How sure that is.
    pub service_confidence: Option<f64>,
    /// Where.
    pub extracted_city: Option<String>,
    /// The catalogue's identifier of it.
    pub city_id: Option<String>,
    /// How sure that is.
    pub city_confidence: Option<f64>,
}

impl Said {
    /// Whether the call says nothing that could enter a lead.
    pub fn is_silent(&self) -> bool {
        self.extracted_service.is_none() && self.extracted_city.is_none()
    }
}

impl From<&call_logs::Model> for Said {
    fn from(call: &call_logs::Model) -> Self {
        Self {
            lead_id: call.lead_id,
            call_sid: call.call_sid.clone(),
            started_at: call.started_at,
            created_at: call.created_at,
            extracted_service: call.extracted_service.clone(),
            service_id: call.service_id.clone(),
            service_confidence: call.service_confidence,
            extracted_city: call.extracted_city.clone(),
            city_id: call.city_id.clone(),
            city_confidence: call.city_confidence,
        }
    }
}

/// A field of a lead that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// `service_type` or `city`.
    pub field: &'static str,
    /// Before.
    pub from: Option<String>,
    /// After.
    pub to: Option<String>,
    /// The call that said so, or whose correction took the value away.
    pub call_sid: Option<String>,
}

#[derive(Clone, Default, PartialEq)]
struct Value {
    value: Option<String>,
    id: Option<String>,
    confidence: Option<f64>,
    call_sid: Option<String>,
}

/// A lead without any field yet.
pub fn new(account_sid: &str, phone_e164: &str, now: DateTime<Utc>) -> Model {
    Model {
        id: 0,
        account_sid: account_sid.to_owned(),
        phone_e164: phone_e164.to_owned(),
        name: None,
        name_locked: false,
        service_type: None,
        service_id: None,
        service_confidence: None,
        service_call_sid: None,
        service_locked: false,
        city: None,
        city_id: None,
        city_confidence: None,
        city_call_sid: None,
        city_locked: false,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// Writes the fields that are not locked anew from everything the lead's calls say. Returns whether
/// anything in the row differs, and the values that changed.
pub fn recompute(lead: &mut Model, said: &[Said], threshold: f64) -> (bool, Vec<FieldChange>) {
    let before = lead.clone();
    let mut changes = Vec::new();
    if !lead.service_locked {
        let service = standing(said, threshold, |said| Value {
            value: said.extracted_service.clone(),
            id: said.service_id.clone(),
            confidence: said.service_confidence,
            call_sid: Some(said.call_sid.clone()),
        });
        changes.extend(change(
            "service_type",
            &lead.service_type,
            &lead.service_call_sid,
            &service,
        ));
        lead.service_type = service.value;
        lead.service_id = service.id;
        lead.service_confidence = service.confidence;
        lead.service_call_sid = service.call_sid;
    }
    if !lead.city_locked {
        let city = standing(said, threshold, |said| Value {
            value: said.extracted_city.clone(),
            id: said.city_id.clone(),
            confidence: said.city_confidence,
            call_sid: Some(said.call_sid.clone()),
        });
        changes.extend(change("city", &lead.city, &lead.city_call_sid, &city));
        lead.city = city.value;
        lead.city_id = city.id;
        lead.city_confidence = city.confidence;
        lead.city_call_sid = city.call_sid;
    }
    (*lead != before, changes)
}

/// The value of the latest call that is sure enough; then the surest, then the highest SID.
fn standing(said: &[Said], threshold: f64, field: impl Fn(&Said) -> Value) -> Value {
    said.iter()
        .map(|said| (said.started_at.unwrap_or(said.created_at), field(said)))
        .filter(|(_, field)| field.value.is_some())
        .filter(|(_, field)| field.confidence.is_some_and(|confidence| confidence >= threshold))
        .max_by(|(at_a, a), (at_b, b)| {
            let confidence = |value: &Value| value.confidence.unwrap_or_default();
            at_a.cmp(at_b)
                .then(confidence(a).total_cmp(&confidence(b)))
                .then(a.call_sid.cmp(&b.call_sid))
        })
        .map(|(_, field)| field)
        .unwrap_or_default()
}

fn change(
    field: &'static str,
    from: &Option<String>,
    source: &Option<String>,
    to: &Value,
) -> Option<FieldChange> {
    let call_sid = to.call_sid.clone().or_else(|| source.clone());
    (*from != to.value).then(|| FieldChange {
        field,
        from: from.clone(),
        to: to.value.clone(),
        call_sid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::time;

    fn said(call: u32, at_ms: i64, city: Option<(&str, f64)>) -> Said {
        Said {
            lead_id: Some(1),
            call_sid: format!("CA{call:032x}"),
            started_at: None,
            created_at: time::at(at_ms),
            extracted_service: None,
            service_id: None,
            service_confidence: None,
            extracted_city: city.map(|(city, _)| city.into()),
            city_id: city.map(|(city, _)| city.into()),
            city_confidence: city.map(|(_, confidence)| confidence),
        }
    }

    fn lead() -> Model {
        new(&format!("AC{:032x}", 1), "+15125550123", time::at(0))
    }

    #[test]
    fn the_latest_call_that_is_sure_enough_stands() {
        let mut lead = lead();
        let calls = [
            said(1, 10, Some(("austin", 0.99))),
            said(2, 30, Some(("dallas", 0.79))),
            said(3, 20, Some(("houston", 0.8))),
            said(4, 40, None),
        ];
        let (changed, changes) = recompute(&mut lead, &calls, 0.8);
        assert!(changed);
        assert_eq!(lead.city.as_deref(), Some("houston"));
        assert_eq!(changes[0].call_sid, Some(calls[2].call_sid.clone()));
        assert_eq!(recompute(&mut lead, &calls, 0.8), (false, vec![]));
    }

    #[test]
    fn of_calls_at_the_same_time_the_surest_stands_and_then_the_highest_sid() {
        let mut lead = lead();
        let surer = [said(2, 10, Some(("austin", 0.9))), said(1, 10, Some(("dallas", 0.95)))];
        recompute(&mut lead, &surer, 0.8);
        assert_eq!(lead.city.as_deref(), Some("dallas"));
        let equal = [said(2, 10, Some(("austin", 0.9))), said(1, 10, Some(("dallas", 0.9)))];
        recompute(&mut lead, &equal, 0.8);
        assert_eq!(lead.city.as_deref(), Some("austin"));
    }

    #[test]
    fn a_locked_field_stays_as_the_person_left_it() {
        let mut lead = Model { city: Some("Waco".into()), city_locked: true, ..lead() };
        let calls = [said(1, 10, Some(("austin", 0.99)))];
        assert_eq!(recompute(&mut lead, &calls, 0.8), (false, vec![]));
        assert_eq!(lead.city.as_deref(), Some("Waco"));
    }

    #[test]
    fn a_correction_takes_away_what_no_call_says_any_more() {
        let mut lead = lead();
        recompute(&mut lead, &[said(1, 10, Some(("austin", 0.99)))], 0.8);
        let (_, changes) = recompute(&mut lead, &[said(1, 10, None)], 0.8);
        assert_eq!(lead.city, None);
        let of_call_1 = Some(format!("CA{:032x}", 1));
        assert_eq!((changes[0].to.clone(), changes[0].call_sid.clone()), (None, of_call_1));
    }
}
