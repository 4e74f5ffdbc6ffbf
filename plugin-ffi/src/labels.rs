//! Labels for the user interface of hosts: sliders and stages.

use crate::boundary::{FfiError, c_string, guard};
use crate::*;
use gani_core::edit::sliders::{self, SLIDERS, STRENGTHS};
use gani_core::invert::Stage;
use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::size_of;
use std::sync::LazyLock;

/// Calls `each` for every semantic direction of the face models, in the order of the sliders. Needs no model: a host can
/// build its dialog before it opens one. sigma is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_face_direction_list(
    each: gani_direction_fn,
    user_data: *mut c_void,
) -> gani_status {
    guard("gani_face_direction_list", || {
        let each = each.ok_or_else(|| FfiError::null("each"))?;
        for slider in &SLIDERS {
            // SAFETY: the caller's function and user_data.
            if !unsafe { call_with_direction(each, user_data, slider.direction, 1, 0.0) } {
                break;
            }
        }
        Ok(())
    })
}

/// Returns the label of a gani_stage for display, such as "tuning the generator"; "" for other values. The string is
/// static; do not free it.
#[unsafe(no_mangle)]
pub extern "C" fn gani_stage_label(stage: u32) -> *const c_char {
    static LABELS: LazyLock<[CString; 5]> = LazyLock::new(|| {
        [Stage::Find, Stage::Prepare, Stage::Refine, Stage::Tune, Stage::Finish]
            .map(|stage| c_string(stage.label()))
    });
    // The values of gani_stage start at 1 and have the order of `LABELS`.
    let index = (stage as usize).wrapping_sub(1);
    LABELS.get(index).map_or(c"".as_ptr(), |label| label.as_ptr())
}

/// Calls `each` with one direction and its labels. Returns whether to continue the enumeration.
///
/// # Safety
/// `each` may be called with `user_data`.
pub(crate) unsafe fn call_with_direction(
    each: unsafe extern "C" fn(*const gani_direction, *mut c_void) -> c_int,
    user_data: *mut c_void,
    name: &str,
    named: u32,
    sigma: f32,
) -> bool {
    let (label, help) = (c_string(&sliders::label(name)), c_string(sliders::help(name)));
    let name = c_string(name);
    let direction = gani_direction {
        struct_size: size_of::<gani_direction>(),
        name: name.as_ptr(),
        named,
        sigma,
        label: label.as_ptr(),
        help: help.as_ptr(),
        min_strength: *STRENGTHS.start(),
        max_strength: *STRENGTHS.end(),
    };
    // SAFETY: guaranteed by the caller; the struct and its strings outlive the call.
    unsafe { each(&direction, user_data) != 0 }
}
