//! The metrics of the process, and a registry that the program shares.

use super::*;

metric_group! {
    /// Metrics of this test.
    struct TestMetrics {
        /// Things counted.
        things: IntCounter = "test_things_total" ["queue"];
    }
}

#[test]
fn metrics_on_a_registry_of_the_program_are_served_beside_its_own() {
    let registry = Registry::new();
    let own = prometheus::IntCounter::new("own_total", "The program's own.").unwrap();
    registry.register(Box::new(own)).unwrap();
    let metrics = Metrics::on(registry.clone());
    metrics.queue("orders", "orders").group::<TestMetrics>().things.inc();
    let served = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(
        served.contains("own_total 0") && served.contains("test_things_total{queue=\"orders\"} 1"),
        "{served}"
    );
    assert!(served.contains("process_start_time_seconds"), "computed when it is read: {served}");
}

#[test]
fn a_name_that_the_program_has_registered_stays_its_own() {
    let registry = Registry::new();
    let own = prometheus::IntCounter::new("process_cpu_seconds_total", "The program's own.").unwrap();
    own.inc_by(7);
    registry.register(Box::new(own)).unwrap();
    let metrics = Metrics::on(registry);
    assert_eq!(metrics.count("process_cpu_seconds_total", &[]), 7);
}

#[cfg(target_os = "linux")]
#[test]
fn the_resources_of_the_process_are_shown() {
    let text = Metrics::new().text();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 1e6);
    assert!(value("process_open_fds ") >= 3.0);
    assert!(value("process_threads ") >= 1.0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let up = now - value("process_start_time_seconds ");
    assert!((-2.0..86_400.0).contains(&up), "{up}");
}
