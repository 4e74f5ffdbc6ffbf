//! The dialog's widgets, behind safe calls.

use super::{Layout, Panel};
use crate::host::functions::Gtk;
use crate::host::handles::{Config, Opaque, Widget};
use crate::host::{Host, c_text};
use crate::procedure::{Argument, Call, Kind};
use crate::settings::MODEL;
use crate::worker::VIEW;
use gani_core::bundle::{self, Bundle};
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{from_ref, null_mut};

/// GTK, of the main thread only like [`Host`].
pub struct Toolkit {
    gtk: Gtk,
    _host: Host,
    config: Config,
}

impl Toolkit {
    /// Opens GTK and connects to the display.
    pub fn open(host: Host, config: Config) -> Result<Toolkit, String> {
        let gtk = host.gtk()?;
        // SAFETY: a constant string; GIMP runs plug-ins interactively only where there is a display.
        unsafe { (gtk.gimp_ui_init)(c"gani-gimp".as_ptr()) };
        Ok(Toolkit { gtk, _host: host, config })
    }
}

/// What changes while the dialog is open.
pub struct Widgets {
    dialog: Widget,
    picture: Widget,
    before: Widget,
    status: Widget,
    bar: Widget,
    button: Widget,
}

impl Widgets {
    /// Builds the dialog: none where GTK makes no widgets.
    pub fn build(toolkit: &Toolkit, call: &Call, layout: &Layout) -> Option<Widgets> {
        let gtk = &toolkit.gtk;
        // SAFETY: every handle comes from the constructor before it and lives in the dialog, which is alive until `run`
        // ends; strings are constants or live through their calls; GTK copies them.
        unsafe {
            let dialog = (gtk.gimp_procedure_dialog_new)(call.procedure, call.config, layout.title.as_ptr())?;
            let columns = toolkit.row(18)?;
            let content = (gtk.gtk_dialog_get_content_area)(dialog)?;
            (gtk.gtk_box_pack_start)(content, columns, 1, 1, 6);

            let left = toolkit.column(8)?;
            (gtk.gtk_box_pack_start)(columns, left, 0, 0, 0);
            let picture = (gtk.gtk_image_new)()?;
            (gtk.gtk_widget_set_size_request)(picture, VIEW as c_int, VIEW as c_int);
            let before = (gtk.gtk_check_button_new_with_mnemonic)(c"Show the face _before".as_ptr())?;
            let bar = (gtk.gtk_progress_bar_new)()?;
            let status = (gtk.gtk_label_new)(c"".as_ptr())?;
            (gtk.gtk_label_set_line_wrap)(status, 1);
            (gtk.gtk_label_set_max_width_chars)(status, 48);
            (gtk.gtk_label_set_xalign)(status, 0.0);
            // Room for three lines, so that nothing jumps when the text changes.
            (gtk.gtk_widget_set_size_request)(status, VIEW as c_int, 64);
            let button = (gtk.gtk_button_new_with_mnemonic)(c"_Invert this face".as_ptr())?;
            let tip = c"Puts the face inside the model, so that the sliders can move it there. Done once for each face, model and quality";
            (gtk.gtk_widget_set_tooltip_text)(button, tip.as_ptr());
            (gtk.gtk_widget_set_sensitive)(button, 0);
            for widget in [picture, before, bar, status, button] {
                (gtk.gtk_box_pack_start)(left, widget, 0, 0, 0);
            }

            let right = toolkit.column(12)?;
            (gtk.gtk_box_pack_start)(columns, right, 1, 1, 0);
            let edits = toolkit.frame(c"Edit", right)?;
            for argument in layout.edits.iter().copied().flatten() {
                toolkit.argument(dialog, edits, argument)?;
            }
            let settings = toolkit.frame(c"Options", right)?;
            toolkit.models(dialog, settings)?;
            for argument in layout.settings.iter().copied().flatten() {
                toolkit.argument(dialog, settings, argument)?;
            }
            (gtk.gtk_widget_show_all)(columns);
            Some(Widgets { dialog, picture, before, status, bar, button })
        }
    }

    /// Shows the dialog until it is answered; whether by OK. The dialog is gone afterwards.
    pub fn run(&self, toolkit: &Toolkit, panel: &Panel<'_>) -> bool {
        const TICK: u32 = 40; // milliseconds
        let gtk = &toolkit.gtk;
        let data: Opaque = from_ref(panel).cast_mut().cast();
        // SAFETY: the panel outlives the dialog's loop; timer and signals, which point to it, are gone with that.
        // The callbacks have the signatures that GTK calls them with.
        unsafe {
            let pressed = on_pressed as unsafe extern "C" fn(Opaque, Opaque) as Opaque;
            let toggled = on_toggled as unsafe extern "C" fn(Opaque, Opaque) as Opaque;
            (gtk.g_signal_connect_data)(
                self.button.object(),
                c"clicked".as_ptr(),
                pressed,
                data,
                null_mut(),
                0,
            );
            (gtk.g_signal_connect_data)(
                self.before.object(),
                c"toggled".as_ptr(),
                toggled,
                data,
                null_mut(),
                0,
            );
            let timer = (gtk.g_timeout_add)(TICK, on_tick, data);
            let confirmed = (gtk.gimp_procedure_dialog_run)(self.dialog) != 0;
            (gtk.g_source_remove)(timer);
            (gtk.gtk_widget_destroy)(self.dialog);
            confirmed
        }
    }

    /// Shows RGB pixels, [`VIEW`] by [`VIEW`].
    pub fn picture(&self, toolkit: &Toolkit, pixels: &[u8]) {
        let (gtk, side) = (&toolkit.gtk, VIEW as c_int);
        if pixels.len() != 3 * VIEW * VIEW {
            return;
        }
        // SAFETY: the bytes are copied; the pixbuf holds a reference to the copy, the image one to the pixbuf.
        unsafe {
            let Some(bytes) = (gtk.g_bytes_new)(pixels.as_ptr(), pixels.len()) else { return };
            if let Some(pixbuf) = (gtk.gdk_pixbuf_new_from_bytes)(bytes, 0, 0, 8, side, side, 3 * side) {
                (gtk.gtk_image_set_from_pixbuf)(self.picture, pixbuf);
                (gtk.g_object_unref)(pixbuf.object());
            }
            (gtk.g_bytes_unref)(bytes);
        }
    }

    /// Whether the face before is to be shown.
    pub fn wants_original(&self, toolkit: &Toolkit) -> bool {
        // SAFETY: the widget is alive while the dialog runs, here and below.
        unsafe { (toolkit.gtk.gtk_toggle_button_get_active)(self.before) != 0 }
    }

    /// Says where the work is.
    pub fn status(&self, toolkit: &Toolkit, text: &str) {
        // SAFETY: as above.
        unsafe { (toolkit.gtk.gtk_label_set_text)(self.status, c_text(text).as_ptr()) };
    }

    /// How far the work is, 0 to 1.
    pub fn fraction(&self, toolkit: &Toolkit, fraction: f64) {
        // SAFETY: as above.
        unsafe { (toolkit.gtk.gtk_progress_bar_set_fraction)(self.bar, fraction.clamp(0.0, 1.0)) };
    }

    /// The work goes on, nobody knows how long.
    pub fn pulse(&self, toolkit: &Toolkit) {
        // SAFETY: as above.
        unsafe { (toolkit.gtk.gtk_progress_bar_pulse)(self.bar) };
    }

    /// Labels the button and lets it be pressed, or not.
    pub fn button(&self, toolkit: &Toolkit, label: &CStr, pressable: bool) {
        // SAFETY: as above.
        unsafe {
            (toolkit.gtk.gtk_button_set_label)(self.button, label.as_ptr());
            (toolkit.gtk.gtk_widget_set_sensitive)(self.button, c_int::from(pressable));
        }
    }
}

impl Toolkit {
    fn row(&self, spacing: c_int) -> Option<Widget> {
        // SAFETY: a plain constructor, here and below.
        unsafe { (self.gtk.gtk_box_new)(0, spacing) }
    }

    fn column(&self, spacing: c_int) -> Option<Widget> {
        // SAFETY: as above.
        unsafe { (self.gtk.gtk_box_new)(1, spacing) }
    }

    /// A titled group of rows in `parent`.
    fn frame(&self, title: &CStr, parent: Widget) -> Option<Widget> {
        let rows = self.column(4)?;
        // SAFETY: `parent` is a box of the dialog.
        unsafe {
            let frame = (self.gtk.gimp_frame_new)(title.as_ptr())?;
            (self.gtk.gtk_container_add)(frame, rows);
            (self.gtk.gtk_box_pack_start)(parent, frame, 0, 0, 0);
        }
        Some(rows)
    }

    /// The row that GIMP makes for an argument.
    fn argument(&self, dialog: Widget, rows: Widget, argument: &Argument) -> Option<()> {
        // SAFETY: `dialog` is the procedure's and keeps the widget; `rows`, a box, adds a reference of its own. GIMP's rows
        // are grids.
        unsafe {
            let widget = match argument.kind {
                Kind::Number { .. } => {
                    (self.gtk.gimp_procedure_dialog_get_scale_entry)(dialog, argument.name.as_ptr(), 1.0)
                }
                _ => (self.gtk.gimp_procedure_dialog_get_widget)(dialog, argument.name.as_ptr(), G_TYPE_NONE),
            }?;
            // Rows with an entry have 4 pixels where all others have 6.
            (self.gtk.gtk_grid_set_column_spacing)(widget, 6);
            (self.gtk.gtk_box_pack_start)(rows, widget, 0, 0, 0);
        }
        Some(())
    }

    /// The row with the installed models.
    fn models(&self, dialog: Widget, rows: Widget) -> Option<()> {
        const BOTH_WAYS_AND_NOW: u32 = 1 | 2; // G_BINDING_BIDIRECTIONAL | G_BINDING_SYNC_CREATE
        let gtk = &self.gtk;
        let row = self.row(6)?;
        // SAFETY: strings live through their calls; the binding ends with either of its objects.
        unsafe {
            let label = (gtk.gtk_label_new_with_mnemonic)(MODEL.label.as_ptr())?;
            (gtk.gtk_label_set_xalign)(label, 0.0);
            let combo = (gtk.gtk_combo_box_text_new)()?;
            (gtk.gtk_label_set_mnemonic_widget)(label, combo);
            (gtk.gtk_widget_set_tooltip_text)(combo, MODEL.help.as_ptr());
            let best = c_text(&format!("Best installed ({})", bundle::preferred()));
            (gtk.gtk_combo_box_text_append)(combo, c"".as_ptr(), best.as_ptr());
            for (name, opened) in Bundle::list() {
                let Ok(bundle) = opened else { continue };
                let text = c_text(&format!("{name}: {} px", bundle.size()));
                (gtk.gtk_combo_box_text_append)(combo, c_text(&name).as_ptr(), text.as_ptr());
            }
            let (model, active) = (MODEL.name.as_ptr(), c"active-id".as_ptr());
            (gtk.g_object_bind_property)(
                self.config.object(),
                model,
                combo.object(),
                active,
                BOTH_WAYS_AND_NOW,
            );
            // As wide as the labels of GIMP's own rows, of which the preset's is one.
            let preset = (gtk.gimp_procedure_dialog_get_widget)(dialog, c"preset".as_ptr(), G_TYPE_NONE)?;
            let same_width = (gtk.gtk_size_group_new)(1)?;
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
}

/// `G_TYPE_NONE`: the widget that GIMP finds best.
const G_TYPE_NONE: usize = 1 << 2;

/// Calls the panel; a fault of ours must not unwind into GTK.
///
/// # Safety
/// `data` is the panel that [`Widgets::run`] passed, which is still there.
unsafe fn with_panel(data: Opaque, act: impl FnOnce(&Panel<'_>)) {
    // SAFETY: by the caller.
    let panel = unsafe { &*data.cast::<Panel<'_>>() };
    // What was wrong is on standard error already; the dialog stays usable or can be cancelled.
    _ = catch_unwind(AssertUnwindSafe(|| act(panel)));
}

unsafe extern "C" fn on_tick(data: Opaque) -> c_int {
    // SAFETY: GLib passes what `run` gave it, until the timer is removed there.
    unsafe { with_panel(data, |panel| panel.tick()) };
    1 // go on
}

unsafe extern "C" fn on_pressed(_: Opaque, data: Opaque) {
    // SAFETY: as in `on_tick`, until the dialog is destroyed.
    unsafe { with_panel(data, |panel| panel.pressed()) };
}

unsafe extern "C" fn on_toggled(_: Opaque, data: Opaque) {
    // SAFETY: as above.
    unsafe { with_panel(data, |panel| panel.draw()) };
}
