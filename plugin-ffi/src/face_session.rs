//! Face sessions: render, paste, open, save, describe, free.

use crate::boundary::{self, FfiError, guard};
use crate::extensible;
use crate::handles::{self, Object};
use crate::image::ImageObject;
use crate::model::ModelObject;
use crate::*;
use gani_core::edit::Edit;
use gani_core::face_session::FaceSession;
use gani_core::inversion::Inversion;
use std::ffi::c_char;
use std::mem::size_of;
use std::slice;

/// The object of a `gani_face_session` handle.
pub(crate) struct FaceSessionObject(pub(crate) FaceSession);

impl Object for FaceSessionObject {
    type Opaque = gani_face_session;
    const KIND: &'static str = "a face session";
}

/// More edits than any model has directions; a larger count is an uninitialized variable.
const MAX_EDITS: usize = 10_000;

/// Renders the face with `edits` applied, resized to the whole of `out`. Runs the generator once. `edits` may be NULL if
/// `count` is 0; the result is then the reconstruction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_render(
    session: *const gani_face_session,
    edits: *const gani_edit,
    count: usize,
    out: *mut gani_image,
) -> gani_status {
    guard("gani_face_session_render", || {
        let object = handles::get::<FaceSessionObject>(session)?;
        let out = handles::get::<ImageObject>(out)?;
        // SAFETY: an array as the header requires.
        let edits = unsafe { read_edits(edits, count)? };
        let face = object.0.image(&edits)?;
        out.draw(face.view())
    })
}

/// Pastes the face with `edits` applied into `photo`, at the position where it was found. `photo` must show the inverted
/// photo at its original size, in any layout and sample type. Pixels outside the face's square, pixels whose mask is 0,
/// and alpha keep their exact values. `changed` may be NULL; otherwise it receives a rectangle that contains all changed
/// pixels. GANI_ERROR_INPUT if `photo` has another size or the session was made from an aligned crop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_paste(
    session: *const gani_face_session,
    edits: *const gani_edit,
    count: usize,
    photo: *mut gani_image,
    changed: *mut gani_rect,
) -> gani_status {
    guard("gani_face_session_paste", || {
        let object = handles::get::<FaceSessionObject>(session)?;
        let photo = handles::get::<ImageObject>(photo)?;
        // SAFETY: an array as the header requires.
        let edits = unsafe { read_edits(edits, count)? };
        let face = object.0.image(&edits)?;
        let region = photo.modify(|pixels, mask| Ok(object.0.paste_image(face.view(), pixels, mask)?))?;
        if !changed.is_null() {
            let [x, y, width, height] = [region.x, region.y, region.width, region.height];
            // SAFETY: the caller's struct.
            unsafe { changed.write(gani_rect { x, y, width, height }) };
        }
        Ok(())
    })
}

/// Opens an inversion file written by gani_face_session_save() or `gani invert` and stores a new handle in `session`.
/// GANI_ERROR_INPUT if it was made with another generator. On failure, *session is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_open(
    model: *const gani_model,
    path: *const c_char,
    session: *mut *mut gani_face_session,
) -> gani_status {
    guard("gani_face_session_open", || {
        // SAFETY: `session` is writable; a string as the header requires.
        let path = unsafe {
            handles::reset(session, "session")?;
            boundary::path(path, "path")?
        };
        let model = handles::get::<ModelObject>(model)?;
        let opened = FaceSession::open(&model.model, Inversion::open(&path)?)?;
        // SAFETY: `reset` has checked and written `session`.
        unsafe { handles::insert(session, FaceSessionObject(opened)) };
        Ok(())
    })
}

/// Saves the inversion to a .safetensors file. The file is replaced atomically: a failed call leaves it unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_save(
    session: *const gani_face_session,
    path: *const c_char,
) -> gani_status {
    guard("gani_face_session_save", || {
        let object = handles::get::<FaceSessionObject>(session)?;
        // SAFETY: a string as the header requires.
        let path = unsafe { boundary::path(path, "path")? };
        Ok(object.0.inversion.save(&path)?)
    })
}

/// Fills `info`. The caller must have set info->struct_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_describe(
    session: *const gani_face_session,
    info: *mut gani_face_session_info,
) -> gani_status {
    guard("gani_face_session_describe", || {
        let object = handles::get::<FaceSessionObject>(session)?;
        let source = &object.0.inversion.info;
        let mut alignment = [0.0; 8];
        let corners = source.alignment.iter().flat_map(|a| a.quad).flatten();
        alignment.iter_mut().zip(corners).for_each(|(to, from)| *to = from);
        let [photo_width, photo_height] = source.photo_size;
        let value = gani_face_session_info {
            struct_size: size_of::<gani_face_session_info>(),
            from_cache: object.0.from_cache.into(),
            has_alignment: source.alignment.is_some().into(),
            alignment,
            photo_width,
            photo_height,
            mse: source.metrics.mse,
            lpips: source.metrics.lpips.unwrap_or(f64::NAN),
            ms_ssim: source.metrics.ms_ssim.unwrap_or(f64::NAN),
            id: source.metrics.id.unwrap_or(f64::NAN),
        };
        // SAFETY: the caller's struct, writable up to its struct_size.
        unsafe { extensible::write(info, &value, "gani_face_session_info") }
    })
}

/// Frees a face session; NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_free(session: *mut gani_face_session) -> gani_status {
    guard("gani_face_session_free", || handles::free::<FaceSessionObject>(session))
}

/// Converts the caller's edits.
///
/// # Safety
/// `edits` points to `count` edits whose strings are valid during the call; it may be NULL if `count` is 0.
unsafe fn read_edits(edits: *const gani_edit, count: usize) -> Result<Vec<Edit>, FfiError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if edits.is_null() {
        return Err(FfiError::null("edits"));
    }
    if count > MAX_EDITS {
        return Err(FfiError::Misuse(format!("count is {count}; at most {MAX_EDITS} edits are allowed")));
    }
    // SAFETY: guaranteed by the caller.
    let edits = unsafe { slice::from_raw_parts(edits, count) };
    let convert = |edit: &gani_edit| {
        // SAFETY: guaranteed by the caller.
        let direction = unsafe { boundary::required(edit.direction, "edits[].direction")? };
        if !edit.strength.is_finite() {
            let text = format!("the strength of {direction} is {}; use -3 to 3", edit.strength);
            return Err(FfiError::Core(gani_core::Error::Input(text)));
        }
        Ok(Edit { direction: direction.into(), strength: edit.strength })
    };
    edits.iter().map(convert).collect()
}
