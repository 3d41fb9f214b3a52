//! A child killed at a call of its, and what another process makes of it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use refit_lab::{Exchange, Gate, Proxy, When};

use super::child::{self, Work};
use super::{Bystanders, Case, recover};

/// Before a call is carried out, or after it and before the answer.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Before,
    After,
}

impl Side {
    fn hold(self, proxy: &Proxy, when: When) -> Gate {
        match self {
            Self::Before => proxy.hold(when),
            Self::After => proxy.hold_answer(when),
        }
    }
}

/// Kills a child at a call of its; false when it ended before it came so far.
pub fn kill_at(case: &Case, work: &Work, pattern: &str, n: usize, side: Side) -> bool {
    kill_through(&Proxy::engine(case.lab), work, pattern, n, side)
}

/// Likewise, at the engine of a proxy.
pub fn kill_through(proxy: &Proxy, work: &Work, pattern: &str, n: usize, side: Side) -> bool {
    let gate = side.hold(proxy, When::nth_of(pattern, n));
    kill(proxy, &gate, work, |_| true)
}

/// Lets the calls that come to a gate pass, up to the one at which the child is killed.
fn kill(proxy: &Proxy, gate: &Gate, work: &Work, mut is_here: impl FnMut(&Exchange) -> bool) -> bool {
    let mut child = work.start(&proxy.host);
    loop {
        match gate.try_wait(Duration::from_millis(50)) {
            Some(held) if is_here(&held.request) => {
                child.kill().unwrap();
                child.wait().unwrap();
                held.cut();
                return true;
            }
            Some(held) => held.release(),
            None if child.try_wait().unwrap().is_some() => return false,
            None => {}
        }
    }
}

/// A call of a run: how many changes there were up to it, and how many reads since the last of them. (How often a container is looked at
/// while it settles is a matter of time.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    changes: usize,
    reads: usize,
}

/// Counts the calls of a run. Inspects of containers of other tests, which are read too, are left out.
struct Counter<'a> {
    case: &'a Case<'static>,
    ours: HashMap<String, bool>,
    at: Call,
}

impl<'a> Counter<'a> {
    fn new(case: &'a Case<'static>) -> Self {
        Self { case, ours: HashMap::new(), at: Call { changes: 0, reads: 0 } }
    }

    fn count(&mut self, request: &Exchange) -> Option<Call> {
        if request.method != "GET" {
            self.at = Call { changes: self.at.changes + 1, reads: 0 };
        } else if self.is_ours(&request.path) {
            self.at.reads += 1;
        } else {
            return None;
        }
        Some(self.at)
    }

    fn is_ours(&mut self, path: &str) -> bool {
        let inspected = path.split_once("/containers/").and_then(|(_, rest)| rest.strip_suffix("/json"));
        let Some(id) = inspected.filter(|id| id.len() == 64) else { return true };
        *self.ours.entry(id.to_owned()).or_insert_with(|| self.case.ids().iter().any(|own| own == id))
    }
}

/// Kills before and after every call of a run, recovers at once, and looks.
///
/// Points are worked on side by side: a recreation waits more than it works. A call that only reads leaves the engine as the change before it
/// did, so that every change and a part of the reads are tried; with `REFIT_EVERY_KILL=1` it is every call.
pub fn every_kill<P: Sync>(
    name: &str,
    prepare: impl Fn() -> P + Sync,
    work: impl for<'p> Fn(&'p P) -> (&'p Case<'static>, Work) + Sync,
    assert_whole: impl Fn(&P, &str) + Sync,
) {
    let bystanders = Bystanders::new(name);
    let prepared = prepare();
    let (case, child) = work(&prepared);
    let proxy = Proxy::engine(case.lab);
    let code = child::ended(child.start(&proxy.host));
    let mut counter = Counter::new(case);
    let calls: Vec<Call> = proxy.requests().iter().filter_map(|request| counter.count(request)).collect();
    assert_whole(&prepared, &format!("{name}: without a kill, {code:?}"));
    let (reading, changing): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.changes == 0);
    assert!(reading.len() >= 3 && changing.len() >= 4, "{name}: {reading:?} {changing:?}");

    let every = std::env::var_os("REFIT_EVERY_KILL").is_some();
    let mut points = Vec::new();
    for call in changing {
        match call.reads {
            0 => points.extend([(call, Side::Before), (call, Side::After)]),
            _ if every => points.extend([(call, Side::Before), (call, Side::After)]),
            reads if reads % 8 == 2 => points.push((call, Side::Before)),
            _ => {}
        }
    }
    let kill_there = |case: &Case<'static>, child: &Work, (at, side): (Call, Side)| {
        let proxy = Proxy::engine(case.lab);
        let gate = side.hold(&proxy, When::each("*"));
        let mut counter = Counter::new(case);
        kill(&proxy, &gate, child, |request| counter.count(request).is_some_and(|call| call >= at))
    };
    in_parallel(points, |point| {
        let prepared = prepare();
        let (case, child) = work(&prepared);
        let killed = kill_there(case, &child, point);
        // How often is looked at the end is a matter of time too.
        assert!(killed || point.0.reads > 0, "{name}: ended before {point:?}");
        let recovery = recover(case);
        assert_whole(&prepared, &format!("{name}: killed at {point:?}, {recovery:?}"));
    });

    // Until the first change nothing is left, so that one container sees all of these.
    let prepared = prepare();
    let (case, child) = work(&prepared);
    // A new container that fails goes from state to state by itself.
    let names = || case.containers().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let before = names();
    for at in reading {
        assert!(kill_there(case, &child, (at, Side::After)), "{name}: ended before {at:?}");
        assert_eq!(names(), before, "{name}: killed after {at:?}");
    }
    let recovery = recover(case);
    assert_whole(&prepared, &format!("{name}: killed before the first change, {recovery:?}"));
    bystanders.assert_untouched();
}

/// Works on many points at once.
pub fn in_parallel<T: Send>(points: Vec<T>, work: impl Fn(T) + Sync) {
    let points = Mutex::new(points);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some(point) = points.lock().unwrap().pop() else { return };
                    work(point);
                }
            });
        }
    });
}
