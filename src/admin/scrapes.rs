//! The texts of scrapes: a bounded number is kept for clients that read slowly or not at all, and no scrape waits for them.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::body::Bytes;
use tokio::{sync::Mutex, time::Instant};

use super::negotiation::ScrapeForm;
use crate::tasks;

/// The texts that may be in the course of being sent before scrapes share one: the text of many queues is megabytes.
const FRESH_TEXTS: usize = 4;
/// The time for which scrapes share a text when many are being sent.
const SHARED_FOR: Duration = Duration::from_secs(5);

/// The text of a scrape.
#[derive(Debug)]
struct ScrapeText {
    form: ScrapeForm,
    body: Vec<u8>,
    made: Instant,
}

/// One scrape's share of a text.
struct SharedText(Arc<ScrapeText>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        &self.0.body
    }
}

/// The texts that are being sent.
///
/// A scrape gets a new text, unless four are being sent: then it shares the newest of its form of the last five seconds. A client
/// keeps its text for as long as the listener lets it read, so that their number has a bound, however many clients there are.
#[derive(Debug, Default)]
pub(super) struct ScrapeTexts(Mutex<Vec<Weak<ScrapeText>>>);

impl ScrapeTexts {
    /// The text for a scrape in a form, made by the function if a new one is due; one text is made at a time.
    pub(super) async fn text(
        &self,
        form: ScrapeForm,
        make: impl FnOnce() -> String + Send + 'static,
    ) -> io::Result<Bytes> {
        let mut sent = self.0.lock().await;
        sent.retain(|text| text.strong_count() > 0);
        let of_form = |text: &Weak<ScrapeText>| text.upgrade().filter(|text| text.form == form);
        let newest = sent.iter().rev().find_map(of_form).filter(|_| sent.len() >= FRESH_TEXTS);
        if let Some(text) = newest.filter(|text| text.made.elapsed() < SHARED_FOR) {
            return Ok(Bytes::from_owner(SharedText(text)));
        }
        let began = Instant::now();
        let body = tasks::aside(move || form.coding.encoded(make())).await??;
        let text = Arc::new(ScrapeText { form, body, made: began });
        sent.push(Arc::downgrade(&text));
        Ok(Bytes::from_owner(SharedText(text)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{admin::negotiation::Coding, telemetry::MetricsFormat};

    const PLAIN: ScrapeForm = ScrapeForm { format: MetricsFormat::Prometheus, coding: Coding::Identity };
    const OPEN: ScrapeForm = ScrapeForm { format: MetricsFormat::OpenMetrics, coding: Coding::Identity };

    /// Scrapes with texts that are numbered.
    #[derive(Default)]
    struct Numbered {
        texts: ScrapeTexts,
        made: Arc<AtomicUsize>,
    }

    impl Numbered {
        async fn scrape(&self) -> Bytes {
            self.scrape_in(PLAIN).await
        }

        async fn scrape_in(&self, form: ScrapeForm) -> Bytes {
            let made = self.made.clone();
            self.texts.text(form, move || made.fetch_add(1, Ordering::SeqCst).to_string()).await.unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn scrapes_share_the_newest_text_of_five_seconds_once_four_are_being_sent() {
        let scrapes = Numbered::default();
        let mut sent = Vec::new();
        for expected in ["0", "1", "2", "3", "3", "3"] {
            let text = scrapes.scrape().await;
            assert_eq!(text, expected);
            sent.push(text);
        }
        tokio::time::advance(SHARED_FOR).await;
        sent.push(scrapes.scrape().await);
        assert_eq!(sent.last().unwrap(), "4", "no scrape waits, and none gets an old text");
        drop(sent);
        assert_eq!(scrapes.scrape().await, "5");
    }

    #[tokio::test(start_paused = true)]
    async fn scrapes_share_only_texts_of_their_own_form() {
        let scrapes = Numbered::default();
        let mut sent = Vec::new();
        for (form, expected) in
            [(PLAIN, "0"), (PLAIN, "1"), (PLAIN, "2"), (PLAIN, "3"), (OPEN, "4"), (PLAIN, "3"), (OPEN, "4")]
        {
            let text = scrapes.scrape_in(form).await;
            assert_eq!(text, expected);
            sent.push(text);
        }
    }

    #[tokio::test]
    async fn a_scrape_gets_a_new_text_while_clients_read() {
        let scrapes = Numbered::default();
        for expected in ["0", "1", "2", "3", "4", "5"] {
            assert_eq!(scrapes.scrape().await, expected);
        }
    }

    #[tokio::test]
    async fn a_text_that_panics_fails_its_scrape_only() {
        let scrapes = Numbered::default();
        assert!(scrapes.texts.text(PLAIN, || panic!("on purpose")).await.is_err());
        assert_eq!(scrapes.scrape().await, "0");
    }
}
