//! The facts of the ledger, on moments of the tests' own making.

use proptest::prelude::*;

use super::*;

const VISIBILITY: Duration = Duration::from_secs(30);

fn ledger() -> Ledger {
    Ledger::new(LeaseTerms { visibility: VISIBILITY, longest: VISIBILITY })
}

fn id(number: usize) -> MessageId {
    MessageId::new(number.to_string())
}

fn hold(ledger: &mut Ledger, number: usize, at: Instant) -> Held {
    ledger.hold(&id(number), &Receipt::new("first"), (at, at), 0.5)
}

fn granted(held: Held) -> Granted {
    let Held::Fresh(granted) = held else { panic!("not fresh: {held:?}") };
    granted
}

#[test]
fn a_lease_is_due_at_half_its_visibility() {
    let (mut ledger, start) = (ledger(), Instant::now());
    hold(&mut ledger, 1, start);
    assert!(ledger.take_due(start + VISIBILITY / 2 - Duration::from_millis(1)).is_empty());
    assert_eq!(ledger.take_due(start + VISIBILITY / 2).len(), 1);
}

#[test]
fn the_lease_due_first_takes_the_nine_due_next_along() {
    let (mut ledger, start) = (ledger(), Instant::now());
    for number in 0..15 {
        let late = Duration::from_millis(100 * u64::try_from(number).unwrap());
        hold(&mut ledger, number, start + late);
    }
    let taken = ledger.take_due(start + VISIBILITY / 2);
    let taken: Vec<_> = taken.into_iter().map(|extension| extension.id).collect();
    assert_eq!(taken, (0..10).map(id).collect::<Vec<_>>());
}

#[test]
fn an_extension_granted_after_the_deadline_does_not_count() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let Granted { claim, cancellation, .. } = granted(hold(&mut ledger, 1, start));
    let extension = ledger.take_due(start + VISIBILITY / 2).remove(0);
    let late = start + VISIBILITY;
    assert_eq!(ledger.extended(&extension, (start + VISIBILITY / 2, late), 0.5), Extended::TooLate);
    assert!(cancellation.is_cancelled());
    assert_eq!(ledger.deadlines(&claim, late), None);
}

#[test]
fn a_lease_nobody_extends_is_lost_at_its_deadline() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let Granted { cancellation, .. } = granted(hold(&mut ledger, 1, start));
    let extension = ledger.take_due(start + VISIBILITY / 2).remove(0);
    ledger.not_extended(&extension, start + VISIBILITY / 2, VISIBILITY);
    assert!(ledger.expire(start + VISIBILITY - Duration::from_millis(1)).is_empty());
    assert_eq!(ledger.expire(start + VISIBILITY), [id(1)]);
    assert!(cancellation.is_cancelled());
}

#[test]
fn tries_of_an_extension_are_counted_until_one_is_granted() {
    let (mut ledger, start) = (ledger(), Instant::now());
    hold(&mut ledger, 1, start);
    let mut now = start + VISIBILITY / 2;
    for attempt in 1..=3 {
        let extension = ledger.take_due(now).remove(0);
        assert_eq!(extension.attempt, attempt);
        ledger.not_extended(&extension, now, Duration::from_secs(1));
        now += Duration::from_secs(1);
    }
    let extension = ledger.take_due(now).remove(0);
    assert_eq!(ledger.extended(&extension, (now, now), 0.5), Extended::InTime);
    assert_eq!(ledger.take_due(now + VISIBILITY / 2).remove(0).attempt, 1);
}

#[test]
fn a_message_received_again_is_a_duplicate_and_lends_its_receipt() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let Granted { claim, .. } = granted(hold(&mut ledger, 1, start));
    let stale = ledger.take_due(start + VISIBILITY / 2).remove(0);
    let again = start + VISIBILITY / 2;
    let held = ledger.hold(&id(1), &Receipt::new("second"), (again, again), 0.5);
    assert!(matches!(held, Held::Duplicate));
    assert!(!ledger.refused(&stale), "the stale receipt's refusal says nothing of the newer one");
    assert_eq!(ledger.begin_delete(&claim, again), Some(Receipt::new("second")));
    assert_eq!(ledger.deadlines(&claim, again).unwrap().deadline, again + VISIBILITY);
}

#[test]
fn a_message_received_again_while_it_is_given_back_is_fresh() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let before = granted(hold(&mut ledger, 1, start));
    ledger.freeze(&before.claim);
    let after = granted(ledger.hold(&id(1), &Receipt::new("second"), (start, start), 0.5));
    assert_eq!(ledger.freeze(&before.claim), VisibilityReceipt::Lost, "the older claim has no say any more");
    ledger.release(&before.claim);
    assert!(ledger.deadlines(&after.claim, start).is_some());
    assert_eq!(ledger.take_due(start + VISIBILITY / 2).len(), 1);
}

#[test]
fn a_lease_counts_from_the_sending_of_its_receive() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let answered = start + Duration::from_secs(20);
    let Granted { claim, .. } = granted(ledger.hold(&id(1), &Receipt::new("first"), (start, answered), 0.5));
    assert_eq!(ledger.deadlines(&claim, answered).unwrap().deadline, start + VISIBILITY);
    assert!(ledger.take_due(answered).is_empty(), "quick work needs no extension");
    assert_eq!(ledger.take_due(answered + Duration::from_secs(5)).len(), 1);
}

#[test]
fn an_answer_that_comes_after_the_visibility_brings_no_lease() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let answered = start + VISIBILITY;
    let Granted { claim, .. } = granted(ledger.hold(&id(1), &Receipt::new("first"), (start, answered), 0.5));
    assert_eq!(ledger.deadlines(&claim, answered), None);
}

#[test]
fn a_done_message_that_comes_back_is_finished() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let Granted { claim, .. } = granted(hold(&mut ledger, 1, start));
    ledger.remember_done(&id(1));
    ledger.release(&claim);
    assert!(matches!(hold(&mut ledger, 1, start), Held::Finished(_)));
}

#[test]
fn the_visibility_of_long_work_doubles_up_to_the_longest() {
    let longest = Duration::from_secs(100);
    let mut ledger = Ledger::new(LeaseTerms { visibility: VISIBILITY, longest });
    let mut now = Instant::now();
    hold(&mut ledger, 1, now);
    let seconds: Vec<_> = (0..4)
        .map(|_| {
            now = ledger.next_look().unwrap();
            let extension = ledger.take_due(now).remove(0);
            assert_eq!(ledger.extended(&extension, (now, now), 0.5), Extended::InTime);
            extension.visibility.as_secs()
        })
        .collect();
    assert_eq!(seconds, [60, 100, 100, 100]);
}

#[test]
fn no_extension_reaches_past_twelve_hours() {
    let (mut ledger, start) = (ledger(), Instant::now());
    hold(&mut ledger, 1, start);
    let mut end = start + VISIBILITY;
    while let Some(now) = ledger.next_look() {
        if !ledger.expire(now).is_empty() {
            break;
        }
        for extension in ledger.take_due(now) {
            end = now + extension.visibility;
            assert_eq!(ledger.extended(&extension, (now, now), 0.5), Extended::InTime);
        }
    }
    assert!(end <= start + limits::VISIBILITY);
    assert!(end > start + limits::VISIBILITY - Duration::from_secs(1), "all of the twelve hours are used");
}

#[test]
fn a_lease_being_extended_is_given_back_after_the_answer() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let Granted { claim, .. } = granted(hold(&mut ledger, 1, start));
    let now = start + VISIBILITY / 2;
    let extension = ledger.take_due(now).remove(0);
    assert_eq!(ledger.freeze(&claim), VisibilityReceipt::ExtensionInFlight);
    ledger.extended(&extension, (now, now), 0.5);
    assert_eq!(ledger.freeze(&claim), VisibilityReceipt::Ready(Receipt::new("first")));
    assert!(ledger.take_due(now + VISIBILITY).is_empty(), "a frozen lease is not extended");
}

proptest! {
    /// As long as every extension is granted within a fifth of the visibility, no lease is ever lost.
    #[test]
    fn prompt_extensions_keep_every_lease(
        arrivals in proptest::collection::vec(0u64..60_000, 1..60),
        answer_ms in 0u64..6_000,
        chance in 0.0f64..1.0,
    ) {
        let (mut ledger, start) = (ledger(), Instant::now());
        let mut arrivals: Vec<_> = arrivals.into_iter().enumerate().collect();
        arrivals.sort_by_key(|(_, at)| *at);
        let mut answers: Vec<(Instant, Instant, Extension)> = Vec::new();
        for tick in 0..3_000u64 {
            let now = start + Duration::from_millis(tick * 50);
            while arrivals.first().is_some_and(|(_, at)| *at <= tick * 50) {
                let (number, _) = arrivals.remove(0);
                ledger.hold(&id(number), &Receipt::new("r"), (now, now), chance);
            }
            answers.retain(|(arrives, sent, extension)| {
                let arrived = *arrives <= now;
                if arrived { ledger.extended(extension, (*sent, now), chance); }
                !arrived
            });
            prop_assert!(ledger.expire(now).is_empty());
            loop {
                let due = ledger.take_due(now);
                if due.is_empty() { break; }
                answers.extend(due.into_iter().map(|one| (now + Duration::from_millis(answer_ms), now, one)));
            }
        }
    }
}
