//! Promise 12: bad input never stops the worker and never disappears.

use longshore::handler::{self, BadBody};

use crate::support::{scene::Scene, secs};

#[tokio::test(start_paused = true)]
async fn bodies_that_are_not_the_expected_json_end_in_the_dlq_and_the_worker_goes_on() {
    let scene = Scene::new().max_receives(3);
    for body in ["{", "null", "[1,", "{\"id\":\"x\"}", "\u{1f6a2}", "  "] {
        scene.send(body);
    }
    for number in 0..20 {
        scene.send(format!("[{number}]"));
    }
    let worker = scene.start_handler(handler::from_json(async |_: Vec<u8>| ()));
    scene.emptied().await;
    assert_eq!(scene.dead(), 6);
    let bad = scene.dlq_consumer().gets_within(secs(1)).await.unwrap();
    assert_eq!(bad.receive_count, 4, "three receives, and the dlq_consumer's");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_the_expected_json_follows_the_rule_its_owner_chose() {
    for (rule, ending) in [(BadBody::Retry, "retry"), (BadBody::Reject, "reject")] {
        let scene = Scene::new().max_receives(2);
        scene.send("{");
        let handler = handler::from_json(async |_: Vec<u8>| ()).on_bad_body(rule);
        let worker = scene.start_handler(handler);
        scene.emptied().await;
        assert_eq!(scene.dead(), 1);
        let runs = if rule == BadBody::Reject { 1 } else { 2 };
        let (metrics, counted) =
            (worker.metrics.text(), format!("ending=\"{ending}\",queue=\"orders\"}} {runs}"));
        assert!(metrics.contains(&counted), "{counted} is not in {metrics}");
        worker.drain().await;
    }
}
