//! The work itself: invert a face, edit it, paste it.

use crate::boundary::{self, Fault, entry};
use crate::handles;
use crate::image::ImageObject;
use crate::inversion::InversionObject;
use crate::model::ModelObject;
use crate::sized;
use crate::*;
use gani_core::cache::{self, Cache};
use gani_core::edit::Edit;
use gani_core::invert::{InvertOptions, Progress, Stage};
use gani_core::photo::{FaceChoice, image_from_crop};
use gani_core::preset::Preset;
use gani_core::retouch::{Retouch, Subject};
use gani_core::runtime::Cancel;
use std::mem::size_of;
use std::ptr;
use std::slice;

/// Puts the face that `image` shows into the generator, or finds that in the cache. `options` may be NULL. Takes from
/// seconds (64 px) to minutes (1024 px); options.progress is told, and may cancel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_invert(
    model: *const gani_model,
    image: *const gani_image,
    options: *const gani_invert_options,
    inversion: *mut *mut gani_inversion,
) -> gani_status {
    entry("gani_model_invert", || {
        // SAFETY: the handle is written where the caller says; its struct has the size that it says.
        let options = unsafe {
            handles::clear(inversion, "inversion")?;
            sized::read(options, "gani_invert_options")?
        };
        let model = handles::get::<ModelObject>(model)?;
        let image = handles::get::<ImageObject>(image)?;
        // SAFETY: strings as the header asks for.
        let cache = unsafe { cache_of(&options)? };
        let how = settings(&model.model, &options)?;
        let (photo, mask) = image.photo()?;
        let subject = match (options.aligned, options.face) {
            (0, 0) => Subject::Face {
                choice: FaceChoice::Largest,
                selection: mask.as_ref().map(|mask| mask.view()),
            },
            (0, n) => Subject::Face { choice: FaceChoice::Nth(n as usize), selection: None },
            _ => Subject::Aligned,
        };
        let cancel = Cancel::new();
        let mut watcher = Watcher::new(&options, &cancel);
        let made = Retouch::begin(&model.model, &photo, &subject, &how, cache.as_ref(), &cancel, |news| {
            watcher.tell(&news)
        })?;
        cancel.check()?;
        // SAFETY: `clear` has written there.
        unsafe { handles::give(inversion, InversionObject(made)) };
        Ok(())
    })
}

/// Draws the face, edited, resized to `into`: one run of the generator. `edits` may be NULL where `count` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_inversion_edit(
    inversion: *const gani_inversion,
    edits: *const gani_edit,
    count: usize,
    into: *mut gani_image,
) -> gani_status {
    entry("gani_inversion_edit", || {
        let object = handles::get::<InversionObject>(inversion)?;
        let into = handles::get::<ImageObject>(into)?;
        // SAFETY: an array as the header asks for.
        let edits = unsafe { edits_of(edits, count)? };
        let face = object.0.image(&edits, &Cancel::new())?;
        into.change(|pixels, _| {
            pixels.draw(face.view());
            Ok(())
        })
    })
}

/// Pastes the face, edited, into the photo that it was found in: `into` shows that photo, in any layout and depth.
/// Pixels outside the face's square, and where the mask of `into` is 0, stay as they are, bit for bit, as does alpha.
/// `changed`, which may be NULL, gets the rectangle outside which nothing changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_inversion_paste(
    inversion: *const gani_inversion,
    edits: *const gani_edit,
    count: usize,
    into: *mut gani_image,
    changed: *mut gani_rect,
) -> gani_status {
    entry("gani_inversion_paste", || {
        let object = handles::get::<InversionObject>(inversion)?;
        let into = handles::get::<ImageObject>(into)?;
        // SAFETY: an array as the header asks for.
        let edits = unsafe { edits_of(edits, count)? };
        let face = object.0.image(&edits, &Cancel::new())?;
        let region = into.change(|pixels, mask| Ok(object.0.paste(face.view(), pixels, mask)?))?;
        if !changed.is_null() {
            let [x, y, width, height] = [region.x, region.y, region.width, region.height];
            // SAFETY: the caller's struct.
            unsafe { changed.write(gani_rect { x, y, width, height }) };
        }
        Ok(())
    })
}

/// # Safety
/// `cache_folder` is NULL or a string that stays during the call.
unsafe fn cache_of(options: &gani_invert_options) -> Result<Option<Cache>, Fault> {
    match options.cache {
        0 => {}
        1 => return Ok(None),
        other => return Err(Fault::Misuse(format!("{other} is no gani_cache"))),
    }
    let limit = if options.cache_limit == 0 { cache::LIMIT } else { options.cache_limit };
    // SAFETY: the caller's promise.
    let folder = unsafe { boundary::optional(options.cache_folder, "options.cache_folder")? };
    Ok(match folder {
        Some(folder) => Some(Cache::at(folder.into(), limit)),
        None => Cache::of_user().map(|user| Cache::at(user.folder().to_owned(), limit)),
    })
}

fn settings(model: &gani_core::model::Model, options: &gani_invert_options) -> Result<InvertOptions, Fault> {
    let preset = match options.preset {
        0 | 1 => Preset::Fast,
        2 => Preset::Best,
        3 => Preset::Paper,
        other => return Err(Fault::Misuse(format!("{other} is no gani_preset"))),
    };
    if options.aligned > 1 {
        return Err(Fault::Misuse(format!("aligned is {}; it is 0 or 1", options.aligned)));
    }
    let mut how = InvertOptions::new(model, preset)?;
    let count = |n: u32| if n == GANI_NONE { 0 } else { n as usize };
    if options.iterations != 0 {
        how.settings.tune.iterations = count(options.iterations);
    }
    if options.refine != 0 {
        how.settings.refine.set_steps(count(options.refine));
    }
    (how.seed, how.preview_every) = (options.seed, options.preview_every as usize);
    Ok(how)
}

/// # Safety
/// `edits` points to `count` edits whose names stay during the call.
unsafe fn edits_of(edits: *const gani_edit, count: usize) -> Result<Vec<Edit>, Fault> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if edits.is_null() {
        return Err(Fault::null("edits"));
    }
    if count > 10_000 {
        return Err(Fault::Misuse(format!("{count} edits are more than there are directions")));
    }
    // SAFETY: the caller's promise.
    let edits = unsafe { slice::from_raw_parts(edits, count) };
    let edit = |e: &gani_edit| {
        // SAFETY: the caller's promise.
        let direction = unsafe { boundary::required(e.direction, "edits[].direction")? };
        if !e.strength.is_finite() {
            let text = format!("the strength of {direction} is {}; -3 to 3 is useful", e.strength);
            return Err(Fault::Core(gani_core::Error::Input(text)));
        }
        Ok(Edit { direction: direction.into(), strength: e.strength })
    };
    edits.iter().map(edit).collect()
}

/// Calls the host's progress function until it says stop.
struct Watcher<'w> {
    options: &'w gani_invert_options,
    cancel: &'w Cancel,
    last: gani_progress,
}

impl<'w> Watcher<'w> {
    fn new(options: &'w gani_invert_options, cancel: &'w Cancel) -> Watcher<'w> {
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
        Watcher { options, cancel, last }
    }

    fn tell(&mut self, news: &Progress<'_>) {
        let last = &mut self.last;
        match news {
            Progress::Begin(stage) => {
                (last.stage, last.step, last.steps, last.loss) = (number(*stage), 0, 0, 0.0);
            }
            Progress::Step { stage, step, steps, loss, left } => {
                (last.stage, last.step, last.steps) = (number(*stage), *step as u32, *steps as u32);
                last.loss = *loss;
                last.seconds_left = left.map_or(last.seconds_left, |left| left.as_secs_f64());
            }
            Progress::Preview(image) => {
                let picture = image_from_crop(image.view());
                let (preview_width, preview_height) = picture.dimensions();
                let preview = picture.as_ptr();
                return self.call(&gani_progress { preview, preview_width, preview_height, ..self.last });
            }
            Progress::Expected(_) => return, // seconds_left of the same step says so
        }
        self.call(&self.last);
    }

    fn call(&self, told: &gani_progress) {
        let Some(function) = self.options.progress.filter(|_| !self.cancel.is_cancelled()) else { return };
        // SAFETY: the caller's function with its user_data, on the caller's thread; the struct outlives the call.
        if unsafe { function(told, self.options.user_data) } == 0 {
            self.cancel.cancel();
        }
    }
}

fn number(stage: Stage) -> u32 {
    (match stage {
        Stage::Find => gani_stage::GANI_STAGE_FIND,
        Stage::Prepare => gani_stage::GANI_STAGE_PREPARE,
        Stage::Refine => gani_stage::GANI_STAGE_REFINE,
        Stage::Tune => gani_stage::GANI_STAGE_TUNE,
        Stage::Finish => gani_stage::GANI_STAGE_FINISH,
    }) as u32
}
