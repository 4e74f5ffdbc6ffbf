//! The procedures that the plug-in offers.

mod edit_face;
mod face_variations;

use crate::host::ProcedureSpec;

/// All procedures.
pub static ALL: [ProcedureSpec; 2] = [edit_face::SPEC, face_variations::SPEC];
