//! The row of the looks: choose one, save the sliders as one, remove one.

use super::toolkit::Toolkit;
use crate::arguments;
use crate::error::Result;
use crate::host::c_string;
use crate::host::handles::Widget;
use crate::settings::{format_edits, read_sliders, write_sliders};
use gani_core::edit::looks::{Look, Looks, NamedLook};
use std::ffi::{CStr, c_int};

const HELP: &CStr = c"Choose a look to move the sliders to it, or type a name to save the sliders under. Looks are shared with \
                      `gani looks` and `gani edit --look`";

/// The widgets of the row.
#[derive(Clone, Copy)]
pub struct LookRow {
    /// The list of looks, with an entry for names.
    pub list: Widget,
    entry: Widget,
    /// The button that saves the sliders under the name in the entry.
    pub save: Widget,
    /// The button that removes the look of this name.
    pub remove: Widget,
}

impl LookRow {
    /// Adds the row to the box `rows`.
    pub fn build(toolkit: &Toolkit, rows: Widget) -> Option<LookRow> {
        let gtk = &toolkit.gtk;
        let row = toolkit.row(6)?;
        // SAFETY: every widget comes from the constructor before it and belongs to the row. GTK copies the strings.
        unsafe {
            let list = (gtk.gtk_combo_box_text_new_with_entry)()?;
            let entry = (gtk.gtk_bin_get_child)(list)?;
            let label = toolkit.label(&arguments::look().label, entry)?;
            let save = (gtk.gtk_button_new_with_mnemonic)(c"Save".as_ptr())?;
            let remove = (gtk.gtk_button_new_with_mnemonic)(c"Remove".as_ptr())?;
            (gtk.gtk_widget_set_tooltip_text)(entry, HELP.as_ptr());
            (gtk.gtk_box_pack_start)(row, label, 0, 0, 0);
            (gtk.gtk_box_pack_start)(row, list, 1, 1, 0);
            (gtk.gtk_box_pack_start)(row, save, 0, 0, 0);
            (gtk.gtk_box_pack_start)(row, remove, 0, 0, 0);
            (gtk.gtk_box_pack_start)(rows, row, 0, 0, 0);
            let built = LookRow { list, entry, save, remove };
            built.fill(toolkit);
            Some(built)
        }
    }

    /// Lists the usable looks, and clears the entry.
    fn fill(&self, toolkit: &Toolkit) {
        let gtk = &toolkit.gtk;
        // SAFETY: the widgets are alive while the dialog is, here and below. GTK copies the strings.
        unsafe {
            (gtk.gtk_combo_box_text_remove_all)(self.list);
            for look in looks().iter().filter(|look| look.look.is_ok()) {
                let name = c_string(&look.name);
                (gtk.gtk_combo_box_text_append)(self.list, name.as_ptr(), name.as_ptr());
            }
            (gtk.gtk_entry_set_text)(self.entry, c"".as_ptr());
        }
        self.update_buttons(toolkit);
    }

    /// The name in the entry.
    fn name(&self, toolkit: &Toolkit) -> String {
        // SAFETY: the entry owns the string, which is copied before the entry changes.
        unsafe { CStr::from_ptr((toolkit.gtk.gtk_entry_get_text)(self.entry)) }
            .to_string_lossy()
            .trim()
            .into()
    }

    /// Shows what the buttons would do with the name in the entry.
    fn update_buttons(&self, toolkit: &Toolkit) {
        let name = self.name(toolkit);
        let own = looks().iter().any(|look| look.name == name && look.file.is_some());
        // SAFETY: as above.
        unsafe {
            let label = if own { c"Replace" } else { c"Save" };
            (toolkit.gtk.gtk_button_set_label)(self.save, label.as_ptr());
            (toolkit.gtk.gtk_widget_set_sensitive)(self.save, c_int::from(!name.is_empty()));
            (toolkit.gtk.gtk_widget_set_sensitive)(self.remove, c_int::from(own));
        }
    }

    /// The entry has changed. If the user has chosen a look, the sliders move to it. Returns what to tell the user.
    pub fn on_changed(&self, toolkit: &Toolkit) -> Result<Option<String>> {
        self.update_buttons(toolkit);
        // SAFETY: as above.
        let chosen = unsafe { (toolkit.gtk.gtk_combo_box_get_active)(self.list) } >= 0;
        if !chosen {
            return Ok(None);
        }
        let look = Looks::for_user()?.get(&self.name(toolkit))?;
        write_sliders(toolkit.gimp, toolkit.config, &look.edits);
        Ok(Some(if look.title.is_empty() { format_edits(&look.edits) } else { look.title }))
    }

    /// Saves the sliders under the name in the entry. Returns what to tell the user.
    pub fn on_save(&self, toolkit: &Toolkit) -> Result<String> {
        let name = self.name(toolkit);
        let look = Look::new("", read_sliders(toolkit.gimp, toolkit.config)?)?;
        // The button says whether a look is replaced.
        Looks::for_user()?.add(&name, &look, true)?;
        self.fill(toolkit);
        Ok(format!("The look “{name}” was saved."))
    }

    /// Removes the user's look with the name in the entry. Returns what to tell the user.
    pub fn on_remove(&self, toolkit: &Toolkit) -> Result<String> {
        let name = self.name(toolkit);
        Looks::for_user()?.remove(&name)?;
        self.fill(toolkit);
        Ok(format!("The look “{name}” was removed."))
    }
}

fn looks() -> Vec<NamedLook> {
    Looks::for_user().map(|looks| looks.list()).unwrap_or_default()
}
