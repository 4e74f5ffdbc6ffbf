//! Inversion: from an image and options to a face session.

use crate::boundary::{self, FfiError, guard};
use crate::extensible;
use crate::face_session::FaceSessionObject;
use crate::handles;
use crate::image::ImageObject;
use crate::model::ModelObject;
use crate::progress::ProgressReporter;
use crate::*;
use gani_core::face::FaceChoice;
use gani_core::face_session::FaceSelection;
use gani_core::inversion::{CACHE_LIMIT, Cache};
use gani_core::invert::InvertOptions;
use gani_core::runtime::Cancel;
use gani_core::settings::Preset;

/// Inverts the face in `image`, or reads its inversion from the cache, and stores a new handle in `session`. `options` may
/// be NULL for the defaults. `image` is not modified and not needed afterwards. Takes seconds at a resolution of 64 and
/// minutes at 1024, so call it on a worker thread; options.progress reports progress and can cancel (GANI_CANCELLED). On
/// failure, *session is NULL and nothing is written to the cache.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_invert(
    model: *const gani_model,
    image: *const gani_image,
    options: *const gani_invert_options,
    session: *mut *mut gani_face_session,
) -> gani_status {
    guard("gani_model_invert", || {
        // SAFETY: `session` is writable; `options` is readable up to its struct_size.
        let options = unsafe {
            handles::reset(session, "session")?;
            extensible::read(options, "gani_invert_options")?
        };
        let model = handles::get::<ModelObject>(model)?;
        let image = handles::get::<ImageObject>(image)?;
        // SAFETY: strings as the header requires.
        let cache = unsafe { cache(&options)? };
        let core_options = invert_options(&model.model, &options)?;
        let (photo, mask) = image.photo()?;
        let face = match (options.aligned, options.face) {
            (0, 0) => FaceSelection::Face {
                choice: FaceChoice::Largest,
                selection: mask.as_ref().map(|mask| mask.view()),
            },
            (0, n) => FaceSelection::Face { choice: FaceChoice::Nth(n as usize), selection: None },
            _ => FaceSelection::Aligned,
        };
        let cancel = Cancel::new();
        let mut reporter = ProgressReporter::new(&options, &cancel);
        let mut inverter = model.model.inverter().options(core_options).face(face).cancel(&cancel);
        if let Some(cache) = cache {
            inverter = inverter.cache(cache);
        }
        let inverted = inverter.on_progress(|event| reporter.report(&event)).invert(&photo)?;
        cancel.check()?;
        // SAFETY: `reset` has checked and written `session`.
        unsafe { handles::insert(session, FaceSessionObject::new(inverted)) };
        Ok(())
    })
}

/// The cache that the options select; `None` if it is off or the user has no cache folder.
///
/// # Safety
/// `options.cache_folder` is NULL or a string that is valid during the call.
unsafe fn cache(options: &gani_invert_options) -> Result<Option<Cache>, FfiError> {
    match options.cache {
        0 => {}
        1 => return Ok(None),
        other => return Err(FfiError::Misuse(format!("{other} is not a gani_cache_mode"))),
    }
    let limit = if options.cache_limit == 0 { CACHE_LIMIT } else { options.cache_limit };
    // SAFETY: guaranteed by the caller.
    let folder = unsafe { boundary::optional(options.cache_folder, "options.cache_folder")? };
    Ok(match folder {
        Some(folder) => Some(Cache::new(folder.into(), limit)),
        None => Cache::for_user().map(|user| Cache::new(user.folder().to_owned(), limit)),
    })
}

/// gani-core's options for those of C.
fn invert_options(
    model: &gani_core::model::Model,
    options: &gani_invert_options,
) -> Result<InvertOptions, FfiError> {
    let preset = match options.preset {
        0 | 1 => Preset::Fast,
        2 => Preset::Best,
        3 => Preset::Paper,
        4 => Preset::Draft,
        other => return Err(FfiError::Misuse(format!("{other} is not a gani_preset"))),
    };
    if options.aligned > 1 {
        return Err(FfiError::Misuse(format!("aligned is {}; use 0 or 1", options.aligned)));
    }
    let mut core_options = InvertOptions::new(model, preset)?;
    let count = |n: u32| if n == GANI_COUNT_ZERO { 0 } else { n as usize };
    if options.iterations != 0 {
        core_options.settings.tune.iterations = count(options.iterations);
    }
    if options.refine_steps != 0 {
        core_options.settings.refine.set_steps(count(options.refine_steps));
    }
    core_options.seed = options.seed;
    core_options.preview_interval = options.preview_interval as usize;
    Ok(core_options)
}
