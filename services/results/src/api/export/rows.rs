//! Rows of a query, a stretch after the other.

use serde::Serialize;

use crate::store::{
    Store, StoreError,
    calls::CallQuery,
    entities::{call_logs, leads},
    leads::LeadQuery,
    search::SearchText,
};

/// Rows in a stretch: what an export holds at once, whatever its size.
const PAGE: u64 = 200;

/// Rows that come in stretches.
pub trait Rows: Send + 'static {
    /// A row.
    type Row: Serialize + Send + Sync;
    /// Its columns in CSV, in order.
    const COLUMNS: &'static [&'static str];

    /// The next stretch; empty at the end.
    fn next_page(&mut self) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;
}

/// Calls, found by filters or by words.
pub struct CallRows {
    store: Store,
    query: CallQuery,
    text: Option<SearchText>,
    at_end: bool,
}

impl CallRows {
    /// The calls of a query, in its order.
    pub fn new(store: Store, query: CallQuery, text: Option<SearchText>) -> Self {
        let query = CallQuery { limit: PAGE, ..query };
        Self { store, query, text, at_end: false }
    }
}

impl Rows for CallRows {
    type Row = call_logs::Model;
    const COLUMNS: &'static [&'static str] = &[
        "call_sid",
        "account_sid",
        "parent_call_sid",
        "created_at",
        "updated_at",
        "started_at",
        "enqueued_at",
        "transcribed_at",
        "from_number",
        "to_number",
        "direction",
        "call_status",
        "duration_seconds",
        "status",
        "attempts",
        "last_error_code",
        "last_error",
        "lead_id",
        "extracted_service",
        "service_id",
        "service_confidence",
        "extracted_city",
        "city_id",
        "city_confidence",
        "extraction_confidence",
        "transcript_language",
        "transcript_engine",
        "final_transcript",
    ];

    async fn next_page(&mut self) -> Result<Vec<call_logs::Model>, StoreError> {
        if self.at_end {
            return Ok(Vec::new());
        }
        let page = match &self.text {
            Some(text) => self.store.search(text, &self.query).await?.map(|found| found.call),
            None => self.store.calls(&self.query).await?,
        };
        self.at_end = page.next.is_none();
        self.query.after = page.next;
        Ok(page.rows)
    }
}

/// Leads, found by filters.
pub struct LeadRows {
    store: Store,
    query: LeadQuery,
    at_end: bool,
}

impl LeadRows {
    /// The leads of a query, newest first.
    pub fn new(store: Store, query: LeadQuery) -> Self {
        Self { store, query: LeadQuery { limit: PAGE, ..query }, at_end: false }
    }
}

impl Rows for LeadRows {
    type Row = leads::Model;
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "account_sid",
        "phone_e164",
        "name",
        "name_locked",
        "service_type",
        "service_id",
        "service_confidence",
        "service_call_sid",
        "service_locked",
        "city",
        "city_id",
        "city_confidence",
        "city_call_sid",
        "city_locked",
        "version",
        "created_at",
        "updated_at",
    ];

    async fn next_page(&mut self) -> Result<Vec<leads::Model>, StoreError> {
        if self.at_end {
            return Ok(Vec::new());
        }
        let (rows, next) = self.store.leads(&self.query).await?;
        (self.query.before_id, self.at_end) = (next, next.is_none());
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::{JsonSchema, schema_for};

    use super::*;

    fn fields<T: JsonSchema>() -> BTreeSet<String> {
        let schema = schema_for!(T);
        let properties = schema.get("properties").and_then(|own| own.as_object()).unwrap();
        properties.keys().cloned().collect()
    }

    #[test]
    fn every_field_of_a_row_has_its_column() {
        let columns = |own: &[&str]| own.iter().map(|own| (*own).to_owned()).collect();
        assert_eq!(fields::<call_logs::Model>(), columns(CallRows::COLUMNS));
        assert_eq!(fields::<leads::Model>(), columns(LeadRows::COLUMNS));
    }
}
