//! A fault at one call of a run, and at every call in turn.

use std::sync::Mutex;
use std::time::Duration;

use refit::{ConnectOptions, Operation, Outcome, Refit};
use refit_lab::{Canned, Fault, Gate, Proxy, When};

use super::counter::{Call, Counter};
use super::{Case, in_parallel, runtime};

/// A call of the library, through a proxy that lets one request of it suffer a fault.
pub struct Attempt<'a> {
    pub proxy: Proxy,
    case: &'a Case<'static>,
    fault: Option<(Call, Fault)>,
    engine_wait: Duration,
    /// Those so far, with their paths.
    calls: Mutex<Vec<(Call, String)>>,
}

impl<'a> Attempt<'a> {
    /// Without a fault.
    pub fn new(case: &'a Case<'static>) -> Self {
        Self { proxy: Proxy::engine(case.lab), case, fault: None, engine_wait: Duration::from_secs(120), calls: Mutex::default() }
    }

    /// An undo does not wait for longer for an engine that is away.
    pub fn engine_wait(mut self, engine_wait: Duration) -> Self {
        self.engine_wait = engine_wait;
        self
    }

    /// By a handle that has connected before the first request counts. The fault must have come.
    pub fn run<T: Send + 'static>(
        &self,
        rules: impl FnOnce(&Proxy),
        work: impl FnOnce(Refit) -> Operation<T> + Send + 'static,
    ) -> Outcome<T> {
        let runtime = runtime();
        let mut connect = ConnectOptions::default();
        connect.host = Some(self.proxy.host.clone());
        // Long enough for an engine that is busy with many tests.
        let hangs = matches!(&self.fault, Some((_, Fault::Hang | Fault::HangAnswer)));
        connect.timeout = Duration::from_secs(if hangs { 10 } else { 30 });
        connect.engine_wait = self.engine_wait;
        let refit = runtime.block_on(Refit::connect(connect)).unwrap();
        self.proxy.reset();
        rules(&self.proxy);
        let gate = self.proxy.hold(When::each("*"));
        let work = runtime.spawn(async move { work(refit).await });
        self.pass(gate, || work.is_finished());
        runtime.block_on(work).unwrap()
    }

    /// Lets all requests pass but the one that suffers; those after it find no gate any more.
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
        if let Some((at, fault)) = &self.fault {
            panic!("{fault:?} at {at:?}: it ended before, {:?}", self.calls.lock().unwrap());
        }
    }
}

/// An answer of the engine's, made up.
pub fn made_up() -> Canned {
    Canned::message(500, "made up")
}

/// Faults of a request that changes something: it is not carried out, or it is and nobody hears of it.
pub fn faults_of_a_change() -> Vec<Fault> {
    let (error, pretended) = (Fault::Answer(made_up()), Fault::Pretend(made_up()));
    vec![error, pretended, Fault::Cut, Fault::CutAnswer, Fault::Hang, Fault::HangAnswer]
}

/// Faults of a request that reads: whether it was carried out is all the same.
pub fn faults_of_a_read() -> Vec<Fault> {
    vec![Fault::Answer(made_up()), Fault::Cut, Fault::Hang]
}

/// Which faults are tried: with `REFIT_EVERY_KILL=1` all of them.
pub struct Faults {
    pub of_a_change: Vec<Fault>,
    pub of_a_read: Vec<Fault>,
    /// What fails before the first change leaves all as it was, so that one container sees all of these.
    pub begins_anew: bool,
}

/// Runs once without a fault, then with each fault at each call of that run. `judge` runs, and looks at what became of it.
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
    let calls = seldom(&clean.calls.lock().unwrap());
    assert!(calls.iter().any(|call| call.changes == 0) && calls.iter().any(|call| call.reads == 0), "{name}: {calls:?}");

    let with = |prepared: &P, at: Call, fault: &Fault| {
        let attempt = Attempt { fault: Some((at, fault.clone())), ..Attempt::new(case(prepared)) };
        judge(prepared, &attempt, &format!("{name}: {fault:?} at {at:?}"));
    };
    if std::env::var_os("REFIT_EVERY_KILL").is_some() {
        (faults.of_a_change, faults.of_a_read) = (faults_of_a_change(), faults_of_a_read());
    }
    let (first, mut later): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(|call| call.changes == 0);
    if faults.begins_anew {
        in_parallel(faults.of_a_read.clone(), |fault| {
            let prepared = prepare();
            for at in &first {
                with(&prepared, *at, &fault);
            }
        });
    } else {
        later.extend(first);
    }
    let mut points = Vec::new();
    for call in later {
        let faults = if call.reads == 0 { &faults.of_a_change } else { &faults.of_a_read };
        points.extend(faults.iter().map(|fault| (call, fault.clone())));
    }
    in_parallel(points, |(at, fault)| with(&prepare(), at, &fault));
}

/// The calls of a run, but for those that look again after the same change.
fn seldom(calls: &[(Call, String)]) -> Vec<Call> {
    let mut kept = Vec::new();
    for (at, (call, path)) in calls.iter().enumerate() {
        let again = calls[..at].iter().any(|(before, same)| before.changes == call.changes && same == path);
        if call.reads == 0 || call.changes == 0 || !again {
            kept.push(*call);
        }
    }
    kept
}
