//! One row a caller of an account.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// A lead.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "Lead")]
#[sea_orm(table_name = "leads")]
pub struct Model {
    /// Number of the lead.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The account.
    pub account_sid: String,
    /// The caller's number in E.164 form.
    pub phone_e164: String,
    /// Name, given by a person.
    pub name: Option<String>,
    /// Whether a person fixed the name.
    pub name_locked: bool,
    /// What the caller wants.
    pub service_type: Option<String>,
    /// The catalogue's identifier of the service.
    pub service_id: Option<String>,
    /// How sure the service is, between 0 and 1.
    pub service_confidence: Option<f64>,
    /// The call the service comes from.
    pub service_call_sid: Option<String>,
    /// Whether a person fixed the service.
    pub service_locked: bool,
    /// Where.
    pub city: Option<String>,
    /// The catalogue's identifier of the city.
    pub city_id: Option<String>,
    /// How sure the city is, between 0 and 1.
    pub city_confidence: Option<f64>,
    /// The call the city comes from.
    pub city_call_sid: Option<String>,
    /// Whether a person fixed the city.
    pub city_locked: bool,
    /// Raised by every change; the ETag of the API.
    pub version: i64,
    /// When the lead was first seen.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// None: the tables are joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
