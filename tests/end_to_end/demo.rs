//! The demonstration, as `make demo` runs it.

use super::support::{Dev, Signal};

/// The number in a row of the table.
fn row(table: &str, name: &str) -> f64 {
    let line = table.lines().find(|line| line.trim_start().starts_with(name));
    let mut words = line.unwrap_or_else(|| panic!("no row {name} in {table}")).split_whitespace();
    words.find_map(|word| word.parse().ok()).unwrap()
}

#[tokio::test]
async fn the_demonstration_ends_by_itself_with_every_message_where_it_should_be() {
    let ended = Dev::launch().arguments(&["--demo"]).run().await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.output, ended.errors);
    let (progress, table) = ended.output.split_once("\n\n  sent ").unwrap();
    let table = format!("  sent {table}");
    for (name, number) in
        [("sent", 203.0), ("done", 202.0), ("retried", 4.0), ("in the dlq", 1.0), ("duplicates", 0.0)]
    {
        assert!((row(&table, name) - number).abs() < 0.5, "{name} is not {number}: {table}");
    }
    assert!(row(&table, "lease extensions") >= 3.0, "35 s under a visibility of 10 s: {table}");
    assert!((35.0..60.0).contains(&row(&table, "longest task")), "{table}");
    assert!(table.contains("every message ended where it should"), "{table}");
    assert!(progress.lines().filter(|line| line.contains("of 203 done")).count() > 5, "{progress}");
}

#[tokio::test]
async fn an_interrupted_demonstration_fails_without_waiting_for_its_tasks() {
    let mut demo = Dev::launch().arguments(&["--demo"]).start();
    demo.says("sleeps for 35s").await;
    demo.signal(Signal::Interrupt);
    let ended = demo.ended().await;
    assert_eq!(ended.code, Some(75), "{}", ended.errors);
    assert!(ended.errors.contains("the demonstration was interrupted"), "{}", ended.errors);
    assert!(ended.after.as_secs() < 10, "it took {:?}", ended.after);
}
