//! Looks: list, save, remove.

use crate::boundary::{self, FfiError, c_string, guard};
use crate::face_session::read_edits;
use crate::*;
use gani_core::edit::looks::{Look, Looks, NamedLook};
use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::size_of;
use std::ptr;

/// Calls `each` for every look, sorted by name: those that come with gani and those of the user, whose files are in `gani/looks` in
/// the user's data folder. Those that cannot be read are among them, with the reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_look_list(each: gani_look_fn, user_data: *mut c_void) -> gani_status {
    guard("gani_look_list", || {
        let each = each.ok_or_else(|| FfiError::null("each"))?;
        for look in Looks::for_user()?.list() {
            // SAFETY: the caller's function and user_data.
            if !unsafe { call_with_look(each, user_data, &look) } {
                break;
            }
        }
        Ok(())
    })
}

/// Saves edits as the user's look `name`, with a title for display, which may be NULL. GANI_ERROR_INPUT if the user has a look of this
/// name and `overwrite` is 0, if a direction occurs twice, or if `name` cannot be the name of a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_look_save(
    name: *const c_char,
    title: *const c_char,
    edits: *const gani_edit,
    count: usize,
    overwrite: u32,
) -> gani_status {
    guard("gani_look_save", || {
        // SAFETY: strings and an array as the header requires.
        let (name, title, edits) = unsafe {
            let title = boundary::optional(title, "title")?.unwrap_or_default();
            (boundary::required(name, "name")?, title, read_edits(edits, count)?)
        };
        Looks::for_user()?.add(name, &Look::new(title, edits)?, overwrite != 0)?;
        Ok(())
    })
}

/// Removes the user's look `name`. GANI_ERROR_INPUT if there is none, or if it comes with gani.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_look_remove(name: *const c_char) -> gani_status {
    guard("gani_look_remove", || {
        // SAFETY: a string as the header requires.
        Looks::for_user()?.remove(unsafe { boundary::required(name, "name")? })?;
        Ok(())
    })
}

/// Calls `each` with one look. Returns whether to continue the enumeration.
///
/// # Safety
/// `each` may be called with `user_data`.
unsafe fn call_with_look(
    each: unsafe extern "C" fn(*const gani_look, *mut c_void) -> c_int,
    user_data: *mut c_void,
    found: &NamedLook,
) -> bool {
    let name = c_string(&found.name);
    let look = found.look.as_ref();
    let title = c_string(look.map_or("", |look| &look.title));
    let problem = look.err().map(|error| c_string(&error.to_string()));
    let edits = look.map_or(&[][..], |look| &look.edits);
    let directions: Vec<CString> = edits.iter().map(|edit| c_string(&edit.direction)).collect();
    let edits: Vec<gani_edit> = edits
        .iter()
        .zip(&directions)
        .map(|(edit, direction)| gani_edit { direction: direction.as_ptr(), strength: edit.strength })
        .collect();
    let look = gani_look {
        struct_size: size_of::<gani_look>(),
        name: name.as_ptr(),
        title: title.as_ptr(),
        problem: problem.as_ref().map_or(ptr::null(), |problem| problem.as_ptr()),
        edits: edits.as_ptr(),
        count: edits.len(),
        own: u32::from(found.file.is_some()),
    };
    // SAFETY: guaranteed by the caller; the struct, its strings and edits outlive the call.
    unsafe { each(&look, user_data) != 0 }
}
