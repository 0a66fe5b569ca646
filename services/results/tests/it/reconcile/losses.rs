//! What a lost Redis or a lost database leaves undone is done again, once.

use super::*;

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
    let outcome = of_recording(1, 1, (0, 0, 1), queues::now_ms(), no_recording());
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
        let outcome = of_recording(1, 1, (0, 0, 1), queues::now_ms(), no_recording());
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
    let ended = [1, 2].map(|n| of_recording(n, n, (0, 0, 1), then_ms, no_recording()));
    world.db.persist(&ended).await.unwrap();
    // One was queued again, of the other the database alone knows that it was asked for.
    let again = of_recording(1, 1, (1, 0, 0), queues::now_ms(), queued());
    world.db.persist(&[again]).await.unwrap();
    world.db.execute("UPDATE recordings SET generation = 3 WHERE generation = 0").await;
    assert_eq!(pass(&world.reconciler()).await.enqueued, 2);
    let jobs = world.jobs().await;
    assert!(jobs.contains(&transcribe(1, 1)) && jobs.contains(&transcribe(2, 3)), "{jobs:?}");
}
