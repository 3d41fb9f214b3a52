//! A child killed at a call of its, and what another process makes of it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use refit::Code;
use refit::container::{Recovery, RecoveryAction};
use refit_lab::{Exchange, Gate, Proxy, When};

use super::child::{self, Work};
use super::counter::{Call, Counter};
use super::{Bystanders, Case, LIMIT, recover};

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

/// Kills a child once the engine is at the stop that it has asked for.
pub fn kill_in_stop(case: &Case, work: &Work) {
    let proxy = Proxy::engine(case.lab);
    let gate = proxy.hold_answer(When::first("POST */stop"));
    let mut child = work.start(&proxy.host);
    let end = Instant::now() + LIMIT;
    while proxy.count("POST */stop") == 0 {
        assert!(Instant::now() < end, "no stop came");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The engine has it a moment later.
    std::thread::sleep(Duration::from_millis(500));
    child.kill().unwrap();
    child.wait().unwrap();
    drop(gate);
}

/// Lets the calls that come to a gate pass, up to the one at which the child is killed.
fn kill(proxy: &Proxy, gate: &Gate, work: &Work, mut is_here: impl FnMut(&Exchange) -> bool) -> bool {
    let mut child = work.start(&proxy.host);
    let end = Instant::now() + 3 * LIMIT;
    loop {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{work:?} does not end: {:?}", proxy.requests());
        }
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

/// What a run comes to that nobody kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// The new container takes over.
    Replaces,
    /// The new container fails.
    RollsBack,
    /// Likewise, and the spare of an `--rm` container goes on: which of its ends a recovery takes is open.
    RollsBackToSpare,
    /// A recovery.
    Recovers,
}

impl Run {
    fn code(self) -> Option<Code> {
        matches!(self, Self::RollsBack | Self::RollsBackToSpare).then_some(Code::RolledBack)
    }

    /// An engine that is busy tells late that a container has ended.
    fn settles<'p>(self, (case, work): (&'p Case<'static>, Work)) -> (&'p Case<'static>, Work) {
        (case, if self.code().is_some() { work.option("settle_s", 3) } else { work })
    }

    /// What a recovery must have found and done where so much of a run was carried out. Between the stop and the start either is right.
    fn assert_recovered(self, clean: &Changes, done: &Changes, recovery: &Recovery, when: &str) {
        let when = format!("{when}, {done:?}, {recovery:?}");
        let actions: Vec<RecoveryAction> = recovery.found.iter().map(|found| found.action).collect();
        assert!(recovery.found.iter().all(|found| found.error.is_none()), "{when}");
        if matches!(self, Self::Recovers | Self::RollsBackToSpare) {
            return;
        }
        // The last change is a removal, or where the engine removes by itself a rename.
        let all_done = match clean.count("DELETE ") {
            0 => done.0.len() >= clean.0.len(),
            removals => done.count("DELETE ") == removals,
        };
        if done.is_empty() || all_done {
            assert!(actions.is_empty(), "{when}");
            return;
        }
        assert!(!actions.is_empty(), "{when}");
        let begun = done.count("/stop") + done.count("/rename") > 0;
        if self == Self::RollsBack || !begun {
            assert!(actions.iter().all(|action| *action == RecoveryAction::Undone), "{when}");
        } else if clean.count("/start") > 0 && done.count("/start") == clean.count("/start") {
            let is_done = |action: &RecoveryAction| matches!(action, RecoveryAction::Finished | RecoveryAction::RemovedOld);
            assert!(actions.iter().all(is_done), "{when}");
        }
    }
}

/// The changes of a run that were carried out, `POST /v1.41/containers/…/start`.
#[derive(Debug)]
struct Changes(Vec<String>);

impl Changes {
    fn of(requests: &[Exchange]) -> Self {
        let words = |request: &Exchange| format!("{} {}", request.method, request.path.split('?').next().unwrap_or_default());
        Self(requests.iter().filter(|request| request.method != "GET").map(words).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn count(&self, part: &str) -> usize {
        self.0.iter().filter(|change| change.contains(part)).count()
    }
}

/// Kills before and after every call of a run, recovers at once, and looks.
///
/// Points are worked on side by side: a recreation waits more than it works. A call that only reads leaves the engine as the change before it
/// did, so that every change and a part of the reads are tried; with `REFIT_EVERY_KILL=1` it is every call.
pub fn every_kill<P: Sync>(
    name: &str,
    run: Run,
    prepare: impl Fn() -> P + Sync,
    work: impl for<'p> Fn(&'p P) -> (&'p Case<'static>, Work) + Sync,
    assert_whole: impl Fn(&P, &str) + Sync,
) {
    let bystanders = Bystanders::new(name);
    let prepared = prepare();
    let (case, child) = run.settles(work(&prepared));
    let proxy = Proxy::engine(case.lab);
    assert_eq!(child::ended(child.start(&proxy.host)), run.code(), "{name}: without a kill");
    let clean = Changes::of(&proxy.requests());
    let mut counter = Counter::new(case);
    let calls: Vec<Call> = proxy.requests().iter().filter_map(|request| counter.count(request)).collect();
    assert_whole(&prepared, &format!("{name}: without a kill"));
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
        let killed = kill(&proxy, &gate, child, |request| counter.count(request).is_some_and(|call| call >= at));
        let mut requests = proxy.requests();
        if killed && matches!(side, Side::Before) {
            requests.pop();
        }
        (killed, Changes::of(&requests))
    };
    let (changes, ended_before) = (points.iter().filter(|(call, _)| call.reads == 0).count(), Mutex::new(Vec::new()));
    in_parallel(points, |point| {
        let prepared = prepare();
        let (case, child) = run.settles(work(&prepared));
        let (killed, done) = kill_there(case, &child, point);
        let when = format!("{name}: killed at {point:?}");
        // How often is looked at the end is a matter of time, and so are renewals of a lease and the stop of what ends again and again.
        if !killed && point.0.reads == 0 {
            ended_before.lock().unwrap().push(point);
        }
        let recovery = recover(case).unwrap_or_else(|failure| panic!("{when}: {failure:?}"));
        run.assert_recovered(&clean, &done, &recovery, &when);
        assert_whole(&prepared, &format!("{when}, {recovery:?}"));
    });

    let ended_before = ended_before.into_inner().unwrap();
    assert!(ended_before.len() * 5 <= changes, "{name}: of {changes}, runs ended before {ended_before:?}");

    // Until the first change nothing is left, so that one container sees all of these.
    let prepared = prepare();
    let (case, child) = run.settles(work(&prepared));
    // A new container that fails goes from state to state by itself.
    let names = || case.containers().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let before = names();
    for at in reading {
        assert!(kill_there(case, &child, (at, Side::After)).0, "{name}: ended before {at:?}");
        assert_eq!(names(), before, "{name}: killed after {at:?}");
    }
    let recovery = recover(case).unwrap_or_else(|failure| panic!("{name}: killed before the first change: {failure:?}"));
    run.assert_recovered(&clean, &Changes(Vec::new()), &recovery, &format!("{name}: killed before the first change"));
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
