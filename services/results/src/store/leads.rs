//! Reading leads.

use std::{cmp::Reverse, collections::BTreeMap};

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    Store, StoreError,
    entities::{
        lead_changes,
        leads::{self, Column},
    },
};

/// Which leads, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeadQuery {
    /// Only those of this account.
    pub account_sid: Option<String>,
    /// Only the one with this number.
    pub phone: Option<String>,
    /// Only those who want this.
    pub service: Option<String>,
    /// Only those in this city.
    pub city: Option<String>,
    /// Only those with a smaller number: where the stretch before ended.
    pub before_id: Option<i64>,
    /// How many at most.
    pub limit: u64,
}

impl Store {
    /// Leads, newest first, and the number to go on from.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn leads(
        &self,
        query: &LeadQuery,
    ) -> Result<(Vec<leads::Model>, Option<i64>), StoreError> {
        let limit = query.limit.clamp(1, 1000);
        let mut of_all = Condition::all();
        if let Some(account_sid) = &query.account_sid {
            of_all = of_all.add(Column::AccountSid.eq(account_sid));
        }
        if let Some(phone) = &query.phone {
            of_all = of_all.add(Column::PhoneE164.eq(phone));
        }
        if let Some(id) = query.before_id {
            of_all = of_all.add(Column::Id.lt(id));
        }
        let mut rows = BTreeMap::new();
        for reading in readings(query) {
            let found = leads::Entity::find()
                .filter(of_all.clone().add(reading))
                .order_by_desc(Column::Id)
                .limit(limit + 1)
                .all(&self.reader)
                .await?;
            rows.extend(found.into_iter().map(|lead| (Reverse(lead.id), lead)));
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(|last| last.id);
        Ok((rows, next))
    }

    /// One lead.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lead(&self, id: i64) -> Result<Option<leads::Model>, StoreError> {
        Ok(leads::Entity::find_by_id(id).one(&self.reader).await?)
    }

    /// What changed in a lead, newest first, and the number to go on from.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lead_changes(
        &self,
        lead_id: i64,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<(Vec<lead_changes::Model>, Option<i64>), StoreError> {
        let mut find =
            lead_changes::Entity::find().filter(lead_changes::Column::LeadId.eq(lead_id));
        if let Some(id) = before_id {
            find = find.filter(lead_changes::Column::Id.lt(id));
        }
        let newest_first = find.order_by_desc(lead_changes::Column::Id).limit(limit + 1);
        let mut rows = newest_first.all(&self.reader).await?;
        let more = rows.len() as u64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows.last().filter(|_| more).map(|last| last.id);
        Ok((rows, next))
    }
}

/// A service and a city may each stand in either of two columns: each way to read the query is asked
/// for on its own, by one index in the order of the list.
fn readings(query: &LeadQuery) -> Vec<Condition> {
    let in_either = |value: &Option<String>, columns: [Column; 2]| match value {
        Some(value) => columns.map(|column| Condition::all().add(column.eq(value))).to_vec(),
        None => vec![Condition::all()],
    };
    let services = in_either(&query.service, [Column::ServiceType, Column::ServiceId]);
    let cities = in_either(&query.city, [Column::City, Column::CityId]);
    let with_city =
        |service: &Condition| cities.iter().map(|city| service.clone().add(city.clone())).collect();
    services.iter().flat_map(|service| -> Vec<Condition> { with_city(service) }).collect()
}
