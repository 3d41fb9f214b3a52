//! Runs pieces of work in parallel, with one limit for all tests of this program.

use std::sync::{Condvar, Mutex};

/// Each piece mostly waits for a container; more of them would make an engine on two cores too slow for the times that tests allow.
const LIMIT: usize = 8;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// A permit for one piece of work.
struct Permit;

impl Permit {
    fn wait() -> Self {
        let running = RUNNING.lock().unwrap();
        *ENDED.wait_while(running, |running| *running >= LIMIT).unwrap() += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap() -= 1;
        ENDED.notify_one();
    }
}

/// Does the work for each point; a panic is passed on once the others have ended.
pub fn in_parallel<T: Send>(points: Vec<T>, work: impl Fn(T) + Sync) {
    let points = Mutex::new(points);
    std::thread::scope(|scope| {
        for _ in 0..LIMIT {
            scope.spawn(|| {
                loop {
                    let permit = Permit::wait();
                    let Some(point) = points.lock().unwrap().pop() else { return };
                    work(point);
                    drop(permit);
                }
            });
        }
    });
}
