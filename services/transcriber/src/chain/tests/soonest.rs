//! Which of several setbacks a call waits for.

use super::*;

const TOMORROW: Duration = Duration::from_secs(8 * 3600);

/// One that has nothing to give until tomorrow.
fn spent() -> Arc<Scripted> {
    let after = Some(TOMORROW);
    Scripted::new("spent", Err(EngineError::RateLimited { after }))
}

#[tokio::test(start_paused = true)]
async fn a_call_is_not_put_off_until_tomorrow_while_another_engine_is_back_before() {
    for spent_first in [true, false] {
        let mut engines: Vec<Arc<dyn Engine>> = vec![spent(), Scripted::new("down", Err(down()))];
        if !spent_first {
            engines.reverse();
        }
        let chain = chain(engines);
        // One failure, then more of them, until the engine is left alone.
        for _ in 0..6 {
            let setback = ask(&chain).await.unwrap_err();
            assert!(setback.failure.message.starts_with("down"), "{setback:?}");
            // Or its failures would use up the attempts before tomorrow.
            assert!(setback.is_uncounted(), "{setback:?}");
            assert!(setback.wait() <= Duration::from_secs(30), "{setback:?}");
        }
        let setback = chain.look("AC1", None).await.unwrap_err();
        assert!(setback.is_uncounted() && setback.wait().as_secs() <= 30, "{setback:?}");
    }
}

#[test]
fn what_heals_first_is_waited_for_and_what_never_heals_for_nothing() {
    let setback = |code: &str, treatment| Setback::new(treatment, code, "m");
    let wait = |seconds| Treatment::Wait(Duration::from_secs(seconds));
    let park = |seconds| Treatment::Park { by: "p".into(), wait: Duration::from_secs(seconds) };
    let again = Duration::from_secs(40);
    for (treatments, expected) in [
        (vec![park(900), wait(30)], ("1", wait(30))),
        (vec![park(20), wait(30)], ("0", park(20))),
        (vec![Treatment::GiveUp, wait(30)], ("1", wait(30))),
        (vec![wait(30), Treatment::Retry], ("0", wait(30))),
        (vec![wait(50), Treatment::Retry], ("1", wait(40))),
        (vec![Treatment::Retry, Treatment::Retry], ("0", Treatment::Retry)),
        (vec![Treatment::GiveUp, Treatment::Retry], ("1", Treatment::Retry)),
        (vec![Treatment::GiveUp, Treatment::GiveUp], ("0", Treatment::GiveUp)),
    ] {
        let numbered = treatments.into_iter().enumerate();
        let setbacks = numbered.map(|(n, one)| setback(&n.to_string(), one)).collect();
        let soonest = soonest(setbacks, again).unwrap();
        assert_eq!((soonest.failure.code.as_str(), soonest.treatment), expected);
    }
    assert_eq!(soonest(vec![], again), None);
}
