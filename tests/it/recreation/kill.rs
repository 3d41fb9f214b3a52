//! A child process is killed at one of its calls to the engine, and another process recovers.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use refit::Code;
use refit::container::{Recovery, RecoveryAction};
use refit_lab::{Exchange, Gate, Proxy, When};

use super::child::{self, Work};
use super::counter::{Call, Change, Counter};
use super::fault::is_a_share;
use super::{Bystanders, Case, LIMIT, every_call, in_parallel, recover, recover_gently};

/// Before the engine carries a call out, or after that and before its answer.
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

/// Kills a child at one of its calls; false if it ended before that call.
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
    let since = case.lab.engine.now();
    let mut child = work.start(&proxy.host);
    let end = Instant::now() + LIMIT;
    // The first thing that a stop does is a signal, which an event tells of; Podman has no such event.
    let is_signalled = || {
        if case.lab.engine.is_podman() {
            std::thread::sleep(Duration::from_millis(500));
            return true;
        }
        case.lab.engine.events_since(&since, &case.name).iter().any(|event| event["Action"] == "kill")
    };
    while proxy.count("POST */stop") == 0 || !is_signalled() {
        assert!(Instant::now() < end, "no stop came");
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(gate);
}

/// Releases the calls that a gate holds, up to the one at which the child is killed.
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
            None => {
                if let Some(status) = child.try_wait().unwrap() {
                    // The caller's assertion knows nothing of it.
                    #[allow(clippy::print_stderr)]
                    {
                        eprintln!("{work:?} ended with {status}");
                    }
                    return false;
                }
            }
        }
    }
}

/// How a run ends that nobody kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// The new container takes over.
    Replaces,
    /// The new container fails.
    RollsBack,
    /// Likewise, and the standby of an `--rm` container takes over: a recovery may finish the run or roll it back.
    RollsBackToStandby,
    /// A recovery.
    Recovers,
}

impl Run {
    fn code(self) -> Option<Code> {
        matches!(self, Self::RollsBack | Self::RollsBackToStandby).then_some(Code::RolledBack)
    }

    /// A busy engine reports late that a container has ended.
    fn settles<'p>(self, (case, work): (&'p Case<'static>, Work)) -> (&'p Case<'static>, Work) {
        (case, if self.code().is_some() { work.option("settle_s", 3) } else { work })
    }

    /// What a recovery must have found and done after these changes of a run. Between the stop and the start it may roll back or go on.
    fn assert_recovered(self, clean: &Changes, done: &Changes, recovery: &Recovery, when: &str) {
        let when = format!("{when}, {done:?}, {recovery:?}");
        let actions: Vec<RecoveryAction> = recovery.found.iter().map(|found| found.action).collect();
        assert!(recovery.found.iter().all(|found| found.error.is_none()), "{when}");
        if matches!(self, Self::Recovers | Self::RollsBackToStandby) {
            return;
        }
        // The last change is a removal; where the engine removes the container by itself, it is a rename.
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

/// At which changes of a run `make test` kills it, once each, after the engine has carried the change out and before it answers.
#[derive(Debug, Clone, Copy)]
pub enum Sample {
    EveryChange,
    /// From the first start of a container on: the changes of a rollback.
    FromStart,
    /// Requests with one of these words: what no other run shows.
    Changes(&'static [&'static str]),
}

impl Sample {
    fn has(self, change: &str, started: bool) -> bool {
        match self {
            Self::EveryChange => true,
            Self::FromStart => started,
            Self::Changes(words) => words.iter().any(|word| change.contains(word)),
        }
    }
}

/// The changes of a run that were carried out, `POST /v1.41/containers/…/start`.
#[derive(Debug)]
struct Changes(Vec<String>);

impl Changes {
    fn of(requests: &[Exchange]) -> Self {
        Self(requests.iter().filter(|request| request.method != "GET" && !refit_lab::is_probe(&request.path)).map(Self::word).collect())
    }

    fn word(request: &Exchange) -> String {
        format!("{} {}", request.method, request.path.split('?').next().unwrap_or_default())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn count(&self, part: &str) -> usize {
        self.0.iter().filter(|change| change.contains(part)).count()
    }
}

/// Where a run is killed.
#[derive(Debug)]
enum Point {
    /// At the call at this position.
    At(Call, Side),
    /// After the nth of such changes has been carried out. The position depends on time: a container that ends again and again is stopped or not.
    AfterChange(Change, usize),
}

impl Point {
    fn side(&self) -> Side {
        match self {
            Self::At(_, side) => *side,
            Self::AfterChange(..) => Side::After,
        }
    }

    fn is_change(&self) -> bool {
        match self {
            Self::At(call, _) => call.reads == 0,
            Self::AfterChange(..) => true,
        }
    }
}

/// Kills a run at its calls, each time another container's, recovers, and looks at the containers.
///
/// `make test` kills at a sample of the changes, and recovers at once. With `REFIT_EVERY_KILL=1` it is before and after every call: the recovery
/// from a kill before a call comes at once, by force, and the one from a kill after it comes an hour later. Containers are worked on side by side:
/// a recreation waits more than it works.
pub fn every_kill<P: Sync>(
    name: &str,
    run: Run,
    sample: Sample,
    prepare: impl Fn() -> P + Sync,
    work: impl for<'p> Fn(&'p P) -> (&'p Case<'static>, Work) + Sync,
    assert_whole: impl Fn(&P, &str) + Sync,
) {
    let bystanders = Bystanders::new(name);
    let prepared = prepare();
    let (case, child) = run.settles(work(&prepared));
    let proxy = Proxy::engine(case.lab);
    assert_eq!(child::ended(child.start(&proxy.host)), run.code(), "{name}: without a kill");
    let requests = proxy.requests();
    let clean = Changes::of(&requests);
    let mut counter = Counter::new(case);
    let calls: Vec<(Call, &Exchange)> = requests.iter().filter_map(|request| Some((counter.count(request)?, request))).collect();
    assert_whole(&prepared, &format!("{name}: without a kill"));
    let (reading, changing): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(call, _)| call.changes == 0);
    assert!(reading.len() >= 3 && changing.len() >= 4, "{name}: {reading:?} {changing:?}");

    let (mut points, mut started, mut sent) = (Vec::new(), false, Vec::new());
    for (call, request) in changing {
        started |= Changes::word(request).ends_with("/start");
        if every_call() {
            points.extend([Point::At(call, Side::Before), Point::At(call, Side::After)]);
        } else if let Some(change) = Change::of(request).filter(|_| call.reads == 0) {
            sent.push(change.clone());
            let nth = sent.iter().filter(|before| **before == change).count();
            if sample.has(&Changes::word(request), started) {
                points.push(Point::AfterChange(change, nth));
            }
        }
    }
    assert!(!points.is_empty(), "{name}: {sample:?} of {clean:?}");
    let kill_there = |case: &Case<'static>, child: &Work, point: &Point| {
        let proxy = Proxy::engine(case.lab);
        let gate = point.side().hold(&proxy, When::each("*"));
        let (mut counter, mut seen) = (Counter::new(case), 0);
        let killed = kill(&proxy, &gate, child, |request| match point {
            Point::At(at, _) => counter.count(request).is_some_and(|call| call >= *at),
            Point::AfterChange(change, nth) => {
                seen += usize::from(Change::of(request).as_ref() == Some(change));
                seen >= *nth
            }
        });
        let mut requests = proxy.requests();
        if killed && matches!(point.side(), Side::Before) {
            requests.pop();
        }
        (killed, Changes::of(&requests))
    };
    let (changes, ended_before) = (points.iter().filter(|point| point.is_change()).count(), Mutex::new(Vec::new()));
    in_parallel(points, |point| {
        let prepared = prepare();
        let (case, child) = run.settles(work(&prepared));
        let (killed, done) = kill_there(case, &child, &point);
        let is_late = every_call() && matches!(point.side(), Side::After);
        let when = format!("{name}: killed at {point:?}");
        // How many reads come at the end depends on time, and so does the stop of a container that ends again and again.
        if !killed && point.is_change() {
            ended_before.lock().unwrap().push(point);
        }
        let recovery = if is_late {
            case.let_an_hour_pass();
            recover_gently(case)
        } else {
            recover(case)
        };
        let when = if is_late { format!("{when}, an hour later") } else { when };
        let recovery = recovery.unwrap_or_else(|failure| panic!("{when}: {failure:?}"));
        run.assert_recovered(&clean, &done, &recovery, &when);
        assert_whole(&prepared, &format!("{when}, {recovery:?}"));
    });

    let ended_before = ended_before.into_inner().unwrap();
    assert!(is_a_share(ended_before.len(), changes), "{name}: of {changes}, runs ended before {ended_before:?}");

    if !every_call() && !matches!(sample, Sample::EveryChange) {
        return bystanders.assert_untouched();
    }
    // Before the first change a run leaves nothing, so that one container is enough for all of these.
    let prepared = prepare();
    let (case, child) = run.settles(work(&prepared));
    // A new container that fails changes its state by itself.
    let names = || case.containers().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let before = names();
    for (at, _) in reading {
        let (killed, done) = kill_there(case, &child, &Point::At(at, Side::After));
        assert!(killed, "{name}: ended before {at:?}, {done:?}");
        assert_eq!(names(), before, "{name}: killed after {at:?}, {done:?}");
    }
    let recovery = recover(case).unwrap_or_else(|failure| panic!("{name}: killed before the first change: {failure:?}"));
    run.assert_recovered(&clean, &Changes(Vec::new()), &recovery, &format!("{name}: killed before the first change"));
    assert_whole(&prepared, &format!("{name}: killed before the first change, {recovery:?}"));
    bystanders.assert_untouched();
}
