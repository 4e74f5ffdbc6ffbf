//! Progress reports of an inversion to the host's callback.

use crate::{gani_invert_options, gani_progress, gani_stage};
use gani_core::invert::{Progress, Stage};
use gani_core::photo::image_from_crop;
use gani_core::runtime::Cancel;
use std::mem::size_of;
use std::ptr;

/// Converts progress events and calls the host's function until it returns 0, which cancels the inversion.
pub(crate) struct ProgressReporter<'r> {
    options: &'r gani_invert_options,
    cancel: &'r Cancel,
    last: gani_progress,
}

impl<'r> ProgressReporter<'r> {
    /// A reporter for the callback in `options`, which may be absent.
    pub(crate) fn new(options: &'r gani_invert_options, cancel: &'r Cancel) -> ProgressReporter<'r> {
        let last = gani_progress {
            struct_size: size_of::<gani_progress>(),
            stage: 0,
            step: 0,
            steps: 0,
            loss: 0.0,
            seconds_left: -1.0,
            preview: ptr::null(),
            preview_width: 0,
            preview_height: 0,
        };
        ProgressReporter { options, cancel, last }
    }

    /// Reports one event.
    pub(crate) fn report(&mut self, event: &Progress<'_>) {
        let last = &mut self.last;
        match event {
            Progress::Begin(stage) => {
                (last.stage, last.step, last.steps, last.loss) = (c_stage(*stage), 0, 0, 0.0);
            }
            Progress::Step { stage, step, steps, loss, remaining } => {
                (last.stage, last.step, last.steps) = (c_stage(*stage), *step as u32, *steps as u32);
                last.loss = *loss;
                last.seconds_left = remaining.map_or(last.seconds_left, |time| time.as_secs_f64());
            }
            Progress::Preview(image) => {
                let picture = image_from_crop(image.view());
                let (preview_width, preview_height) = picture.dimensions();
                let preview = picture.as_ptr();
                return self.call(&gani_progress { preview, preview_width, preview_height, ..self.last });
            }
            // The step events carry the same estimate in `remaining`.
            Progress::Eta(_) => return,
        }
        self.call(&self.last);
    }

    fn call(&self, progress: &gani_progress) {
        let Some(function) = self.options.progress.filter(|_| !self.cancel.is_cancelled()) else { return };
        // SAFETY: the caller's function and user_data, on the caller's thread; the struct outlives the call.
        if unsafe { function(progress, self.options.user_data) } == 0 {
            self.cancel.cancel();
        }
    }
}

fn c_stage(stage: Stage) -> u32 {
    (match stage {
        Stage::Find => gani_stage::GANI_STAGE_FIND,
        Stage::Prepare => gani_stage::GANI_STAGE_PREPARE,
        Stage::Refine => gani_stage::GANI_STAGE_REFINE,
        Stage::Tune => gani_stage::GANI_STAGE_TUNE,
        Stage::Finish => gani_stage::GANI_STAGE_FINISH,
    }) as u32
}
