//! Estimates the remaining time of an inversion.

use super::progress::{Progress, Stage};
use std::time::{Duration, Instant};

/// A stage with steps: how many, and the cost of one relative to the steps of other stages.
pub(super) struct StageCost {
    pub stage: Stage,
    pub steps: usize,
    pub cost: f64,
}

/// Measures steps and reports progress with an ETA. The first step of a stage is not measured, because it also allocates memory.
pub(super) struct EtaEstimator<'s> {
    stages: &'s [StageCost],
    /// Index of the current stage.
    current: usize,
    /// When the first step of the current stage ended.
    since: Instant,
    steps: usize,
    /// Whether the total ETA was reported.
    reported: bool,
}

impl<'s> EtaEstimator<'s> {
    pub(super) fn new(stages: &'s [StageCost]) -> EtaEstimator<'s> {
        EtaEstimator { stages, current: 0, since: Instant::now(), steps: 0, reported: false }
    }

    /// Begins a stage.
    pub(super) fn begin(&mut self, stage: Stage, on_progress: &mut impl FnMut(Progress<'_>)) {
        self.current = self.stages.iter().position(|s| s.stage == stage).unwrap_or(0);
        self.steps = 0;
        if self.stages[self.current].steps > 0 {
            on_progress(Progress::Begin(stage));
        }
    }

    /// Records that `step`, from 1, of the current stage is done, and reports it.
    pub(super) fn step_done(&mut self, step: usize, loss: f32, on_progress: &mut impl FnMut(Progress<'_>)) {
        let StageCost { stage, steps, cost } = self.stages[self.current];
        self.steps = step;
        if step == 1 {
            self.since = Instant::now();
        }
        let later: f64 = self.stages[self.current + 1..].iter().map(|s| s.steps as f64 * s.cost / cost).sum();
        let remaining = (step > 1).then(|| {
            let steps = steps.saturating_sub(step) as f64 + later;
            Duration::from_secs_f64(self.seconds_per_step() * steps)
        });
        if let Some(eta) = remaining.filter(|_| !std::mem::replace(&mut self.reported, step > 1)) {
            on_progress(Progress::Eta(eta));
        }
        on_progress(Progress::Step { stage, step, steps, loss, remaining });
    }

    /// Mean time of the current stage's steps.
    pub(super) fn seconds_per_step(&self) -> f64 {
        self.since.elapsed().as_secs_f64() / self.steps.saturating_sub(1).max(1) as f64
    }
}
