//! Face sessions: render, paste, open, save, describe, free.

use crate::boundary::{self, FfiError, c_string, guard};
use crate::extensible;
use crate::handles::{self, Object};
use crate::image::ImageObject;
use crate::model::ModelObject;
use crate::*;
use gani_core::edit::Edit;
use gani_core::face::{Keep, PasteOptions};
use gani_core::face_session::FaceSession;
use gani_core::inversion::Inversion;
use gani_core::runtime::Cancel;
use ndarray::ArrayView2;
use std::ffi::{CString, c_char};
use std::mem::size_of;
use std::slice;

/// The object of a `gani_face_session` handle, with the inversion's key as a C string.
pub(crate) struct FaceSessionObject(FaceSession, CString);

impl FaceSessionObject {
    pub(crate) fn new(session: FaceSession) -> FaceSessionObject {
        let key = c_string(&session.inversion.info.key);
        FaceSessionObject(session, key)
    }
}

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
/// photo at its original size, in any layout and sample type. Pixels that the edits do not change, pixels outside the
/// face's square, pixels whose mask is 0, and alpha keep their exact values. Runs the generator once, and at the first
/// call once more. `changed` may be NULL; otherwise it receives a rectangle that contains all changed pixels.
/// GANI_ERROR_INPUT if `photo` has another size or shows another picture, or the session was made from an aligned crop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_paste(
    session: *const gani_face_session,
    edits: *const gani_edit,
    count: usize,
    photo: *mut gani_image,
    changed: *mut gani_rect,
) -> gani_status {
    // SAFETY: as the header requires.
    guard("gani_face_session_paste", || unsafe { paste(session, edits, count, None, photo, changed) })
}

/// As gani_face_session_paste(), with options: what stays of the photo, and how soft the border is. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_paste_with(
    session: *const gani_face_session,
    edits: *const gani_edit,
    count: usize,
    options: *const gani_paste_options,
    photo: *mut gani_image,
    changed: *mut gani_rect,
) -> gani_status {
    guard("gani_face_session_paste_with", || {
        // SAFETY: as the header requires.
        unsafe {
            let options = extensible::read(options, "gani_paste_options")?;
            paste(session, edits, count, Some(options), photo, changed)
        }
    })
}

/// Draws the face's square of `photo` as gani_face_session_paste_with() would change it, without its mask and border, to the
/// whole of `out`. `photo` is not modified. For previews.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_session_preview(
    session: *const gani_face_session,
    edits: *const gani_edit,
    count: usize,
    options: *const gani_paste_options,
    photo: *const gani_image,
    out: *mut gani_image,
) -> gani_status {
    guard("gani_face_session_preview", || {
        let face = &handles::get::<FaceSessionObject>(session)?.0;
        let (photo, _) = handles::get::<ImageObject>(photo)?.photo()?;
        let out = handles::get::<ImageObject>(out)?;
        // SAFETY: an array and a struct as the header requires.
        let (edits, options) =
            unsafe { (read_edits(edits, count)?, extensible::read(options, "gani_paste_options")?) };
        let PasteOptions { keep, other_photo, .. } = paste_options(&options, None)?;
        let alignment = face.inversion.alignment_in(&photo, other_photo)?;
        let crop = alignment.crop(&photo, out.longer_side() as usize)?;
        let image = face.image(&edits)?;
        out.draw(face.preview(image.view(), crop.view(), keep, &Cancel::new())?.view())
    })
}

/// # Safety
/// `edits` is as in [`read_edits`]; `changed` is NULL or writable.
unsafe fn paste(
    session: *const gani_face_session,
    edits: *const gani_edit,
    count: usize,
    options: Option<gani_paste_options>,
    photo: *mut gani_image,
    changed: *mut gani_rect,
) -> Result<(), FfiError> {
    let object = handles::get::<FaceSessionObject>(session)?;
    let photo = handles::get::<ImageObject>(photo)?;
    // SAFETY: guaranteed by the caller.
    let edits = unsafe { read_edits(edits, count)? };
    let options = options.unwrap_or_else(extensible::zeroed);
    paste_options(&options, None)?;
    let face = object.0.image(&edits)?;
    let region = photo.modify(|pixels, mask| {
        Ok(object.0.paste_image(face.view(), pixels, &paste_options(&options, mask)?)?)
    })?;
    if !changed.is_null() {
        let [x, y, width, height] = [region.x, region.y, region.width, region.height];
        // SAFETY: guaranteed by the caller.
        unsafe { changed.write(gani_rect { x, y, width, height }) };
    }
    Ok(())
}

/// gani-core's options for those of C.
fn paste_options<'m>(
    options: &gani_paste_options,
    mask: Option<ArrayView2<'m, u8>>,
) -> Result<PasteOptions<'m>, FfiError> {
    let keep = match options.keep {
        0 => Keep::All,
        1 => Keep::Background,
        2 => Keep::None,
        other => return Err(FfiError::Misuse(format!("{other} is not a gani_keep"))),
    };
    let default = PasteOptions::default();
    let feather = match f64::from(options.feather) {
        0.0 => default.feather,
        feather if feather < 0.0 => 0.0,
        feather => feather,
    };
    Ok(PasteOptions { keep, feather, other_photo: options.other_photo != 0, mask, ..default })
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
        unsafe { handles::insert(session, FaceSessionObject::new(opened)) };
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
            key: object.1.as_ptr(),
            face: object.0.number as u32,
            steps: source.history.len() as u32,
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
pub(crate) unsafe fn read_edits(edits: *const gani_edit, count: usize) -> Result<Vec<Edit>, FfiError> {
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
            let text = format!("the strength of {direction} is {}; use a finite number", edit.strength);
            return Err(FfiError::Core(gani_core::Error::Input(text)));
        }
        Ok(Edit::new(direction, edit.strength))
    };
    edits.iter().map(convert).collect()
}
