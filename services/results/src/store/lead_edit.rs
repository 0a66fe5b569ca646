//! What a person says of a lead: it stands until the person takes it back.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::EntityTrait;
use serde::{Deserialize, Deserializer};

use super::{
    Store, StoreError,
    entities::{lead_changes, leads},
};
use crate::{
    projection::{lead, leads_of_batch, outbox, write},
    settings::ResultsSettings,
};

/// An edit. A field that is given is set, to nothing if it is null, and locked: calls do not
/// change it any more. A field that is unlocked follows the calls again.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeadEdit {
    /// The name.
    #[serde(deserialize_with = "given")]
    #[schemars(length(min = 1, max = 200), regex(pattern = PLAIN))]
    pub name: Option<Option<String>>,
    /// What the caller wants.
    #[serde(deserialize_with = "given")]
    #[schemars(length(min = 1, max = 200), regex(pattern = PLAIN))]
    pub service_type: Option<Option<String>>,
    /// Where.
    #[serde(deserialize_with = "given")]
    #[schemars(length(min = 1, max = 200), regex(pattern = PLAIN))]
    pub city: Option<Option<String>>,
    /// Fields that follow the calls again.
    pub unlock: Vec<LeadField>,
    /// Who says so, for the history. Default `api`.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "String", length(min = 1, max = 200), regex(pattern = PLAIN))]
    pub by: Option<String>,
}

/// What [`is_plain`] allows, besides the length: a character that is no space, none that controls.
const PLAIN: &str = r"^(?=.*\S)[^\x00-\x1f\x7f-\x9f]*$";

/// A field that can be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeadField {
    /// The name.
    Name,
    /// What the caller wants.
    ServiceType,
    /// Where.
    City,
}

/// What became of an edit.
#[derive(Debug, Clone, PartialEq)]
pub enum Edited {
    /// It stands.
    Now(Box<leads::Model>),
    /// There is no such lead.
    Missing,
    /// Somebody or some call was faster.
    Stale,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Who says so is a name where it is given.
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(Some)
}

impl LeadEdit {
    /// Checks the values.
    ///
    /// # Errors
    /// The field and what is allowed.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let fields =
            [("name", &self.name), ("service_type", &self.service_type), ("city", &self.city)];
        for (name, value) in fields {
            if value.as_ref().and_then(Option::as_deref).is_some_and(|text| !is_plain(text)) {
                return Err((name, "null, or 1 to 200 characters without control characters"));
            }
        }
        if self.by.as_deref().is_some_and(|text| !is_plain(text)) {
            return Err(("by", "1 to 200 characters without control characters"));
        }
        let set = [self.name.is_some(), self.service_type.is_some(), self.city.is_some()];
        if self.unlock.is_empty() && set == [false; 3] {
            return Err(("body", "at least one of name, service_type, city, unlock"));
        }
        let both = self.unlock.iter().any(|field| match field {
            LeadField::Name => set[0],
            LeadField::ServiceType => set[1],
            LeadField::City => set[2],
        });
        if both {
            return Err(("unlock", "a field is either set, which locks it, or unlocked"));
        }
        Ok(())
    }

    fn by(&self) -> &str {
        self.by.as_deref().unwrap_or("api")
    }

    fn apply(&self, lead: &mut leads::Model) {
        if let Some(name) = &self.name {
            lead.name = name.clone();
            lead.name_locked = true;
        }
        if let Some(service) = &self.service_type {
            lead.service_type = service.clone();
            lead.service_id = None;
            lead.service_confidence = None;
            lead.service_call_sid = None;
            lead.service_locked = true;
        }
        if let Some(city) = &self.city {
            lead.city = city.clone();
            lead.city_id = None;
            lead.city_confidence = None;
            lead.city_call_sid = None;
            lead.city_locked = true;
        }
        for field in &self.unlock {
            match field {
                LeadField::Name => lead.name_locked = false,
                LeadField::ServiceType => lead.service_locked = false,
                LeadField::City => lead.city_locked = false,
            }
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control)
}

impl Store {
    /// Edits a lead, if it still has the version the person saw (`None` is any).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn edit_lead(
        &self,
        id: i64,
        seen: Option<i64>,
        edit: &LeadEdit,
        settings: &ResultsSettings,
    ) -> Result<Edited, StoreError> {
        let transaction = self.begin().await?;
        let found = leads::Entity::find_by_id(id).one(&transaction).await?;
        let Some(before) = found else { return Ok(Edited::Missing) };
        if seen.is_some_and(|seen| seen != before.version) {
            return Ok(Edited::Stale);
        }
        let now = Utc::now();
        let mut row = before.clone();
        edit.apply(&mut row);
        let mut history = changes_by(&before, &row, edit.by(), now);
        let leads = std::slice::from_ref(&row);
        let said = leads_of_batch::standing_calls(&transaction, leads, settings).await?;
        let said = said.get(&id).map(Vec::as_slice).unwrap_or_default();
        let threshold = settings.threshold(&before.account_sid);
        let (_, changes) = lead::recompute(&mut row, said, threshold);
        let by_calls = changes.iter().map(|change| leads_of_batch::history_of(&row, change, now));
        history.extend(by_calls);
        if row != before {
            row.version += 1;
            row.updated_at = now;
            write::leads(&transaction, vec![row.clone()]).await?;
            write::lead_changes(&transaction, history).await?;
            write::events_out(&transaction, vec![outbox::of_lead(&row, None, now)]).await?;
        }
        transaction.commit().await?;
        Ok(Edited::Now(Box::new(row)))
    }
}

/// The history's rows of what somebody else than a call changed in a lead.
pub(crate) fn changes_by(
    before: &leads::Model,
    after: &leads::Model,
    by: &str,
    now: DateTime<Utc>,
) -> Vec<lead_changes::Model> {
    let fields = [
        ("name", &before.name, &after.name),
        ("service_type", &before.service_type, &after.service_type),
        ("city", &before.city, &after.city),
    ];
    let changed = fields.into_iter().filter(|(_, from, to)| from != to);
    changed
        .map(|(field, from, to)| lead_changes::Model {
            id: 0,
            lead_id: before.id,
            field: field.into(),
            from_value: from.clone(),
            to_value: to.clone(),
            call_sid: None,
            changed_by: Some(by.to_owned()),
            changed_at: now,
        })
        .collect()
}
