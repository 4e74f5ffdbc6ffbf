//! Inversions as files and facts: open, save, describe, free.

use crate::boundary::{self, entry};
use crate::handles::{self, Object};
use crate::model::ModelObject;
use crate::sized;
use crate::*;
use gani_core::inversion::Inversion;
use gani_core::retouch::Retouch;
use std::ffi::c_char;
use std::mem::size_of;

/// An inversion with its generator loaded.
pub(crate) struct InversionObject(pub(crate) Retouch);

impl Object for InversionObject {
    type Opaque = gani_inversion;
    const KIND: &'static str = "an inversion";
}

/// Opens an inversion file that gani_inversion_save() or `gani invert` wrote.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_inversion_open(
    model: *const gani_model,
    path: *const c_char,
    inversion: *mut *mut gani_inversion,
) -> gani_status {
    entry("gani_inversion_open", || {
        // SAFETY: a string as the header asks for; the handle is written where the caller says.
        let path = unsafe {
            handles::clear(inversion, "inversion")?;
            boundary::path(path, "path")?
        };
        let model = handles::get::<ModelObject>(model)?;
        let retouch = Retouch::open(&model.model, Inversion::open(&path)?)?;
        // SAFETY: `clear` has written there.
        unsafe { handles::give(inversion, InversionObject(retouch)) };
        Ok(())
    })
}

/// Saves an inversion (.safetensors): whole, or not at all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_inversion_save(
    inversion: *const gani_inversion,
    path: *const c_char,
) -> gani_status {
    entry("gani_inversion_save", || {
        let object = handles::get::<InversionObject>(inversion)?;
        // SAFETY: a string as the header asks for.
        let path = unsafe { boundary::path(path, "path")? };
        Ok(object.0.inversion.save(&path)?)
    })
}

/// Fills `info`, whose struct_size the caller has set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_inversion_describe(
    inversion: *const gani_inversion,
    info: *mut gani_inversion_info,
) -> gani_status {
    entry("gani_inversion_describe", || {
        let object = handles::get::<InversionObject>(inversion)?;
        let about = &object.0.inversion.info;
        let mut place = [0.0; 8];
        let corners = about.alignment.iter().flat_map(|a| a.quad).flatten();
        place.iter_mut().zip(corners).for_each(|(to, from)| *to = from);
        let [photo_width, photo_height] = about.photo_size;
        let value = gani_inversion_info {
            struct_size: size_of::<gani_inversion_info>(),
            from_cache: object.0.from_cache.into(),
            has_place: about.alignment.is_some().into(),
            place,
            photo_width,
            photo_height,
            mse: about.metrics.mse,
            lpips: about.metrics.lpips.unwrap_or(f64::NAN),
            ms_ssim: about.metrics.ms_ssim.unwrap_or(f64::NAN),
            id: about.metrics.id.unwrap_or(f64::NAN),
        };
        // SAFETY: the caller's struct, of the size that it says.
        unsafe { sized::write(info, &value, "gani_inversion_info") }
    })
}

/// Frees an inversion; NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_inversion_free(inversion: *mut gani_inversion) -> gani_status {
    entry("gani_inversion_free", || handles::free::<InversionObject>(inversion))
}
