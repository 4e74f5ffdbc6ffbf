//! GTK and libgimpui: containers and rows of the dialog.

use crate::host::functions::GtkFunctions;
use crate::host::handles::{Config, Widget};
use crate::host::{ArgumentKind, ArgumentSpec, LibGimp, c_string};
use gani_core::bundle::{self, Bundle};
use std::ffi::{CStr, c_int};

/// GTK. Like [`LibGimp`], which it contains, it may only be called from the main thread.
pub struct Toolkit {
    /// The C functions.
    pub gtk: GtkFunctions,
    /// libgimp.
    pub gimp: LibGimp,
    /// The values of the arguments.
    pub config: Config,
}

/// `G_TYPE_NONE`: GIMP chooses the type of the widget.
const G_TYPE_NONE: usize = 1 << 2;

impl Toolkit {
    /// Opens GTK and connects to the display.
    ///
    /// # Errors
    /// The missing library or function.
    pub fn open(gimp: LibGimp, config: Config) -> Result<Toolkit, String> {
        let gtk = gimp.open_gtk()?;
        // SAFETY: the string is a constant. GIMP runs plug-ins interactively only if there is a display.
        unsafe { (gtk.gimp_ui_init)(c"gani-gimp".as_ptr()) };
        Ok(Toolkit { gtk, gimp, config })
    }

    /// A horizontal box.
    pub fn row(&self, spacing: c_int) -> Option<Widget> {
        // SAFETY: a constructor that takes no pointers.
        unsafe { (self.gtk.gtk_box_new)(0, spacing) }
    }

    /// A vertical box.
    pub fn column(&self, spacing: c_int) -> Option<Widget> {
        // SAFETY: as above.
        unsafe { (self.gtk.gtk_box_new)(1, spacing) }
    }

    /// Adds a titled frame to the box `parent` and returns the vertical box in it.
    pub fn frame(&self, title: &CStr, parent: Widget) -> Option<Widget> {
        let rows = self.column(4)?;
        // SAFETY: `parent` is a box of the dialog.
        unsafe {
            let frame = (self.gtk.gimp_frame_new)(title.as_ptr())?;
            (self.gtk.gtk_container_add)(frame, rows);
            (self.gtk.gtk_box_pack_start)(parent, frame, 0, 0, 0);
        }
        Some(rows)
    }

    /// Adds GIMP's row for an argument to the box `rows`.
    pub fn add_argument(&self, dialog: Widget, rows: Widget, argument: &ArgumentSpec) -> Option<()> {
        const COLUMN_SPACING: u32 = 6; // GIMP's default is 4 for sliders and 6 for all other rows.
        let name = c_string(&argument.name);
        // SAFETY: `dialog` is the procedure's dialog and owns the widget, which is a grid. The box `rows` adds a reference.
        unsafe {
            let widget = match argument.kind {
                ArgumentKind::Double { .. } => {
                    (self.gtk.gimp_procedure_dialog_get_scale_entry)(dialog, name.as_ptr(), 1.0)
                }
                _ => (self.gtk.gimp_procedure_dialog_get_widget)(dialog, name.as_ptr(), G_TYPE_NONE),
            }?;
            (self.gtk.gtk_grid_set_column_spacing)(widget, COLUMN_SPACING);
            (self.gtk.gtk_box_pack_start)(rows, widget, 0, 0, 0);
        }
        Some(())
    }

    /// A label, left-aligned, whose mnemonic leads to `widget`.
    pub fn label(&self, text: &str, widget: Widget) -> Option<Widget> {
        // SAFETY: GTK copies the string; `widget` is a widget of the dialog.
        unsafe {
            let label = (self.gtk.gtk_label_new_with_mnemonic)(c_string(text).as_ptr())?;
            (self.gtk.gtk_label_set_xalign)(label, 0.0);
            (self.gtk.gtk_label_set_mnemonic_widget)(label, widget);
            Some(label)
        }
    }

    /// Adds the list of installed models, bound to the argument `model`, to the box `rows`.
    pub fn add_models(&self, dialog: Widget, rows: Widget, model: &ArgumentSpec) -> Option<()> {
        const BIDIRECTIONAL_SYNC_CREATE: u32 = 1 | 2; // G_BINDING_BIDIRECTIONAL | G_BINDING_SYNC_CREATE
        const HORIZONTAL: c_int = 1; // GTK_SIZE_GROUP_HORIZONTAL
        let gtk = &self.gtk;
        let row = self.row(6)?;
        let combo = self.model_list(model)?;
        let label = self.label(&model.label, combo)?;
        let (name, active_id) = (c_string(&model.name), c"active-id");
        // SAFETY: the strings live until the calls return. The binding ends with either of its objects.
        unsafe {
            (gtk.g_object_bind_property)(
                self.config.object(),
                name.as_ptr(),
                combo.object(),
                active_id.as_ptr(),
                BIDIRECTIONAL_SYNC_CREATE,
            );
            // The label is as wide as those of GIMP's own rows, for example the preset's.
            let preset = (gtk.gimp_procedure_dialog_get_widget)(dialog, c"preset".as_ptr(), G_TYPE_NONE)?;
            let same_width = (gtk.gtk_size_group_new)(HORIZONTAL)?;
            for label in [label, (gtk.gimp_labeled_get_label)(preset)?] {
                (gtk.gtk_size_group_add_widget)(same_width, label);
            }
            (gtk.g_object_unref)(same_width.object());
            (gtk.gtk_box_pack_start)(row, label, 0, 0, 0);
            (gtk.gtk_box_pack_start)(row, combo, 1, 1, 0);
            (gtk.gtk_box_pack_start)(rows, row, 0, 0, 0);
        }
        Some(())
    }

    /// A combo box of the installed models. Its IDs are their names; the empty ID is the default model.
    fn model_list(&self, model: &ArgumentSpec) -> Option<Widget> {
        let gtk = &self.gtk;
        let default = c_string(&format!("Default ({})", bundle::default_name()));
        // SAFETY: GTK copies the strings, which live until the calls return.
        unsafe {
            let combo = (gtk.gtk_combo_box_text_new)()?;
            (gtk.gtk_widget_set_tooltip_text)(combo, c_string(model.help).as_ptr());
            (gtk.gtk_combo_box_text_append)(combo, c"".as_ptr(), default.as_ptr());
            for (name, opened) in Bundle::list() {
                let Ok(bundle) = opened else { continue };
                let tests = if bundle.manifest().for_tests { ", for tests" } else { "" };
                let text = c_string(&format!("{name}: {} px{tests}", bundle.resolution()));
                (gtk.gtk_combo_box_text_append)(combo, c_string(&name).as_ptr(), text.as_ptr());
            }
            Some(combo)
        }
    }
}
