//! Tests of the ledger, with times that the tests choose.

use proptest::prelude::*;

use super::*;

const VISIBILITY: Duration = Duration::from_secs(30);

fn ledger() -> Ledger {
    Ledger::new(LeaseTerms { visibility: VISIBILITY, longest: VISIBILITY })
}

fn id(number: usize) -> MessageId {
    MessageId::new(number.to_string())
}

fn receive(
    ledger: &mut Ledger,
    number: usize,
    receipt: &str,
    (sent, answered): (Instant, Instant),
) -> LeaseGrant {
    receive_again(ledger, number, (receipt, 1), (sent, answered))
}

fn receive_again(
    ledger: &mut Ledger,
    number: usize,
    (receipt, receive_count): (&str, u32),
    (sent, answered): (Instant, Instant),
) -> LeaseGrant {
    let times = ReceiveTimes { sent, answered };
    let (id, receipt) = (id(number), Receipt::new(receipt));
    let received = ReceivedMessage { id: &id, receipt: &receipt, receive_count, times, trace: None };
    ledger.acquire(received, 0.5)
}

fn acquire(ledger: &mut Ledger, number: usize, at: Instant) -> LeaseGrant {
    receive(ledger, number, "first", (at, at))
}

fn granted(grant: LeaseGrant) -> GrantedLease {
    let LeaseGrant::New(granted) = grant else { panic!("not new: {grant:?}") };
    granted
}

#[test]
fn a_lease_is_due_at_half_its_visibility() {
    let (mut ledger, start) = (ledger(), Instant::now());
    acquire(&mut ledger, 1, start);
    assert!(ledger.take_due(start + VISIBILITY / 2 - Duration::from_millis(1)).is_empty());
    assert_eq!(ledger.take_due(start + VISIBILITY / 2).len(), 1);
}

#[test]
fn the_lease_due_first_shares_its_call_with_the_nine_due_next() {
    let (mut ledger, start) = (ledger(), Instant::now());
    for number in 0..15 {
        let late = Duration::from_millis(100 * u64::try_from(number).unwrap());
        acquire(&mut ledger, number, start + late);
    }
    let taken = ledger.take_due(start + VISIBILITY / 2);
    let taken: Vec<_> = taken.into_iter().map(|extension| extension.id).collect();
    assert_eq!(taken, (0..10).map(id).collect::<Vec<_>>());
}

#[test]
fn the_late_answer_of_an_older_receive_changes_nothing() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let later = start + Duration::from_secs(20);
    let GrantedLease { lease, deadline, .. } =
        granted(receive_again(&mut ledger, 1, ("newer", 2), (later, later)));
    let older = receive_again(&mut ledger, 1, ("older", 1), (start, later));
    assert!(matches!(older, LeaseGrant::Duplicate), "{older:?}");
    assert_eq!(ledger.receipt(lease, later), Some(Receipt::new("newer")));
    assert_eq!(ledger.deadlines(lease, later).unwrap().deadline, deadline);
}

#[test]
fn a_newer_receive_of_a_lost_message_waits_for_the_end_of_its_run() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let lost = granted(acquire(&mut ledger, 1, start));
    let later = start + VISIBILITY;
    assert_eq!(ledger.expire(later).len(), 1);
    let older = receive_again(&mut ledger, 1, ("older", 0), (later, later));
    assert!(matches!(older, LeaseGrant::Duplicate), "{older:?}");
    let grant = receive_again(&mut ledger, 1, ("second", 2), (later, later));
    let LeaseGrant::Overlapping(next, mut run_ended) = grant else { panic!("{grant:?}") };
    assert_eq!(run_ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    ledger.release(lost.lease, &id(1), LeaseEnd::Done);
    assert_eq!(run_ended.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    assert!(ledger.is_done(&id(1)));
    assert_eq!(ledger.receipt(next.lease, later), Some(Receipt::new("second")));
    let held = receive_again(&mut ledger, 1, ("third", 3), (later, later));
    assert!(matches!(held, LeaseGrant::Duplicate), "it belongs to the newer lease: {held:?}");
}

#[test]
fn an_extension_granted_after_the_deadline_does_not_count() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, cancellation, .. } = granted(acquire(&mut ledger, 1, start));
    let extension = ledger.take_due(start + VISIBILITY / 2).remove(0);
    let late = start + VISIBILITY;
    assert_eq!(ledger.extended(&extension, (start + VISIBILITY / 2, late), 0.5), ExtensionEffect::TooLate);
    assert!(cancellation.is_cancelled());
    assert_eq!(ledger.deadlines(lease, late), None);
}

#[test]
fn a_lease_that_is_not_extended_is_lost_at_its_deadline() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, cancellation, .. } = granted(acquire(&mut ledger, 1, start));
    let extension = ledger.take_due(start + VISIBILITY / 2).remove(0);
    ledger.not_extended(&extension, start + VISIBILITY / 2, VISIBILITY);
    assert!(ledger.expire(start + VISIBILITY - Duration::from_millis(1)).is_empty());
    assert_eq!(ledger.expire(start + VISIBILITY), [(lease, id(1))]);
    assert!(cancellation.is_cancelled());
}

#[test]
fn attempts_of_an_extension_are_counted_until_one_is_granted() {
    let (mut ledger, start) = (ledger(), Instant::now());
    acquire(&mut ledger, 1, start);
    let mut now = start + VISIBILITY / 2;
    for attempt in 1..=3 {
        let extension = ledger.take_due(now).remove(0);
        assert_eq!(extension.attempt, attempt);
        ledger.not_extended(&extension, now, Duration::from_secs(1));
        now += Duration::from_secs(1);
    }
    let extension = ledger.take_due(now).remove(0);
    assert_eq!(ledger.extended(&extension, (now, now), 0.5), ExtensionEffect::Extended);
    assert_eq!(ledger.take_due(now + VISIBILITY / 2).remove(0).attempt, 1);
}

#[test]
fn a_message_received_again_is_a_duplicate_and_replaces_the_receipt() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, .. } = granted(acquire(&mut ledger, 1, start));
    let stale = ledger.take_due(start + VISIBILITY / 2).remove(0);
    let again = start + VISIBILITY / 2;
    let held = receive(&mut ledger, 1, "second", (again, again));
    assert!(matches!(held, LeaseGrant::Duplicate));
    assert!(!ledger.refused(&stale), "the refusal of the stale receipt does not concern the newer one");
    assert_eq!(ledger.begin_delete(lease, again), Some(Receipt::new("second")));
    assert_eq!(ledger.deadlines(lease, again).unwrap().deadline, again + VISIBILITY);
}

#[test]
fn a_message_received_again_while_it_is_given_back_gets_a_new_lease() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let before = granted(acquire(&mut ledger, 1, start));
    ledger.freeze(before.lease, start);
    let after = granted(receive(&mut ledger, 1, "second", (start, start)));
    assert_eq!(ledger.freeze(before.lease, start), VisibilityReceipt::Lost, "the older lease has ended");
    ledger.release(before.lease, &id(1), LeaseEnd::Released);
    assert!(ledger.deadlines(after.lease, start).is_some());
    assert_eq!(ledger.take_due(start + VISIBILITY / 2).len(), 1);
}

#[test]
fn a_lease_counts_from_the_sending_of_its_receive() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let answered = start + Duration::from_secs(20);
    let GrantedLease { lease, .. } = granted(receive(&mut ledger, 1, "first", (start, answered)));
    assert_eq!(ledger.deadlines(lease, answered).unwrap().deadline, start + VISIBILITY);
    assert!(ledger.take_due(answered).is_empty(), "quick work needs no extension");
    assert_eq!(ledger.take_due(answered + Duration::from_secs(5)).len(), 1);
}

#[test]
fn a_receive_answered_after_the_visibility_gives_no_lease() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let answered = start + VISIBILITY;
    let GrantedLease { lease, .. } = granted(receive(&mut ledger, 1, "first", (start, answered)));
    assert_eq!(ledger.deadlines(lease, answered), None);
}

#[test]
fn a_done_message_that_comes_back_is_already_done() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, .. } = granted(acquire(&mut ledger, 1, start));
    ledger.release(lease, &id(1), LeaseEnd::Done);
    assert!(matches!(acquire(&mut ledger, 1, start), LeaseGrant::AlreadyDone(_)));
}

#[test]
fn the_visibility_of_long_work_doubles_up_to_the_longest() {
    let longest = Duration::from_secs(100);
    let mut ledger = Ledger::new(LeaseTerms { visibility: VISIBILITY, longest });
    let mut now = Instant::now();
    acquire(&mut ledger, 1, now);
    let seconds: Vec<_> = (0..4)
        .map(|_| {
            now = ledger.next_check().unwrap();
            let extension = ledger.take_due(now).remove(0);
            assert_eq!(ledger.extended(&extension, (now, now), 0.5), ExtensionEffect::Extended);
            extension.visibility.as_secs()
        })
        .collect();
    assert_eq!(seconds, [60, 100, 100, 100]);
}

#[test]
fn no_extension_reaches_past_twelve_hours() {
    let (mut ledger, start) = (ledger(), Instant::now());
    acquire(&mut ledger, 1, start);
    let mut end = start + VISIBILITY;
    while let Some(now) = ledger.next_check() {
        if !ledger.expire(now).is_empty() {
            break;
        }
        for extension in ledger.take_due(now) {
            end = now + extension.visibility;
            assert_eq!(ledger.extended(&extension, (now, now), 0.5), ExtensionEffect::Extended);
        }
    }
    assert!(end <= start + limits::VISIBILITY);
    assert!(end > start + limits::VISIBILITY - Duration::from_secs(1), "all of the twelve hours are used");
}

#[test]
fn a_lease_being_extended_is_given_back_after_the_answer() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, .. } = granted(acquire(&mut ledger, 1, start));
    let now = start + VISIBILITY / 2;
    let extension = ledger.take_due(now).remove(0);
    assert_eq!(ledger.freeze(lease, start), VisibilityReceipt::ExtensionInFlight);
    ledger.extended(&extension, (now, now), 0.5);
    assert_eq!(ledger.freeze(lease, start), VisibilityReceipt::Ready(Receipt::new("first")));
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
                let (id, receipt) = (id(number), Receipt::new("r"));
                let times = ReceiveTimes { sent: now, answered: now };
                ledger.acquire(ReceivedMessage { id: &id, receipt: &receipt, receive_count: 1, times, trace: None }, chance);
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

#[test]
fn only_the_newest_done_messages_are_remembered() {
    let mut done = DoneMessages::new(2);
    for number in 0..3 {
        done.insert(&id(number));
    }
    assert!(!done.contains(&id(0)));
    assert!(done.contains(&id(1)) && done.contains(&id(2)));
}

#[test]
fn a_message_whose_lease_is_over_is_not_given_back() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let held = granted(acquire(&mut ledger, 1, start));
    let before = start + VISIBILITY - Duration::from_millis(1);
    assert_eq!(ledger.freeze(held.lease, before), VisibilityReceipt::Ready(Receipt::new("first")));
    assert_eq!(ledger.freeze(held.lease, start + VISIBILITY), VisibilityReceipt::Lost, "another may hold it");
}

#[test]
fn a_receipt_is_superseded_by_that_of_a_newer_receive_only() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, .. } = granted(receive_again(&mut ledger, 1, ("first", 1), (start, start)));
    assert!(!ledger.is_superseded(lease, &Receipt::new("first")));
    receive_again(&mut ledger, 1, ("second", 2), (start, start));
    assert!(ledger.is_superseded(lease, &Receipt::new("first")));
    ledger.release(lease, &id(1), LeaseEnd::Released);
    assert!(!ledger.is_superseded(lease, &Receipt::new("first")), "a lease that has ended has no receipt");
}

#[test]
fn an_answer_to_an_extension_of_an_older_receipt_has_no_effect() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, cancellation, .. } = granted(acquire(&mut ledger, 1, start));
    let half = start + VISIBILITY / 2;
    let extension = ledger.take_due(half).remove(0);
    receive_again(&mut ledger, 1, ("second", 2), (half, half));
    assert!(!ledger.refused(&extension));
    ledger.not_extended(&extension, half, Duration::ZERO);
    assert_eq!(ledger.extended(&extension, (half, half), 0.5), ExtensionEffect::None);
    assert_eq!(ledger.deadlines(lease, half).unwrap().deadline, half + VISIBILITY);
    assert!(!cancellation.is_cancelled());
}

#[test]
fn a_refused_extension_is_a_loss_unless_the_delete_was_sent() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let half = start + VISIBILITY / 2;
    for (number, is_deleting) in [(1, false), (2, true)] {
        let GrantedLease { lease, cancellation, .. } = granted(acquire(&mut ledger, number, start));
        let extension = ledger.take_due(half).remove(0);
        if is_deleting {
            ledger.begin_delete(lease, half);
        }
        assert_eq!(ledger.refused(&extension), !is_deleting);
        assert!(cancellation.is_cancelled());
    }
}

#[test]
fn a_failed_extension_is_due_again_after_its_pause() {
    let (mut ledger, start) = (ledger(), Instant::now());
    acquire(&mut ledger, 1, start);
    let half = start + VISIBILITY / 2;
    let extension = ledger.take_due(half).remove(0);
    ledger.not_extended(&extension, half, Duration::from_secs(2));
    assert_eq!(ledger.next_check(), Some(half + Duration::from_secs(2)));
}

#[test]
fn every_lease_is_counted_and_all_can_be_cancelled() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let leases: Vec<_> = (0..3).map(|number| granted(acquire(&mut ledger, number, start))).collect();
    assert_eq!((ledger.len(), ledger.shortest_visibility()), (3, VISIBILITY));
    assert!(!leases.iter().any(|granted| granted.cancellation.is_cancelled()));
    ledger.cancel_all();
    assert!(leases.iter().all(|granted| granted.cancellation.is_cancelled()));
    assert_eq!(ledger.len(), 3, "they are kept");
}

#[test]
fn the_trace_of_a_call_replaces_that_of_the_producer() {
    let (mut ledger, start) = (ledger(), Instant::now());
    let GrantedLease { lease, .. } = granted(acquire(&mut ledger, 1, start));
    assert!(ledger.trace(lease).is_none());
    let trace = TraceContext::fresh();
    ledger.set_trace(lease, trace.clone());
    for found in [ledger.trace(lease), ledger.trace_of_message(&id(1))] {
        assert_eq!(found.map(|found| found.trace_id()), Some(trace.trace_id()));
    }
}
