//! The comparison of a span of days, on demand.

use super::*;

/// A back-fill of the ten days before today, with a recording at noon of each.
fn ten_days(world: &World) -> Backfill {
    let today = Utc::now().date_naive();
    let day = |back: u64| today - Days::new(back);
    for back in 1..=10 {
        let noon = day(back).and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp_millis();
        world.add_at(u32::try_from(back).unwrap(), noon, RecordingStatus::Completed);
    }
    Backfill {
        account: account_sid(),
        since: day(10),
        until: Some(day(1)),
        dry_run: false,
        max_per_second: 1000,
    }
}

async fn scopes(store: &Store) -> usize {
    reconcile_marks::Entity::find().all(store.reader()).await.unwrap().len()
}

on_both! {
    async fn a_back_fill_that_was_stopped_goes_on_with_the_day_it_was_at(db: Db) {
        let world = World::new(db).await;
        let plan = ten_days(&world);
        let stop = CancellationToken::new();
        let twilio = world.twilio.settings();
        let first = world.with(twilio, ReconcileSettings::default(), stop.clone());
        let stopped = first
            .backfill(&plan, |progress| if progress.days_done == 4 { stop.cancel() })
            .await;
        assert!(matches!(stopped, Err(ReconcileError::Stopped)), "{stopped:?}");
        assert_eq!(world.waiting_in_bulk().await, 4);

        let mut seen = Vec::new();
        let summary = world.reconciler().backfill(&plan, |progress| seen.push(progress)).await;
        assert_eq!(summary.unwrap(), Summary { listed: 6, enqueued: 6, ..Default::default() });
        assert_eq!(seen.first().map(|first| (first.days_done, first.days)), Some((4, 10)));
        assert_eq!(seen.last().map(|last: &Progress| last.days_done), Some(10));
        assert_eq!(world.waiting_in_bulk().await, 10);
        assert_eq!(scopes(&world.db.store).await, 0, "a finished back-fill leaves nothing");
    }
}

#[tokio::test]
async fn a_dry_run_counts_and_enqueues_nothing() {
    let world = World::new(Db::sqlite().await).await;
    let plan = Backfill { dry_run: true, ..ten_days(&world) };
    let summary = world.reconciler().backfill(&plan, |_| ()).await.unwrap();
    assert_eq!(summary, Summary { listed: 10, enqueued: 10, ..Default::default() });
    assert_eq!((world.waiting_in_bulk().await, scopes(&world.db.store).await), (0, 0));
}

#[tokio::test]
async fn the_same_back_fill_twice_at_once_is_refused() {
    let world = World::new(Db::sqlite().await).await;
    let plan = ten_days(&world);
    let (first, second) = (world.reconciler(), world.reconciler());
    let (tell, told) = tokio::sync::oneshot::channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let mut tell = Some(tell);
    let mut wait = Some(wait);
    let running = tokio::task::spawn_blocking({
        let plan = plan.clone();
        move || {
            let hold = |_| {
                if let (Some(tell), Some(wait)) = (tell.take(), wait.take()) {
                    tell.send(()).unwrap();
                    wait.recv().unwrap();
                }
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(first.backfill(&plan, hold)).unwrap()
        }
    });
    told.await.unwrap();
    let error = second.backfill(&plan, |_| ()).await.unwrap_err();
    assert!(matches!(error, ReconcileError::UnderWay { .. }), "{error}");
    go_on.send(()).unwrap();
    assert_eq!(running.await.unwrap().enqueued, 10);
}

#[tokio::test]
async fn days_the_wrong_way_round_are_refused() {
    let world = World::new(Db::sqlite().await).await;
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
    let plan = Backfill { since: day(2), until: Some(day(1)), ..ten_days(&world) };
    let error = world.reconciler().backfill(&plan, |_| ()).await.unwrap_err();
    assert!(matches!(error, ReconcileError::Days { .. }), "{error}");
}

#[tokio::test]
async fn a_back_fill_enqueues_old_unfinished_work_unless_the_queue_holds_it() {
    let world = World::new(Db::sqlite().await).await;
    let plan = ten_days(&world);
    for n in [8, 9] {
        let made_ms = queues::now_ms() - i64::from(n) * DAY_MS;
        world.db.persist(&[of_recording(n, n, (0, 0, 0), made_ms, queued())]).await.unwrap();
    }
    let entry = queues::job_entry(&transcribe(8, 0), None).unwrap();
    let held = queue::Entry { once: None, emit: vec![], ..entry };
    world.calls.enqueue(held).await.unwrap();
    let summary = world.reconciler().backfill(&plan, |_| ()).await.unwrap();
    let expected = Summary { listed: 10, enqueued: 9, under_way: 1, ..Default::default() };
    assert_eq!(summary, expected);
}

#[tokio::test]
async fn a_back_fill_until_today_goes_on_another_day_and_in_a_dry_run_asks_the_queue() {
    let world = World::new(Db::sqlite().await).await;
    let plan = Backfill { until: None, ..ten_days(&world) };
    let stop = CancellationToken::new();
    let twilio = world.twilio.settings();
    let first = world.with(twilio, ReconcileSettings::default(), stop.clone());
    let stopping = first
        .backfill(&plan, |at| {
            if at.days_done == 4 {
                stop.cancel()
            }
        })
        .await;
    assert!(matches!(stopping, Err(ReconcileError::Stopped)), "{stopping:?}");
    // Its place is kept under a name that does not change with the day.
    let scopes = reconcile_marks::Entity::find().all(world.db.store.reader()).await.unwrap();
    assert_eq!(scopes.len(), 1);
    assert_eq!(scopes[0].scope, format!("backfill:{}:{}:today", account(), plan.since));

    let dry = Backfill { dry_run: true, ..plan };
    let summary = world.reconciler().backfill(&dry, |_| ()).await.unwrap();
    let expected = Summary { listed: 10, enqueued: 6, under_way: 4, ..Default::default() };
    assert_eq!(summary, expected);
}

#[tokio::test]
async fn a_back_fill_leaves_no_hole_where_a_database_was_lost() {
    let mut world = World::new(Db::sqlite().await).await;
    let plan = ten_days(&world);
    assert_eq!(world.reconciler().backfill(&plan, |_| ()).await.unwrap().enqueued, 10);
    world.lose_database().await;
    let summary = world.reconciler().backfill(&plan, |_| ()).await.unwrap();
    assert_eq!(summary, Summary { listed: 10, enqueued: 10, ..Default::default() });
    assert_eq!(world.waiting_in_bulk().await, 10);
}
