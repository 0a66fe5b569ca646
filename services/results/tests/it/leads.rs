//! Calls → leads.

use domain::EventKind;

use crate::support::{
    Db,
    events::{call_sid, observed, of_call, of_recording, transcribed, usual},
    on_both,
};

const T: i64 = 1_790_000_000_000;
const CALLER: &str = "+15125550123";

on_both! {
    async fn a_lead_is_the_external_party_of_its_calls(db: Db) {
        let outbound = observed("+15125550100", CALLER, "outbound-api");
        let city = transcribed("i live in Dallas", None, Some(("Dallas", 0.9)));
        let mut events = usual(1, T, CALLER, "Austin");
        events.push(of_call(2, T + 500, outbound));
        events.push(of_recording(2, 2, (0, 0, 1), T + 510, city));
        db.persist(&events).await.unwrap();
        let leads = db.rows().await.leads;
        assert_eq!(leads.len(), 1);
        assert_eq!(leads[0].phone_e164, CALLER);
        assert_eq!(leads[0].service_type.as_deref(), Some("locksmith"));
        assert_eq!(leads[0].city.as_deref(), Some("Dallas"), "of the latest call that says one");
        assert_eq!(leads[0].city_call_sid, Some(call_sid(2)));
    }
}

on_both! {
    async fn callers_who_withhold_their_number_and_legs_within_a_call_make_no_lead(db: Db) {
        for (call, from) in [(1, "anonymous"), (2, "+266696687"), (3, "client:support")] {
            db.persist(&usual(call, T, from, "Austin")).await.unwrap();
        }
        let leg = EventKind::Observed(domain::CallMetadata {
            from: Some(CALLER.into()),
            to: Some("+15125550111".into()),
            direction: Some("outbound-dial".into()),
            parent_call_sid: Some(call_sid(1).parse().unwrap()),
            ..Default::default()
        });
        db.persist(&[of_call(4, T, leg)]).await.unwrap();
        assert_eq!(db.rows().await.leads, vec![]);
    }
}

on_both! {
    async fn a_locked_field_survives_whatever_a_call_says_and_every_change_is_kept(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        db.execute("UPDATE leads SET city = 'Waco', city_locked = true").await;
        let mut events = usual(2, T + 100, CALLER, "Dallas");
        let plumber = transcribed("a plumber", Some(("plumber", 0.9)), Some(("Dallas", 0.9)));
        events.push(of_recording(2, 2, (0, 0, 2), T + 150, plumber));
        db.persist(&events).await.unwrap();
        let lead = db.rows().await.leads.remove(0);
        assert_eq!(lead.city.as_deref(), Some("Waco"));
        assert_eq!(lead.service_type.as_deref(), Some("plumber"));
        let changes: Vec<_> = db
            .changes()
            .await
            .into_iter()
            .map(|c| (c.field, c.from_value, c.to_value, c.call_sid))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(changes, [
            ("service_type".into(), None, text("locksmith"), Some(call_sid(1))),
            ("city".into(), None, text("Austin"), Some(call_sid(1))),
            ("service_type".into(), text("locksmith"), text("plumber"), Some(call_sid(2))),
        ]);
    }
}

on_both! {
    async fn what_is_not_sure_enough_stays_with_the_call_and_out_of_the_lead(db: Db) {
        db.persist(&usual(1, T, CALLER, "Austin")).await.unwrap();
        let unsure = transcribed("dallas maybe", None, Some(("Dallas", 0.79)));
        db.persist(&[
            of_call(2, T + 100, observed(CALLER, "+15125550100", "inbound")),
            of_recording(2, 2, (0, 0, 1), T + 110, unsure),
        ]).await.unwrap();
        let rows = db.rows().await;
        assert_eq!(rows.calls[1].extracted_city.as_deref(), Some("Dallas"));
        assert_eq!(rows.leads[0].city.as_deref(), Some("Austin"));
    }
}

on_both! {
    async fn calls_of_one_caller_persisted_at_once_lose_no_change(db: Db) {
        let tasks = (1..=12u32).map(|call| {
            let projection = db.projection();
            tokio::spawn(async move {
                let events = usual(call, T + i64::from(call), CALLER, &format!("City {call}"));
                projection.persist(&events).await
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        let rows = db.rows().await;
        assert_eq!(rows.leads.len(), 1);
        assert_eq!(rows.leads[0].city.as_deref(), Some("City 12"));
        assert!(rows.calls.iter().all(|call| call.lead_id == Some(0)));
        // Each change goes on from where the one before it left off.
        let cities: Vec<_> =
            db.changes().await.into_iter().filter(|change| change.field == "city").collect();
        assert!(cities.windows(2).all(|pair| pair[0].to_value == pair[1].from_value));
    }
}
