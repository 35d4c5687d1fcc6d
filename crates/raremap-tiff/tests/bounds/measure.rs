//! The bounds on time and memory that every read is held to, and how they are measured.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One second is promised; an unoptimized build on a busy machine gets five.
const MAX_TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });
/// Reading may hold at most this many bytes more than it returns.
const MAX_EXTRA_BYTES: usize = 64 << 20;

/// The allocator counts for the whole process: one test that measures at a time.
pub fn measuring_alone() -> MutexGuard<'static, ()> {
    static MEASURING: Mutex<()> = Mutex::new(());
    MEASURING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Endings by name, and the largest time and memory.
#[derive(Debug, Default)]
pub struct Tally {
    pub outcomes: BTreeMap<&'static str, usize>,
    pub longest: Duration,
    pub most_bytes: usize,
}

impl Tally {
    /// Runs a read and holds it to the bounds; `max_output_bytes` is what the results may take beside.
    pub fn measure(
        &mut self,
        read: impl Fn() -> &'static str,
        max_output_bytes: usize,
        what: &dyn Fn() -> String,
    ) -> &'static str {
        let (mut took, mut extra, mut outcome) = (Duration::MAX, 0, "");
        // What was only slow because others were running is measured again.
        for _ in 0..3 {
            ALLOCATOR.reset_peak_usage();
            let before = ALLOCATOR.current_usage();
            let started = Instant::now();
            outcome = read();
            took = took.min(started.elapsed());
            extra = ALLOCATOR.peak_usage().saturating_sub(before);
            if took < MAX_TIME {
                break;
            }
        }
        assert!(took < MAX_TIME, "{}: {outcome} after {took:?}", what());
        assert!(
            extra <= MAX_EXTRA_BYTES + max_output_bytes,
            "{}: {outcome}, {extra} bytes held at once",
            what()
        );
        *self.outcomes.entry(outcome).or_default() += 1;
        self.longest = self.longest.max(took);
        self.most_bytes = self.most_bytes.max(extra);
        outcome
    }

    /// How many there were.
    pub fn reads(&self) -> usize {
        self.outcomes.values().sum()
    }
}
