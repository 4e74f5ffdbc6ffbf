//! The widgets of the dialog behind safe calls.

use super::layout::Layout;
use super::looks::LookRow;
use super::toolkit::Toolkit;
use crate::arguments;
use crate::host::handles::{Opaque, Widget};
use crate::host::{Call, c_string};
use crate::messages::PREVIEW_SIZE;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{from_ref, null_mut};

/// The button's label when it starts an inversion.
pub const INVERT_LABEL: &CStr = c"_Invert this face";
/// The button's label when it stops the inversion.
pub const STOP_LABEL: &CStr = c"Sto_p";

const INVERT_HELP: &CStr =
    c"Finds the latent and the weights with which the model reproduces this face, so that the sliders can edit it. Needed once \
      for each face, model and quality";

/// Receives the signals of the dialog, on the main thread.
pub trait Callbacks {
    /// Called every 40 ms.
    fn on_timer(&self);
    /// The button below the preview was clicked.
    fn on_button_clicked(&self);
    /// "Show the face before" was toggled.
    fn on_before_toggled(&self);
    /// The name of the look has changed.
    fn on_look_changed(&self);
    /// The look is to be saved.
    fn on_look_saved(&self);
    /// The look is to be removed.
    fn on_look_removed(&self);
}

/// The widgets that change while the dialog is open.
pub struct Widgets {
    dialog: Widget,
    image: Widget,
    before: Widget,
    progress_bar: Widget,
    status: Widget,
    note: Widget,
    button: Widget,
    /// The row of the looks, if the dialog has one.
    pub looks: Option<LookRow>,
}

impl Widgets {
    /// Builds the dialog; none if GTK cannot create a widget.
    pub fn build(toolkit: &Toolkit, call: &Call, layout: &Layout) -> Option<Widgets> {
        let gtk = &toolkit.gtk;
        // SAFETY: every widget comes from the constructor before it and belongs to the dialog, which lives until `run`
        // destroys it. GTK copies the strings.
        unsafe {
            let dialog = (gtk.gimp_procedure_dialog_new)(call.procedure, call.config, layout.title.as_ptr())?;
            let columns = toolkit.row(18)?;
            let content = (gtk.gtk_dialog_get_content_area)(dialog)?;
            (gtk.gtk_box_pack_start)(content, columns, 1, 1, 6);

            let left = toolkit.column(8)?;
            (gtk.gtk_box_pack_start)(columns, left, 0, 0, 0);
            let mut widgets = Widgets::build_preview(toolkit, dialog, left)?;

            // Side by side: below each other, they are higher than the screen of a small computer.
            let (middle, right) = (toolkit.column(0)?, toolkit.column(0)?);
            (gtk.gtk_box_pack_start)(columns, middle, 1, 1, 0);
            (gtk.gtk_box_pack_start)(columns, right, 0, 0, 0);
            let edits = toolkit.frame(c"Edit", middle)?;
            if layout.looks {
                widgets.looks = Some(LookRow::build(toolkit, edits)?);
            }
            for argument in &layout.edits {
                toolkit.add_argument(dialog, edits, argument)?;
            }
            let options = toolkit.frame(c"Options", right)?;
            toolkit.add_models(dialog, options, &arguments::model())?;
            for argument in &layout.options {
                toolkit.add_argument(dialog, options, argument)?;
            }
            (gtk.gtk_widget_show_all)(columns);
            Some(widgets)
        }
    }

    /// Fills the box `left` with the preview and the widgets below it.
    fn build_preview(toolkit: &Toolkit, dialog: Widget, left: Widget) -> Option<Widgets> {
        const STATUS_HEIGHT: c_int = 64; // three lines, so that the dialog keeps its size when the text changes
        let (gtk, width) = (&toolkit.gtk, PREVIEW_SIZE as c_int);
        // SAFETY: as in `build`.
        unsafe {
            let image = (gtk.gtk_image_new)()?;
            (gtk.gtk_widget_set_size_request)(image, width, width);
            let before = (gtk.gtk_check_button_new_with_mnemonic)(c"Show the face _before".as_ptr())?;
            let progress_bar = (gtk.gtk_progress_bar_new)()?;
            let (status, note) = ((gtk.gtk_label_new)(c"".as_ptr())?, (gtk.gtk_label_new)(c"".as_ptr())?);
            for label in [status, note] {
                (gtk.gtk_label_set_line_wrap)(label, 1);
                (gtk.gtk_label_set_max_width_chars)(label, 48);
                (gtk.gtk_label_set_xalign)(label, 0.0);
            }
            (gtk.gtk_widget_set_size_request)(status, width, STATUS_HEIGHT);
            let button = (gtk.gtk_button_new_with_mnemonic)(INVERT_LABEL.as_ptr())?;
            (gtk.gtk_widget_set_tooltip_text)(button, INVERT_HELP.as_ptr());
            (gtk.gtk_widget_set_sensitive)(button, 0);
            for widget in [image, before, progress_bar, status, button, note] {
                (gtk.gtk_box_pack_start)(left, widget, 0, 0, 0);
            }
            Some(Widgets { dialog, image, before, progress_bar, status, note, button, looks: None })
        }
    }

    /// Runs the dialog until the user closes it, then destroys it. Returns whether the user confirmed it.
    pub fn run(&self, toolkit: &Toolkit, callbacks: &dyn Callbacks) -> bool {
        const INTERVAL: u32 = 40; // milliseconds
        let gtk = &toolkit.gtk;
        let data: Opaque = from_ref(&callbacks).cast_mut().cast();
        // SAFETY: `data` points to a local that outlives the dialog's main loop; afterwards the timer is removed and the
        // signals end with their widgets. The handlers have the signatures with which GTK calls them.
        unsafe {
            let connect = |widget: Widget, signal: &CStr, handler: Handler| {
                let handler = handler as Opaque;
                (gtk.g_signal_connect_data)(widget.object(), signal.as_ptr(), handler, data, null_mut(), 0)
            };
            connect(self.button, c"clicked", on_clicked);
            connect(self.before, c"toggled", on_toggled);
            if let Some(looks) = self.looks {
                connect(looks.list, c"changed", on_look_changed);
                connect(looks.save, c"clicked", on_look_saved);
                connect(looks.remove, c"clicked", on_look_removed);
            }
            let timer = (gtk.g_timeout_add)(INTERVAL, on_timer, data);
            let confirmed = (gtk.gimp_procedure_dialog_run)(self.dialog) != 0;
            (gtk.g_source_remove)(timer);
            (gtk.gtk_widget_destroy)(self.dialog);
            confirmed
        }
    }

    /// Shows [`PREVIEW_SIZE`]² RGB pixels.
    pub fn set_image(&self, toolkit: &Toolkit, pixels: &[u8]) {
        const RGB: c_int = 0; // GDK_COLORSPACE_RGB
        let (gtk, side) = (&toolkit.gtk, PREVIEW_SIZE as c_int);
        if pixels.len() != 3 * PREVIEW_SIZE * PREVIEW_SIZE {
            return;
        }
        // SAFETY: GLib copies the bytes. The pixbuf holds a reference to the copy, and the image one to the pixbuf.
        unsafe {
            let Some(bytes) = (gtk.g_bytes_new)(pixels.as_ptr(), pixels.len()) else { return };
            if let Some(pixbuf) = (gtk.gdk_pixbuf_new_from_bytes)(bytes, RGB, 0, 8, side, side, 3 * side) {
                (gtk.gtk_image_set_from_pixbuf)(self.image, pixbuf);
                (gtk.g_object_unref)(pixbuf.object());
            }
            (gtk.g_bytes_unref)(bytes);
        }
    }

    /// Whether "Show the face before" is checked.
    pub fn shows_original(&self, toolkit: &Toolkit) -> bool {
        // SAFETY: the widgets are alive while the dialog runs, here and in the methods below.
        unsafe { (toolkit.gtk.gtk_toggle_button_get_active)(self.before) != 0 }
    }

    /// Sets the text below the progress bar.
    pub fn set_status(&self, toolkit: &Toolkit, text: &str) {
        // SAFETY: as above.
        unsafe { (toolkit.gtk.gtk_label_set_text)(self.status, c_string(text).as_ptr()) };
    }

    /// Sets the text below the button: what the user should know beside the status.
    pub fn set_note(&self, toolkit: &Toolkit, text: &str) {
        // SAFETY: as above.
        unsafe { (toolkit.gtk.gtk_label_set_text)(self.note, c_string(text).as_ptr()) };
    }

    /// Sets the completed part of the progress bar, 0 to 1.
    pub fn set_fraction(&self, toolkit: &Toolkit, fraction: f64) {
        // SAFETY: as above.
        unsafe { (toolkit.gtk.gtk_progress_bar_set_fraction)(self.progress_bar, fraction.clamp(0.0, 1.0)) };
    }

    /// Moves the progress bar while the completed part is unknown.
    pub fn pulse(&self, toolkit: &Toolkit) {
        // SAFETY: as above.
        unsafe { (toolkit.gtk.gtk_progress_bar_pulse)(self.progress_bar) };
    }

    /// Sets the button's label and whether it can be clicked.
    pub fn set_button(&self, toolkit: &Toolkit, label: &CStr, sensitive: bool) {
        // SAFETY: as above.
        unsafe {
            (toolkit.gtk.gtk_button_set_label)(self.button, label.as_ptr());
            (toolkit.gtk.gtk_widget_set_sensitive)(self.button, c_int::from(sensitive));
        }
    }
}

/// A handler of a signal without arguments.
type Handler = unsafe extern "C" fn(Opaque, Opaque);

/// Calls one of the callbacks. A panic must not unwind into GTK.
///
/// # Safety
/// `data` points to the `&dyn Callbacks` of [`Widgets::run`], which is still alive.
unsafe fn with_callbacks(data: Opaque, call: impl FnOnce(&dyn Callbacks)) {
    // SAFETY: guaranteed by the caller.
    let callbacks = unsafe { *data.cast::<&dyn Callbacks>() };
    // The panic's message is on standard error. The dialog stays open, and the user can cancel it.
    _ = catch_unwind(AssertUnwindSafe(|| call(callbacks)));
}

unsafe extern "C" fn on_timer(data: Opaque) -> c_int {
    const CONTINUE: c_int = 1; // G_SOURCE_CONTINUE
    // SAFETY: GLib passes the data of `run`, until `run` removes the timer.
    unsafe { with_callbacks(data, |callbacks| callbacks.on_timer()) };
    CONTINUE
}

unsafe extern "C" fn on_clicked(_: Opaque, data: Opaque) {
    // SAFETY: GLib passes the data of `run`, until `run` destroys the dialog.
    unsafe { with_callbacks(data, |callbacks| callbacks.on_button_clicked()) };
}

unsafe extern "C" fn on_toggled(_: Opaque, data: Opaque) {
    // SAFETY: as above.
    unsafe { with_callbacks(data, |callbacks| callbacks.on_before_toggled()) };
}

unsafe extern "C" fn on_look_changed(_: Opaque, data: Opaque) {
    // SAFETY: as above.
    unsafe { with_callbacks(data, |callbacks| callbacks.on_look_changed()) };
}

unsafe extern "C" fn on_look_saved(_: Opaque, data: Opaque) {
    // SAFETY: as above.
    unsafe { with_callbacks(data, |callbacks| callbacks.on_look_saved()) };
}

unsafe extern "C" fn on_look_removed(_: Opaque, data: Opaque) {
    // SAFETY: as above.
    unsafe { with_callbacks(data, |callbacks| callbacks.on_look_removed()) };
}
