//! What nobody should keep does not get into the rows, the index or the events out.

use std::sync::Arc;

use callscribe_results::{ResultsSettings, projection::Projection};
use domain::{EventKind, RedactSettings, Redactor};

use crate::support::{
    Db,
    events::{observed, of_call, of_recording, transcribed},
    on_both,
};

const T: i64 = 1_790_000_000_000;
const SAID: &str = "a locksmith in Austin my card is 4242 4242 4242 4242 and passport ab12";
const KEPT: &str = "a locksmith in Austin my card is **** **** **** **** and ******** ****";

on_both! {
    async fn a_card_number_told_by_an_older_transcriber_is_masked_before_it_is_stored(db: Db) {
        let patterns = vec!["passport [a-z0-9]+".to_owned()];
        let redactor = Redactor::new(&RedactSettings { cards: true, patterns }).unwrap();
        let settings = Arc::new(ResultsSettings::default());
        let projection = Projection::new(db.store.clone(), settings).redacting(redactor);
        let mut words = transcribed(SAID, Some(("locksmith", 0.95)), Some(("Austin", 0.9)));
        if let EventKind::Transcribed(transcribed) = &mut words {
            let city = transcribed.extraction.city.as_mut().unwrap();
            city.evidence.quote = SAID[15..40].into();
            (city.evidence.start_char, city.evidence.end_char) = (15, 40);
        }
        let from = observed("+15125550123", "+15125550100", "inbound");
        let events = [of_call(1, T, from), of_recording(1, 1, (0, 0, 1), T, words)];
        projection.persist(&events).await.unwrap();
        let rows = db.rows().await;
        assert_eq!(rows.calls[0].final_transcript, Some(format!("caller: {KEPT}")));
        assert_eq!(rows.calls[0].extracted_city.as_deref(), Some("Austin"));
        let recording = &rows.recordings[0];
        assert!(recording.transcript.as_ref().unwrap().ends_with(KEPT));
        assert_eq!(recording.segments.as_ref().unwrap()[0]["text"], KEPT);
        let city = &recording.extraction.as_ref().unwrap()["city"]["evidence"];
        assert_eq!(city["quote"], KEPT[15..40]);
        for event in db.outbox().await {
            assert!(!event.payload.to_string().contains("4242"), "{}", event.payload);
        }
    }
}
