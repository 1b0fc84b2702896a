//! What isolates remember of counted uses, and whether several isolates and the Durable Object together count right.

use edgetoll::limits::isolate_uses::{IsolateUses, Notice, SEND_AFTER_MS};
use edgetoll::limits::uses::{Lease, MeterRequest, MeterResponse, Uses};
use proptest::prelude::*;

const NOW_MS: u64 = 1_800_000_000_000;
const PAYMENT: &str = "payment";

#[test]
fn a_spent_use_is_sent_with_the_next_request_of_its_payment_or_after_two_seconds() {
    let mut isolate = IsolateUses::default();
    assert_eq!(isolate.take_unsent(PAYMENT), [0; 0]);
    assert_eq!(isolate.spend(PAYMENT, 1, false, NOW_MS), Notice::Later);
    assert_eq!(isolate.spend(PAYMENT, 2, false, NOW_MS + SEND_AFTER_MS - 1), Notice::ByOther);
    assert_eq!(isolate.take_unsent("another payment"), [0; 0]);
    assert_eq!(isolate.take_unsent(PAYMENT), [1, 2]);
    assert_eq!(isolate.take_unsent(PAYMENT), [0; 0]);
    // The request that waits still waits.
    assert_eq!(isolate.spend(PAYMENT, 3, false, NOW_MS + SEND_AFTER_MS - 1), Notice::ByOther);
    assert_eq!(isolate.spend(PAYMENT, 4, false, NOW_MS + SEND_AFTER_MS), Notice::Later);
    assert_eq!(isolate.take_unsent(PAYMENT), [3, 4]);
}

#[test]
fn the_last_use_of_a_payment_is_sent_at_once_with_all_unsent_ones() {
    let mut isolate = IsolateUses::default();
    assert_eq!(isolate.spend(PAYMENT, 1, false, NOW_MS), Notice::Later);
    assert_eq!(isolate.spend(PAYMENT, 2, true, NOW_MS), Notice::Now);
    assert_eq!(isolate.take_unsent(PAYMENT), [1, 2]);
}

#[test]
fn beyond_500_tickets_or_200_payments_spent_uses_are_sent_at_once() {
    let mut isolate = IsolateUses::default();
    let notices: Vec<Notice> = (0..500).map(|ticket| isolate.spend(PAYMENT, ticket, false, NOW_MS)).collect();
    assert_eq!(notices.iter().position(|notice| *notice == Notice::Now), Some(499));
    assert_eq!(isolate.take_unsent(PAYMENT).len(), 500);
    for n in 0..199 {
        assert_eq!(isolate.spend(&format!("{n}"), 7, false, NOW_MS), Notice::Later);
    }
    assert_eq!(isolate.spend("beyond", 7, false, NOW_MS + 1), Notice::Now);
    assert_eq!(isolate.take_unsent("beyond"), [7]);
    assert_eq!(isolate.take_unsent("5"), [7], "earlier tickets are still sent");
    let after_ms = NOW_MS + SEND_AFTER_MS;
    assert_eq!(isolate.spend("later", 7, false, after_ms), Notice::Later, "overdue tickets are given up");
    assert_eq!(isolate.take_unsent("6"), [0; 0]);
}

#[test]
fn a_payment_whose_uses_are_all_spent_is_remembered_for_this_number_of_uses_and_fewer() {
    let mut isolate = IsolateUses::default();
    assert!(!isolate.is_all_spent(PAYMENT, 1));
    isolate.record_all_spent(PAYMENT, 3);
    isolate.record_all_spent(PAYMENT, 2);
    assert_eq!([1, 2, 3, 4].map(|bought| isolate.is_all_spent(PAYMENT, bought)), [true, true, true, false]);
    assert!(!isolate.is_all_spent("another payment", 1));
    (0..10_000).for_each(|n| isolate.record_all_spent(&format!("{n}"), 1));
    assert!(isolate.is_all_spent("9999", 1) && !isolate.is_all_spent(PAYMENT, 1), "10,000 are remembered");
}

/// One step of the simulation. Numbers select an isolate, a message or a request, modulo their count.
#[derive(Clone, Debug)]
enum Step {
    /// A client sends a request with a credential for this many uses.
    Request { isolate: usize, bought: u64 },
    /// A message arrives at the Durable Object.
    Arrive(usize),
    /// A message arrives, and will arrive once more.
    ArriveTwice(usize),
    /// A message is lost on the way.
    Lose(usize),
    /// The object writes its value and sends its responses.
    Write,
    /// The object writes its value, but its responses are lost.
    WriteUnheard,
    /// The object ends before it has written.
    Crash,
    /// The origin responds to a request with a status below 500.
    Succeed(usize),
    /// The origin fails.
    Fail(usize),
    /// Requests of an isolate that wait to send spent uses do so.
    SendUnsent(usize),
    /// An isolate ends, and with it all of its requests.
    End(usize),
    /// Time passes, in milliseconds.
    Pass(u64),
}

/// Isolates, the Durable Object of one payment, and the messages between them.
struct World {
    bought: u64,
    now_ms: u64,
    isolates: Vec<IsolateUses>,
    object: Uses,
    written: Uses,
    messages: Vec<Message>,
    /// The responses that wait for the write.
    unwritten: Vec<(Message, MeterResponse)>,
    at_origin: Vec<Taken>,
    /// Requests that the origin served. For requests of an isolate that ended, the origin may have served them.
    served: u64,
    failed: u64,
    /// A credential for this number of uses or fewer was told that all uses are spent.
    all_spent: u64,
}

#[derive(Clone)]
struct Message {
    isolate: usize,
    request: MeterRequest,
}

struct Taken {
    isolate: usize,
    bought: u64,
    ticket: u64,
    remaining: u64,
}

impl World {
    fn new(bought: u64) -> Self {
        Self {
            bought,
            now_ms: NOW_MS,
            isolates: (0..3).map(|_| IsolateUses::default()).collect(),
            object: Uses::default(),
            written: Uses::default(),
            messages: Vec::new(),
            unwritten: Vec::new(),
            at_origin: Vec::new(),
            served: 0,
            failed: 0,
            all_spent: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Request { isolate, bought } => self.request(isolate % 3, bought.min(self.bought)),
            Step::Arrive(at) => self.arrive(at, false),
            Step::ArriveTwice(at) => self.arrive(at, true),
            Step::Lose(at) => drop(remove(&mut self.messages, at)),
            Step::Write => self.write(true),
            Step::WriteUnheard => self.write(false),
            Step::Crash => {
                self.object = self.written.clone();
                self.unwritten.clear();
            }
            Step::Succeed(at) => self.succeed(at),
            Step::Fail(at) => {
                if let Some(Taken { isolate, bought, ticket, .. }) = remove(&mut self.at_origin, at) {
                    self.failed += 1;
                    self.send(isolate, bought, Some(ticket), None);
                }
            }
            Step::SendUnsent(isolate) => self.send(isolate % 3, self.bought, None, None),
            Step::End(isolate) => {
                self.isolates[isolate % 3] = IsolateUses::default();
                let before = self.at_origin.len();
                self.at_origin.retain(|taken| taken.isolate != isolate % 3);
                self.served += (before - self.at_origin.len()) as u64;
            }
            Step::Pass(ms) => self.now_ms += ms,
        }
    }

    fn request(&mut self, isolate: usize, bought: u64) {
        if !self.isolates[isolate].is_all_spent(PAYMENT, bought) {
            let lease = Lease { until_ms: self.now_ms + 130_000, delete_at_ms: NOW_MS };
            self.send(isolate, bought, None, Some(lease));
        }
    }

    fn send(&mut self, isolate: usize, bought: u64, returned: Option<u64>, take: Option<Lease>) {
        let spent = self.isolates[isolate].take_unsent(PAYMENT);
        self.messages.push(Message { isolate, request: MeterRequest { bought, spent, returned, take } });
    }

    fn arrive(&mut self, at: usize, is_repeated: bool) {
        let Some(message) = remove(&mut self.messages, at) else { return };
        let response = self.object.run(&message.request, self.now_ms);
        if is_repeated {
            self.messages.push(message.clone());
        }
        self.unwritten.push((message, response));
    }

    fn write(&mut self, is_heard: bool) {
        self.written = self.object.clone();
        for (Message { isolate, request }, response) in std::mem::take(&mut self.unwritten) {
            let bought = request.bought;
            match response {
                MeterResponse::Taken { ticket, remaining } => {
                    assert!(bought > self.all_spent, "a use after the response that all are spent");
                    if is_heard {
                        self.at_origin.push(Taken { isolate, bought, ticket, remaining });
                    }
                }
                MeterResponse::Spent => {
                    self.all_spent = self.all_spent.max(bought);
                    if is_heard {
                        self.isolates[isolate].record_all_spent(PAYMENT, bought);
                    }
                }
                MeterResponse::InFlight | MeterResponse::Remaining(_) => {}
            }
        }
    }

    fn succeed(&mut self, at: usize) {
        let Some(Taken { isolate, bought, ticket, remaining }) = remove(&mut self.at_origin, at) else {
            return;
        };
        self.served += 1;
        if self.isolates[isolate].spend(PAYMENT, ticket, remaining == 0, self.now_ms) == Notice::Now {
            self.send(isolate, bought, None, None);
        }
    }

    /// Whether a use might not come back if the origin failed now. A credential for n uses gets no more uses back once its
    /// payment got 3n uses back. Returned uses arrive in any order, so this holds for all that are on their way too.
    fn would_lose_a_return(&self, at: usize) -> bool {
        let failing = at.checked_rem(self.at_origin.len()).map(|at| self.at_origin[at].bought);
        let returning = self.messages.iter().filter(|message| message.request.returned.is_some());
        let bought = returning.map(|message| message.request.bought).chain(failing);
        bought.min().is_some_and(|least| self.failed >= 3 * least)
    }

    /// Delivers all messages, and ends all requests with success.
    fn settle(&mut self) {
        while !self.messages.is_empty() || !self.unwritten.is_empty() || !self.at_origin.is_empty() {
            self.arrive(0, false);
            self.write(true);
            self.succeed(0);
        }
    }
}

/// Removes the entry at this position, modulo the count.
fn remove<T>(entries: &mut Vec<T>, at: usize) -> Option<T> {
    at.checked_rem(entries.len()).map(|at| entries.remove(at))
}

/// Steps in which nothing is lost, no isolate ends, and no lease ends.
fn orderly_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<usize>(), 1_u64..9).prop_map(|(isolate, bought)| Step::Request { isolate, bought }),
        6 => any::<usize>().prop_map(Step::Arrive),
        6 => Just(Step::Write),
        4 => any::<usize>().prop_map(Step::Succeed),
        2 => any::<usize>().prop_map(Step::Fail),
        2 => any::<usize>().prop_map(Step::SendUnsent),
        2 => (0_u64..500).prop_map(Step::Pass),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => orderly_step(),
        1 => any::<usize>().prop_map(Step::ArriveTwice),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => Just(Step::WriteUnheard),
        1 => Just(Step::Crash),
        1 => any::<usize>().prop_map(Step::End),
        1 => (0_u64..140_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn whatever_is_lost_late_or_repeated_no_payment_is_served_more_often_than_it_bought(
        bought in 1_u64..8,
        steps in prop::collection::vec(any_step(), 0..200),
    ) {
        let mut world = World::new(bought);
        for step in &steps {
            world.step(step);
            prop_assert!(world.served + world.at_origin.len() as u64 <= bought);
        }
    }

    #[test]
    fn if_nothing_is_lost_each_payment_is_served_as_often_as_it_bought(
        bought in 1_u64..8,
        steps in prop::collection::vec(orderly_step(), 0..120),
    ) {
        let mut world = World::new(bought);
        for step in steps {
            if !matches!(step, Step::Fail(at) if world.would_lose_a_return(at)) {
                world.step(&step);
            }
        }
        world.settle();
        for isolate in 0..=bought as usize {
            let left = bought - world.served;
            world.request(isolate % 3, bought);
            world.arrive(0, false);
            world.write(true);
            let remaining: Vec<u64> = world.at_origin.iter().map(|taken| taken.remaining).collect();
            prop_assert_eq!(remaining, Vec::from_iter(left.checked_sub(1)));
            world.settle();
        }
        prop_assert_eq!(world.served, bought);
    }
}
