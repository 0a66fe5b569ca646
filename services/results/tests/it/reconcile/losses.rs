//! What a lost Redis or a lost database leaves undone is done again, once.

use super::*;

fn given_up() -> EventKind {
    let (code, message) = ("engine_down".into(), "no answer".into());
    EventKind::Failed { code, message, attempts: 8, is_final: true }
}

on_both! {
    async fn a_redriven_job_that_redis_has_lost_is_resumed_in_its_next_generation(db: Db) {
        let world = World::new(db).await;
        let then_ms = queues::now_ms() - 2 * HOUR_MS;
        for n in [1, 2] {
            world.add_at(n, then_ms, RecordingStatus::Completed);
            let failed = of_recording(n, n, (0, 0, 8), then_ms, given_up());
            let redriven = of_recording(n, n, (0, 1, 0), then_ms + 1, queued());
            world.db.persist(&[failed, redriven]).await.unwrap();
        }
        // The second still waits in the queue.
        let entry = queues::job_entry(&transcribe(2, 0), None).unwrap();
        let held = queue::Entry { once: None, emit: vec![], ..entry };
        world.calls.enqueue(held).await.unwrap();

        let summary = pass(&world.reconciler()).await;
        assert_eq!((summary.resumed, summary.under_way, summary.enqueued), (1, 2, 0));
        let jobs = world.jobs().await;
        assert_eq!(jobs.len(), 2, "{jobs:?}");
        assert!(jobs.contains(&transcribe(1, 1)), "{jobs:?}");
        let events = [of_recording(1, 1, (1, 0, 8), queues::now_ms(), given_up())];
        let effects = world.db.persist(&events).await.unwrap();
        assert_eq!(effects.len(), 1, "its call is said to have failed: {effects:?}");
    }
}

on_both! {
    async fn what_was_given_up_is_taken_up_where_its_dead_letter_is_lost(db: Db) {
        let world = World::new(db).await;
        let then_ms = queues::now_ms() - 5 * DAY_MS;
        for n in [1, 2, 3] {
            let failed = of_recording(n, n, (0, 0, 8), then_ms, given_up());
            world.db.persist(&[failed]).await.unwrap();
        }
        world.db.persist(&[of_call(4, then_ms, given_up())]).await.unwrap();
        let deleted = recording_sid(3);
        world.db.execute(&format!(
            "UPDATE recordings SET media_deleted_at = created_at WHERE recording_sid = '{deleted}'"
        )).await;
        let letter = serde_json::to_string(&transcribe(2, 0)).unwrap();
        let mut dead = redis::cmd("XADD");
        dead.arg("{callscribe}:calls:dead").arg(&["*", "key", &call_sid(2), "body", &letter]);
        let _: String = world.calls.link().query(&dead).await.unwrap();
        let reconciler = world.reconciler();
        assert_eq!(pass(&reconciler).await.resumed, 0, "not by itself");

        let resumed = async |dry_run| {
            reconciler.resume_failed(&account_sid(), 1000, dry_run).await.unwrap()
        };
        assert_eq!((resumed(true).await, world.waiting_in_bulk().await), (2, 0));
        assert_eq!((resumed(false).await, resumed(false).await), (2, 0));
        let jobs = world.jobs().await;
        assert!(jobs.contains(&transcribe(1, 1)), "{jobs:?}");
        assert!(jobs.iter().any(|job| matches!(job, CallJob::Resolve { .. })), "{jobs:?}");
    }
}

#[tokio::test]
async fn work_that_redis_has_lost_is_enqueued_again() {
    let mut world = World::new(Db::sqlite().await).await;
    world.add(1, RecordingStatus::Completed);
    let event = of_recording(1, 1, (0, 0, 0), queues::now_ms(), queued());
    world.db.persist(&[event]).await.unwrap();
    let reconciler = world.reconciler();
    assert_eq!(pass(&reconciler).await.enqueued, 1);
    assert_eq!(pass(&reconciler).await.under_way, 1);

    world.lose_redis().await;
    let scope = format!("reconcile:{}", account());
    let transaction = world.db.store.begin().await.unwrap();
    reconcile_marks::Entity::delete_by_id(scope).exec(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(pass(&world.reconciler()).await.enqueued, 1);
}

#[tokio::test]
async fn a_lost_database_is_filled_again_although_the_queue_remembers_the_work() {
    let mut world = World::new(Db::sqlite().await).await;
    for n in 1..=4 {
        world.add(n, RecordingStatus::Completed);
    }
    assert_eq!(pass(&world.reconciler()).await.enqueued, 4);
    world.lose_database().await;
    // Of one the outcome is still on its way, of one the work.
    let results = queues::results(world.calls.link().clone());
    let outcome = of_recording(1, 1, (0, 0, 1), queues::now_ms(), no_speech());
    results.enqueue(queues::event_entry(&outcome, None).unwrap()).await.unwrap();
    let entry = queues::job_entry(&transcribe(2, 0), None).unwrap();
    let held = queue::Entry { once: None, emit: vec![], ..entry };
    world.calls.enqueue(held).await.unwrap();

    let reconciler = world.reconciler();
    let expected = Summary { listed: 4, enqueued: 2, under_way: 2, ..Default::default() };
    assert_eq!(pass(&reconciler).await, expected);
    let jobs = world.jobs().await;
    assert_eq!(jobs.len(), 3, "{jobs:?}");
    assert!(jobs.contains(&transcribe(3, 0)) && jobs.contains(&transcribe(4, 0)), "{jobs:?}");
    assert!(mark_ms(&world.db.store).await < queues::now_ms() - HOUR_MS, "until all is here");
    let again = Summary { enqueued: 0, under_way: 4, ..expected };
    assert_eq!(pass(&reconciler).await, again);
}

on_both! {
    async fn unfinished_work_of_a_restored_database_is_resumed_although_the_queue_remembers_it(
        db: Db
    ) {
        let world = World::new(db).await;
        let then_ms = queues::now_ms() - DAY_MS;
        let events = [1, 2].map(|n| of_recording(n, n, (0, 0, 0), then_ms, queued()));
        world.db.persist(&events).await.unwrap();
        let resolving = of_call(3, then_ms, queued());
        world.db.persist(&[resolving]).await.unwrap();
        let resolve = CallJob::Resolve {
            account_sid: account_sid(),
            call_sid: call_sid(3).parse().unwrap(),
            source: JobSource::Callback,
        };
        for job in [transcribe(1, 0), transcribe(2, 0), resolve] {
            world.calls.enqueue(queues::job_entry(&job, None).unwrap()).await.unwrap();
        }
        // All was done after the backup; one outcome is on its way again.
        world.calls.erase(|_| true).await.unwrap();
        let results = queues::results(world.calls.link().clone());
        results.erase(|_| true).await.unwrap();
        let outcome = of_recording(1, 1, (0, 0, 1), queues::now_ms(), no_speech());
        results.enqueue(queues::event_entry(&outcome, None).unwrap()).await.unwrap();
        assert_eq!(pass(&world.reconciler()).await.resumed, 2);
        let jobs = world.jobs().await;
        assert!(jobs.len() == 2 && jobs.contains(&transcribe(2, 0)), "{jobs:?}");
    }
}

#[tokio::test]
async fn a_generation_that_redis_has_lost_is_enqueued_again_as_that_generation() {
    let world = World::new(Db::sqlite().await).await;
    let then_ms = queues::now_ms() - 2 * HOUR_MS;
    world.add_at(1, then_ms, RecordingStatus::Completed);
    world.add_at(2, then_ms, RecordingStatus::Completed);
    let ended = [1, 2].map(|n| of_recording(n, n, (0, 0, 1), then_ms, no_speech()));
    world.db.persist(&ended).await.unwrap();
    // One was queued again, of the other the database alone knows that it was asked for.
    let again = of_recording(1, 1, (1, 0, 0), queues::now_ms(), queued());
    world.db.persist(&[again]).await.unwrap();
    world.db.execute("UPDATE recordings SET generation = 3 WHERE generation = 0").await;
    assert_eq!(pass(&world.reconciler()).await.enqueued, 2);
    let jobs = world.jobs().await;
    assert!(jobs.contains(&transcribe(1, 1)) && jobs.contains(&transcribe(2, 3)), "{jobs:?}");
}
