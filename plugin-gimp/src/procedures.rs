//! The procedures that the plug-in offers.

mod about;
mod edit_face;
mod face_variations;

use crate::host::ProcedureSpec;

/// All procedures.
pub static ALL: [ProcedureSpec; 3] = [edit_face::SPEC, face_variations::SPEC, about::SPEC];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn mnemonics_of_a_dialog_are_distinct() {
        for procedure in &ALL {
            // `b`, `i`, `p`: the widgets below the preview. `c`, `o`, `r`, `s`: GIMP's own buttons.
            let mut seen = HashSet::from(['b', 'i', 'p', 'c', 'o', 'r', 's']);
            let labels: Vec<String> = (procedure.arguments)().into_iter().map(|a| a.label).collect();
            for (label, (_, rest)) in labels.iter().filter_map(|label| Some((label, label.split_once('_')?)))
            {
                assert!(rest.starts_with(|c: char| seen.insert(c.to_ascii_lowercase())), "{label}");
            }
            assert!(seen.len() > 15 || labels.is_empty(), "{labels:?}");
        }
    }
}
