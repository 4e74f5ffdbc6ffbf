//! How long the rest of an inversion will take.

use super::{Progress, Stage};
use std::time::{Duration, Instant};

/// Measures steps and tells how long the rest will take. A part's first step is left out: it also takes memory.
pub(super) struct Clock<'p> {
    /// Parts of the work: their steps, and what one costs against those of the others.
    parts: &'p [(Stage, usize, f64)],
    at: usize,
    /// When the present part's first step ended.
    since: Instant,
    steps: usize,
    told: bool,
}

impl<'p> Clock<'p> {
    pub(super) fn new(parts: &'p [(Stage, usize, f64)]) -> Clock<'p> {
        Clock { parts, at: 0, since: Instant::now(), steps: 0, told: false }
    }

    pub(super) fn begin(&mut self, stage: Stage, watch: &mut impl FnMut(Progress<'_>)) {
        self.at = self.parts.iter().position(|p| p.0 == stage).unwrap_or(0);
        self.steps = 0;
        if self.parts[self.at].1 > 0 {
            watch(Progress::Begin(stage));
        }
    }

    /// Notes that `step`, from 1, is done, and tells of it.
    pub(super) fn tick(&mut self, step: usize, loss: f32, watch: &mut impl FnMut(Progress<'_>)) {
        let (stage, steps, cost) = self.parts[self.at];
        self.steps = step;
        if step == 1 {
            self.since = Instant::now();
        }
        let later: f64 = self.parts[self.at + 1..].iter().map(|(_, n, c)| *n as f64 * c / cost).sum();
        let left = (step > 1).then(|| {
            let steps = steps.saturating_sub(step) as f64 + later;
            Duration::from_secs_f64(self.seconds_per_step() * steps)
        });
        if let Some(left) = left.filter(|_| !std::mem::replace(&mut self.told, step > 1)) {
            watch(Progress::Expected(left));
        }
        watch(Progress::Step { stage, step, steps, loss, left });
    }

    /// Mean time of the present part's steps.
    pub(super) fn seconds_per_step(&self) -> f64 {
        self.since.elapsed().as_secs_f64() / self.steps.saturating_sub(1).max(1) as f64
    }
}
