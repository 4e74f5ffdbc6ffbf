//! The C functions of GLib, babl, GEGL, libgimp and GTK that the plug-in calls, with the signatures of their headers.

use super::handles::*;
use super::library::functions;
use std::ffi::{c_char, c_double, c_int, c_uint, c_ulong};

/// The libraries of [`GimpFunctions`].
#[cfg(not(windows))]
pub const GIMP_LIBRARIES: &[&str] = &[
    "libgimp-3.0.so.0",
    "libgegl-0.4.so.0",
    "libbabl-0.1.so.0",
    "libgobject-2.0.so.0",
    "libgio-2.0.so.0",
    "libglib-2.0.so.0",
];
/// The libraries of [`GtkFunctions`]. GTK needs a display, so only interactive runs open these.
#[cfg(not(windows))]
pub const GTK_LIBRARIES: &[&str] = &[
    "libgimpui-3.0.so.0",
    "libgimpwidgets-3.0.so.0",
    "libgtk-3.so.0",
    "libgdk_pixbuf-2.0.so.0",
    "libgobject-2.0.so.0",
    "libglib-2.0.so.0",
];
/// The libraries of [`GimpFunctions`].
#[cfg(windows)]
pub const GIMP_LIBRARIES: &[&str] = &[
    "libgimp-3.0-0.dll",
    "libgegl-0.4-0.dll",
    "libbabl-0.1-0.dll",
    "libgobject-2.0-0.dll",
    "libgio-2.0-0.dll",
    "libglib-2.0-0.dll",
];
/// The libraries of [`GtkFunctions`].
#[cfg(windows)]
pub const GTK_LIBRARIES: &[&str] = &[
    "libgimpui-3.0-0.dll",
    "libgimpwidgets-3.0-0.dll",
    "libgtk-3-0.dll",
    "libgdk_pixbuf-2.0-0.dll",
    "libgobject-2.0-0.dll",
    "libglib-2.0-0.dll",
];

functions! {
    /// The functions that every run needs.
    pub struct GimpFunctions {
        // GLib and GObject
        g_type_register_static_simple: unsafe extern "C" fn(GType, Text, c_uint, unsafe extern "C" fn(*mut PlugInClass, Opaque), c_uint, Opaque, c_uint) -> GType,
        g_type_query: unsafe extern "C" fn(GType, *mut GTypeQuery),
        g_list_append: unsafe extern "C" fn(*mut GList, *mut c_char) -> *mut GList,
        g_strdup: unsafe extern "C" fn(Text) -> *mut c_char,
        g_free: unsafe extern "C" fn(*mut c_char),
        g_object_get: unsafe extern "C" fn(Config, Text, ...),
        g_object_set: unsafe extern "C" fn(Config, Text, ...),
        g_object_unref: unsafe extern "C" fn(Opaque),
        g_value_set_object: unsafe extern "C" fn(Value, Opaque),
        g_value_set_boolean: unsafe extern "C" fn(Value, c_int),
        g_quark_from_static_string: unsafe extern "C" fn(Text) -> c_uint,
        g_error_new_literal: unsafe extern "C" fn(c_uint, c_int, Text) -> Option<GError>,
        // babl and GEGL
        babl_format_with_space: unsafe extern "C" fn(Text, Babl) -> Option<Babl>,
        babl_format_get_space: unsafe extern "C" fn(Babl) -> Option<Babl>,
        babl_format_get_type: unsafe extern "C" fn(Babl, c_int) -> Option<Babl>,
        babl_space_get_icc: unsafe extern "C" fn(Babl, *mut c_int) -> *const c_char,
        babl_get_name: unsafe extern "C" fn(Babl) -> Text,
        gegl_init: unsafe extern "C" fn(*mut c_int, Opaque),
        gegl_buffer_get: unsafe extern "C" fn(GeglBuffer, *const Rect, c_double, Babl, *mut u8, c_int, c_int),
        gegl_buffer_set: unsafe extern "C" fn(GeglBuffer, *const Rect, c_int, Babl, *const u8, c_int),
        gegl_buffer_copy: unsafe extern "C" fn(GeglBuffer, *const Rect, c_int, GeglBuffer, *const Rect),
        // libgimp: the plug-in and its procedures
        gimp_main: unsafe extern "C" fn(GType, c_int, *mut *mut c_char) -> c_int,
        gimp_plug_in_get_type: unsafe extern "C" fn() -> GType,
        gimp_plug_in_add_menu_branch: unsafe extern "C" fn(PlugIn, Text, Text),
        gimp_image_procedure_new: unsafe extern "C" fn(PlugIn, Text, c_int, RunImage, Opaque, Opaque) -> Option<Procedure>,
        gimp_procedure_get_name: unsafe extern "C" fn(Procedure) -> Text,
        gimp_procedure_set_image_types: unsafe extern "C" fn(Procedure, Text),
        gimp_procedure_set_sensitivity_mask: unsafe extern "C" fn(Procedure, c_int),
        gimp_procedure_set_menu_label: unsafe extern "C" fn(Procedure, Text),
        gimp_procedure_add_menu_path: unsafe extern "C" fn(Procedure, Text),
        gimp_procedure_set_documentation: unsafe extern "C" fn(Procedure, Text, Text, Text),
        gimp_procedure_set_attribution: unsafe extern "C" fn(Procedure, Text, Text, Text),
        gimp_procedure_add_int_argument: unsafe extern "C" fn(Procedure, Text, Text, Text, c_int, c_int, c_int, c_uint),
        gimp_procedure_add_double_argument: unsafe extern "C" fn(Procedure, Text, Text, Text, c_double, c_double, c_double, c_uint),
        gimp_procedure_add_string_argument: unsafe extern "C" fn(Procedure, Text, Text, Text, Text, c_uint),
        gimp_procedure_add_choice_argument: unsafe extern "C" fn(Procedure, Text, Text, Text, Choice, Text, c_uint),
        gimp_procedure_add_layer_return_value: unsafe extern "C" fn(Procedure, Text, Text, Text, c_int, c_uint),
        gimp_procedure_add_boolean_return_value: unsafe extern "C" fn(Procedure, Text, Text, Text, c_int, c_uint),
        gimp_procedure_new_return_values: unsafe extern "C" fn(Procedure, c_int, Option<GError>) -> Option<Values>,
        gimp_value_array_index: unsafe extern "C" fn(Values, c_int) -> Option<Value>,
        gimp_choice_new: unsafe extern "C" fn() -> Option<Choice>,
        gimp_choice_add: unsafe extern "C" fn(Choice, Text, c_int, Text, Text),
        // libgimp: images and layers
        gimp_item_get_name: unsafe extern "C" fn(Item) -> *mut c_char,
        gimp_item_is_layer: unsafe extern "C" fn(Item) -> c_int,
        gimp_item_is_group: unsafe extern "C" fn(Item) -> c_int,
        gimp_item_get_lock_content: unsafe extern "C" fn(Item) -> c_int,
        gimp_item_get_parent: unsafe extern "C" fn(Item) -> Option<Item>,
        gimp_item_set_visible: unsafe extern "C" fn(Item, c_int) -> c_int,
        gimp_drawable_is_rgb: unsafe extern "C" fn(Drawable) -> c_int,
        gimp_drawable_get_width: unsafe extern "C" fn(Drawable) -> c_int,
        gimp_drawable_get_height: unsafe extern "C" fn(Drawable) -> c_int,
        gimp_drawable_get_offsets: unsafe extern "C" fn(Drawable, *mut c_int, *mut c_int) -> c_int,
        gimp_drawable_get_format: unsafe extern "C" fn(Drawable) -> Option<Babl>,
        gimp_drawable_get_buffer: unsafe extern "C" fn(Drawable) -> Option<GeglBuffer>,
        gimp_drawable_get_shadow_buffer: unsafe extern "C" fn(Drawable) -> Option<GeglBuffer>,
        gimp_drawable_mask_intersect: unsafe extern "C" fn(Drawable, *mut c_int, *mut c_int, *mut c_int, *mut c_int) -> c_int,
        gimp_drawable_merge_shadow: unsafe extern "C" fn(Drawable, c_int) -> c_int,
        gimp_drawable_update: unsafe extern "C" fn(Drawable, c_int, c_int, c_int, c_int) -> c_int,
        gimp_layer_new: unsafe extern "C" fn(Image, Text, c_int, c_int, c_int, c_double, c_int) -> Option<Layer>,
        gimp_group_layer_new: unsafe extern "C" fn(Image, Text) -> Option<Layer>,
        gimp_layer_set_offsets: unsafe extern "C" fn(Layer, c_int, c_int) -> c_int,
        gimp_layer_create_mask: unsafe extern "C" fn(Layer, c_int) -> Option<Mask>,
        gimp_layer_add_mask: unsafe extern "C" fn(Layer, Mask) -> c_int,
        gimp_image_get_item_position: unsafe extern "C" fn(Image, Item) -> c_int,
        gimp_image_insert_layer: unsafe extern "C" fn(Image, Layer, Option<Item>, c_int) -> c_int,
        gimp_image_set_selected_layers: unsafe extern "C" fn(Image, *const Option<Drawable>) -> c_int,
        gimp_image_get_selection: unsafe extern "C" fn(Image) -> Option<Drawable>,
        gimp_selection_is_empty: unsafe extern "C" fn(Image) -> c_int,
        gimp_image_undo_group_start: unsafe extern "C" fn(Image) -> c_int,
        gimp_image_undo_group_end: unsafe extern "C" fn(Image) -> c_int,
        // libgimp: progress and messages
        gimp_progress_init: unsafe extern "C" fn(Text) -> c_int,
        gimp_progress_set_text: unsafe extern "C" fn(Text) -> c_int,
        gimp_progress_update: unsafe extern "C" fn(c_double) -> c_int,
        gimp_progress_pulse: unsafe extern "C" fn() -> c_int,
        gimp_progress_end: unsafe extern "C" fn() -> c_int,
        gimp_message: unsafe extern "C" fn(Text) -> c_int,
        gimp_displays_flush: unsafe extern "C" fn() -> c_int,
    }
}

functions! {
    /// The functions that the dialog needs.
    pub struct GtkFunctions {
        gimp_ui_init: unsafe extern "C" fn(Text),
        gimp_procedure_dialog_new: unsafe extern "C" fn(Procedure, Config, Text) -> Option<Widget>,
        gimp_procedure_dialog_get_scale_entry: unsafe extern "C" fn(Widget, Text, c_double) -> Option<Widget>,
        gimp_procedure_dialog_get_widget: unsafe extern "C" fn(Widget, Text, GType) -> Option<Widget>,
        gimp_procedure_dialog_run: unsafe extern "C" fn(Widget) -> c_int,
        gimp_labeled_get_label: unsafe extern "C" fn(Widget) -> Option<Widget>,
        gimp_frame_new: unsafe extern "C" fn(Text) -> Option<Widget>,
        g_object_unref: unsafe extern "C" fn(Opaque),
        g_object_bind_property: unsafe extern "C" fn(Opaque, Text, Opaque, Text, c_uint) -> Opaque,
        g_signal_connect_data: unsafe extern "C" fn(Opaque, Text, Opaque, Opaque, Opaque, c_uint) -> c_ulong,
        g_timeout_add: unsafe extern "C" fn(c_uint, unsafe extern "C" fn(Opaque) -> c_int, Opaque) -> c_uint,
        g_source_remove: unsafe extern "C" fn(c_uint) -> c_int,
        g_bytes_new: unsafe extern "C" fn(*const u8, usize) -> Option<Bytes>,
        g_bytes_unref: unsafe extern "C" fn(Bytes),
        gdk_pixbuf_new_from_bytes: unsafe extern "C" fn(Bytes, c_int, c_int, c_int, c_int, c_int, c_int) -> Option<Pixbuf>,
        gtk_dialog_get_content_area: unsafe extern "C" fn(Widget) -> Option<Widget>,
        gtk_size_group_new: unsafe extern "C" fn(c_int) -> Option<Widget>,
        gtk_size_group_add_widget: unsafe extern "C" fn(Widget, Widget),
        gtk_box_new: unsafe extern "C" fn(c_int, c_int) -> Option<Widget>,
        gtk_box_pack_start: unsafe extern "C" fn(Widget, Widget, c_int, c_int, c_uint),
        gtk_grid_set_column_spacing: unsafe extern "C" fn(Widget, c_uint),
        gtk_container_add: unsafe extern "C" fn(Widget, Widget),
        gtk_image_new: unsafe extern "C" fn() -> Option<Widget>,
        gtk_image_set_from_pixbuf: unsafe extern "C" fn(Widget, Pixbuf),
        gtk_label_new: unsafe extern "C" fn(Text) -> Option<Widget>,
        gtk_label_new_with_mnemonic: unsafe extern "C" fn(Text) -> Option<Widget>,
        gtk_label_set_mnemonic_widget: unsafe extern "C" fn(Widget, Widget),
        gtk_label_set_text: unsafe extern "C" fn(Widget, Text),
        gtk_label_set_line_wrap: unsafe extern "C" fn(Widget, c_int),
        gtk_label_set_max_width_chars: unsafe extern "C" fn(Widget, c_int),
        gtk_label_set_xalign: unsafe extern "C" fn(Widget, f32),
        gtk_progress_bar_new: unsafe extern "C" fn() -> Option<Widget>,
        gtk_progress_bar_set_fraction: unsafe extern "C" fn(Widget, c_double),
        gtk_progress_bar_pulse: unsafe extern "C" fn(Widget),
        gtk_button_new_with_mnemonic: unsafe extern "C" fn(Text) -> Option<Widget>,
        gtk_button_set_label: unsafe extern "C" fn(Widget, Text),
        gtk_check_button_new_with_mnemonic: unsafe extern "C" fn(Text) -> Option<Widget>,
        gtk_toggle_button_get_active: unsafe extern "C" fn(Widget) -> c_int,
        gtk_bin_get_child: unsafe extern "C" fn(Widget) -> Option<Widget>,
        gtk_combo_box_get_active: unsafe extern "C" fn(Widget) -> c_int,
        gtk_combo_box_text_new: unsafe extern "C" fn() -> Option<Widget>,
        gtk_combo_box_text_new_with_entry: unsafe extern "C" fn() -> Option<Widget>,
        gtk_combo_box_text_append: unsafe extern "C" fn(Widget, Text, Text),
        gtk_combo_box_text_remove_all: unsafe extern "C" fn(Widget),
        gtk_entry_get_text: unsafe extern "C" fn(Widget) -> Text,
        gtk_entry_set_text: unsafe extern "C" fn(Widget, Text),
        gtk_widget_set_size_request: unsafe extern "C" fn(Widget, c_int, c_int),
        gtk_widget_set_tooltip_text: unsafe extern "C" fn(Widget, Text),
        gtk_widget_set_sensitive: unsafe extern "C" fn(Widget, c_int),
        gtk_widget_show_all: unsafe extern "C" fn(Widget),
        gtk_widget_destroy: unsafe extern "C" fn(Widget),
    }
}
