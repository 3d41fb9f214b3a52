//! A fault at one call of a run, and at every call in turn.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use refit::{ConnectOptions, Operation, Outcome, Refit};
use refit_lab::{Canned, Fault, Gate, Proxy, When};

use super::counter::{Call, Counter};
use super::{Case, every_call, in_parallel, runtime};

/// A call of the library, through a proxy that lets one request of it suffer a fault.
pub struct Attempt<'a> {
    pub proxy: Proxy,
    case: &'a Case<'static>,
    fault: Option<(Call, Fault)>,
    engine_wait: Duration,
    /// The calls so far, with their paths.
    calls: Mutex<Vec<(Call, String)>>,
    /// Whether the call ended before the read that was to suffer the fault.
    ended_before: AtomicBool,
}

impl<'a> Attempt<'a> {
    /// Without a fault.
    pub fn new(case: &'a Case<'static>) -> Self {
        Self {
            proxy: Proxy::engine(case.lab),
            case,
            fault: None,
            engine_wait: Duration::from_secs(120),
            calls: Mutex::default(),
            ended_before: AtomicBool::new(false),
        }
    }

    /// How long a rollback waits for an engine that does not answer.
    pub fn engine_wait(mut self, engine_wait: Duration) -> Self {
        self.engine_wait = engine_wait;
        self
    }

    /// Runs the call with a handle whose own requests are not counted. The fault of a change, or of a read before all changes, must have occurred.
    pub fn run<T: Send + 'static>(
        &self,
        rules: impl FnOnce(&Proxy),
        work: impl FnOnce(Refit) -> Operation<T> + Send + 'static,
    ) -> Outcome<T> {
        let runtime = runtime();
        let mut connect = ConnectOptions { host: Some(self.proxy.host.clone()), ..ConnectOptions::default() };
        // Long enough for an engine that is busy with many tests.
        let hangs = matches!(&self.fault, Some((_, Fault::Hang | Fault::HangAnswer)));
        connect.timeout = Duration::from_secs(if hangs { 10 } else { 120 });
        connect.long_timeout = connect.timeout;
        // A create that hangs is waited for so long.
        connect.engine_wait = if hangs { self.engine_wait.min(Duration::from_secs(40)) } else { self.engine_wait };
        let refit = runtime.block_on(Refit::connect(connect)).unwrap();
        self.proxy.reset();
        rules(&self.proxy);
        let gate = self.proxy.hold(When::each("*"));
        let work = runtime.spawn(async move { work(refit).await });
        self.pass(gate, || work.is_finished());
        runtime.block_on(work).unwrap()
    }

    /// Releases all requests up to the one that suffers the fault, and then removes the gate.
    fn pass(&self, gate: Gate, is_over: impl Fn() -> bool) {
        let mut counter = Counter::new(self.case);
        while !is_over() {
            let Some(held) = gate.try_wait(Duration::from_millis(20)) else { continue };
            let (call, path) = (counter.count(&held.request), held.request.path.clone());
            self.calls.lock().unwrap().extend(call.map(|call| (call, path)));
            match &self.fault {
                Some((at, fault)) if call == Some(*at) => return held.suffer(fault.clone()),
                _ => held.release(),
            }
        }
        let Some((at, fault)) = &self.fault else { return };
        // How many reads follow a change may depend on time: a stopping container is inspected until it has ended.
        assert!(at.changes > 0 && at.reads > 0, "{fault:?} at {at:?}: it ended before, {:?}", self.calls.lock().unwrap());
        self.ended_before.store(true, Ordering::Relaxed);
    }
}

/// An error that the engine did not send.
pub fn made_up() -> Canned {
    Canned::message(500, "made up")
}

/// Faults of a request that changes something: it is not carried out, or it is and its answer is lost.
pub fn faults_of_a_change() -> Vec<Fault> {
    let (error, pretended) = (Fault::Answer(made_up()), Fault::Pretend(made_up()));
    vec![error, pretended, Fault::Cut, Fault::CutAnswer, Fault::Hang, Fault::HangAnswer]
}

/// Faults of a request that reads.
pub fn faults_of_a_read() -> Vec<Fault> {
    vec![Fault::Answer(made_up()), Fault::Cut, Fault::Hang]
}

/// Which faults are tried, in turn: one at each call. With `REFIT_EVERY_KILL=1` it is every kind of fault at each call.
pub struct Faults {
    pub of_a_change: Vec<Fault>,
    pub of_a_read: Vec<Fault>,
    /// A fault before the first change leaves the container as it was, so that one container is enough for all of these.
    pub begins_anew: bool,
}

/// Runs once without a fault, then with a fault at each call of that run. `judge` makes the call and checks its result.
pub fn every_fault<P: Sync>(
    name: &str,
    mut faults: Faults,
    prepare: impl Fn() -> P + Sync,
    case: impl for<'p> Fn(&'p P) -> &'p Case<'static> + Sync,
    judge: impl Fn(&P, &Attempt, &str) + Sync,
) {
    let prepared = prepare();
    let clean = Attempt::new(case(&prepared));
    judge(&prepared, &clean, &format!("{name}: without a fault"));
    let calls = without_repeated_reads(&clean.calls.lock().unwrap());
    assert!(calls.iter().any(|call| call.changes == 0) && calls.iter().any(|call| call.reads == 0), "{name}: {calls:?}");

    let ended_before = Mutex::new(Vec::new());
    let with = |prepared: &P, at: Call, fault: &Fault| {
        let attempt = Attempt { fault: Some((at, fault.clone())), ..Attempt::new(case(prepared)) };
        judge(prepared, &attempt, &format!("{name}: {fault:?} at {at:?}"));
        if attempt.ended_before.load(Ordering::Relaxed) {
            ended_before.lock().unwrap().push((at, fault.clone()));
        }
    };
    if every_call() {
        (faults.of_a_change, faults.of_a_read) = (faults_of_a_change(), faults_of_a_read());
    }
    let at_each = |calls: &[Call]| {
        let mut points = Vec::new();
        for (n, call) in calls.iter().enumerate() {
            let faults = if call.reads == 0 { &faults.of_a_change } else { &faults.of_a_read };
            let kinds = if every_call() { faults.len() } else { faults.len().min(1) };
            points.extend((0..kinds).map(|kind| (*call, faults[(n + kind) % faults.len()].clone())));
        }
        points
    };
    let (first, later): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.changes == 0);
    let of_later_reads = at_each(&later).iter().filter(|(at, _)| at.reads > 0).count();
    if faults.begins_anew {
        let first = at_each(&first);
        let prepared = (!first.is_empty()).then(&prepare);
        for (at, fault) in first {
            with(prepared.as_ref().unwrap(), at, &fault);
        }
        in_parallel(at_each(&later), |(at, fault)| with(&prepare(), at, &fault));
    } else {
        in_parallel(at_each(&[first, later].concat()), |(at, fault)| with(&prepare(), at, &fault));
    }
    let ended_before = ended_before.into_inner().unwrap();
    assert!(is_a_share(ended_before.len(), of_later_reads), "{name}: of {of_later_reads} reads, runs ended before {ended_before:?}");
}

/// Whether so many of them are what time alone explains: a fifth, and one of a few.
pub fn is_a_share(few: usize, all: usize) -> bool {
    few * 5 <= all.max(5)
}

/// The calls of a run, without reads that are repeated after the same change.
fn without_repeated_reads(calls: &[(Call, String)]) -> Vec<Call> {
    let mut kept = Vec::new();
    for (at, (call, path)) in calls.iter().enumerate() {
        let again = calls[..at].iter().any(|(before, same)| before.changes == call.changes && same == path);
        if call.reads == 0 || call.changes == 0 || !again {
            kept.push(*call);
        }
    }
    kept
}
